"""Functionals that learn: from energies, dimers, other functionals and exact conditions."""
