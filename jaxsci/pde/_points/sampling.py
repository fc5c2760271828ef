"""Samplers: pure functions of a key that return points of a region.

    sample = uniform(region, n);   sample(key) -> (n, dim)

`joint({"pde": sample, "wall": other})` makes the `data` of `fit`.
"""

import math
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ...core import vmap
from .._geometry.regions import Region, kept_fraction
from .lowdiscrepancy import LARGEST_DIMENSION, sobol_points

_AT_ONCE = 8192  # candidates whose residuals are evaluated together

Sampler = Callable[[PRNGKeyArray], Float[Array, "n dim"]]


def uniform(region: Region, n: int) -> Sampler:
    """n independent points, uniformly distributed over a domain or a boundary piece.

    **Arguments:**

    - `region`: a domain, or a boundary piece such as `domain.boundary["left"]`.
    - `n`: the number of points.

    **Returns:** `sample(key) -> (n, dim)`, pure: the same key gives the same points.

    **Raises:** `ValueError` if n is not positive or the region is empty.

    ```python
    sample = jsci.pde.uniform(jsci.pde.Ball((0.0, 0.0), 1.0), 256)
    points = sample(jax.random.key(0))
    ```
    """
    return _sampler(region, n, jax.random.uniform)


def sobol(region: Region, n: int) -> Sampler:
    """n points of a Sobol sequence with a random digital shift; best if n is a power of two.

    Integrates smooth functions with an error near 1/n, compared with 1/√n for `uniform`.

    **Arguments:**

    - `region`: a domain or a boundary piece, of at most 16 dimensions.
    - `n`: the number of points.

    **Returns:** `sample(key) -> (n, dim)`.

    **Raises:** as `uniform`, and `ValueError` for more than 16 dimensions.

    **Source:** Joe & Kuo, "Constructing Sobol sequences with better two-dimensional projections"
    (2008), whose direction numbers these are.

    ```python
    points = jsci.pde.sobol(jsci.pde.Box((0.0, 0.0), (1.0, 1.0)), 256)(jax.random.key(0))
    ```
    """
    if region.unit_dim > LARGEST_DIMENSION:
        raise ValueError(
            f"sobol has direction numbers for {LARGEST_DIMENSION} dimensions, but the region "
            f"has {region.unit_dim}: use uniform or latin_hypercube."
        )
    return _sampler(region, n, lambda key, shape: sobol_points(key, *shape))


def latin_hypercube(region: Region, n: int) -> Sampler:
    """n points with exactly one in each of the n slices along every coordinate.

    The coordinates are those of the unit cube that is mapped onto the region.

    **Arguments:**

    - `region`: a domain or a boundary piece.
    - `n`: the number of points.

    **Returns:** `sample(key) -> (n, dim)`.

    **Raises:** as `uniform`.

    **Source:** McKay, Beckman & Conover, "A comparison of three methods for selecting values of
    input variables" (1979).

    ```python
    points = jsci.pde.latin_hypercube(jsci.pde.Interval(0.0, 1.0), 64)(jax.random.key(0))
    ```
    """

    def unit(key, shape):
        count, dim = shape
        order_key, place_key = jax.random.split(key)
        slices = jnp.broadcast_to(jnp.arange(count)[:, None], shape)
        slices = jax.random.permutation(order_key, slices, axis=0, independent=True)
        return (slices + jax.random.uniform(place_key, shape)) / count

    return _sampler(region, n, unit)


def residual_adaptive(
    region: Region,
    n: int,
    residual: Callable,
    *,
    power: float = 1.0,
    floor: float = 1.0,
    candidates: int | None = None,
) -> Callable:
    """Points drawn where the residual is large.

        p(x) ∝ |r(params, x)|ᵏ / mean |r|ᵏ + c

    among uniform candidates, without repetition.

    **Arguments:**

    - `region`, `n`: as in `uniform`.
    - `residual`: `r(params, x)` for one point, a scalar or an array.
    - `power`, `floor`: k and c; a larger floor is closer to uniform.
    - `candidates`: number of candidates per point drawn; by default 64 in up to three dimensions,
        where they find what is small, and 8 in more.

    **Returns:** `sample(key, params) -> (n, dim)`.

    **Raises:** as `uniform`, and `ValueError` for options that are out of range.

    **Notes:** points with a residual that is not finite are never drawn.

    **Good values:** k = 1, c = 1, a new draw every 20 to 100 steps of a second-order optimiser. At
    a front, take about five points per parameter: half as many are fitted a thousand times better
    than the points between them, which shows as a loss that jumps up at each new draw.

    **Source:** Wu et al., "A comprehensive study of non-adaptive and residual-based adaptive
    sampling for physics-informed neural networks" (2023), equation 2.

    ```python
    sample = jsci.pde.residual_adaptive(domain, 1000, r)
    points = sample(jax.random.key(0), params)
    ```
    """
    if candidates is None:
        candidates = 64 if region.unit_dim <= 3 else 8
    if power <= 0 or floor < 0 or candidates < 2:
        raise ValueError(
            "residual_adaptive needs power > 0, floor >= 0 and at least 2 candidates, got "
            f"{power}, {floor} and {candidates}."
        )
    propose = uniform(region, n * candidates)

    def sample(key, params):
        propose_key, choose_key = jax.random.split(key)
        points = propose(propose_key)
        r = vmap(residual, (None, 0), batch_size=_AT_ONCE)(params, points)
        r = jnp.abs(r.reshape(len(points), -1))
        largest = jnp.max(r, where=jnp.isfinite(r), initial=0)  # whose square may overflow
        size = jnp.sqrt(jnp.sum((r / jnp.where(largest > 0, largest, 1)) ** 2, axis=1)) ** power
        valid = jnp.isfinite(size)
        size = jnp.where(valid, size, 0)
        density = size / jnp.maximum(jnp.mean(size), jnp.finfo(size.dtype).tiny) + floor
        density = jnp.where(valid | ~jnp.any(valid), density, 0)
        chosen = jax.random.choice(
            choose_key, len(points), (n,), replace=False, p=density / density.sum()
        )
        return points[chosen]

    return sample


def joint(samplers: Mapping[str, Callable[..., Any]]) -> Callable:
    """One sampler for all terms of an objective: `joint({name: sampler})(key) -> {name: points}`.

    **Arguments:**

    - `samplers`: the sampler of each term by name, a function of a key.

    **Returns:** `sample(key)`, a dict of batches; each sampler gets a key of its own.

    **Raises:** `ValueError` without samplers; `TypeError` for a value that is not a function.

    ```python
    inside, wall = jsci.pde.uniform(domain, 500), jsci.pde.uniform(domain.boundary["left"], 50)
    data = jsci.pde.joint({"pde": inside, "wall": wall})
    result = jsci.fit(loss, params, data, optimizer, steps=100, key=jax.random.key(0))
    ```
    """
    if not samplers:
        raise ValueError("joint() needs at least one sampler, e.g. {'pde': uniform(domain, 500)}.")
    for name, sample in samplers.items():
        if not callable(sample):
            raise TypeError(
                f"The sampler of {name!r} is a {type(sample).__name__}, not a function."
            )
    names = sorted(samplers)

    def sample(key):
        keys = jax.random.split(key, len(names))
        return {name: samplers[name](k) for name, k in zip(names, keys, strict=True)}

    return sample


def _sampler(region: Region, n: int, unit: Callable) -> Sampler:
    """Draw in the unit cube, map, and drop points that the region rejects, with static shapes."""
    if not isinstance(n, Integral) or n < 1:
        raise ValueError(f"The number of points must be a positive integer, got {n!r}.")
    fraction = kept_fraction(region)
    if fraction == 0:
        raise ValueError(
            f"The region {type(region).__name__} is empty or too thin to sample: none of its "
            "candidates belongs to it. Check which parts of the domains meet."
        )
    # Six standard deviations above the expected need: shortages have odds of one in a billion.
    needed = n if fraction == 1 else math.ceil((n + 6 * math.sqrt(n) + 6) / fraction)

    def sample(key):
        points = jax.vmap(region.from_unit)(unit(key, (needed, region.unit_dim)))
        if needed == n:
            return points
        kept = jax.vmap(region.keeps)(points)
        order = jnp.argsort(~kept, stable=True)[:n]
        # In that case points inside are repeated, so that none lies outside.
        return points[order[jnp.arange(n) % jnp.maximum(kept.sum(), 1)]]

    return sample
