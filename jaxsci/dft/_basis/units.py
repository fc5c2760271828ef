"""Units: everything inside `dft` is in Hartree atomic units; these convert at the border."""

# CODATA 2010, as in PySCF, so that the same .xyz file gives the same geometry to all digits.
BOHR_IN_ANGSTROM = 0.52917721092
HARTREE_IN_EV = 27.21138602
HARTREE_IN_KCAL_PER_MOL = 627.509474
DIPOLE_IN_DEBYE = 2.541746415744903
