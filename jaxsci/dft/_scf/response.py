"""How converged orbitals respond to a change of the functional or of the molecule."""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Bool, Float, Int

from .._xc import Functional
from .hamiltonian import Operators
from .kernel import fock_and_response
from .kohn_sham import Density, fock_matrix
from .projector import occupied_orbitals, occupied_projector

TOLERANCE = 1e-9  # of the response, relative; derivatives are promised to 1e-6
_WORST = 1e-7  # relative residual of a solution that is still used
# Curvature of the energy along a response (Hartree) below which it counts as flat. Orbitals that
# symmetry lets rotate freely measured below 1e-3 (OH, NO, B), all others above 1e-2.
_FLATTEST = 1e-3
SMALLEST_GAP = 1e-2  # in the preconditioner only (Hartree)


def projectors(fock: Density, counts: Int[Array, " spins"]) -> Density:
    """The occupied projector of each spin channel, from Fock matrices in an orthonormal basis."""
    return jax.vmap(occupied_projector)(fock, counts)


def unoccupied(occupied: Density) -> Density:
    """1 - Π."""
    return jnp.eye(occupied.shape[-1], dtype=occupied.dtype)[None] - occupied


def density_matrix(ops: Operators, occupied: Density) -> Density:
    """P = f X Π Xᵀ, with f = 2 electrons an orbital if one channel stands for both spins."""
    x = ops.orthogonaliser
    return electrons_per_orbital(occupied) * (x @ occupied @ x.T)


def electrons_per_orbital(channels: Array) -> float:
    """2 if one channel stands for both spins, else 1."""
    return 2.0 if channels.shape[0] == 1 else 1.0


def orthogonal_fock(
    functional: Functional, params: Any, ops: Operators, density: Density
) -> Density:
    """Xᵀ F[P] X."""
    x = ops.orthogonaliser
    return x.T @ fock_matrix(functional, params, ops, density) @ x


def fock_of(functional: Functional, occupied: Density, params: Any, ops: Operators) -> Density:
    """The Fock matrices of occupied projectors, in the orthonormal basis."""
    return orthogonal_fock(functional, params, ops, density_matrix(ops, occupied))


def explicit_change(
    functional: Functional, occupied: Density, at: tuple[Any, Operators], tangents: tuple[Any, Any]
) -> Density:
    """How `fock_of` changes with parameters and operators while the orbitals stay."""
    return eqx.filter_jvp(functools.partial(fock_of, functional, occupied), at, tangents)[1]


def orthogonal_response(
    functional: Functional, params: Any, ops: Operators, occupied: Density
) -> tuple[Density, Callable[[Density], Density]]:
    """Xᵀ F X of occupied orbitals, and the linear map from a change of these to that of it."""
    x = ops.orthogonaliser
    fock, response = fock_and_response(functional, params, ops, density_matrix(ops, occupied))
    return x.T @ fock @ x, lambda change: x.T @ response(density_matrix(ops, change)) @ x


@eqx.filter_custom_jvp
def converged_projectors(
    fock: Float[Array, "spins n n"],
    params: Any,
    ops: Operators,
    *,
    functional: Functional,
) -> Density:
    """The projectors of a converged Fock matrix, as functions of the parameters and the molecule.

    At convergence F Π = Π F. To first order in a change b of the Fock matrix at fixed orbitals,
    the virtual-occupied part D of dΠ solves the coupled-perturbed equations

        F D - D F + (1-Π) (∂F/∂Π)[D + Dᵀ] Π = -(1-Π) b Π

    which are symmetric, positive definite at a minimum, and solved by conjugate gradients with the
    orbital gaps as preconditioner. No eigenvector enters the equations, so that they can be
    differentiated again, with degenerate orbitals too.

    Where the energy is flat along the response, the derivative does not exist, as for a hole in a
    degenerate shell pushed from one orbital to the next: then, and where the solver fails, it
    is NaN.

    **Source:** Pople et al., Int. J. Quantum Chem. Symp. 13, 225 (1979), in projector form.
    """
    del params, functional
    return projectors(fock, ops.counts)


@converged_projectors.def_jvp
def _converged_projectors_jvp(primals, tangents, *, functional):
    fock, params, ops = primals
    _, d_params, d_ops = tangents
    occupied = converged_projectors(fock, params, ops, functional=functional)
    virtual = unoccupied(occupied)

    change = explicit_change(functional, occupied, (params, ops), (d_params, d_ops))
    at_solution, linear = orthogonal_response(functional, params, ops, occupied)

    def coupled_perturbed(d):
        inner = virtual @ d @ occupied
        induced = virtual @ linear(inner + inner.transpose(0, 2, 1)) @ occupied
        # The identity outside the virtual-occupied block makes the whole operator invertible.
        commutator = virtual @ (at_solution @ inner - inner @ at_solution) @ occupied
        return commutator + induced + (d - inner)

    solution = jax.lax.custom_linear_solve(
        coupled_perturbed,
        -(virtual @ change @ occupied),
        functools.partial(solve_or_nan, preconditioner=_by_gaps(fock, ops.counts)),
        symmetric=True,
    )
    return occupied, solution + solution.transpose(0, 2, 1)


def solve_or_nan(operator: Callable, b: Array, *, preconditioner: Callable) -> Array:
    """A⁻¹ b for a symmetric A, or NaN unless A x = b and A is clearly positive along x."""
    structure, tag = jax.eval_shape(lambda: b), lx.positive_semidefinite_tag
    x = lx.linear_solve(
        lx.FunctionLinearOperator(operator, structure, tag),
        b,
        lx.CG(rtol=TOLERANCE, atol=1e-14),
        options={"preconditioner": lx.FunctionLinearOperator(preconditioner, structure, tag)},
        throw=False,
    ).value
    curved = jnp.vdot(x, b) >= _FLATTEST * jnp.vdot(x, x)
    return jnp.where(is_solution(operator, x, b) & curved, x, jnp.nan)


def is_solution(operator: Callable, x: Array, b: Array) -> Bool[Array, ""]:
    """Whether A x = b as closely as derivatives are promised."""
    return jnp.linalg.norm(operator(x) - b) <= _WORST * jnp.linalg.norm(b) + 1e-12


def _by_gaps(fock, counts):
    """Division by ε_a - ε_i in the virtual-occupied block: the inverse without coupling."""
    values, vectors = jnp.linalg.eigh(jax.lax.stop_gradient(fock))
    occupied = jax.vmap(occupied_orbitals, (None, 0))(fock.shape[-1], counts)
    between = ~occupied[:, :, None] & occupied[:, None, :]
    gaps = jnp.maximum(values[:, :, None] - values[:, None, :], SMALLEST_GAP)
    scale = 1 / jnp.where(between, gaps, 1)
    back = vectors.transpose(0, 2, 1)
    return lambda d: vectors @ (scale * (back @ d @ vectors)) @ back
