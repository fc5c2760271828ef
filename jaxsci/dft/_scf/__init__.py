"""The self-consistent field: energies, Kohn-Sham matrices, convergence, response."""
