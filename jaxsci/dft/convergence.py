"""The iteration of a self-consistent field, and when it has converged."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..core import DIIS
from .energy import Density, energy_and_fock
from .response import density_matrix, projectors, unoccupied
from .smearing import fermi_operators
from .xc import Functional

# Energies are sums of many terms: changes below this fraction of them are rounding.
_ROUNDING = 1e-14


class Iteration(eqx.Module):
    """How to iterate, and until when: the arguments of these names of `scf`.

    Numbers that do not change the program are data, so that another value compiles nothing.
    """

    tolerance: Float[Array, ""]
    max_steps: Int[Array, ""]
    level_shift: Float[Array, ""]
    damping: Float[Array, ""]
    temperature: float = eqx.field(static=True)

    @classmethod
    def checked(
        cls,
        tolerance: float,
        max_steps: int,
        level_shift: float = 0.0,
        damping: float = 0.0,
        temperature: float = 0.0,
    ) -> "Iteration":
        """An `Iteration`, or a `ValueError` that says what is allowed."""
        if not tolerance > 0:
            raise ValueError(f"tolerance must be positive, got {tolerance}.")
        if max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, got {max_steps}.")
        if not 0 <= level_shift < math.inf:
            raise ValueError(f"level_shift must be zero or positive, got {level_shift}.")
        if not 0 <= damping < 1:
            raise ValueError(f"damping must lie in [0, 1), got {damping}.")
        if not 0 <= temperature < math.inf:
            raise ValueError(
                f"temperature is k_B T in Hartree, zero or positive, got {temperature}."
            )
        if level_shift and temperature:
            raise ValueError(
                "a level shift would change fractional occupations: set level_shift=0 or "
                "temperature=0."
            )
        numbers = (jnp.asarray(x, float) for x in (level_shift, damping))
        return cls(jnp.asarray(tolerance, float), jnp.asarray(max_steps), *numbers, temperature)


class Solution(NamedTuple):
    """Where an iteration ended.

    - `fock`: whose lowest orbitals are the occupied ones; the empty ones are raised by `shift`.
    - `gradient`: the largest element of the orbital gradient.
    - `change`: of the energy in the last step.
    - `steps`: Fock matrices built.
    """

    fock: Density
    shift: Float[Array, ""]
    energy: Float[Array, ""]
    gradient: Float[Array, ""]
    change: Float[Array, ""]
    steps: Int[Array, ""]


def has_converged(solution: Solution, tolerance: Float[Array, ""]) -> Bool[Array, ""]:
    """Whether the orbital gradient is small, and the energy has settled, both."""
    smallest = jnp.maximum(tolerance, _ROUNDING * jnp.abs(solution.energy))
    return (solution.gradient < jnp.sqrt(tolerance)) & (jnp.abs(solution.change) <= smallest)


def iterate(functional: Functional, args: Any, fock: Density, iteration: Iteration) -> Solution:
    """Find the fixed point of Fock matrices in an orthonormal basis, from `fock`.

        F ← (1-d) (F[Π] + s (1-Π)) + d F,   Π the occupied projector of F

    The shift s and the damping d leave the solution's projector as it is. At a temperature Π is
    the operator of the occupations.

    **Arguments:** `args` holds the functional's parameters, the `Operators` and the numbers of
    occupied orbitals; the others are as in `scf`.
    """
    shift, damping, temperature = iteration.level_shift, iteration.damping, iteration.temperature

    def step(fock, args):
        params, ops, counts = args
        if temperature:
            occupied = fermi_operators(fock, counts, temperature)
        else:
            occupied = projectors(fock, counts)
        density = density_matrix(ops, occupied)
        energy, new = energy_and_fock(functional, params, ops, density)
        x = ops.orthogonaliser
        new = x.T @ new @ x + shift * unoccupied(occupied)
        return (1 - damping) * new + damping * fock, energy

    # Both are (1-d) times those of F[Π]: shift and old matrix commute with the projector.
    def commutator(args, old, new):
        occupied = projectors(old, args[2])
        return (new @ occupied - occupied @ new) / (1 - damping)

    def difference(args, old, new):
        return (new - old) / (1 - damping)

    # Fractional occupations may still change where everything commutes.
    diis = DIIS(0.0, 1.0, error=difference if temperature else commutator)

    def unfinished(state):
        solution, _ = state
        return ~has_converged(solution, iteration.tolerance) & (
            solution.steps < iteration.max_steps
        )

    def advance(state):
        last, history = state
        fock, history, energy = diis.step(step, last.fock, args, {}, history, frozenset())
        change = energy - last.energy
        return Solution(fock, shift, energy, history.size, change, last.steps + 1), history

    inf = jnp.asarray(jnp.inf, fock.dtype)
    start = Solution(fock, shift, inf, inf, inf, jnp.asarray(0))
    history = diis.init(step, fock, args, {}, None, None, frozenset())
    return jax.lax.while_loop(unfinished, advance, (start, history))[0]
