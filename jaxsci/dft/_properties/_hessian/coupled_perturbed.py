"""Coupled-perturbed equations of many directions, solved on the coarse grid and corrected."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Float

from ..._scf.equations import Equations
from ..._scf.hamiltonian import on_coarse_grid
from ..._scf.kohn_sham import Density
from ..._scf.projector import unoccupied
from ..._scf.response import FLATTEST, WORST, by_gaps
from ..._scf.solvers.occupied import occupied_response
from ..._system.molecule import Molecule

# Largest entry of the residual to which the coarse grid's equations are solved, for a b of norm
# one. The grid's own error is as large.
_COARSE_TOLERANCE = 1e-5
# Corrections: each takes a residual to some 1e-3 of it on molecules whose bonds are not broken.
_MOST_CORRECTIONS = 8

# From a change of the Fock matrices at fixed orbitals to that of the projectors, and to what the
# Fock matrices see of it.
Turn = Callable[[Density], tuple[Density, Density]]


def has_coarse_equations(molecule: Molecule, equations: Equations, temperature: float) -> bool:
    """Whether `turned_by_coarse_grid` can solve them."""
    functional = equations.functional
    local = functional.on_grid and not functional.nonlocal_terms
    shared = equations.ops.spins.shared
    return molecule.grid.coarse is not None and local and not shared and not temperature


def turned_on_full_grid(
    equations: Equations,
    fock: Float[Array, "channels n n"],
    focks: Density,
    occupied: Density,
    linear: Callable[[Density], Density],
    temperature: float,
) -> Turn:
    """On the full grid alone."""
    turn = occupied_response(equations, fock, focks, occupied, linear, temperature)

    def both(change):
        found = turn(change)
        return found, linear(found)

    return both


def turned_by_coarse_grid(
    molecule: Molecule,
    equations: Equations,
    fock: Float[Array, "spins n n"],
    focks: Density,
    occupied: Density,
    linear: Callable[[Density], Density],
) -> Turn:
    """With few products on the full grid, each of which costs many on the coarse one.

    The equations A d = b of `turned_projectors` are corrected by those of the coarse grid, C,

        d ← d + C⁻¹ (b - A d)

    until the residual is that of `turned_projectors`. NaN where that fails.
    """
    rough = on_coarse_grid(equations.ops, molecule, equations.functional.level)
    coarse = dataclasses.replace(equations, ops=rough).response(occupied)
    virtual = unoccupied(occupied)
    preconditioner = by_gaps(fock, equations.ops.counts)

    def between(change):
        return virtual @ change @ occupied

    def both(d):
        return d + d.transpose(0, 2, 1)

    def applied(d, induced):
        return between(focks @ d - d @ focks + induced)

    def coarse_operator(d):
        inner = between(d)
        return applied(inner, coarse(both(inner))) + (d - inner)

    def coarse_solution(b):
        structure, tag = jax.eval_shape(lambda: b), lx.positive_semidefinite_tag
        # Of norm one, since lineax measures each entry of a residual by that of b: what is zero
        # in b would have to be zero to rounding.
        size = jnp.linalg.norm(b)
        size = jnp.where(size > 0, size, 1)
        found = lx.linear_solve(
            lx.FunctionLinearOperator(coarse_operator, structure, tag),
            b / size,
            lx.CG(rtol=_COARSE_TOLERANCE, atol=_COARSE_TOLERANCE),
            options={"preconditioner": lx.FunctionLinearOperator(preconditioner, structure, tag)},
            throw=False,
        ).value
        return size * found

    def turn(change):
        b = -between(change)
        enough = WORST * jnp.linalg.norm(b) + 1e-12

        def correct(state):
            steps, d, _, residual = state
            d = d + between(coarse_solution(residual))
            induced = linear(both(d))
            return steps + 1, d, induced, b - applied(d, induced)

        def unsolved(state):
            return (jnp.linalg.norm(state[3]) > enough) & (state[0] < _MOST_CORRECTIONS)

        start = jnp.asarray(0), jnp.zeros_like(b), jnp.zeros_like(b), b
        _, d, induced, residual = jax.lax.while_loop(unsolved, correct, start)
        solved = jnp.linalg.norm(residual) <= enough
        curved = jnp.vdot(d, b) >= FLATTEST * jnp.vdot(d, d)
        return jnp.where(solved & curved, both(d), jnp.nan), induced

    return turn
