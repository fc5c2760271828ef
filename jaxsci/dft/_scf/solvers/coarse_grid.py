"""An SCF converged on its full grid by iterations on a coarse one."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ....core import History, empty_history, extrapolate, push
from ..equations import Equations
from ..kohn_sham import Density, density_matrix, mean_field, xc_energy_and_potential
from .diis import (
    HISTORY,
    FirstDensity,
    Solution,
    departure,
    fill,
    first_memory,
    has_converged,
    iterate,
    next_fock,
    with_potential,
)
from .options import Iteration

_CORRECTIONS = 6  # after which the coarse grid is left alone
# Of the first, uncorrected iterations, whose result is wrong by the coarse grid's error anyway.
_FIRST_TOLERANCE = 1e-5
_INNER_TOLERANCE = 0.1  # of the others, in that of the whole


class _Model(NamedTuple):
    """The energy on the coarse grid with its correction, and where its iterations start.

        E_model[P] = E_coarse[P] + energy + tr(P potential)

    `departure` is how far the last one was from the full grid's solution.
    """

    energy: Float[Array, ""]
    potential: Density
    fock: Density
    departure: Density


class _Reached(NamedTuple):
    """Where the search is, and the Fock matrices F[Π] of it.

    `memory` is that of the coarse grid's iterations, with the correction `potential` in it.
    """

    solution: Solution
    focks: Density
    memory: History
    potential: Density


class _Progress(NamedTuple):
    """What a correction needs to know of those before it."""

    reached: _Reached
    corrections: Int[Array, ""]


class _Search(NamedTuple):
    """The loop over corrections: the next model, the history that extrapolates it, the last."""

    model: _Model
    history: History
    reached: _Reached


def converge(
    equations: Equations,
    coarse: Equations,
    fock: Float[Array, "sets n n"],
    iteration: Iteration,
    guess: FirstDensity | None = None,
) -> tuple[Solution, Density]:
    """The SCF solution on the full grid from few evaluations there, most often two.

        V ← V_full[P] - V_coarse[P],   P the solution of F_coarse[P] + V

    The difference of the grids in energy and potential, at the solution on the coarse grid, is
    added to the coarse model as a constant and a matrix. The remaining error is of second order:
    the grids' difference times the change of the orbitals. Convergence is judged on the full grid
    alone, by the orbital gradient and by how well the corrected model predicted the energy.

    Corrections are extrapolated by DIIS. If a few of them do not suffice, as where some rotation is
    soft, the steps that follow are plain DIIS steps on the full grid.

    **Arguments:** as in `iterate`; `coarse` the equations on the coarse grid.

    **Returns:** the solution, whose `energy` is that of the orbitals of its `fock`; and the Fock
    matrices of these orbitals.

    **Source:** Brandt, Math. Comp. 31, 333 (1977): the full approximation scheme, on two grids.
    """

    def correct(model: _Model, progress: _Progress) -> tuple[_Model, _Reached]:
        steps = progress.reached.solution.steps
        inner = _inner_iteration(iteration, steps, progress.corrections)
        first = None if guess is None else guess._replace(used=steps > 0)
        found, memory = _solve_model(coarse, model, progress.reached, inner, first)
        following, judged, focks = _corrected(equations, coarse, model, found, iteration)
        judged = judged._replace(steps=steps + judged.steps)
        return following, _Reached(judged, focks, memory, model.potential)

    def unfinished(search: _Search):
        solution = search.reached.solution
        return ~has_converged(solution, iteration.tolerance) & (
            solution.steps < iteration.max_steps
        )

    def advance(search: _Search) -> _Search:
        progress = _Progress(search.reached, search.history.count)
        model, reached = correct(search.model, progress)
        history = push(search.history, model, model.departure)
        return _Search(extrapolate(history, model), history, reached)

    model, reached = _start(coarse, fock, iteration)
    history = empty_history(HISTORY, model, model.departure)
    end = jax.lax.while_loop(unfinished, advance, _Search(model, history, reached))
    return end.reached.solution, end.reached.focks


def _start(coarse: Equations, fock, iteration: Iteration) -> tuple[_Model, _Reached]:
    """Before the first iteration: no correction, and an empty memory."""
    ops = coarse.ops
    n = ops.core_hamiltonian.shape[-1]
    potential = jnp.zeros((ops.spins.channels, n, n), fock.dtype)
    inf = jnp.asarray(jnp.inf, fock.dtype)
    solution = Solution(fock, iteration.level_shift, inf, inf, inf, jnp.zeros((), int))
    model = _Model(jnp.zeros((), fock.dtype), potential, fock, jnp.zeros_like(fock))
    memory = first_memory(fock, ops.spins)
    return model, _Reached(solution, potential, memory, potential)


def _solve_model(
    coarse: Equations, model: _Model, last: _Reached, inner: Iteration, guess: FirstDensity | None
) -> tuple[Solution, History]:
    """The solution of the corrected model on the coarse grid, and the memory of its iterations."""
    ops = coarse.ops
    corrected = dataclasses.replace(
        ops,
        nuclear_energy=ops.nuclear_energy + model.energy,
        core_hamiltonian=ops.core_hamiltonian[None] + model.potential,
    )
    change = ops.orthonormal.change(model.potential - last.potential)
    return iterate(
        dataclasses.replace(coarse, ops=corrected),
        model.fock,
        inner,
        guess=guess,
        memory=with_potential(last.memory, change, model.fock, ops.spins, inner),
        settled=_is_level,
    )


def _corrected(
    equations: Equations,
    coarse: Equations,
    model: _Model,
    found: Solution,
    iteration: Iteration,
) -> tuple[_Model, Solution, Density]:
    """The next model from the full grid at the solution of the last, which is judged there."""
    functional, params, fine = equations.functional, equations.params, equations.ops
    occupied = fill(found.fock, fine, iteration.temperature)
    density = density_matrix(fine, occupied)
    energy, focks = mean_field(functional, fine, density)
    full, potential = xc_energy_and_potential(functional, params, fine, density)
    rough, rough_potential = xc_energy_and_potential(functional, params, coarse.ops, density)
    difference = potential - rough_potential
    predicted = rough + model.energy + jnp.sum(model.potential * density)
    focks = fine.orthonormal.fock(focks + potential)
    new = next_fock(focks, found.fock, occupied, fine.spins, iteration)
    error = departure(found.fock, new, occupied, fine.spins, iteration)
    shift = full - rough - jnp.sum(difference * density)
    judged = found._replace(
        energy=energy + full,
        gradient=jnp.max(jnp.abs(error)),
        change=full - predicted,
        steps=found.steps + 1,
    )
    return _Model(shift, difference, new, error), judged, focks


def _is_level(solution: Solution, tolerance: Float[Array, ""]) -> Bool[Array, ""]:
    """Whether the orbital gradient is small; the energy is for the full grid to judge."""
    return solution.gradient < jnp.sqrt(tolerance)


def _inner_iteration(
    iteration: Iteration, steps: Int[Array, ""], corrections: Int[Array, ""]
) -> Iteration:
    """How far to iterate on the coarse grid; not at all after too many corrections."""
    tolerance = iteration.tolerance
    left = jnp.maximum(iteration.max_steps - steps - 1, 0)
    return dataclasses.replace(
        iteration,
        tolerance=jnp.where(
            corrections == 0,
            jnp.maximum(tolerance, _FIRST_TOLERANCE),
            _INNER_TOLERANCE * tolerance,
        ),
        max_steps=jnp.where(corrections < _CORRECTIONS, left, 0),
    )
