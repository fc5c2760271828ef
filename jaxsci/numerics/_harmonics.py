"""Real spherical harmonics as polynomials of a direction, stable to high degree in float32."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def spherical_harmonics(
    x: Float[Array, "points 3"], *, degree: int
) -> Float[Array, "points harmonics"]:
    """All real orthonormal spherical harmonics up to a degree, at unit vectors.

        Y_lm = √2 P̄_lm(z) sin⁻ᵐθ Re (x + iy)ᵐ (m > 0),  P̄_l0(z),  √2 P̄_l|m| sin⁻|m|θ Im (x + iy)|m|

    The three-term recursion in l of the fully normalised P̄ starts from the powers of x + iy, so
    that every value is a polynomial of x, y and z. Derivatives are therefore right at the poles,
    where angles have none; nothing overflows, and the compiled program does not grow with the
    degree.

    **Arguments:**

    - `x`: unit vectors.
    - `degree`: highest l, at least 0.

    **Returns:** `(n, (degree + 1)²)`, ordered l = 0, 1, ... and within l by m = -l, ..., l; Y_lm is
    in column l² + l + m. Without the Condon-Shortley sign. Derivatives in x are those of the
    polynomials, which differ off the sphere from those of functions of the direction.

    **Source:** Holmes and Featherstone, J. Geodesy 76 (2002), eq. (11) and (12).

    ```python
    from jaxsci.numerics import spherical_harmonics

    y = spherical_harmonics(jnp.array([[0.0, 0.6, 0.8]]), degree=40)  # (1, 1681)
    ```
    """
    first, second, sectoral = (jnp.asarray(c, x.dtype) for c in legendre_recursion(degree))
    m = np.arange(degree + 1)
    z = x[:, 2, None, None]

    def step(carry, row):
        last, before, cos, sin = carry
        l, a, b, factor = row
        rising = a[None, None] * (z * last - b[None, None] * before)
        start = factor * jnp.stack([cos, sin], 1)[..., None]
        new = jnp.where(m[None, None] == l, start, jnp.where(m[None, None] < l, rising, 0))
        turned = x[:, 0] * cos - x[:, 1] * sin, x[:, 0] * sin + x[:, 1] * cos
        return (new, last, *turned), new

    zero = jnp.zeros((len(x), 2, degree + 1), x.dtype)
    one = jnp.ones(len(x), x.dtype)
    rows = (m, first, second, sectoral)
    _, legendre = jax.lax.scan(step, (zero, zero, one, 0 * one), rows)
    root = jnp.asarray(np.where(m == 0, 1, np.sqrt(2)), x.dtype)
    cos, sin = jnp.moveaxis(legendre * root[None, None, None], 2, 0)
    l, order = _columns(degree)
    return jnp.concatenate([sin[..., :0:-1], cos], -1)[l, :, degree + order].T


@lru_cache(maxsize=32)
def legendre_recursion(
    degree: int,
) -> tuple[Float[np.ndarray, "l l"], Float[np.ndarray, "l l"], Float[np.ndarray, " l"]]:
    """The recursion of the fully normalised associated Legendre functions.

        P̄_lm = a_lm (z P̄_{l-1,m} - b_lm P̄_{l-2,m}) for m < l,   P̄_mm = s_m sinᵐ θ

    **Arguments:**

    - `degree`: highest l, at least 0.

    **Returns:** a and b `(degree + 1, degree + 1)`, and s `(degree + 1,)`, in float64 on the host.

    ```python
    from jaxsci.numerics import legendre_recursion

    a, b, s = legendre_recursion(10)
    ```
    """
    l, m = np.meshgrid(np.arange(degree + 1.0), np.arange(degree + 1.0), indexing="ij")
    inside, two = l > m, l > m + 1
    a = np.sqrt(np.where(inside, 4 * l**2 - 1, 0) / np.where(inside, l**2 - m**2, 1))
    b = np.sqrt(np.where(two, (l - 1) ** 2 - m**2, 0) / np.where(two, 4 * (l - 1) ** 2 - 1, 1))
    k = np.arange(1, degree + 1)
    sectoral = np.cumprod(np.r_[np.sqrt(1 / (4 * np.pi)), np.sqrt((2 * k + 1) / (2 * k))])
    return a, b, sectoral


@lru_cache(maxsize=32)
def _columns(degree):
    pairs = [(l, m) for l in range(degree + 1) for m in range(-l, l + 1)]
    return tuple(np.array(pairs).T)
