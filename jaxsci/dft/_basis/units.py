"""Conversions from Hartree atomic units, in which everything inside `dft` is."""

# As in PySCF (CODATA 2010; 2014 for the electronvolt), so that the same .xyz file gives the same
# geometry to all digits.
BOHR_IN_ANGSTROM = 0.52917721092
HARTREE_IN_EV = 27.21138602
HARTREE_IN_KCAL_PER_MOL = 627.509474
HARTREE_IN_WAVENUMBERS = 219474.6313705  # cm⁻¹
DALTON_IN_ELECTRON_MASSES = 1822.888486
KELVIN_IN_HARTREE = 3.1668114e-6
PASCAL_IN_ATOMIC_UNITS = 3.3989309e-14  # Hartree/Bohr³
# km/mol of a squared derivative of the dipole moment in a mass-weighted coordinate, e²/dalton.
INFRARED_IN_KM_PER_MOL = 974.8801
