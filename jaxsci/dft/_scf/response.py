"""Coupled-perturbed response of converged orbitals to the functional and the molecule."""

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Bool, Float

from .equations import Equations, explicit_change
from .implicit_derivatives import known
from .kohn_sham import Density
from .projector import occupied_orbitals, projectors, unoccupied

TOLERANCE = 1e-9  # of the response, relative; derivatives are promised to 1e-6
WORST = 1e-7  # relative residual of a solution that is still used
# Curvature of the energy along a response (Hartree) below which it counts as flat. Orbitals that
# symmetry lets rotate freely measured below 1e-3 (OH, NO, B), all others above 1e-2.
FLATTEST = 1e-3
SMALLEST_GAP = 1e-2  # in the preconditioner only (Hartree)


@eqx.filter_custom_jvp
def converged_projectors(
    fock: Float[Array, "spins n n"], equations: Equations, focks: Density
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

    **Arguments:** `focks` are the Fock matrices of these projectors, known already.

    **Source:** Pople et al., Int. J. Quantum Chem. Symp. 13, 225 (1979), in projector form.
    """
    del focks
    return projectors(fock, equations.ops.counts)


@converged_projectors.def_jvp
def _converged_projectors_jvp(primals, tangents):
    fock, equations, focks = primals
    occupied = converged_projectors(fock, equations, focks)
    change = explicit_change(equations, tangents[1], occupied)
    at_solution = known(focks, equations, occupied, f=Equations.fock)
    linear = equations.response(occupied)
    return occupied, turned_projectors(fock, equations, at_solution, occupied, linear, change)


def turned_projectors(
    fock: Float[Array, "spins n n"],
    equations: Equations,
    focks: Density,
    occupied: Density,
    linear: Callable[[Density], Density],
    change: Density,
) -> Density:
    """dΠ for a change b of the Fock matrices, with `linear` the map ∂F/∂Π."""
    virtual = unoccupied(occupied)

    def coupled_perturbed(d):
        inner = virtual @ d @ occupied
        induced = virtual @ linear(inner + inner.transpose(0, 2, 1)) @ occupied
        # The identity outside the virtual-occupied block makes the whole operator invertible.
        commutator = virtual @ (focks @ inner - inner @ focks) @ occupied
        return commutator + induced + (d - inner)

    solution = jax.lax.custom_linear_solve(
        coupled_perturbed,
        -(virtual @ change @ occupied),
        functools.partial(solve_or_nan, preconditioner=by_gaps(fock, equations.ops.counts)),
        symmetric=True,
    )
    return solution + solution.transpose(0, 2, 1)


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
    curved = jnp.vdot(x, b) >= FLATTEST * jnp.vdot(x, x)
    return jnp.where(is_solution(operator, x, b) & curved, x, jnp.nan)


def is_solution(operator: Callable, x: Array, b: Array) -> Bool[Array, ""]:
    """Whether A x = b as closely as derivatives are promised."""
    return jnp.linalg.norm(operator(x) - b) <= WORST * jnp.linalg.norm(b) + 1e-12


def by_gaps(fock, counts):
    """Division by ε_a - ε_i in the virtual-occupied block: the inverse without coupling."""
    values, vectors = jnp.linalg.eigh(jax.lax.stop_gradient(fock))
    occupied = jax.vmap(occupied_orbitals, (None, 0))(fock.shape[-1], counts)
    between = ~occupied[:, :, None] & occupied[:, None, :]
    gaps = jnp.maximum(values[:, :, None] - values[:, None, :], SMALLEST_GAP)
    scale = 1 / jnp.where(between, gaps, 1)
    back = vectors.transpose(0, 2, 1)
    return lambda d: vectors @ (scale * (back @ d @ vectors)) @ back
