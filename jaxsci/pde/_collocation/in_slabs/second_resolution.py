"""The error of a march, estimated by a second one with finer features."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ....core import compiled_call


def doubled(points: Any) -> Any:
    """Samplers that draw twice as many points; arrays stay as they are."""
    if isinstance(points, Mapping):
        return {name: doubled(part) for name, part in points.items()}
    if not callable(points):
        return points

    def both(key):
        return jax.tree.map(
            lambda *parts: jnp.concatenate(parts), *map(points, jax.random.split(key))
        )

    return both


def differences(
    first: Any, second: Any, shares: Mapping[str, Float[Array, "_ dim"]]
) -> Float[np.ndarray, " slabs"]:
    """‖u₁ - u₂‖ / ‖u₂‖ in each slab of the first march, of the worst component.

    ‖u₂‖ counts as at least 1e-3 of the largest of all slabs and components.

    At points whose last coordinate is the share of a slab. NaN where the second has no slab.
    """
    x, bounds = jnp.concatenate(list(shares.values())), jnp.asarray(first.times)
    at = jax.vmap(lambda start, end: x.at[:, -1].set(start + (end - start) * x[:, -1]))(
        bounds[:-1], bounds[1:]
    )

    def norms(params, x):
        """Over the points of a slab, of the difference and of the second."""
        one, two = (
            jax.vmap(lambda y, m=m, p=p: jnp.ravel(m.field(p, y)))(x)
            for m, p in zip((first, second), params, strict=True)
        )
        return jnp.linalg.norm(one - two, axis=0), jnp.linalg.norm(two, axis=0)

    both = first.params, second.params
    gap, size = map(np.asarray, compiled_call(jax.vmap(norms, (None, 0)), both, at))
    # A component that is nearly zero has no relative error.
    least = 1e-3 * np.max(size, initial=0.0, where=np.isfinite(size))
    return np.max(gap / np.maximum(size, least if least > 0 else 1.0), axis=-1)
