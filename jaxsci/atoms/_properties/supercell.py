"""Repeated cells."""

import itertools

import numpy as np

from .._structure.atoms import Atoms


def repeated(atoms: Atoms, repeats: tuple[int, int, int]) -> tuple[Atoms, np.ndarray]:
    """A supercell, cell by cell, and the lattice vector of each cell in whole numbers."""
    cells = np.array(list(itertools.product(*map(range, repeats))))
    cell = np.asarray(atoms.cell, float)
    positions = (np.asarray(atoms.positions)[None] + (cells @ cell)[:, None]).reshape(-1, 3)
    numbers = np.tile(np.asarray(atoms.numbers), len(cells))
    return Atoms(positions, numbers, cell * np.array(repeats)[:, None]), cells


def nearest_images(
    atoms: Atoms, supercell: Atoms, cells: np.ndarray, repeats: tuple[int, int, int]
) -> list[tuple[int, int, int, np.ndarray, float]]:
    """For each atom of the first cell and each of the supercell, the nearest images of the latter.

    Each with the number of its own cell's lattice vector; images equally near share the weight.
    """
    n = len(atoms.numbers)
    cell, home = np.asarray(atoms.cell, float), np.asarray(supercell.positions)
    around = np.array(list(itertools.product((-1, 0, 1), repeat=3))) * np.array(repeats)
    # A skewed supercell may have its nearest image further away than one cell.
    around = np.unique(np.concatenate([around, 2 * around]), axis=0)
    rows = []
    for i in range(n):
        for k in range(len(home)):
            lattice = cells[k // n] + around
            length = np.linalg.norm(home[k % n] + lattice @ cell - home[i], axis=1)
            nearest = np.flatnonzero(length < length.min() + 1e-5)
            rows += [(i, k // n, k % n, lattice[m], 1 / len(nearest)) for m in nearest]
    return rows
