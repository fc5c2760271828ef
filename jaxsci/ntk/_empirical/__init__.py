"""Tangent kernels of finite models, and what they predict."""
