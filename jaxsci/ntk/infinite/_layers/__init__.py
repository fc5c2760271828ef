"""Layers of infinitely wide networks."""
