"""Restricted open shells: α and β electrons in one set of orbitals."""

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..equations import Equations, explicit_change
from ..implicit_derivatives import known
from ..kohn_sham import Density
from ..projector import occupied_orbitals, projectors, unoccupied
from ..response import SMALLEST_GAP, solve_or_nan


def shared_projectors(fock: Float[Array, "1 n n"], counts: Int[Array, " 2"]) -> Density:
    """The projectors on the lowest orbitals of one matrix, as many as each spin has electrons."""
    return projectors(jnp.broadcast_to(fock, (2, *fock.shape[1:])), counts)


def effective_fock(focks: Density, occupied: Density) -> Float[Array, "1 n n"]:
    """One matrix that commutes with both projectors where the energy is stationary.

        closed-open F_β,   open-empty F_α,   all else ½ (F_α + F_β)

    **Source:** Roothaan, Rev. Mod. Phys. 32, 179 (1960).
    """
    closed, single, empty = occupied[1], occupied[0] - occupied[1], unoccupied(occupied)[0]
    half = 0.5 * (focks[0] - focks[1])
    change = single @ half @ empty - closed @ half @ single
    return (0.5 * (focks[0] + focks[1]) + change + change.T)[None]


@eqx.filter_custom_jvp
def converged_shared_projectors(
    fock: Float[Array, "1 n n"], equations: Equations, focks: Density
) -> Density:
    """The projectors of a converged effective Fock matrix, as functions of parameters and molecule.

    At convergence R = Σ_s [F_s, Π_s] = 0. A change b of the Fock matrices rotates all orbitals by
    one antisymmetric A, dΠ_s = [A, Π_s], with

        Σ_s ½ [F_s, [A, Π_s]] + ½ [[F_s, A], Π_s] + [(∂F/∂Π) dΠ, Π]_s = -Σ_s [b_s, Π_s]

    between orbitals that are filled differently: symmetric, and solved as for one spin in
    `converged_projectors`, with the same warnings.
    """
    del focks
    return shared_projectors(fock, equations.ops.counts)


@converged_shared_projectors.def_jvp
def _converged_shared_projectors_jvp(primals, tangents):
    fock, equations, focks = primals
    occupied = converged_shared_projectors(fock, equations, focks)
    change = explicit_change(equations, tangents[1], occupied)
    focks = known(focks, equations, occupied, f=Equations.fock)
    linear = equations.response(occupied)
    return occupied, turned_shared_projectors(fock, equations, focks, occupied, linear, change)


def turned_shared_projectors(
    fock: Float[Array, "1 n n"],
    equations: Equations,
    focks: Density,
    occupied: Density,
    linear: Callable[[Density], Density],
    change: Density,
) -> Density:
    """dΠ_s for a change b of the Fock matrices, with `linear` the map ∂F/∂Π."""

    def relevant(a):
        """The part of a rotation that changes the density: between different occupations."""
        closed, single, empty = occupied[1], occupied[0] - occupied[1], unoccupied(occupied)[0]
        return a - sum(p @ a @ p for p in (closed, single, empty))

    def coupled_perturbed(a):
        inner = relevant(a)
        turned = _commutator(inner[None], occupied)
        coupled = 0.5 * _commutator(focks, turned)
        coupled += 0.5 * _commutator(_commutator(focks, inner[None]), occupied)
        coupled += _commutator(linear(turned), occupied)
        # The identity outside makes the whole operator invertible.
        return relevant(jnp.sum(coupled, axis=0)) + (a - inner)

    turn = jax.lax.custom_linear_solve(
        coupled_perturbed,
        -relevant(jnp.sum(_commutator(change, occupied), axis=0)),
        functools.partial(solve_or_nan, preconditioner=_by_gaps(fock, focks, equations.ops.counts)),
        symmetric=True,
    )
    return _commutator(relevant(turn)[None], occupied)


def _commutator(a, b):
    return a @ b - b @ a


def _by_gaps(fock, focks, counts):
    """Division by Σ_s (n_q - n_p) (ε_p - ε_q) of orbitals p, q filled differently."""
    fock, focks = jax.lax.stop_gradient((fock, focks))
    vectors = jnp.linalg.eigh(fock[0])[1]
    levels = jnp.diagonal(vectors.T @ focks @ vectors, axis1=1, axis2=2)
    filled = jax.vmap(occupied_orbitals, (None, 0))(fock.shape[-1], counts).astype(fock.dtype)
    moved = filled[:, None, :] - filled[:, :, None]
    gaps = jnp.sum(moved * (levels[:, :, None] - levels[:, None]), axis=0)
    alike = jnp.sum(moved, axis=0) == 0
    scale = 1 / jnp.where(alike, 1, jnp.maximum(jnp.abs(gaps), SMALLEST_GAP))
    return lambda a: vectors @ (scale * (vectors.T @ a @ vectors)) @ vectors.T
