"""The Fock-response operator with f_xc cached, for many products at one density."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import one_copy
from .._basis.functions import Rows
from .._xc import Functional
from .._xc.features import Level
from .hamiltonian import Operators
from .kohn_sham import Density, Parts, features_of, fock_matrix, mean_field, spin_parts

# Of ρ, ∇ρ, τ, ∇²ρ: what a level depends on, as numbers at each point.
_NUMBERS = {"lda": 1, "gga": 4, "mgga": 5, "laplacian": 6}


def fock_and_response(
    functional: Functional, params: Any, ops: Operators, density: Density
) -> tuple[Density, Callable[[Density], Density]]:
    """F[P], and the linear map from a change of P to that of F."""
    response = fock_response(functional, params, ops, density)
    return fock_matrix(functional, params, ops, density), response


def fock_response(
    functional: Functional, params: Any, ops: Operators, density: Density
) -> Callable[[Density], Density]:
    """The linear map from a change of P to that of F[P].

        δF = J[δP] - a K[δP] + ∫ f_xc δn

    The second derivatives f_xc of the functional in ρ, ∇ρ, τ are computed once and kept, at most
    12² numbers per point, so that a product costs two passes over the basis functions and none
    through the functional, regardless of its depth.
    """
    if functional.nonlocal_terms or not functional.on_grid:
        return jax.linearize(lambda p: fock_matrix(functional, params, ops, p), density)[1]
    kernel = _kernel(functional, params, ops, density)
    bare = dataclasses.replace(ops, core_hamiltonian=jnp.zeros_like(ops.core_hamiltonian))

    def response(change: Density) -> Density:
        _, fock = mean_field(functional, bare, change)
        return fock + _potential(kernel, ops, change, functional.level)

    return response


def _kernel(functional, params, ops: Operators, density) -> Float[Array, "blocks s k s k points"]:
    """∂²(w e_xc)/∂u∂u of the parts u of both spins, at each point."""
    level, rows = functional.level, ops.quadrature.basis.to_rows(density)

    def energy(parts, weight):
        return weight * energy_of_numbers(functional, params, parts)

    def of_block(orbitals, weights):
        parts = _pack([spin_parts(orbitals, p, level) for p in rows], level)
        return jax.vmap(jax.hessian(energy), in_axes=-1, out_axes=-1)(parts, weights)

    return ops.quadrature.each(of_block)


def _potential(kernel, ops: Operators, change: Density, level: Level) -> Density:
    basis = ops.quadrature.basis
    rows = basis.to_rows(change)

    def of_block(orbitals: Rows, _, kernel):
        return _block_potential(orbitals, kernel, rows, level)

    potential = basis.from_rows(ops.quadrature.sum(of_block, (kernel,)))
    return 0.5 * (potential + potential.transpose(0, 2, 1))


@one_copy
def _block_potential(orbitals: Rows, kernel, density, level: Level):
    parts, transpose = jax.vjp(
        lambda r: _pack([spin_parts(orbitals, p, level) for p in r], level), density
    )
    return transpose(jnp.einsum("sktlp,tlp->skp", kernel, parts))[0]


def energy_of_numbers(
    functional: Functional, params: Any, numbers: Float[Array, "spins k"]
) -> Float[Array, ""]:
    """e_xc at a point from what its level depends on, of ρ, ∇ρ, τ, ∇²ρ of each spin channel."""
    return functional(params, features_of([_unpack(u, functional.level) for u in numbers]))


def _pack(spins: Sequence[Parts], level: Level) -> Float[Array, "spins k points"]:
    """Only what the level depends on."""
    return jnp.stack([jnp.stack([p[0], *p[1], *p[2:]][: _NUMBERS[level]]) for p in spins])


def _unpack(numbers: Float[Array, " k"], level: Level) -> Parts:
    rho, *others = (*numbers, *jnp.zeros(6 - _NUMBERS[level]))
    return rho, jnp.stack(others[:3]), others[3], others[4]
