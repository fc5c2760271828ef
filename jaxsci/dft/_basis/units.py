"""Conversions from Hartree atomic units, in which everything inside `dft` is."""

# As in PySCF (CODATA 2010; 2014 for the electronvolt), so that the same .xyz file gives the same
# geometry to all digits.
BOHR_IN_ANGSTROM = 0.52917721092
HARTREE_IN_EV = 27.21138602
HARTREE_IN_KCAL_PER_MOL = 627.509474
DIPOLE_IN_DEBYE = 2.541746415744903
