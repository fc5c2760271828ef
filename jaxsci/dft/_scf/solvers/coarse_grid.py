"""A field converged on its full grid by iterations on a coarse one."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ....core import History, empty_history, extrapolate, push
from ..._xc import Functional
from ..hamiltonian import Operators
from ..kohn_sham import Density, mean_field, xc_energy_and_potential
from ..response import density_matrix
from .diis import (
    HISTORY,
    Iteration,
    Solution,
    departure,
    fill,
    has_converged,
    iterate,
    next_fock,
    with_potential,
)

_CORRECTIONS = 6  # after which the coarse grid is left alone
# Of the first, uncorrected iterations, whose result is wrong by the coarse grid's error anyway.
_FIRST_TOLERANCE = 1e-5
_INNER_TOLERANCE = 0.1  # of the others, in that of the whole


class _Model(NamedTuple):
    """The field on the coarse grid with its correction, and where its iterations start.

        E_model[P] = E_coarse[P] + energy + tr(P potential)

    `departure` is how far the last one was from the full grid's solution.
    """

    energy: Float[Array, ""]
    potential: Density
    fock: Density
    departure: Density


class _Reached(NamedTuple):
    """Where the search is, and the Fock matrices of it.

    `memory` is that of the coarse grid's iterations, with the correction `potential` in it.
    """

    solution: Solution
    focks: Density
    memory: History
    potential: Density


def converge(
    functional: Functional,
    args: Any,
    coarse: Operators,
    fock: Float[Array, "sets n n"],
    iteration: Iteration,
) -> tuple[Solution, Density]:
    """The field on the full grid from few evaluations there, most often two.

        V ← V_full[P] - V_coarse[P],   P the solution of F_coarse[P] + V

    The difference of the grids in energy and potential, at the coarse grid's field, is added to
    that field as a constant and a matrix. What it then lacks is of second order: the grids'
    difference times the change of the orbitals. Convergence is judged on the full grid alone, by
    the orbital gradient and by how well the corrected field predicted the energy.

    Corrections are extrapolated by DIIS. If a few of them do not do, as in a field that is soft
    along some rotation, the steps that follow are plain ones of DIIS on the full grid.

    **Arguments:** as in `iterate`, the `Operators` in `args` those of the full grid.

    **Returns:** the solution, whose `energy` is that of the orbitals of its `fock`; and the Fock
    matrices of these orbitals.

    **Source:** Brandt, Math. Comp. 31, 333 (1977): the full approximation scheme, on two grids.
    """
    params, fine, counts = args

    def correct(model: _Model, progress) -> tuple[_Model, _Reached]:
        last, corrections = progress
        steps = last.solution.steps
        corrected = dataclasses.replace(
            coarse,
            nuclear_repulsion=coarse.nuclear_repulsion + model.energy,
            core_hamiltonian=coarse.core_hamiltonian[None] + model.potential,
        )
        inner = _inner_iteration(iteration, steps, corrections)
        change = orthogonal(model.potential - last.potential)
        found, memory = iterate(
            functional,
            (params, corrected, counts),
            model.fock,
            inner,
            memory=with_potential(last.memory, change, model.fock, inner),
            settled=_is_level,
        )
        occupied = fill(found.fock, counts, iteration.temperature)
        density = density_matrix(fine, occupied)
        energy, focks = mean_field(functional, fine, density)
        full, potential = xc_energy_and_potential(functional, params, fine, density)
        rough, rough_potential = xc_energy_and_potential(functional, params, coarse, density)
        difference = potential - rough_potential
        predicted = rough + model.energy + jnp.sum(model.potential * density)
        focks = focks + potential
        new = next_fock(focks, found.fock, occupied, fine, iteration)
        error = departure(found.fock, new, occupied, iteration)
        shift = full - rough - jnp.sum(difference * density)
        solution = Solution(
            found.fock,
            found.shift,
            energy + full,
            jnp.max(jnp.abs(error)),
            full - predicted,
            steps + found.steps + 1,
        )
        reached = _Reached(solution, focks, memory, model.potential)
        return _Model(shift, difference, new, error), reached

    def orthogonal(potential):
        return fine.orthogonaliser.T @ potential @ fine.orthogonaliser

    def unfinished(state):
        solution = state[1].solution
        return ~has_converged(solution, iteration.tolerance) & (
            solution.steps < iteration.max_steps
        )

    def advance(state):
        model, reached, history = state
        new, reached = correct(model, (reached, history.count))
        history = push(history, new, new.departure)
        return extrapolate(history, new), reached, history

    n = fine.core_hamiltonian.shape[-1]
    potential = jnp.zeros((counts.shape[0], n, n), fock.dtype)
    inf = jnp.asarray(jnp.inf, fock.dtype)
    solution = Solution(fock, iteration.level_shift, inf, inf, inf, jnp.zeros((), int))
    model = _Model(jnp.zeros((), fock.dtype), potential, fock, jnp.zeros_like(fock))
    nothing = dataclasses.replace(iteration, max_steps=jnp.zeros((), int))
    _, memory = iterate(functional, (params, coarse, counts), fock, nothing)
    reached = _Reached(solution, potential, memory, potential)
    history = empty_history(HISTORY, model, model.departure)
    _, reached, _ = jax.lax.while_loop(unfinished, advance, (model, reached, history))
    return reached.solution, reached.focks


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
