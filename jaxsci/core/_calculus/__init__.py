"""Derivatives of fields at one point: functions to functions."""
