"""Models that predict densities and Kohn-Sham matrices, as initial guesses."""
