"""Finite feature maps whose products approximate kernels."""
