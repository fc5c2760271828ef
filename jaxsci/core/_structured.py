"""Features of one example, whose inner products over all parameters are the tangent kernel."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ._structured_contract import direct_product


class Linearised(NamedTuple):
    """One function, ready to describe examples: `features(x)` for ONE example."""

    features: Callable[[Any], Any]


def linearise(functions, params, examples, sizes, implementation) -> list[Linearised]:
    return [Linearised(lambda x, f=f: _jacobian_rows(f, params, x)) for f in functions]


def _jacobian_rows(f, params, x):
    """The Jacobian of each parameter leaf, (trace, diagonal, full, leaf size)."""
    leaves, tree = jax.tree.flatten(params)
    y, pullback = jax.vjp(lambda leaves: f(tree.unflatten(leaves), x), leaves)
    cotangents = jnp.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
    (rows,) = jax.vmap(pullback)(cotangents)
    return [row.reshape(*y.shape, -1) for row in rows]


def contract_features(rows, columns):
    return sum(direct_product(u, v) for u, v in zip(rows, columns, strict=True))
