"""Points: random, low-discrepancy, adaptive, and quadrature."""
