"""Derivatives of the energy: forces, Hessians, moments, polarisabilities."""
