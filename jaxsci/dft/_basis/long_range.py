"""The long-range part of the repulsion, for range-separated exact exchange."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float

from . import integrals


class LongRange(eqx.Module):
    """Two-electron integrals of erf(ω r)/r.

    - `repulsion`, `fit`: as in `Molecule`, one of them `None`.
    - `omega`: ω in Bohr⁻¹.
    """

    repulsion: Float[Array, "pairs pairs"] | None
    fit: Float[Array, "auxiliary pairs"] | None
    omega: float = eqx.field(static=True)


def from_mole(mol: Any, omega: float, auxiliary: str | None) -> LongRange:
    """The integrals of a `Mole`, fitted in an auxiliary basis if there is one."""
    with mol.with_range_coulomb(omega):
        if auxiliary is None:
            return LongRange(jax.device_put(integrals.repulsion(mol)), None, omega)
        return LongRange(None, jax.device_put(integrals.fitted_repulsion(mol, auxiliary)), omega)


def check_range(holds: LongRange | None, omega: float | None, name: str) -> LongRange:
    """The long-range integrals that a functional needs, or an error that says how to get them."""
    if holds is None or holds.omega != omega:
        found = "no long-ranged integrals" if holds is None else f"those of omega={holds.omega:g}"
        raise ValueError(
            f"the functional {name!r} separates exchange at omega={omega:g}, and the molecule "
            f"holds {found}: build it with molecule(..., omega={omega:g})."
        )
    return holds
