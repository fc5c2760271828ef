"""The SCF loop: energies, Kohn-Sham matrices, convergence, response."""
