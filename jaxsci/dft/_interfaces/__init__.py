"""Doors to other programs: PySCF and ASE."""
