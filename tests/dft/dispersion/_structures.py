"""Twenty sets of atoms: molecules, and clusters of elements from hydrogen to radon."""

import numpy as np

from jaxsci.dft._basis.elements import NUMBERS

# Positions in ångström.
_MOLECULES = {
    "H2O": """
        O 0.000 0.000 0.119
        H 0.000 0.763 -0.477
        H 0.000 -0.763 -0.477
    """,
    "NH3": """
        N 0.000 0.000 0.116
        H 0.000 0.940 -0.272
        H 0.814 -0.470 -0.272
        H -0.814 -0.470 -0.272
    """,
    "CH3OH": """
        C -0.047 0.664 0.000
        O -0.047 -0.759 0.000
        H -1.093 0.970 0.000
        H 0.879 -1.048 0.000
        H 0.437 1.080 0.892
        H 0.437 1.080 -0.892
    """,
    "C6H6": """
        C 0.000 1.395 0.000
        C 1.208 0.698 0.000
        C 1.208 -0.698 0.000
        C 0.000 -1.395 0.000
        C -1.208 -0.698 0.000
        C -1.208 0.698 0.000
        H 0.000 2.482 0.000
        H 2.150 1.241 0.000
        H 2.150 -1.241 0.000
        H 0.000 -2.482 0.000
        H -2.150 -1.241 0.000
        H -2.150 1.241 0.000
    """,
    "CH3CH2NH2": """
        C 1.210 -0.354 0.000
        C 0.000 0.576 0.000
        N -1.305 -0.087 0.000
        H 2.149 0.208 0.000
        H 1.202 -0.998 0.885
        H 1.202 -0.998 -0.885
        H 0.035 1.231 -0.876
        H 0.035 1.231 0.876
        H -1.372 -0.698 0.813
        H -1.372 -0.698 -0.813
    """,
    "SiH4": """
        Si 0.000 0.000 0.000
        H 0.856 0.856 0.856
        H -0.856 -0.856 0.856
        H -0.856 0.856 -0.856
        H 0.856 -0.856 -0.856
    """,
    "SO2": """
        S 0.000 0.000 0.370
        O 0.000 1.278 -0.370
        O 0.000 -1.278 -0.370
    """,
    "CH3SH": """
        C -0.048 1.150 0.000
        S -0.048 -0.665 0.000
        H 1.283 -0.823 0.000
        H -1.093 1.461 0.000
        H 0.432 1.551 0.892
        H 0.432 1.551 -0.892
    """,
    "NaCl": """
        Na 0.000 0.000 -1.452
        Cl 0.000 0.000 0.939
    """,
    "C2Cl4": """
        C 0.000 0.000 0.675
        C 0.000 0.000 -0.675
        Cl 0.000 1.449 1.590
        Cl 0.000 -1.449 1.590
        Cl 0.000 -1.449 -1.590
        Cl 0.000 1.449 -1.590
    """,
    "AlCl3": """
        Al 0.000 0.000 0.000
        Cl 0.000 2.069 0.000
        Cl 1.792 -1.035 0.000
        Cl -1.792 -1.035 0.000
    """,
    "LiF": """
        Li 0.000 0.000 -1.175
        F 0.000 0.000 0.392
    """,
    "HOCl": """
        O 0.037 1.114 0.000
        H -0.918 1.329 0.000
        Cl 0.037 -0.602 0.000
    """,
    "C5H5N": """
        N 0.000 0.000 1.425
        C 0.000 0.000 -1.386
        C 0.000 1.144 0.720
        C 0.000 -1.144 0.720
        C 0.000 -1.196 -0.673
        C 0.000 1.196 -0.673
        H 0.000 0.000 -2.473
        H 0.000 2.061 1.307
        H 0.000 -2.061 1.307
        H 0.000 -2.155 -1.183
        H 0.000 2.155 -1.183
    """,
}


def _molecule(text, rng):
    rows = [line.split() for line in text.split("\n") if line.strip()]
    positions = np.array([[float(x) for x in row[1:]] for row in rows]) / 0.529177
    elements = np.array([NUMBERS[row[0]] for row in rows])
    return elements, positions + 0.05 * rng.standard_normal(positions.shape)


def _cluster(rng):
    n = 12
    corners = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 3)[:n]
    return rng.integers(1, 87, n), 4.2 * corners + rng.uniform(-0.6, 0.6, (n, 3))


def structures():
    """Pairs of atomic numbers and positions in Bohr, slightly off every symmetry."""
    rng = np.random.default_rng(0)
    molecules = [_molecule(text, rng) for text in _MOLECULES.values()]
    return molecules + [_cluster(rng) for _ in range(20 - len(molecules))]


def stacked(of_structures):
    """The same as two arrays, filled up with element 0 far away."""
    size = max(len(z) for z, _ in of_structures)
    elements = np.stack([np.pad(z, (0, size - len(z))) for z, _ in of_structures])
    positions = np.full((len(of_structures), size, 3), 1e2) * (1 + np.arange(size))[:, None]
    for row, (z, x) in zip(positions, of_structures, strict=True):
        row[: len(z)] = x
    return elements, positions
