"""Coupled-perturbed response of converged orbitals to the functional and the molecule."""

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Bool, Float

from .equations import Equations, explicit_change
from .kohn_sham import Density
from .projector import occupied_orbitals, projectors, unoccupied
from .solved import known

TOLERANCE = 1e-9  # of the response, relative; derivatives are promised to 1e-6
_WORST = 1e-7  # relative residual of a solution that is still used
# Curvature of the energy along a response (Hartree) below which it counts as flat. Orbitals that
# symmetry lets rotate freely measured below 1e-3 (OH, NO, B), all others above 1e-2.
_FLATTEST = 1e-3
_ROUGH = 1e-3  # of the equations that precondition, relative
_MOST_STEPS = 50  # of those that they precondition
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
    rough: Callable[[Density], Density] | None = None,
) -> Density:
    """dΠ for a change b of the Fock matrices, with `linear` the map ∂F/∂Π.

    `rough` is nearly the same map, and cheaper: the equations with it precondition the others.
    """
    virtual = unoccupied(occupied)

    def coupled_perturbed(d, linear=linear):
        inner = virtual @ d @ occupied
        induced = virtual @ linear(inner + inner.transpose(0, 2, 1)) @ occupied
        # The identity outside the virtual-occupied block makes the whole operator invertible.
        commutator = virtual @ (focks @ inner - inner @ focks) @ occupied
        return commutator + induced + (d - inner)

    by_gaps = _by_gaps(fock, equations.ops.counts)
    solve = functools.partial(solve_or_nan, preconditioner=by_gaps)
    if rough is not None:
        nearly = functools.partial(coupled_perturbed, linear=rough)
        inverse = functools.partial(
            _conjugate_gradients, nearly, preconditioner=by_gaps, rtol=_ROUGH
        )
        solve = functools.partial(solve_or_nan, preconditioner=inverse, solver=_flexible)
    solution = jax.lax.custom_linear_solve(
        coupled_perturbed, -(virtual @ change @ occupied), solve, symmetric=True
    )
    return solution + solution.transpose(0, 2, 1)


def solve_or_nan(
    operator: Callable, b: Array, *, preconditioner: Callable, solver: Callable | None = None
) -> Array:
    """A⁻¹ b for a symmetric A, or NaN unless A x = b and A is clearly positive along x."""
    x = (solver or _conjugate_gradients)(operator, b, preconditioner=preconditioner)
    curved = jnp.vdot(x, b) >= _FLATTEST * jnp.vdot(x, x)
    return jnp.where(is_solution(operator, x, b) & curved, x, jnp.nan)


def _conjugate_gradients(
    operator: Callable, b: Array, *, preconditioner: Callable, rtol: float = TOLERANCE
) -> Array:
    structure, tag = jax.eval_shape(lambda: b), lx.positive_semidefinite_tag
    return lx.linear_solve(
        lx.FunctionLinearOperator(operator, structure, tag),
        b,
        lx.CG(rtol=rtol, atol=1e-14),
        options={"preconditioner": lx.FunctionLinearOperator(preconditioner, structure, tag)},
        throw=False,
    ).value


def _flexible(operator: Callable, b: Array, *, preconditioner: Callable) -> Array:
    """Conjugate gradients whose preconditioner need not be the same linear map in every step.

    **Source:** Notay, SIAM J. Sci. Comput. 22, 1444 (2000).
    """
    enough = jnp.maximum(TOLERANCE * jnp.linalg.norm(b), 1e-14)

    def unfinished(state):
        return (jnp.linalg.norm(state[1]) > enough) & (state[-1] < _MOST_STEPS)

    def advance(state):
        x, residual, direction, image, curvature, steps = state
        z = preconditioner(residual)
        # Conjugate to the last direction, of which A times it is at hand.
        new = z - jnp.where(steps > 0, jnp.vdot(z, image) / curvature, 0) * direction
        image = operator(new)
        curvature = jnp.vdot(new, image)
        length = jnp.vdot(new, residual) / curvature
        return x + length * new, residual - length * image, new, image, curvature, steps + 1

    zero, one = jnp.zeros_like(b), jnp.ones((), b.dtype)
    start = zero, b, zero, zero, one, jnp.zeros((), int)
    return jax.lax.while_loop(unfinished, advance, start)[0]


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
