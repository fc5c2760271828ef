"""Elastic constants and equations of state."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._structure.atoms import Atoms, moved, strained
from .._structure.graph import Graph
from .._structure.units import EV_PER_CUBIC_ANGSTROM_IN_GPA
from .properties import Properties

_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_COLUMNS = 12  # derivatives that are taken at once


def elastic_constants(
    f: Callable[..., Properties],
    params: PyTree,
    atoms: Atoms,
    graph: Graph,
    *,
    relaxed: bool = True,
) -> Float[Array, "6 6"]:
    """The elastic constants of a crystal, with its atoms free to follow the strain.

        C = (1/V) (E_εε - E_εR E_RR⁻¹ E_Rε)

    The second term is what the atoms relax by, from one linear system: nothing is relaxed step by
    step.

    **Arguments:**

    - `f`: `f(params, atoms, graph)`, of `properties`.
    - `params`: its parameters.
    - `atoms`: one cell, relaxed with its cell.
    - `graph`: its neighbours.
    - `relaxed`: with the second term; without it, atoms move with the strain alone.

    **Returns:** (6, 6), GPa, in the order xx, yy, zz, yz, xz, xy, for engineering strains
    (γ_yz = 2 ε_yz).

    **Raises:** `ValueError` for a molecule.

    **Notes:** derivatives are with respect to the symmetric strain of `properties`. If stress is
    left, definitions of elastic constants differ by its components.

    ```python
    jsci.atoms.elastic_constants(f, params, salt, graph).shape
    ```
    """
    if atoms.cell is None:
        raise ValueError("elastic_constants() needs a crystal: a molecule has no volume.")
    second = _second_derivatives(f, params, atoms, graph)
    strains, mixed, positions = second[:6, :6], second[:6, 6:], second[6:, 6:]
    if relaxed:
        strains = strains - mixed @ _solve(positions, mixed.T, atoms)
    return EV_PER_CUBIC_ANGSTROM_IN_GPA / atoms.volume * 0.5 * (strains + strains.T)


@eqx.filter_jit
def _second_derivatives(
    f: Callable[..., Properties], params: PyTree, atoms: Atoms, graph: Graph
) -> Array:
    """Of the energy, by the six strains and then the positions."""
    units = np.zeros((6, 3, 3))
    for k, (a, b) in enumerate(_VOIGT):
        units[k, a, b] += 0.5
        units[k, b, a] += 0.5
    units = jnp.asarray(units, atoms.positions.dtype)

    def gradient(x):
        strain = jnp.einsum("k,kab->ab", x[:6], units)
        shifted = moved(atoms, atoms.positions + x[6:].reshape(-1, 3))
        there = strained(shifted, strain)
        found = f(params, there, graph)
        assert found.stress is not None
        deformation = jnp.eye(3, dtype=x.dtype) + strain
        # The stress is a derivative at the deformed crystal: back to the strain of the first one.
        pull = jnp.linalg.solve(deformation, there.volume * found.stress)
        by_strain = jnp.einsum("kab,ab->k", units, 0.5 * (pull + pull.T))
        return jnp.concatenate([by_strain, -(found.forces @ deformation).ravel()])

    origin = jnp.zeros(6 + atoms.positions.size, atoms.positions.dtype)

    def column(index):
        return jax.jvp(gradient, (origin,), (jnp.zeros_like(origin).at[index].set(1.0),))[1]

    return jax.lax.map(column, jnp.arange(len(origin)), batch_size=_COLUMNS)


def _solve(matrix: Array, right: Array, atoms: Atoms) -> Array:
    """Displacements that do not move the whole, nor padding."""
    real = jnp.repeat(atoms.mask, 3).astype(matrix.dtype)
    whole = jnp.tile(jnp.eye(3, dtype=matrix.dtype), (len(atoms.numbers), 1)) * real[:, None]
    # The stiffness that the whole is given does not matter; a lone atom has none of its own.
    scale = (1.0 + jnp.max(jnp.abs(matrix))) / jnp.sum(atoms.mask)
    return jnp.linalg.solve(matrix + scale * whole @ whole.T + jnp.diag(1 - real), right)


class EquationOfState(NamedTuple):
    """What `equation_of_state` returns.

    - `volume`: of least energy, Å³.
    - `energy`: there, eV.
    - `bulk_modulus`: there, GPa.
    - `slope`: the derivative of the bulk modulus by pressure.
    """

    volume: Float[Array, ""]
    energy: Float[Array, ""]
    bulk_modulus: Float[Array, ""]
    slope: Float[Array, ""]


def equation_of_state(
    volumes: Float[Array, "n"] | Float[np.ndarray, "n"] | Sequence[Any],
    energies: Float[Array, "n"] | Float[np.ndarray, "n"] | Sequence[Any],
) -> EquationOfState:
    """Birch and Murnaghan's equation of state of third order, by least squares.

        E(V) = a + b y + c y² + d y³,   y = V^(-2/3)

    **Arguments:**

    - `volumes`: (n,), Å³, at least four.
    - `energies`: (n,), eV.

    **Returns:** `EquationOfState`; NaN where the fit has no minimum.

    **Raises:** `ValueError` for fewer than four volumes, or other shapes.

    **Good values:** seven volumes within 6 % of the least energy's.

    **Source:** Birch, Phys. Rev. 71, 809 (1947).

    ```python
    v = np.linspace(38.0, 42.0, 7)
    jsci.atoms.equation_of_state(v, 0.01 * (v - 40.0) ** 2).volume
    ```
    """
    # Of thousands of eV single precision keeps no meV, and so they are counted from the first.
    volumes, rise = jnp.asarray(volumes), jnp.asarray([e - energies[0] for e in energies])
    if volumes.ndim != 1 or volumes.shape != rise.shape or len(volumes) < 4:
        raise ValueError(
            f"at least four volumes and as many energies are needed, got {volumes.shape} and "
            f"{rise.shape}."
        )
    middle = jnp.mean(volumes)  # y is of order one in this unit, which keeps its digits
    y = (volumes / middle) ** (-2 / 3)
    a, b, c, d = jnp.linalg.lstsq(jnp.vander(y - 1, 4, increasing=True), rise)[0]
    root = jnp.sqrt(c**2 - 3 * b * d)  # NaN without a minimum
    z = jnp.where(c > 0, -b / (c + root), jnp.nan)
    curvature, third, y = 2 * c + 6 * d * z, 6 * d, 1 + z
    volume = middle * y**-1.5
    # With y' = -2 y / 3 V: B = V E'' = (4/9) y² E_yy / V at the minimum, and its slope in turn.
    modulus = 4 / 9 * y**2 * curvature / volume
    slope = 4 + 2 / 3 * y * third / curvature
    energy = energies[0] + a + b * z + c * z**2 + d * z**3
    return EquationOfState(volume, energy, modulus * EV_PER_CUBIC_ANGSTROM_IN_GPA, slope)
