"""Molecules of H, C, N and O: small ones to learn from, and larger ones to test."""

import itertools
from typing import NamedTuple

import numpy as np

LARGEST_LEARNED = 4  # heavy atoms
SIZES_TESTED = 5, 6, 7, 8
# Ångström: atoms of two joined molecules, without those of the new bond, are no closer.
_APART = 1.9
_TURNS = 36  # tried around a new bond


class Structure(NamedTuple):
    """Symbols and positions in ångström."""

    name: str
    symbols: tuple[str, ...]
    positions: np.ndarray

    @property
    def heavy(self) -> int:
        """Atoms other than hydrogen."""
        return sum(s != "H" for s in self.symbols)

    @property
    def atoms(self) -> list[tuple[str, tuple[float, ...]]]:
        """As `molecule` takes them."""
        return list(zip(self.symbols, map(tuple, self.positions.tolist()), strict=True))

    def distorted(self, rng: np.random.Generator, by: float) -> "Structure":
        """Every coordinate moved by a normal deviate."""
        moved = self.positions + by * rng.standard_normal(self.positions.shape)
        return self._replace(positions=moved)


def g2() -> list[Structure]:
    """The closed shells of the G2/97 test set with these elements, as ASE has them."""
    from ase.build import molecule
    from ase.data.g2 import data

    found = []
    for name in sorted(data):
        atoms = molecule(name)
        closed = not np.any(atoms.get_initial_magnetic_moments()) and name != "C"
        if closed and set(atoms.get_chemical_symbols()) <= set("HCNO"):
            found.append(Structure(name, tuple(atoms.get_chemical_symbols()), atoms.positions))
    return found


def tested(count: int) -> list[Structure]:
    """Molecules with 5 to 8 heavy atoms: those of `g2`, and others joined from two of it."""
    known = [s for s in g2() if s.name != "CH2_s1A1d"]  # carbenes are for other methods
    found = [s for s in known if s.heavy > LARGEST_LEARNED]
    rng, names = np.random.default_rng(1), set()
    size = itertools.cycle(SIZES_TESTED)
    wanted = next(size)
    while len(found) < count:
        parts = [known[i] for i in rng.choice(len(known), 2)]
        if sum(p.heavy for p in parts) != wanted:
            continue
        made = joined(parts[0], parts[1], rng)
        if made is not None and made.name not in names:
            names.add(made.name)
            found.append(made)
            wanted = next(size)
    return found[:count]


def joined(a: Structure, b: Structure, rng: np.random.Generator) -> Structure | None:
    """Two molecules with a bond in place of a hydrogen of each, or None where they would clash."""
    from ase.data import atomic_numbers, covalent_radii

    first, second = _hydrogen(a, rng), _hydrogen(b, rng)
    if first is None or second is None:
        return None
    (h, x), (k, y) = first, second
    radius = [covalent_radii[atomic_numbers[s.symbols[i]]] for s, i in ((a, x), (b, y))]
    if {a.symbols[x], b.symbols[y]} <= {"N", "O"}:  # rare, and weak
        return None
    axis = a.positions[h] - a.positions[x]
    axis /= np.linalg.norm(axis)
    theirs = b.positions[k] - b.positions[y]
    turn = _onto(theirs / np.linalg.norm(theirs), -axis)
    fixed = np.delete(a.positions - a.positions[x], h, axis=0)
    placed = np.delete((b.positions - b.positions[y]) @ turn.T, k, axis=0)
    away = sum(radius) * axis
    poses = [placed @ _about(axis, 2 * np.pi * t / _TURNS).T + away for t in range(_TURNS)]
    own, other = x - (h < x), y - (k < y)

    def closest(pose):
        between = np.linalg.norm(fixed[:, None] - pose[None], axis=-1)
        # The two ends are bonded, and their neighbours are at the distance of an angle.
        return np.delete(np.delete(between, own, 0), other, 1).min(initial=np.inf)

    pose = max(poses, key=closest)
    if closest(pose) < _APART:
        return None
    symbols = [s for i, s in enumerate(a.symbols) if i != h]
    symbols += [s for i, s in enumerate(b.symbols) if i != k]
    return Structure(f"{a.name}+{b.name}", tuple(symbols), np.concatenate([fixed, pose]))


def _hydrogen(s: Structure, rng) -> tuple[int, int] | None:
    """A hydrogen, and the heavy atom that it is bonded to."""
    hydrogens = [i for i, symbol in enumerate(s.symbols) if symbol == "H"]
    heavy = [i for i, symbol in enumerate(s.symbols) if symbol != "H"]
    if not hydrogens or not heavy:
        return None
    h = int(rng.choice(hydrogens))
    return h, min(heavy, key=lambda i: np.linalg.norm(s.positions[i] - s.positions[h]))


def _onto(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The shortest rotation of the unit vector u onto v."""
    normal = np.cross(u, v)
    if np.linalg.norm(normal) < 1e-9:
        if u @ v > 0:
            return np.eye(3)
        aside = np.eye(3)[np.argmin(np.abs(u))]
        normal = np.cross(u, aside)
        return _about(normal / np.linalg.norm(normal), np.pi)
    angle = float(np.arctan2(np.linalg.norm(normal), u @ v))
    return _about(normal / np.linalg.norm(normal), angle)


def _about(axis: np.ndarray, angle: float) -> np.ndarray:
    """The rotation about a unit vector."""
    cross = np.cross(np.eye(3), axis)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
