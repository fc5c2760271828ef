"""Equations and their conditions, as residuals or built into the trial function."""
