"""Reject networks whose derivatives vanish where an equation needs them."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr
from jaxtyping import Array, Float

# Piecewise linear functions: their second derivative is zero almost everywhere.
_PIECEWISE_LINEAR = frozenset(
    {"relu", "relu6", "leaky_relu", "hard_tanh", "hard_sigmoid", "prelu", "abs"}
)


def require_smooth(u: Callable, x: Float[Array, " dim"]) -> None:
    """Raise if a field is built on an activation without second derivatives.

    **Arguments:**

    - `u`: a function of one point.
    - `x`: a point `(d,)`; only its shape and dtype matter.

    **Raises:** `ValueError` naming the activation, for example ReLU: the Laplacian of a piecewise
    linear network is zero, so training against it is meaningless.

    ```python
    jsci.pde.require_smooth(lambda y: net(y), jnp.zeros(2))
    ```
    """
    found = sorted(_names(jax.make_jaxpr(u)(x).jaxpr) & _PIECEWISE_LINEAR)
    if found:
        raise ValueError(
            f"The field uses {found[0]}, whose second derivative is zero almost everywhere, under "
            "an operator of second order. Give the network a smooth activation: tanh, sin or gelu."
        )


def _names(jaxpr: Jaxpr) -> set[str]:
    """Names of the functions called in a program, at any depth."""
    names = set()
    for eqn in jaxpr.eqns:
        if isinstance(name := eqn.params.get("name"), str):
            names.add(name)
        names |= _names_within(eqn.params.values())
    return names


def _names_within(values: Any) -> set[str]:
    names = set()
    for value in values:
        if isinstance(value, ClosedJaxpr):
            value = value.jaxpr
        if isinstance(value, Jaxpr):
            names |= _names(value)
        elif isinstance(value, tuple | list):
            names |= _names_within(value)
    return names
