"""Spectra: vibrations with their thermochemistry, and electronic excitations."""
