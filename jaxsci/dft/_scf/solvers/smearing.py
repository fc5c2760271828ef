"""Fermi-Dirac occupations at an electronic temperature, and how they respond."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Float, Num

from ..equations import Equations, explicit_change
from ..implicit_derivatives import known
from ..kohn_sham import Density
from ..response import TOLERANCE, is_solution

_BISECTIONS = 80  # of the chemical potential: to the last digit
_WIDEST = 60.0  # temperatures from the chemical potential to an orbital without electrons
_SAME = 1e-4  # energies this close, in temperatures, share the derivative at their mean


@eqx.filter_custom_jvp
def occupations(
    energies: Float[Array, " n"], count: Num[Array, ""], *, temperature: float
) -> Float[Array, " n"]:
    """f_i = 1/(1 + exp((ε_i - μ)/T)) with μ such that Σ f_i is the number of electrons."""

    def filled(mu):
        return jax.nn.sigmoid((mu - energies) / temperature)

    def halve(_, bracket):
        low, high = bracket
        middle = 0.5 * (low + high)
        too_few = jnp.sum(filled(middle)) < count
        return jnp.where(too_few, middle, low), jnp.where(too_few, high, middle)

    margin = _WIDEST * temperature
    bracket = (jnp.min(energies) - margin, jnp.max(energies) + margin)
    low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, bracket)
    return filled(0.5 * (low + high))


@occupations.def_jvp
def _occupations_jvp(primals, tangents, *, temperature):
    f = occupations(*primals, temperature=temperature)
    weight = f * (1 - f) / temperature
    return f, weight * (_shift_of_mu(weight, tangents[0]) - tangents[0])


def _shift_of_mu(weight, d_energies):
    """dμ that keeps the number of electrons; nothing to do where no orbital is partly filled."""
    total = jnp.sum(weight)
    return jnp.sum(weight * d_energies) / jnp.where(total > 0, total, 1)


def entropy(occupations: Float[Array, "*spin n"]) -> Float[Array, ""]:
    """-Σ [f ln f + (1-f) ln(1-f)], in units of Boltzmann's constant."""
    f = jnp.clip(occupations, 0, 1)  # beyond by rounding only
    return jnp.sum(jax.scipy.special.entr(f) + jax.scipy.special.entr(1 - f))


@eqx.filter_custom_jvp
def fermi_operator(
    fock: Float[Array, "n n"], count: Num[Array, ""], *, temperature: float
) -> Float[Array, "n n"]:
    """Γ = Σ_i f_i u_i u_iᵀ, the occupations of a symmetric matrix as an operator.

        u_iᵀ dΓ u_j = (f_i - f_j)/(ε_i - ε_j) u_iᵀ dF u_j + δ_ij f_i (1 - f_i)/T dμ

    with -f (1 - f)/T for the quotient of equal energies. Its second derivative is NaN.
    """
    energies, vectors = jnp.linalg.eigh(fock)
    f = occupations(energies, count, temperature=temperature)
    return (vectors * f[None]) @ vectors.T


@fermi_operator.def_jvp
def _fermi_operator_jvp(primals, tangents, *, temperature):
    fock, count = primals
    energies, vectors = jnp.linalg.eigh(_differentiable_once(fock))
    f = occupations(energies, count, temperature=temperature)
    weight = f * (1 - f) / temperature
    distance = energies[:, None] - energies[None]
    close = jnp.abs(distance) < _SAME * temperature
    mean = 0.5 * (f[:, None] + f[None])
    slope = jnp.where(
        close,
        -mean * (1 - mean) / temperature,
        (f[:, None] - f[None]) / jnp.where(close, 1, distance),
    )
    change = vectors.T @ tangents[0] @ vectors
    d_mu = _shift_of_mu(weight, jnp.diagonal(change))
    response = vectors @ (slope * change + jnp.diag(weight * d_mu)) @ vectors.T
    return (vectors * f[None]) @ vectors.T, response


@jax.custom_jvp
def _differentiable_once(fock):
    """Itself, with a derivative that is not a number.

    Differentiating eigenvectors of degenerate levels would give finite, wrong numbers. An error
    would also stop second derivatives of the free energy, which pass here without use of it.
    """
    return fock


@_differentiable_once.defjvp
def _not_a_number(primals, tangents):
    return primals[0], jnp.nan * tangents[0]


def fermi_operators(fock: Density, counts: Num[Array, " spins"], temperature: float) -> Density:
    """The occupation operator of each spin channel."""
    return jax.vmap(lambda f, n: fermi_operator(f, n, temperature=temperature))(fock, counts)


@eqx.filter_custom_jvp
def converged_fermi_operators(
    fock: Float[Array, "spins n n"], equations: Equations, focks: Density, *, temperature: float
) -> Density:
    """The occupation operators of a converged Fock matrix, as functions of parameters and molecule.

    At convergence F = F[Γ(F)]. To first order in a change b of the Fock matrix at fixed Γ,

        dF - (∂F/∂Γ)(∂Γ/∂F) dF = b,   dΓ = (∂Γ/∂F) dF

    solved by GMRES: the operator is not symmetric.
    """
    del focks
    return fermi_operators(fock, equations.ops.counts, temperature)


@converged_fermi_operators.def_jvp
def _converged_fermi_operators_jvp(primals, tangents, *, temperature):
    fock, equations, focks = primals
    counts = equations.ops.counts
    # By the function itself, and the Fock matrix from it: what is differentiated once more must
    # see that both depend on the parameters.
    occupied = converged_fermi_operators(fock, equations, focks, temperature=temperature)

    change = explicit_change(equations, tangents[1], occupied)
    at_solution = known(focks, equations, occupied, f=Equations.fock)
    linear = equations.response(occupied)
    return occupied, refilled_operators(counts, at_solution, linear, change, temperature)


def refilled_operators(
    counts: Num[Array, " spins"],
    focks: Density,
    linear: Callable[[Density], Density],
    change: Density,
    temperature: float,
) -> Density:
    """dΓ for a change b of the Fock matrices, with `linear` the map ∂F/∂Γ."""
    _, refilled = jax.linearize(lambda f: fermi_operators(f, counts, temperature), focks)
    d_fock = jax.lax.custom_linear_solve(
        lambda d: d - linear(refilled(d)), change, _solve_or_nan, transpose_solve=_solve_or_nan
    )
    return refilled(d_fock)


def _solve_or_nan(operator, b):
    x = lx.linear_solve(
        lx.FunctionLinearOperator(operator, jax.ShapeDtypeStruct(b.shape, b.dtype)),
        b,
        lx.GMRES(rtol=TOLERANCE, atol=1e-14, restart=50),
        throw=False,
    ).value
    return jnp.where(is_solution(operator, x, b), x, jnp.nan)
