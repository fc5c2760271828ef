"""The iteration of a self-consistent field, and when it has converged."""

import math
import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int

from ....core import History, empty_history, extrapolate, push
from ..._xc import Functional
from ..hamiltonian import Operators
from ..kohn_sham import Density, energy_and_fock
from ..response import density_matrix, projectors, unoccupied
from .restricted_open import effective_fock, shared_projectors
from .smearing import fermi_operators

# Energies are sums of many terms: changes below this fraction of them are rounding.
_ROUNDING = 1e-14
HISTORY = 8  # Fock matrices that DIIS extrapolates
SOLVERS = ("diis", "newton")
_FIRST = 15  # steps of DIIS before Newton's


class Iteration(eqx.Module):
    """How to iterate, and until when: the arguments of these names of `scf`.

    Numbers that do not change the program are data, so that another value compiles nothing.
    """

    tolerance: Float[Array, ""]
    max_steps: Int[Array, ""]
    level_shift: Float[Array, ""]
    damping: Float[Array, ""]
    temperature: float = eqx.field(static=True)
    solver: str = eqx.field(static=True)

    @classmethod
    def checked(
        cls,
        tolerance: float,
        max_steps: int,
        level_shift: float = 0.0,
        damping: float = 0.0,
        temperature: float = 0.0,
        solver: str = "diis",
    ) -> "Iteration":
        """An `Iteration`, or a `ValueError` that says what is allowed."""
        given = {"tolerance": tolerance, "max_steps": max_steps, "level_shift": level_shift}
        for name, number in (given | {"damping": damping, "temperature": temperature}).items():
            if not isinstance(number, numbers.Real | jax.Array):
                raise TypeError(f"{name} must be a number, got {number!r}.")
        if not 0 < tolerance < math.inf:
            raise ValueError(f"tolerance must be positive and finite, got {tolerance}.")
        if max_steps < 1 or max_steps != int(max_steps):
            raise ValueError(f"max_steps must be a whole number from 1, got {max_steps}.")
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
        if solver not in SOLVERS:
            raise ValueError(
                f"solver is {solver!r}; allowed are {' and '.join(map(repr, SOLVERS))}."
            )
        if solver == "newton" and temperature:
            raise ValueError(
                "solver='newton' minimises over whole orbitals: set temperature=0 or solver='diis'."
            )
        return cls(
            tolerance=jnp.asarray(tolerance, float),
            max_steps=jnp.asarray(max_steps),
            level_shift=jnp.asarray(level_shift, float),
            damping=jnp.asarray(damping, float),
            temperature=temperature,
            solver=solver,
        )

    def first(self) -> Int[Array, ""]:
        """Steps of DIIS before another solver takes over, if one does."""
        return self.max_steps if self.solver == "diis" else jnp.minimum(self.max_steps, _FIRST)


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


def fill(
    fock: Float[Array, "sets n n"], counts: Int[Array, " spins"], temperature: float
) -> Float[Array, "spins n n"]:
    """The projectors, or at a temperature operators, on the occupied orbitals of Fock matrices."""
    if temperature:
        return fermi_operators(fock, counts, temperature)
    # One set of orbitals for two spins, or one for each.
    shared = fock.shape[0] < counts.shape[0]
    return shared_projectors(fock, counts) if shared else projectors(fock, counts)


def next_fock(
    new: Float[Array, "spins n n"],
    old: Float[Array, "sets n n"],
    occupied: Float[Array, "spins n n"],
    ops: Operators,
    iteration: Iteration,
) -> Float[Array, "sets n n"]:
    """What to diagonalise next: from Fock matrices F[P] in the basis and the last matrix."""
    x = ops.orthogonaliser
    new = x.T @ new @ x + iteration.level_shift * unoccupied(occupied)
    if old.shape[0] < occupied.shape[0]:
        new = effective_fock(new, occupied)
    return (1 - iteration.damping) * new + iteration.damping * old


def departure(
    old: Float[Array, "sets n n"],
    new: Float[Array, "sets n n"],
    occupied: Float[Array, "spins n n"],
    iteration: Iteration,
) -> Float[Array, "sets n n"]:
    """What vanishes at the solution, with `next_fock` as `new`: [F, Π]."""
    # It is (1-d) times that of F[Π]: shift and old matrix commute with the projector.
    if iteration.temperature:
        # Fractional occupations may still change where everything commutes.
        return (new - old) / (1 - iteration.damping)
    if old.shape[0] < occupied.shape[0]:
        occupied = jnp.sum(occupied, axis=0, keepdims=True)
    return (new @ occupied - occupied @ new) / (1 - iteration.damping)


def iterate(
    functional: Functional,
    args: Any,
    fock: Density,
    iteration: Iteration,
    *,
    memory: History | None = None,
    settled: Callable[[Solution, Float[Array, ""]], Bool[Array, ""]] = has_converged,
) -> tuple[Solution, History]:
    """Find the fixed point of Fock matrices in an orthonormal basis, from `fock`.

        F ← (1-d) (F[Π] + s (1-Π)) + d F,   Π the occupied projector of F

    The shift s and the damping d leave the solution's projector as it is. At a temperature Π is
    the operator of the occupations. Where α and β share their orbitals, F is the effective matrix.

    **Arguments:** `args` holds the functional's parameters, the `Operators` and the numbers of
    occupied orbitals; `memory` is that of an iteration to go on from; `settled(solution,
    tolerance)` says when to stop; the others are as in `scf`.

    **Returns:** the solution, and the memory of its extrapolation.
    """
    params, ops, counts = args

    def unfinished(state: _Search):
        reached = state.solution
        return ~settled(reached, iteration.tolerance) & (reached.steps < iteration.first())

    def advance(state: _Search):
        last = state.solution
        occupied = fill(last.fock, counts, iteration.temperature)
        energy, new = energy_and_fock(functional, params, ops, density_matrix(ops, occupied))
        new = next_fock(new, last.fock, occupied, ops, iteration)
        error = departure(last.fock, new, occupied, iteration)
        history = push(state.history, (new, occupied), error)
        following, _ = extrapolate(history, (new, occupied))
        gradient, change = jnp.max(jnp.abs(error)), energy - last.energy
        lower = energy < state.lowest
        return _Search(
            Solution(following, last.shift, energy, gradient, change, last.steps + 1),
            history,
            jnp.where(lower, energy, state.lowest),
            jnp.where(lower, last.fock, state.best),
        )

    inf = jnp.asarray(jnp.inf, fock.dtype)
    start = Solution(fock, iteration.level_shift, inf, inf, inf, jnp.zeros((), int))
    if memory is None:
        occupied = jnp.zeros((counts.shape[0], *fock.shape[1:]), fock.dtype)
        memory = empty_history(HISTORY, (fock, occupied), fock)
    end = jax.lax.while_loop(unfinished, advance, _Search(start, memory, inf, fock))
    # Another solver goes on from where the energy was lowest.
    diis_alone = iteration.solver == "diis"
    solution = end.solution if diis_alone else end.solution._replace(fock=end.best)
    return solution, end.history


def with_potential(
    memory: History, change: Density, fock: Float[Array, "sets n n"], iteration: Iteration
) -> History:
    """The memory as it would be, had `change` been added to all Fock matrices F[Π] of it.

    Each remembers its projector Π, in which alone F[Π] is not linear, so this is exact.

    **Arguments:** `change` in the orthonormal basis; `fock` any matrix of the iteration.
    """
    unravel = ravel_pytree((fock, change))[1]

    def moved(candidate, error):
        new, occupied = unravel(candidate)
        added = effective_fock(change, occupied) if len(new) < len(occupied) else change
        added = (1 - iteration.damping) * added
        turned = departure(jnp.zeros_like(new), added, occupied, iteration)
        return ravel_pytree((new + added, occupied))[0], error + turned.reshape(-1)

    candidates, errors = jax.vmap(moved)(memory.candidates, memory.errors)
    return eqx.tree_at(lambda m: (m.candidates, m.errors), memory, (candidates, errors))


class _Search(NamedTuple):
    solution: Solution
    history: History
    lowest: Float[Array, ""]
    best: Density
