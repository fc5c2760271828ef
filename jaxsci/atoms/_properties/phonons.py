"""Vibrations of a crystal: frequencies, their density, and what heat does."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._structure.units import BOLTZMANN, FREQUENCY, PLANCK
from .force_constants import ForceConstants


def phonons(
    constants: ForceConstants, q: Float[Array, "points 3"] | Float[np.ndarray, "points 3"]
) -> Float[Array, "points modes"]:
    """The frequencies of a crystal at points of reciprocal space.

        D_ij(q) = Σ_S Φ_ij(S) exp(2πi q · S) / √(m_i m_j),   ω² its eigenvalues

    **Arguments:**

    - `constants`: of `force_constants`.
    - `q`: (points, 3), in reciprocal lattice vectors; the edge of the zone is at 0.5.

    **Returns:** (points, 3 atoms), THz, ascending; imaginary frequencies are negative.

    **Raises:** `ValueError` for another shape of `q`.

    **Notes:** exact where q fits the supercell, else interpolated. There is no term for the long
    range of dipoles (LO-TO splitting).

    ```python
    constants = jsci.atoms.force_constants(f, params, salt, 6.0, supercell=(1, 1, 1))
    jsci.atoms.phonons(constants, np.zeros((1, 3))).shape
    ```
    """
    q = jnp.asarray(q, constants.values.dtype)
    if q.ndim != 2 or q.shape[1] != 3:
        raise ValueError(f"q must have the shape (points, 3), got {q.shape}.")
    return _frequencies(constants, q)


@jax.jit
def _frequencies(constants: ForceConstants, q: Array) -> Array:
    i, cell, j = constants.pairs.T
    n = constants.atoms.numbers.shape[0]
    weighted = constants.weights[:, None, None] * constants.values[i, cell, j]
    root = jnp.repeat(1 / jnp.sqrt(constants.atoms.masses), 3)

    def one(q):
        phase = jnp.exp(2j * jnp.pi * (constants.lattice.astype(q.dtype) @ q))
        blocks = jnp.zeros((n, n, 3, 3), phase.dtype).at[i, j].add(weighted * phase[:, None, None])
        matrix = blocks.transpose(0, 2, 1, 3).reshape(3 * n, 3 * n) * jnp.outer(root, root)
        values = jnp.linalg.eigvalsh(0.5 * (matrix + matrix.conj().T))
        return jnp.sign(values) * jnp.sqrt(jnp.abs(values)) * FREQUENCY

    return jax.lax.map(one, q)


def mesh(points: tuple[int, int, int]) -> Float[np.ndarray, "points 3"]:
    """A regular mesh of points of reciprocal space, shifted off the zero.

    **Arguments:**

    - `points`: along each reciprocal lattice vector.

    **Returns:** (points, 3), in reciprocal lattice vectors.

    ```python
    jsci.atoms.mesh((4, 4, 4)).shape
    ```
    """
    if len(points) != 3 or any(m < 1 or m % 1 for m in points):
        raise ValueError(f"points must be three whole numbers of at least 1, got {points!r}.")
    axes = [(np.arange(m) + 0.5) / m - 0.5 for m in points]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)


def phonon_density(
    frequencies: Float[Array, "points modes"],
    at: Float[Array, "m"] | Float[np.ndarray, "m"],
    *,
    width: float = 0.1,
) -> Float[Array, "m"]:
    """The density of vibrations over frequency, each broadened by a Gaussian.

        g(ν) = (1/points) Σ exp(-(ν - ν_qs)²/2w²) / (w √2π)

    **Arguments:**

    - `frequencies`: (points, modes), THz, of `phonons` on a `mesh`.
    - `at`: (m,), THz, where the density is wanted.
    - `width`: w, THz.

    **Returns:** (m,), 1/THz; its integral is the number of modes.

    **Raises:** `ValueError` for a width that is not positive.

    ```python
    jsci.atoms.phonon_density(jnp.ones((1, 3)), jnp.linspace(0.0, 2.0, 5)).shape
    ```
    """
    if not width > 0:
        raise ValueError(f"width must be positive, in THz, got {width!r}.")
    apart = jnp.asarray(at)[:, None] - jnp.ravel(frequencies)[None]
    bells = jnp.exp(-0.5 * (apart / width) ** 2) / (width * jnp.sqrt(2 * jnp.pi))
    return jnp.sum(bells, axis=1) / frequencies.shape[0]


class Heat(NamedTuple):
    """What `harmonic_heat` returns, of one cell.

    - `free_energy`: eV.
    - `energy`: eV, with the zero-point energy.
    - `entropy`: eV/K.
    - `capacity`: at constant volume, eV/K.
    """

    free_energy: Float[Array, "t"]
    energy: Float[Array, "t"]
    entropy: Float[Array, "t"]
    capacity: Float[Array, "t"]


def harmonic_heat(
    frequencies: Float[Array, "points modes"],
    temperatures: Float[Array, "t"] | Float[np.ndarray, "t"],
) -> Heat:
    """Free energy, energy, entropy and heat capacity of harmonic vibrations.

        F = Σ hν/2 + k T ln(1 - exp(-hν/kT)),   averaged over the points

    **Arguments:**

    - `frequencies`: (points, modes), THz, of `phonons` on a `mesh`.
    - `temperatures`: (t,), K, positive.

    **Returns:** `Heat`, per cell.

    **Notes:** imaginary frequencies make everything NaN: the structure is not at a minimum. So do
    temperatures that are not positive. Three frequencies at q = 0 vanish: a `mesh` leaves that
    point out.

    ```python
    jsci.atoms.harmonic_heat(jnp.ones((1, 3)), jnp.array([300.0])).capacity
    ```
    """
    quantum = PLANCK * jnp.asarray(frequencies)[None]
    temperatures = jnp.reshape(jnp.asarray(temperatures), (-1, 1, 1))
    heat = BOLTZMANN * jnp.where(temperatures > 0, temperatures, jnp.nan)
    x = jnp.where(quantum > 0, quantum, jnp.nan) / heat
    occupied = jnp.exp(-x) / -jnp.expm1(-x)  # which cold modes do not overflow, nor its slope
    mean = lambda values: jnp.mean(jnp.sum(values, axis=2), axis=1)  # noqa: E731
    free = mean(0.5 * quantum + heat * jnp.log1p(-jnp.exp(-x)))
    energy = mean(quantum * (0.5 + occupied))
    capacity = mean(BOLTZMANN * x**2 * occupied * (occupied + 1))
    return Heat(free, energy, BOLTZMANN * (energy - free) / heat[:, 0, 0], capacity)
