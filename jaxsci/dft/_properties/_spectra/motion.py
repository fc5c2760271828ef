"""Masses, moments of inertia and the symmetry number of a rigid molecule."""

from collections.abc import Sequence

import numpy as np

from ..._system.molecule import Molecule

# Moments of inertia below this (dalton Bohr²) are those of a line, or of a point. That of triplet
# methylene is 0.8, and that of carbon dioxide bent by one degree 3e-3.
_NO_MOMENT = 1e-2
# Distances (Bohr) up to which a turned molecule counts as the same.
_SAME = 0.05


def masses_of(molecule: Molecule, given: Sequence[float] | None) -> np.ndarray:
    """Masses of the atoms in daltons: those given, or the averages of the elements.

    **Raises:** `ValueError` for ghosts, which have none, and masses that are not one positive
    number for each atom.
    """
    from pyscf.data import elements

    atoms = int(np.sum(molecule.atom_mask))
    numbers = np.asarray(molecule.libcint.elements)[:atoms]
    if not numbers.all():
        raise ValueError(f"atom {int(np.argmin(numbers))} is a ghost, which cannot vibrate.")
    if given is not None:
        masses = np.asarray(given, float)
        if masses.shape != (atoms,) or not (np.isfinite(masses) & (masses > 0)).all():
            raise ValueError(
                f"masses are {atoms} positive numbers (daltons), one for each atom, got {given!r}."
            )
        return masses
    return np.array([elements.MASSES[z] for z in numbers])


def centred(x: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Positions from the centre of mass."""
    return x - masses @ x / masses.sum()


def moments_of_inertia(x: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """The moments that are not zero, in dalton Bohr²: three, two for a line, none for an atom."""
    x = centred(x, masses)
    tensor = np.sum(masses * np.sum(x**2, axis=1)) * np.eye(3) - (x.T * masses) @ x
    moments = np.linalg.eigvalsh(tensor)
    return moments[moments > _NO_MOMENT]


def rigid_motions(x: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """An orthonormal basis (rows) of shifts and turns, in mass-weighted coordinates."""
    x, root = centred(x, masses), np.sqrt(masses)[:, None]
    axes = np.eye(3)
    motions = [root * axis for axis in axes] + [root * np.cross(axis, x) for axis in axes]
    flat = np.reshape(motions, (6, -1))
    _, _, v = np.linalg.svd(flat, full_matrices=False)
    turns = len(moments_of_inertia(x, masses))
    return v[: 3 + turns]


def symmetry_number(x: np.ndarray, numbers: np.ndarray, masses: np.ndarray) -> int:
    """The number of rotations that turn the molecule into itself, isotopes told apart."""
    x = centred(x, masses)
    count = len(moments_of_inertia(x, masses))
    _, numbers = np.unique(np.stack([numbers, masses], axis=1), axis=0, return_inverse=True)
    if count < 3:
        return 2 if count == 2 and _same(-x, x, numbers) else 1
    first = int(np.argmax(np.linalg.norm(x, axis=1)))
    second = int(np.argmax(np.linalg.norm(np.cross(x[first], x), axis=1)))
    frame = _frame(x[first], x[second])
    turns = 0
    for a in np.flatnonzero(numbers == numbers[first]):
        for b in np.flatnonzero(numbers == numbers[second]):
            if _alike(x[a], x[b], x[first], x[second]):
                turned = x @ frame @ _frame(x[a], x[b]).T
                turns += _same(turned, x, numbers)
    return turns


def _frame(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Orthonormal columns, the first along a, the second in the plane of a and b."""
    u = a / np.linalg.norm(a)
    v = b - u * (u @ b)
    v /= np.linalg.norm(v)
    return np.stack([u, v, np.cross(u, v)], axis=1)


def _alike(a, b, first, second) -> bool:
    """Whether two pairs of positions are the same triangle with the centre."""
    return all(
        abs(np.linalg.norm(p) - np.linalg.norm(q)) < _SAME
        for p, q in ((a, first), (b, second), (a - b, first - second))
    )


def _same(moved: np.ndarray, x: np.ndarray, numbers: np.ndarray) -> bool:
    """Whether each atom lies where an atom of its element was."""
    distance = np.linalg.norm(moved[:, None] - x, axis=-1)
    distance = np.where(numbers[:, None] == numbers, distance, np.inf)
    return bool(np.all(distance.min(axis=1) < _SAME))
