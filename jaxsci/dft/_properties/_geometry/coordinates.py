"""Redundant internal coordinates of a molecule, and a model of its Hessian in them."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from .primitives import Primitives

# Two atoms are bonded below this many times the sum of their covalent radii.
_BONDED = 1.3
# Angles above this (radians, 170 degrees) are bent towards two axes instead.
_LINEAR = 2.967
# Angles (radians) this close to straight have no derivative, and dihedrals over them no value.
_UNDEFINED = 1e-3
# Three angles around an atom that add up to more (radians, 345 degrees) are nearly in a plane.
_PLANAR = 6.021
# Singular values of B (distances in Bohr, angles in radians) below this count as zero.
SMALLEST_SLOPE = 1e-3
# Hartree/Bohr² or Hartree/radian²: of an atom's position, of an atom out of the plane of its
# neighbours, and the least of any coordinate.
_PLACE, _IMPROPER, _SOFTEST = 0.05, 0.045, 0.002
# Lindh's reference distances (Bohr) and exponents between rows of the periodic table.
_REFERENCE = np.array([[1.35, 2.10, 2.53], [2.10, 2.87, 3.40], [2.53, 3.40, 3.40]])
_EXPONENT = np.array([[1.0, 0.3949, 0.3949], [0.3949, 0.28, 0.28], [0.3949, 0.28, 0.28]])
_STRETCH, _BEND, _TORSION = 0.45, 0.15, 0.005

# (i, j): a distance, (i, j, k): an angle at j, (i, j, k, l): a dihedral about j-k.
Coordinate = Sequence[int]


@dataclasses.dataclass(frozen=True)
class Internals:
    """Internal coordinates, which of them are held, and a diagonal model of the Hessian."""

    primitives: Primitives
    held: np.ndarray
    stiffness: np.ndarray


def internals(
    x: np.ndarray, elements: np.ndarray, fixed: Sequence[int], held: Sequence[Coordinate]
) -> Internals:
    """Bonds, angles and dihedrals; positions of the fixed atoms; what is held besides.

    Where they do not span all motions, as for the torsion of a linear chain, positions are added.

    **Source:** Lindh et al., Chem. Phys. Lett. 241, 423 (1995), for the Hessian.
    """
    bonds = _bonds(x, elements)
    angles, bends, axes = _angles(x, bonds)
    impropers = _impropers(x, bonds)
    dihedrals = _dihedrals(x, bonds) + impropers
    chosen: dict[int, list] = {2: bonds, 3: angles, 4: dihedrals}
    for coordinate in held:
        kind = chosen[len(coordinate)]
        if not any(_same(coordinate, other) for other in kind):
            kind.append(tuple(coordinate))
    places = [(atom, component) for atom in fixed for component in range(3)]
    found = _primitives(bonds, angles, dihedrals, bends, axes, places)
    rank = np.sum(np.linalg.svd(found.slopes(x), compute_uv=False) > SMALLEST_SLOPE)
    if rank < x.size - (5 if _is_linear(x) else 6):
        places = [(atom, component) for atom in range(len(x)) for component in range(3)]
        found = _primitives(bonds, angles, dihedrals, bends, axes, places)
    return Internals(
        found, _which_held(found, fixed, held), _stiffness(x, elements, found, impropers)
    )


def _primitives(bonds, angles, dihedrals, bends, axes, places) -> Primitives:
    def table(rows, columns):
        return np.array(rows, int).reshape(-1, columns)

    return Primitives(
        table(bonds, 2),
        table(angles, 3),
        table(dihedrals, 4),
        table(bends, 3),
        np.array(axes, float).reshape(-1, 3),
        table(places, 2),
    )


def _same(a: Coordinate, b: Coordinate) -> bool:
    return tuple(a) in (tuple(b), tuple(b)[::-1])


def _which_held(found: Primitives, fixed, held) -> np.ndarray:
    def is_held(rows):
        return [any(_same(row, coordinate) for coordinate in held) for row in rows.tolist()]

    places = [atom in set(fixed) for atom, _ in found.places.tolist()]
    flags = [is_held(k) for k in (found.distances, found.angles, found.dihedrals)]
    return np.array([*itertools.chain(*flags), *([False] * len(found.bends)), *places], bool)


def _radii(elements: np.ndarray) -> np.ndarray:
    """Covalent radii in Bohr; a ghost has that of hydrogen."""
    from pyscf.data import radii

    return np.array([radii.COVALENT[max(int(z), 1)] for z in elements])


def bonded(x: np.ndarray, elements: np.ndarray) -> list[tuple[int, ...]]:
    """Pairs of atoms that are close."""
    radii = _radii(elements)
    distance = np.linalg.norm(x[:, None] - x, axis=-1)
    return [
        (i, j)
        for i, j in itertools.combinations(range(len(x)), 2)
        if distance[i, j] < _BONDED * (radii[i] + radii[j])
    ]


def _bonds(x: np.ndarray, elements: np.ndarray) -> list[tuple[int, ...]]:
    """Pairs of atoms that are close, and the shortest between fragments that are not."""
    distance = np.linalg.norm(x[:, None] - x, axis=-1)
    bonds = bonded(x, elements)
    while True:
        fragment = fragments(len(x), bonds)
        apart = fragment[:, None] != fragment
        if not apart.any():
            return bonds
        i, j = np.unravel_index(np.argmin(np.where(apart, distance, np.inf)), apart.shape)
        bonds.append((int(min(i, j)), int(max(i, j))))


def fragments(atoms: int, bonds) -> np.ndarray:
    """The least atom that each atom is connected to."""
    least = np.arange(atoms)
    for _ in range(atoms):
        for i, j in bonds:
            least[[i, j]] = min(least[i], least[j])
    return least


def neighbours(atoms: int, bonds) -> list[list[int]]:
    """The atoms that each atom is bonded to."""
    found: list[list[int]] = [[] for _ in range(atoms)]
    for i, j in bonds:
        found[i].append(j)
        found[j].append(i)
    return found


def _angle(x, i, j, k) -> float:
    return float(Primitives(angles=np.array([[i, j, k]])).values(x)[0])


def _angles(x, bonds):
    """Angles, and two bends with their axes for each that is nearly straight."""
    angles, bends, axes = [], [], []
    for j, around in enumerate(neighbours(len(x), bonds)):
        for i, k in itertools.combinations(sorted(around), 2):
            if _angle(x, i, j, k) < _LINEAR:
                angles.append((i, j, k))
            else:
                bends += [(i, j, k)] * 2
                axes += across(x[k] - x[i])
    return angles, bends, axes


def across(v: np.ndarray) -> list[np.ndarray]:
    """Two unit vectors perpendicular to v and to each other."""
    first = np.cross(v, np.eye(3)[np.argmin(np.abs(v))])
    first /= np.linalg.norm(first)
    second = np.cross(v, first)
    return [first, second / np.linalg.norm(second)]


def _bent(x, i, j, k, l) -> bool:
    """Whether a dihedral is defined."""
    return all(np.pi - _LINEAR < _angle(x, *t) < _LINEAR for t in ((i, j, k), (j, k, l)))


def _dihedrals(x, bonds) -> list[tuple[int, ...]]:
    around = neighbours(len(x), bonds)
    return [
        (i, j, k, l)
        for j, k in bonds
        for i in around[j]
        for l in around[k]
        if len({i, j, k, l}) == 4 and _bent(x, i, j, k, l)
    ]


def _impropers(x, bonds) -> list[tuple[int, ...]]:
    """For each atom nearly in the plane of its three neighbours, how far it is out of it."""
    found = []
    for j, around in enumerate(neighbours(len(x), bonds)):
        pairs = itertools.combinations(around, 2)
        if len(around) == 3 and sum(_angle(x, a, j, b) for a, b in pairs) > _PLANAR:
            orders = ((a, j, b, c) for a, b, c in itertools.permutations(sorted(around)))
            found += itertools.islice((order for order in orders if _bent(x, *order)), 1)
    return found


def _is_linear(x: np.ndarray) -> bool:
    return np.linalg.matrix_rank(x - x.mean(0), tol=1e-3) < 2


def _stiffness(x, elements, found: Primitives, impropers) -> np.ndarray:
    """Lindh's force constants: products of exp(α (r₀² - r²)) over the bonds of a coordinate.

    Short bonds do not stiffen angles and dihedrals: there each factor is at most 1.
    """
    row = np.digitize(elements, (3, 11))
    reference, exponent = _REFERENCE[row[:, None], row], _EXPONENT[row[:, None], row]
    distance2 = np.sum((x[:, None] - x) ** 2, axis=-1)
    strength = np.exp(exponent * (reference**2 - distance2))

    def along(index, constant, largest=1.0):
        pairs = itertools.pairwise(range(index.shape[1]))
        shares = [np.minimum(strength[index[:, a], index[:, b]], largest) for a, b in pairs]
        return constant * np.prod(shares, axis=0)

    torsions = along(found.dihedrals, _TORSION)
    out_of_plane = {tuple(i) for i in impropers}
    torsions[[tuple(i) in out_of_plane for i in found.dihedrals.tolist()]] = _IMPROPER
    kinds = [
        along(found.distances, _STRETCH, np.inf),
        along(found.angles, _BEND),
        torsions,
        along(found.bends, _BEND),
        np.full(len(found.places), _PLACE),
    ]
    return np.maximum(np.concatenate(kinds), _SOFTEST)


def check_coordinate(coordinate: Coordinate, atoms: int, name: str) -> tuple[int, ...]:
    """Two, three or four different atoms, or a `ValueError`."""
    found = tuple(int(i) for i in np.ravel(coordinate))
    if not (2 <= len(found) <= 4 and len(set(found)) == len(found)):
        raise ValueError(
            f"{name} {coordinate!r}: give two different atoms for a distance, three for an angle "
            "at the second, four for a dihedral about the middle two."
        )
    if min(found) < 0 or max(found) >= atoms:
        raise ValueError(f"{name} {coordinate!r}: atoms are numbered from 0 to {atoms - 1}.")
    return found


def check_bent(x: np.ndarray, coordinate: Coordinate, name: str) -> None:
    """Refuse an angle that is straight, and a dihedral over one."""
    for i, j, k in zip(coordinate, coordinate[1:], coordinate[2:], strict=False):
        angle = _angle(x, i, j, k)
        if not _UNDEFINED < angle < np.pi - _UNDEFINED:
            raise ValueError(
                f"{name} {tuple(coordinate)}: atoms {i}, {j} and {k} are in a line, "
                f"{np.rad2deg(angle):.2f} degrees, where it is not defined: take distances, or "
                "bend the molecule first."
            )
