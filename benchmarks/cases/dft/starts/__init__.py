"""Learned initial guesses: densities and Kohn-Sham matrices."""
