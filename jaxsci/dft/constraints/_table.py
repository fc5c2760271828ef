"""Which constraints a functional satisfies, computed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import announced_jit
from .._xc import Functional, as_functional
from .._xc.features import Features
from . import _combined as combined, _correlation as correlation, _exchange as exchange
from ._densities import sample_features


class Verdict(NamedTuple):
    """How far a functional violates a constraint.

    - `violation`: the largest absolute value of the constraint's residual, in its own unit.
    - `satisfied`: whether that is within the tolerance.

    ```python
    x = jsci.dft.xc("pbe_x")
    verdict = jsci.dft.constraints.constraint_table(exchange=x)["exchange_sign"]
    verdict.satisfied  # True
    ```
    """

    violation: float
    satisfied: bool


# Published fits of the uniform gas differ by a percent or two. The low-density limit is approached
# only as r_s^(-1/2). PBE's errors for hydrogen cancel to 6e-4 Hartree.
_TOLERANCES = {
    "correlation_of_uniform_gas": 3e-2,
    "correlation_low_density_limit": 5e-2,
    "hydrogen_atom": 1e-4,
}
_TOLERANCE = 2e-3

EXCHANGE: tuple[Callable, ...] = (
    exchange.exchange_sign,
    exchange.exchange_spin_scaling,
    exchange.exchange_uniform_scaling,
    exchange.exchange_of_uniform_gas,
    exchange.exchange_gradient_expansion,
    exchange.exchange_nonuniform_scaling,
    exchange.exchange_lieb_oxford,
    exchange.exchange_of_two_electrons,
)
CORRELATION: tuple[Callable, ...] = (
    correlation.correlation_sign,
    correlation.correlation_of_uniform_gas,
    correlation.correlation_gradient_expansion,
    correlation.correlation_of_one_electron,
    correlation.correlation_high_density_limit,
    correlation.correlation_low_density_limit,
    correlation.correlation_scaling_inequality,
    correlation.correlation_adiabatic_concavity,
    correlation.correlation_rapidly_varying,
)
COMBINED: tuple[Callable, ...] = (
    combined.spin_symmetry,
    combined.lieb_oxford,
    combined.hydrogen_atom,
)


def constraint_table(
    *,
    exchange: Functional | Callable | None = None,
    correlation: Functional | Callable | None = None,
    params: Any = None,
    features: Features | None = None,
) -> dict[str, Verdict]:
    """Test every exact constraint that applies to the given parts of a functional.

    **Arguments:**

    - `exchange`, `correlation`: semilocal functionals; with both, their sum is tested too.
    - `params`: the parameters, handed to both; `None` for functionals without.
    - `features`: `Features` of shape (n,) at which to test, in Hartree atomic units; 256 points of
        `sample_features` by default.

    **Returns:** a dictionary from the name of each constraint to `Verdict(violation, satisfied)`.
    Satisfied means below 2e-3 at all points (3e-2 for the correlation of the uniform gas, 5e-2 for
    the low-density limit, 1e-4 Hartree for hydrogen). An inequality that holds at every point
    holds for the energy; the converse is not true.

    **Raises:** `ValueError` if neither part is given, or one has exact exchange.

    ```python
    x, c = jsci.dft.xc("pbe_x"), jsci.dft.xc("pbe_c")
    table = jsci.dft.constraints.constraint_table(exchange=x, correlation=c)
    table["lieb_oxford"].satisfied  # True
    ```
    """
    x, c = (None if f is None else _semilocal(f) for f in (exchange, correlation))
    parts = [(x, EXCHANGE), (c, CORRELATION)]
    if x is not None and c is not None:
        parts.append((x + c, COMBINED))
    parts = [(f, constraints) for f, constraints in parts if f is not None]
    if not parts:
        raise ValueError("constraint_table() needs exchange=, correlation= or both.")
    if features is None:
        features = sample_features(jax.random.key(0), 256)
    table = {}
    for functional, constraints in parts:
        worst = _worst(functional, params, features, constraints)
        for constraint, violation in zip(constraints, worst, strict=True):
            name = constraint.__name__
            small = float(violation) <= _TOLERANCES.get(name, _TOLERANCE)
            table[name] = Verdict(float(violation), small)
    return table


@announced_jit("compiling the exact constraints")
def _worst(functional, params, features, constraints) -> list[Float[Array, ""]]:
    return [
        jnp.max(jnp.abs(jax.vmap(lambda f, c=c: c(functional, params, f))(features)))
        for c in constraints
    ]


def _semilocal(functional) -> Functional:
    functional = as_functional(functional)
    if not functional.semilocal:
        raise ValueError(
            f"{functional!r} has a part that is no function of the density at a point: "
            "test its semilocal part."
        )
    return functional
