"""Peers of potentials of atoms, and the program that labels molecules."""
