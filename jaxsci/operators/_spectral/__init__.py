"""Spectral expansions and the layers that act on their coefficients."""
