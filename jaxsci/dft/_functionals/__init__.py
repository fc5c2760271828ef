"""Functionals with parameters, and functionals of the whole density."""
