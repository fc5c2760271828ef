"""Implicit derivatives of a solution, and of values that an iteration has computed already."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float

from .equations import Equations


def constant(tree: Any) -> Any:
    """The same values without derivatives."""
    return jax.tree.map(lambda x: jax.lax.stop_gradient(x) if eqx.is_inexact_array(x) else x, tree)


@eqx.filter_custom_jvp
def known(value: Any, *args: Any, f: Callable) -> Any:
    """`value`, which is `f(*args)`, without computing it again; its derivatives are those of `f`.

    `f` must not close over anything that is differentiated.
    """
    del args, f
    return value


@known.def_jvp
def _known_jvp(primals, tangents, *, f):
    _, tangent = eqx.filter_jvp(f, primals[1:], tangents[1:])
    return known(*primals, f=f), tangent


@eqx.filter_custom_jvp
def stationary_energy(
    value: Float[Array, ""], equations: Equations, *solution: Array, occupied: Callable
) -> Float[Array, ""]:
    """The known energy of converged orbitals, whose change does not enter its first derivative.

    At a temperature the derivative is the free energy's, whose entropy has none of its own.

    dE/dθ = ∂E/∂θ at fixed orthonormal orbitals. The derivative itself is an ordinary function of
    the projectors `occupied(equations, *solution)`, so that differentiating it once more brings in
    the orbitals' response.
    """
    del equations, solution, occupied
    return value


@stationary_energy.def_jvp
def _stationary_energy_jvp(primals, tangents, *, occupied):
    _, equations, *solution = primals
    projectors = occupied(equations, *solution)
    _, slope = eqx.filter_jvp(lambda e: e.energy(projectors), (equations,), (tangents[1],))
    return stationary_energy(*primals, occupied=occupied), slope
