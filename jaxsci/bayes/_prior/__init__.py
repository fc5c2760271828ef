"""Priors of functions: of parameters, and matched to samplers of functions."""
