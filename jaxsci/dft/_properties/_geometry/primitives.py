"""Distances, angles, linear bends, dihedrals and positions of atoms, with their derivatives."""

import dataclasses

import numpy as np

# Indices of a kind of coordinate, one row each: (i, j) for distances, (i, j, k) for angles at j ...
Indices = np.ndarray


def _no(columns: int) -> Indices:
    return np.zeros((0, columns), int)


@dataclasses.dataclass(frozen=True)
class Primitives:
    """A set of internal coordinates q(x), in this order.

    - `distances` (n, 2), `angles` (n, 3), `dihedrals` (n, 4): numbers of atoms.
    - `bends` (n, 3), `axes` (n, 3): a bend of a linear angle towards a fixed axis.
    - `places` (n, 2): an atom and one of its Cartesian components.
    """

    distances: Indices = dataclasses.field(default_factory=lambda: _no(2))
    angles: Indices = dataclasses.field(default_factory=lambda: _no(3))
    dihedrals: Indices = dataclasses.field(default_factory=lambda: _no(4))
    bends: Indices = dataclasses.field(default_factory=lambda: _no(3))
    axes: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 3)))
    places: Indices = dataclasses.field(default_factory=lambda: _no(2))

    def values(self, x: np.ndarray) -> np.ndarray:
        """q (Bohr, radians) at positions x (atoms, 3) in Bohr."""
        atom, component = self.places.T
        return np.concatenate(
            [
                np.linalg.norm(_between(x, self.distances, 0, 1), axis=1),
                _angles(x, self.angles),
                _dihedrals(x, self.dihedrals),
                _bends(x, self.bends, self.axes),
                x[atom, component],
            ]
        )

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """B = ∂q/∂x, (coordinates, 3 atoms)."""
        atom, component = self.places.T
        unit = np.eye(3)[component][:, None]
        kinds = [
            (self.distances, _distance_slopes(x, self.distances)),
            (self.angles, _angle_slopes(x, self.angles)),
            (self.dihedrals, _dihedral_slopes(x, self.dihedrals)),
            (self.bends, _bend_slopes(x, self.bends, self.axes)),
            (atom[:, None], unit),
        ]
        return np.concatenate([_scattered(i, b, len(x)) for i, b in kinds])

    def difference(self, q: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """q - origin, dihedrals the shorter way round."""
        change = q - origin
        first = len(self.distances) + len(self.angles)
        turned = slice(first, first + len(self.dihedrals))
        change[turned] = (change[turned] + np.pi) % (2 * np.pi) - np.pi
        return change


def _between(x, index, a, b):
    return x[index[:, a]] - x[index[:, b]]


def _unit(v):
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return v / length, length


def _angles(x, index):
    u, v = _unit(_between(x, index, 0, 1))[0], _unit(_between(x, index, 2, 1))[0]
    return np.arctan2(np.linalg.norm(np.cross(u, v), axis=1), np.sum(u * v, axis=1))


def _dihedrals(x, index):
    f, g, h = _between(x, index, 0, 1), _between(x, index, 1, 2), _between(x, index, 3, 2)
    a, b = np.cross(f, g), np.cross(h, g)
    sine = np.sum(np.cross(b, a) * g, axis=1) / np.linalg.norm(g, axis=1)
    return np.arctan2(sine, np.sum(a * b, axis=1))


def _bends(x, index, axes):
    u, v = _unit(_between(x, index, 0, 1))[0], _unit(_between(x, index, 2, 1))[0]
    return np.sum(axes * (u + v), axis=1)


def _distance_slopes(x, index):
    u, _ = _unit(_between(x, index, 0, 1))
    return np.stack([u, -u], axis=1)


def _angle_slopes(x, index):
    (u, p), (v, q) = _unit(_between(x, index, 0, 1)), _unit(_between(x, index, 2, 1))
    cosine = np.sum(u * v, axis=1, keepdims=True)
    sine = np.linalg.norm(np.cross(u, v), axis=1, keepdims=True)
    first, last = (cosine * u - v) / (p * sine), (cosine * v - u) / (q * sine)
    return np.stack([first, -first - last, last], axis=1)


def _dihedral_slopes(x, index):
    """Blondel & Karplus, J. Comput. Chem. 17, 1132 (1996), equation 27."""
    f, g, h = _between(x, index, 0, 1), _between(x, index, 1, 2), _between(x, index, 3, 2)
    a, b = np.cross(f, g), np.cross(h, g)
    length = np.linalg.norm(g, axis=1, keepdims=True)
    a, b = (n / np.sum(n**2, axis=1, keepdims=True) for n in (a, b))
    first, last = -length * a, length * b
    across = (
        np.sum(f * g, axis=1, keepdims=True) * a - np.sum(h * g, axis=1, keepdims=True) * b
    ) / (length)
    return np.stack([first, across - first, -across - last, last], axis=1)


def _bend_slopes(x, index, axes):
    (u, p), (v, q) = _unit(_between(x, index, 0, 1)), _unit(_between(x, index, 2, 1))
    first = (axes - u * np.sum(u * axes, axis=1, keepdims=True)) / p
    last = (axes - v * np.sum(v * axes, axis=1, keepdims=True)) / q
    return np.stack([first, -first - last, last], axis=1)


def _scattered(index, slopes, atoms):
    """(n, members, 3) placed in (n, 3 atoms)."""
    rows = np.zeros((len(slopes), atoms, 3))
    each = np.arange(len(slopes))
    for member in range(slopes.shape[1]):
        np.add.at(rows, (each, index[:, member]), slopes[:, member])
    return rows.reshape(len(slopes), 3 * atoms)
