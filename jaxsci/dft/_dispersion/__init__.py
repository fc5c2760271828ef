"""Dispersion between atoms from their positions: D3 and D4."""
