"""What D3 and D4 know of the elements, up to radon; row 0 is no element.

`tables.npz` is written by `.ci/dispersion_tables` from tad-dftd3, tad-dftd4, tad-mctc and
tad-multicharge of the Grimme group, whose licence is Apache-2.0.

**Source:** Grimme, Antony, Ehrlich & Krieg, J. Chem. Phys. 132, 154104 (2010); Caldeweyher et al.,
J. Chem. Phys. 150, 154122 (2019); Pyykkö & Atsumi, Chem. Eur. J. 15, 186 (2009) for the radii.
"""

import functools
import math
from importlib import resources
from typing import NamedTuple

import numpy as np

LAST_ELEMENT = 86

# Imaginary frequencies of the polarisabilities of D4, in Hartree.
_FREQUENCIES = (
    (1e-6, 0.05, *(0.1 * k for k in range(1, 11)), 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0, 5.0)
    + (7.5, 10.0)
)  # fmt: skip


class D3Table(NamedTuple):
    """Coordination numbers of the references (-1: none), C₆ of pairs of them, and radii."""

    cn: np.ndarray  # (Z, references)
    c6: np.ndarray  # (Z, Z, references, references)
    pair_radius: np.ndarray  # (Z, Z)


class D4Table(NamedTuple):
    """References of each element, and what scales them with the charge of the atom.

    `alpha` holds √(3 w/π) α(iω), so that a sum over ω of the product of two is their C₆.
    """

    cn: np.ndarray  # (Z, references)
    gaussians: np.ndarray  # (Z, references), number of Gaussians of a reference, 0 for none
    charge: np.ndarray  # (Z, references)
    alpha: np.ndarray  # (Z, references, frequencies)
    hardness: np.ndarray  # (Z,)
    valence: np.ndarray  # (Z,), the effective charge of the nucleus
    electronegativity: np.ndarray  # (Z,)


class ChargeTable(NamedTuple):
    """Electronegativity, its dependence on the coordination, hardness and width of each element."""

    chi: np.ndarray
    kcn: np.ndarray
    eta: np.ndarray
    rad: np.ndarray


@functools.cache
def _stored() -> dict[str, np.ndarray]:
    with (
        (resources.files("jaxsci.dft._dispersion") / "tables.npz").open("rb") as file,
        np.load(file) as tables,
    ):
        return dict(tables)


def covalent_radii() -> np.ndarray:
    """4/3 of the covalent radius of each element, in Bohr."""
    return _stored()["covalent_radius"]


def r4_over_r2() -> np.ndarray:
    """√(½ √Z ⟨r⁴⟩/⟨r²⟩) of each element: the ratio of C₈ to C₆ is three times a product of two."""
    return _stored()["r4_over_r2"]


@functools.cache
def d3_table() -> D3Table:
    stored = _stored()
    cn = stored["d3_cn"]
    element, number = np.nonzero(cn >= 0)
    c6 = np.zeros((len(cn), len(cn), cn.shape[1], cn.shape[1]))
    c6[element[:, None], element, number[:, None], number] = _symmetric(stored["d3_c6"])
    return D3Table(cn, c6, _symmetric(stored["pair_radius"]))


@functools.cache
def d4_table() -> D4Table:
    stored = _stored()
    steps = np.diff(_FREQUENCIES)
    weights = 0.5 * (np.append(steps, 0) + np.insert(steps, 0, 0))  # of the trapezoidal rule
    return D4Table(
        cn=stored["d4_cn"],
        gaussians=stored["d4_gaussians"],
        charge=stored["d4_charge"],
        alpha=np.sqrt(3 / math.pi * weights) * stored["d4_alpha"],
        hardness=stored["hardness"],
        valence=stored["valence"],
        electronegativity=stored["electronegativity"],
    )


@functools.cache
def charge_table() -> ChargeTable:
    return ChargeTable(*(_stored()[f"eeq_{name}"] for name in ChargeTable._fields))


def _symmetric(upper: np.ndarray) -> np.ndarray:
    """The symmetric matrix of an upper triangle."""
    n = math.isqrt(2 * len(upper))
    full = np.zeros((n, n))
    full[np.triu_indices(n)] = upper
    return full + np.triu(full, 1).T
