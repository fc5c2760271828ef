"""Peers of the filters of series."""
