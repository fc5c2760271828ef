"""Forecasts: one step of a model after the other, in training and afterwards."""
