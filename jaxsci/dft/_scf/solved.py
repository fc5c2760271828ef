"""Values that an iteration has found already, with the derivatives of what gives them."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from .._xc import Functional
from .hamiltonian import Operators
from .kohn_sham import Density, total_energy
from .response import density_matrix


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
    value: Float[Array, ""],
    occupied: Density,
    params: Any,
    ops: Operators,
    *,
    functional: Functional,
) -> Float[Array, ""]:
    """The known energy of converged orbitals, whose change does not enter its first derivative.

    At a temperature the derivative is the free energy's, whose entropy has none of its own.

    dE/dθ = ∂E/∂θ at fixed orthonormal orbitals. The derivative itself is an ordinary function of
    the projectors, so that differentiating it once more brings in the orbitals' response.
    """
    del occupied, params, ops, functional
    return value


@stationary_energy.def_jvp
def _stationary_energy_jvp(primals, tangents, *, functional):
    _, occupied, params, ops = primals

    def at_fixed_orbitals(params, ops):
        return energy_of(functional, occupied, params, ops)

    _, slope = eqx.filter_jvp(at_fixed_orbitals, (params, ops), tangents[2:])
    return stationary_energy(*primals, functional=functional), slope


def energy_of(
    functional: Functional, occupied: Density, params: Any, ops: Operators
) -> Float[Array, ""]:
    """The energy of occupied projectors."""
    return total_energy(functional, params, ops, density_matrix(ops, occupied))
