"""Combine the levels of parts: positive inside, zero on the boundary.

A level is smooth inside its domain up to the boundary, and may have kinks outside. So a combination
must not use a part's level outside that part: `either` clips negative levels, and a difference uses
`_outside` of the subtracted domain, which is smooth there.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

Level = Float[Array, ""]


def product(factors: Float[Array, " factors"]) -> Level:
    """Π fᵢ, or the smallest factor where more than one is not positive, which the product would
    hide.

    So the product changes sign across each face, and its slope there does not depend on rounding.
    """
    whole, least = jnp.prod(factors), jnp.min(factors)
    return jnp.where((least >= 0) | (jnp.sum(factors <= 0) == 1), whole, least)


def both(a: Level, b: Level) -> Level:
    """Rvachev's a ∧ b = a + b - √(a² + b²): smooth except where both are zero."""
    square = a * a + b * b
    radius = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
    return a + b - radius


def either(levels: Sequence[Level]) -> Level:
    """The `norm` of levels without a common factor."""
    return norm(jnp.stack(levels), np.eye(len(levels), dtype=bool), np.ones(len(levels)))


def norm(
    factors: Float[Array, " factors"],
    members: Bool[np.ndarray, "parts factors"],
    scales: Float[np.ndarray, " parts"],
) -> Level:
    """(Σ max(aᵢ, 0)⁴)^(1/4) of the levels aᵢ = cᵢ Π fⱼ of parts, each with some of the factors.

    Three continuous derivatives across the boundary of one part inside another, so that equations
    up to the fourth order see no source there. The factor that vanishes on a face is pulled out of
    the sum, so that the slope is correct there too, even on a face that parts share.
    """
    least = jnp.min(jnp.where(members, factors[None], jnp.inf), axis=1)
    k = jnp.argmin(jnp.where(jnp.asarray(members)[jnp.argmax(least)], factors, jnp.inf))
    nearest = factors[k]
    others = jnp.arange(len(factors)) != k
    ratios = jnp.prod(jnp.where(members & others[None], jnp.maximum(factors, 0)[None], 1), axis=1)
    inside = nearest > 0
    without = jnp.where(inside, ratios / jnp.where(inside, nearest, 1), 0)
    ratios = jnp.asarray(scales, factors.dtype) * jnp.where(
        jnp.asarray(members)[:, k], ratios, without
    )
    powers = jnp.sum(ratios**4)
    return nearest * jnp.where(powers > 0, jnp.where(powers > 0, powers, 1) ** 0.25, 1)
