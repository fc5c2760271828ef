"""Samples of a density: Langevin dynamics, and whether they have converged."""
