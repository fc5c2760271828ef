"""Constants in eV, Å, dalton, femtoseconds and kelvin (CODATA 2018)."""

ELECTRONVOLT = 1.602176634e-19  # joule
DALTON = 1.66053906660e-27  # kilogram
BOLTZMANN = 8.617333262e-5  # eV/K
PLANCK = 4.135667696e-3  # eV/THz
# The acceleration of a dalton by one eV/Å, in Å/fs².
ACCELERATION = ELECTRONVOLT / DALTON * 1e-10
EV_PER_CUBIC_ANGSTROM_IN_GPA = ELECTRONVOLT * 1e21
# The frequency in THz of an eigenvalue of one eV/(Å² dalton).
FREQUENCY = (ELECTRONVOLT / DALTON) ** 0.5 * 1e10 / (2 * 3.141592653589793) * 1e-12
COULOMB = 14.399645478  # e²/4πε₀, eV Å
