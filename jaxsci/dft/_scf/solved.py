"""Implicit derivatives of a solution, and of values that an iteration has computed already."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from .equations import Equations
from .kohn_sham import Density


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
    value: Float[Array, ""], equations: Equations, occupied: Density
) -> Float[Array, ""]:
    """The known energy of converged orbitals, whose change does not enter its first derivative.

    At a temperature the derivative is the free energy's, whose entropy has none of its own.

    dE/dθ = ∂E/∂θ at fixed orthonormal orbitals. The derivative itself is an ordinary function of
    the projectors, so that differentiating it once more brings in the orbitals' response.
    """
    del equations, occupied
    return value


@stationary_energy.def_jvp
def _stationary_energy_jvp(primals, tangents):
    _, equations, occupied = primals
    _, slope = eqx.filter_jvp(lambda e: e.energy(occupied), (equations,), (tangents[1],))
    return stationary_energy(*primals), slope
