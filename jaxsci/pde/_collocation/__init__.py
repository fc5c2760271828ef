"""Solving for coefficients at points: features, rows of equations, slabs in time, eigenpairs."""
