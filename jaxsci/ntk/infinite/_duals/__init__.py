"""Dual activations: expectations over two correlated Gaussian variables."""
