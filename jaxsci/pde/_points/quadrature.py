"""Gauss-Legendre quadrature on boxes."""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ... import numerics
from .._geometry.domains import Box

Quadrature = tuple[Float[Array, "m dim"], Float[Array, " m"]]


def gauss_legendre(
    box: Box, n: int, *, breaks: tuple[tuple[float, ...], ...] | None = None
) -> Quadrature:
    """Points and weights with Σᵢ wᵢ f(xᵢ) ≈ ∫ f dx, exact for polynomials of degree 2n - 1.

    **Arguments:**

    - `box`: the domain, a `Box` or `Interval`.
    - `n`: number of points along each side of each panel.
    - `breaks`: for each coordinate, the interior places where f or one of its derivatives jumps.
        They become ends of panels; without them convergence is slow.

    **Returns:** points `(m, dim)` and weights `(m,)`.

    **Raises:** `ValueError` for n < 1 or breaks outside the box; `TypeError` for another domain.

    ```python
    points, weights = jsci.pde.gauss_legendre(jsci.pde.Interval(-1.0, 1.0), 16, breaks=((0.5,),))
    ```
    """
    if not isinstance(box, Box):
        raise TypeError(
            f"gauss_legendre() needs a Box or an Interval, got a {type(box).__name__}: give the "
            "boxes that make it up, and concatenate their points and weights."
        )
    if n < 1:
        raise ValueError(f"gauss_legendre needs n >= 1 points, got {n}.")
    if breaks is None:
        breaks = ((),) * box.dim
    if len(breaks) != box.dim:
        raise ValueError(f"breaks needs one tuple per coordinate ({box.dim}), got {len(breaks)}.")
    axes = []
    for start, end, inner in zip(box.lower, box.upper, breaks, strict=True):
        ends = np.array([start, *sorted(inner), end])
        if not np.all(np.diff(ends) > 0):
            raise ValueError(f"breaks must lie inside ({start}, {end}), each once, got {inner}.")
        axes.append(numerics.gauss_legendre(ends, n))
    points = np.array(list(itertools.product(*(x for x, _ in axes))))
    weights = np.array([np.prod(w) for w in itertools.product(*(w for _, w in axes))])
    return jnp.asarray(points), jnp.asarray(weights)


def points_and_weights(quadrature: Any) -> Quadrature:
    """Return the quadrature; raise if it is not one."""
    try:
        points, weights = quadrature
    except (TypeError, ValueError):
        raise TypeError(
            "A quadrature is a pair of points (m, dim) and weights (m,), as gauss_legendre(box, n) "
            f"returns, got a {type(quadrature).__name__}. Points of a sampler have no weights."
        ) from None
    if jnp.ndim(points) != 2 or jnp.shape(weights) != jnp.shape(points)[:1]:
        raise ValueError(
            "A quadrature has points (m, dim) and weights (m,), got the shapes "
            f"{jnp.shape(points)} and {jnp.shape(weights)}."
        )
    return points, weights
