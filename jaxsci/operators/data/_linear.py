"""Linear operators with exact solutions: the antiderivative and transport at constant speed."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ._grf import grf_at
from ._sampling import generate


def antiderivative(
    key: PRNGKeyArray, n: int, resolution: int, *, alpha: float = 3.0, tau: float = 5.0
) -> tuple[Float[Array, "n x 1"], Float[Array, "n x 1"]]:
    """Pairs (v, u) with u(x) = ∫₀ˣ v(s) ds on [0, 1), exact to rounding.

    v is a Gaussian random field with zero slope at the ends plus a random constant,

        v = c + s Σ_k (π²k² + τ²)^(-α/2) ξ_k √2 cos πkx,

    and u is integrated term by term.

    **Arguments:**

    - `key`: PRNG key.
    - `n`: number of pairs.
    - `resolution`: number of points, at xᵢ = i/resolution; any number.
    - `alpha`, `tau`: smoothness and inverse length scale of v.

    **Returns:** `(v, u)`, both `(n, resolution, 1)`.

    **Raises:** `ValueError` unless n >= 1 and resolution >= 1.

    **Source:** the first example of Lu et al., Nature Machine Intelligence 3 (2021), with this
    field.

    ```python
    v, u = jsci.operators.data.antiderivative(jax.random.key(0), 1000, 100)
    ```
    """
    _check_resolution(resolution)
    x = np.arange(resolution) / resolution
    k = np.arange(1, 33)
    cos, sin = np.cos(np.pi * np.outer(x, k)), np.sin(np.pi * np.outer(x, k)) / (np.pi * k)
    scale = (np.pi**2 * k**2 + tau**2) ** (-alpha / 2)
    scale *= np.sqrt(2) / np.linalg.norm(scale)

    def sample(key):
        xi = jax.random.normal(key, (33,))
        c, weights = xi[0], xi[1:] * jnp.asarray(scale, xi.dtype)
        v = c + jnp.asarray(cos, xi.dtype) @ weights
        u = c * jnp.asarray(x, xi.dtype) + jnp.asarray(sin, xi.dtype) @ weights
        return v[:, None], u[:, None]

    return generate(sample, key, n, chunk=256)


def advection(
    key: PRNGKeyArray, n: int, resolution: int, *, speed: float = 0.5, time: float = 1.0
) -> tuple[Float[Array, "n x 1"], Float[Array, "n x 1"]]:
    """Pairs (u at 0, u at time) of the periodic u_t + c u_x = 0 on [0, 1): u₀(x - ct), exactly.

    u₀ is a periodic Gaussian random field of unit variance (`grf` with its defaults).

    **Arguments:**

    - `key`: PRNG key.
    - `n`: number of pairs.
    - `resolution`: number of points, at xᵢ = i/resolution; any number.
    - `speed`, `time`: c and the time of the output.

    **Returns:** `(u at 0, u at time)`, both `(n, resolution, 1)`.

    **Raises:** `ValueError` unless n >= 1 and resolution >= 1.

    ```python
    a, u = jsci.operators.data.advection(jax.random.key(0), 100, 64)
    ```
    """
    _check_resolution(resolution)
    x = np.arange(resolution) / resolution

    def at(key, points):
        return grf_at(key, [points], boundary="periodic", alpha=2.0, tau=5.0, modes=32)[:, None]

    return generate(lambda key: (at(key, x), at(key, x - speed * time)), key, n, chunk=256)


def _check_resolution(resolution):
    if resolution < 1:
        raise ValueError(f"resolution is a number of points, at least 1; got {resolution}.")
