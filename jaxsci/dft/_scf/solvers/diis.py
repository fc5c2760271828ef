"""The DIIS iteration of an SCF, and when it has converged."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int

from ....core import History, empty_history, extrapolate, push
from ..._system.spins import Spins
from ..equations import Equations
from ..hamiltonian import Operators
from ..kohn_sham import Density, density_matrix
from ..projector import projectors, unoccupied
from .options import Iteration
from .restricted_open import effective_fock, shared_projectors
from .smearing import fermi_operators

# Energies are sums of many terms: changes below this fraction of them are rounding.
_ROUNDING = 1e-14
_IDEMPOTENT = 1e-6  # the largest element of Π² - Π
HISTORY = 8  # Fock matrices that DIIS extrapolates


class FirstDensity(NamedTuple):
    """The density matrix whose Fock matrix is diagonalised first, unless `used` says it was.

    `occupied` is this density in the orthonormal basis, per electron of an orbital: a projector
    where it is one of orbitals, and not for a superposition of atoms.
    """

    density: Density
    occupied: Float[Array, "spins n n"]
    used: Bool[Array, ""]


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
    fock: Float[Array, "sets n n"], ops: Operators, temperature: float
) -> Float[Array, "spins n n"]:
    """The projectors, or at a temperature operators, on the occupied orbitals of Fock matrices."""
    if temperature:
        return fermi_operators(fock, ops.counts, temperature)
    return (shared_projectors if ops.spins.shared else projectors)(fock, ops.counts)


def next_fock(
    new: Float[Array, "spins n n"],
    old: Float[Array, "sets n n"],
    occupied: Float[Array, "spins n n"],
    spins: Spins,
    iteration: Iteration,
) -> Float[Array, "sets n n"]:
    """What to diagonalise next: from the Fock matrices F[Π] and the last matrix."""
    new = new + iteration.level_shift * unoccupied(occupied)
    if spins.shared:
        new = effective_fock(new, occupied)
    return (1 - iteration.damping) * new + iteration.damping * old


def departure(
    old: Float[Array, "sets n n"],
    new: Float[Array, "sets n n"],
    occupied: Float[Array, "spins n n"],
    spins: Spins,
    iteration: Iteration,
) -> Float[Array, "sets n n"]:
    """What vanishes at the solution, with `next_fock` as `new`: [F, Π]."""
    # It is (1-d) times that of F[Π]: shift and old matrix commute with the projector.
    if iteration.temperature:
        # Fractional occupations may still change where everything commutes.
        return (new - old) / (1 - iteration.damping)
    if spins.shared:
        occupied = jnp.sum(occupied, axis=0, keepdims=True)
    return (new @ occupied - occupied @ new) / (1 - iteration.damping)


class _Iterate(NamedTuple):
    """The Fock matrices to diagonalise, and the projectors of the ones before."""

    fock: Float[Array, "sets n n"]
    occupied: Float[Array, "spins n n"]


def iterate(
    equations: Equations,
    fock: Float[Array, "sets n n"],
    iteration: Iteration,
    *,
    guess: FirstDensity | None = None,
    memory: History | None = None,
    settled: Callable[[Solution, Float[Array, ""]], Bool[Array, ""]] = has_converged,
) -> tuple[Solution, History]:
    """Find the fixed point of Fock matrices in an orthonormal basis, from `fock` or `guess`.

        F ← (1-d) (F[Π] + s (1-Π)) + d F,   Π the occupied projector of F

    The shift s and the damping d leave the solution's projector as it is. At a temperature Π is
    the operator of the occupations. Where α and β share their orbitals, F is the effective matrix.

    **Arguments:** `guess` replaces `fock` until it was used: its Fock matrix is built by the body
    of the loop, so that the program holds the work on the grid once, and is extrapolated with the
    others if the guess is a density of orbitals; `memory` is that of an iteration to go on from;
    `settled(solution, tolerance)` says when to stop.

    **Returns:** the solution, and the memory of its extrapolation.
    """
    ops, spins = equations.ops, equations.ops.spins
    yes = jnp.ones((), bool)
    joins = yes if guess is None else _joins(guess, spins, iteration)

    def unfinished(state: _Search):
        reached = state.solution
        left = ~settled(reached, iteration.tolerance) & (reached.steps < iteration.first())
        return left if guess is None else left | ~state.begun

    def advance(state: _Search):
        last = state.solution
        occupied = fill(last.fock, ops, iteration.temperature)
        density = density_matrix(ops, occupied)
        if guess is not None:
            density = jnp.where(state.begun, density, guess.density)
            occupied = jnp.where(state.begun, occupied, guess.occupied)
        energy, built = equations.energy_and_fock_of(density)
        new = next_fock(built, last.fock, occupied, spins, iteration)
        error = departure(last.fock, new, occupied, spins, iteration)
        found = _Iterate(new, occupied)
        history = push(state.history, found, error)
        following = extrapolate(history, found).fock
        gradient, change = jnp.max(jnp.abs(error)), energy - last.energy
        lower = energy < state.lowest
        following = _Search(
            Solution(following, last.shift, energy, gradient, change, last.steps + 1),
            history,
            jnp.where(lower, energy, state.lowest),
            jnp.where(lower, last.fock, state.best),
            state.begun,
        )
        if guess is None:
            return following
        first = jnp.mean(built, axis=0, keepdims=True) if spins.shared else built
        # What is not counted is overwritten.
        memory = eqx.tree_at(lambda h: h.count, history, state.history.count + joins)
        begun = _Search(last._replace(fock=first), memory, state.lowest, state.best, yes)
        return jax.tree.map(lambda a, b: jnp.where(state.begun, a, b), following, begun)

    inf = jnp.asarray(jnp.inf, fock.dtype)
    start = Solution(fock, iteration.level_shift, inf, inf, inf, jnp.zeros((), int))
    if memory is None:
        memory = first_memory(fock, spins)
    begun = yes if guess is None else guess.used
    end = jax.lax.while_loop(unfinished, advance, _Search(start, memory, inf, fock, begun))
    # Newton's method goes on from where the energy was lowest.
    solution = end.solution._replace(fock=end.best) if iteration.newton else end.solution
    return solution, end.history


def _joins(guess: FirstDensity, spins: Spins, iteration: Iteration) -> Bool[Array, ""]:
    """Whether a guess is extrapolated with what follows: it needs orbitals, and an error of them.

    Damping would mix its Fock matrix with the core Hamiltonian.
    """
    if spins.shared or iteration.temperature:
        return jnp.zeros((), bool)
    occupied = guess.occupied
    off = jnp.max(jnp.abs(occupied @ occupied - occupied))
    return (off < _IDEMPOTENT) & (iteration.damping == 0)


def first_memory(fock: Float[Array, "sets n n"], spins: Spins) -> History:
    """The memory of no iterations."""
    first = _Iterate(fock, jnp.zeros((spins.channels, *fock.shape[1:]), fock.dtype))
    return empty_history(HISTORY, first, fock)


def with_potential(
    memory: History,
    change: Density,
    fock: Float[Array, "sets n n"],
    spins: Spins,
    iteration: Iteration,
) -> History:
    """The memory as it would be, had `change` been added to all Fock matrices F[Π] of it.

    Each remembers its projector Π, in which alone F[Π] is not linear, so this is exact.

    **Arguments:** `change` in the orthonormal basis; `fock` any matrix of the iteration.
    """
    unravel = ravel_pytree(_Iterate(fock, change))[1]

    def moved(candidate, error):
        new, occupied = unravel(candidate)
        added = effective_fock(change, occupied) if spins.shared else change
        added = (1 - iteration.damping) * added
        turned = departure(jnp.zeros_like(new), added, occupied, spins, iteration)
        return ravel_pytree(_Iterate(new + added, occupied))[0], error + turned.reshape(-1)

    candidates, errors = jax.vmap(moved)(memory.candidates, memory.errors)
    return eqx.tree_at(lambda m: (m.candidates, m.errors), memory, (candidates, errors))


class _Search(NamedTuple):
    solution: Solution
    history: History
    lowest: Float[Array, ""]
    best: Density
    begun: Bool[Array, ""]
