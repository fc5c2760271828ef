"""Attention: averages over points, the layer that computes them, and pointers to points."""
