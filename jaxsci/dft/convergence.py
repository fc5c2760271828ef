"""The iteration of a self-consistent field, and when it has converged."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Float

from ..core import DIIS
from .energy import Density, energy_and_fock
from .response import density_matrix, projectors, unoccupied
from .smearing import fermi_operators
from .xc import Functional

# Energies are sums of many terms: changes below this fraction of them are rounding.
_ROUNDING = 1e-14


class Iteration(NamedTuple):
    """How to iterate, and until when: the arguments of these names of `scf`."""

    tolerance: float
    max_steps: int
    level_shift: float = 0.0
    damping: float = 0.0
    temperature: float = 0.0

    def check(self) -> "Iteration":
        """Itself, or a `ValueError` that says what is allowed."""
        if not self.tolerance > 0:
            raise ValueError(f"tolerance must be positive, got {self.tolerance}.")
        if self.max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, got {self.max_steps}.")
        if not 0 <= self.level_shift < math.inf:
            raise ValueError(f"level_shift must be zero or positive, got {self.level_shift}.")
        if not 0 <= self.damping < 1:
            raise ValueError(f"damping must lie in [0, 1), got {self.damping}.")
        if not 0 <= self.temperature < math.inf:
            raise ValueError(
                f"temperature is k_B T in Hartree, zero or positive, got {self.temperature}."
            )
        if self.level_shift and self.temperature:
            raise ValueError(
                "a level shift would change fractional occupations: set level_shift=0 or "
                "temperature=0."
            )
        return self


def iterate(
    functional: Functional, args: Any, fock: Density, iteration: Iteration, throw: bool
) -> optx.Solution:
    """Find the fixed point of Fock matrices in an orthonormal basis, from `fock`.

        F ← (1-d) (F[Π] + s (1-Π)) + d F,   Π the occupied projector of F

    The shift s and the damping d leave the solution's projector as it is. At a temperature Π is
    the operator of the occupations.

    **Arguments:** `args` holds the functional's parameters, the `Operators` and the numbers of
    occupied orbitals; the others are as in `scf`.
    """

    def fill(fock, counts):
        if iteration.temperature:
            return fermi_operators(fock, counts, iteration.temperature)
        return projectors(fock, counts)

    # Arrays reach these as arguments: the solver is data to JAX, and may not close over them.
    def step(fock, args):
        params, ops, counts = args
        occupied = fill(fock, counts)
        density = density_matrix(ops, occupied)
        energy, new = energy_and_fock(functional, params, ops, density)
        x = ops.orthogonaliser
        new = x.T @ new @ x + iteration.level_shift * unoccupied(occupied)
        mixed = (1 - iteration.damping) * new + iteration.damping * fock
        return mixed, energy

    # Both are (1-d) times those of F[Π]: shift and old matrix commute with the projector.
    def commutator(args, old, new):
        occupied = projectors(old, args[2])
        return (new @ occupied - occupied @ new) / (1 - iteration.damping)

    def difference(args, old, new):
        return (new - old) / (1 - iteration.damping)

    return optx.fixed_point(
        step,
        EnergyDIIS(
            0.0,
            math.sqrt(iteration.tolerance),
            # Fractional occupations may still change where everything commutes.
            error=difference if iteration.temperature else commutator,
            energy_tolerance=iteration.tolerance,
        ),
        fock,
        args,
        has_aux=True,
        max_steps=iteration.max_steps,
        throw=throw,
    )


class _Progress(eqx.Module):
    """DIIS's history, the last energy, and whether the one before was the same."""

    history: Any
    energy: Float[Array, ""]
    settled: Array


class EnergyDIIS(DIIS):
    """DIIS that stops when its error is small and the energy has settled, both.

    **Arguments:** as in `DIIS`; the function iterated returns `(g(y), energy)`.

    - `energy_tolerance`: largest change of the energy from one iteration to the next, or the
        rounding of the energy where that is larger.
    """

    energy_tolerance: float = 1e-9

    def init(self, fn, y, args, options, f_struct, aux_struct, tags):
        history = super().init(fn, y, args, options, f_struct, aux_struct, tags)
        return _Progress(history, jnp.full(aux_struct.shape, jnp.inf), jnp.array(False))

    def step(self, fn, y, args, options, state, tags):
        y, history, energy = super().step(fn, y, args, options, state.history, tags)
        smallest = jnp.maximum(self.energy_tolerance, _ROUNDING * jnp.abs(energy))
        settled = jnp.abs(energy - state.energy) <= smallest
        return y, _Progress(history, energy, settled), energy

    def terminate(self, fn, y, args, options, state, tags):
        small, result = super().terminate(fn, y, args, options, state.history, tags)
        return small & state.settled, result

    def postprocess(self, fn, y, aux, args, options, state, tags, result):
        return super().postprocess(fn, y, aux, args, options, state.history, tags, result)
