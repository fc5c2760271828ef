"""Residuals, objectives and optimisers."""
