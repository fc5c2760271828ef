"""Crystals that several tests use."""

import itertools

import numpy as np

import jaxsci as jsci

FACES = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def crystal(base, a, symbol, repeat=1):
    """Atoms at fractions of a cubic cell, repeated along each axis."""
    cells = np.array(list(itertools.product(range(repeat), repeat=3)))
    fraction = (np.asarray(base)[None] + cells[:, None]).reshape(-1, 3) / repeat
    cell = repeat * a * np.eye(3)
    return jsci.atoms.Atoms(fraction @ cell, [symbol] * len(fraction), cell)


def silicon(repeat=1, a=5.43095):
    return crystal(np.concatenate([FACES, FACES + 0.25]), a, "Si", repeat)


def argon(repeat=1, a=5.3):
    return crystal(FACES, a, "Ar", repeat)
