"""Derivatives of pair potentials in the positions of the nuclei, by libcint on the host."""

from collections.abc import Mapping

import numpy as np

from .._basis.libcint import Libcint, to_mole
from .integral_gradients import by_atom

# Points per call of libcint: 24 n² bytes per point.
_BLOCK = 256


def pair_potential_gradient(
    ranges: Mapping[str, float | None],
    tables: Libcint,
    coordinates: np.ndarray,
    atoms: np.ndarray,
    points: np.ndarray,
    owner: np.ndarray,
    slopes: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Σ_g,ij ∂E/∂ν_ij(r_g) ∇ν_ij(r_g) for each atom, with which its points move.

        dν_ij(r)/dR_A = -⟨∇i|w|j⟩ (i on A) - ⟨i|w|∇j⟩ (j on A),   dν_ij(r)/dr = ⟨∇i|w|j⟩ + ⟨i|w|∇j⟩

    **Arguments:** `slopes` holds ∂E/∂ν over pairs i ≥ j for each name in `ranges`, which has the
    range separation. All may be padded at the end.
    """
    coordinates = np.asarray(coordinates)
    mol = to_mole(tables, coordinates, int(atoms))
    n = mol.nao_nr()
    points, owner = np.asarray(points), np.asarray(owner)
    rows, columns = np.tril_indices(n)
    gradient = np.zeros(coordinates.shape)
    for name, omega in ranges.items():
        of_pairs = np.asarray(slopes[name])
        used = np.flatnonzero(of_pairs.any(axis=1))
        if not len(used):
            continue  # these may be those of another molecule
        # Half of each pair to (i, j), half to (j, i).
        of_pairs = of_pairs[:, : len(rows)] * np.where(rows == columns, 1, 0.5)
        with mol.with_range_coulomb(omega or 0.0):
            for start in range(0, len(used), _BLOCK):
                block = used[start : start + _BLOCK]
                weight = np.zeros((len(block), n, n))
                weight[:, rows, columns] = of_pairs[block]
                weight[:, columns, rows] = of_pairs[block]
                integrals = mol.intor("int1e_grids_ip", grids=points[block])
                moved = 2 * np.einsum("xgij,gij->xgi", integrals, weight)
                gradient[: mol.natm] -= by_atom(mol, moved.sum(1))
                np.add.at(gradient, owner[block], moved.sum(2).T)
    return gradient
