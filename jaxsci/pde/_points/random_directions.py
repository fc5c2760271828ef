"""Random directions: the Laplacian in high dimension from a few second derivatives."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._geometry.regions import Region
from .sampling import uniform


def random_directions(
    key: PRNGKeyArray, count: int, dim: int, *, kind: Literal["axes", "signs"] = "axes"
) -> Float[Array, "count dim"]:
    """Random directions whose second derivatives sum to the Laplacian in expectation.

        Δu = E Σᵢ vᵢᵀ H vᵢ,   as E Σᵢ vᵢ vᵢᵀ = 1

    `"axes"`: coordinate directions √(d/k) eⱼ, none drawn twice; the error comes from the variation
    of ∂²u/∂xⱼ² with j, and it is exact for count = dim. `"signs"`: independent random signs over √k
    (Hutchinson); the error comes from the mixed derivatives alone, so it is exact for a sum of
    functions of one coordinate each.

    **Arguments:**

    - `key`: PRNG key.
    - `count`, `dim`: k directions of d coordinates.
    - `kind`: `"axes"` or `"signs"`, as above.

    **Returns:** the vectors vᵢ, `(count, dim)`, for `jsci.laplacian(u, directions=v)`.

    **Raises:** `ValueError` for a count that is not positive, or above dim for `"axes"`; or an
    unknown kind.

    **Source:** Hu et al., "Tackling the curse of dimensionality with physics-informed neural
    networks" (2024) for the axes; Hutchinson (1989) for the signs; Shi et al., "Stochastic Taylor
    derivative estimator" (2024), which has both.

    ```python
    v = jsci.pde.random_directions(key, 8, 100)
    u = lambda x: jnp.sum(x**4)
    jsci.laplacian(u, directions=v)(jnp.ones(100))  # 1200
    ```
    """
    if kind not in ("axes", "signs"):
        raise ValueError(f'kind must be "axes" or "signs", got {kind!r}.')
    if count < 1 or (kind == "axes" and count > dim):
        raise ValueError(
            f"random_directions needs 1 <= count, and count <= dim for axes, got count = {count} "
            f"and dim = {dim}: jsci.laplacian(u) without directions is exact."
        )
    if kind == "axes":
        chosen = jax.random.permutation(key, dim)[:count]
        return jnp.sqrt(dim / count) * jnp.eye(dim)[chosen]
    return jax.random.rademacher(key, (count, dim), jnp.result_type(float)) / count**0.5


def with_directions(
    region: Region, n: int, count: int, *, kind: Literal["axes", "signs"] = "axes"
) -> Callable:
    """A sampler of pairs (point, directions): each uniform point has random directions of its own.

    The residual takes such a pair. Its mean square is that of the exact residual plus the variance
    of the estimate, so draw new directions every step, and more of them near the end.

    **Arguments:**

    - `region`, `n`: the region and the number of points, as in `uniform`.
    - `count`, `kind`: the number and kind of directions per point, as in `random_directions`.

    **Returns:** `sample(key) -> (points (n, dim), directions (n, count, dim))`.

    **Raises:** as `uniform` and `random_directions`.

    ```python
    def r(params, sample):
        x, v = sample
        return jsci.laplacian(lambda y: f(params, y), directions=v)(x) + source(x)

    data = jsci.pde.joint({"pde": jsci.pde.with_directions(box, 256, 1)})
    fit = jsci.fit(jsci.objective({"pde": r}), params, data, optax.adam(1e-3), steps=2000, key=key)
    ```
    """
    points = uniform(region, n)

    def sample(key):
        point_key, direction_key = jax.random.split(key)
        x = points(point_key)
        keys = jax.random.split(direction_key, n)
        draw = jax.vmap(lambda k: random_directions(k, count, x.shape[1], kind=kind))
        return x, draw(keys)

    return sample
