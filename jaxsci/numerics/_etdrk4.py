"""Exponential time differencing, fourth order, for stiff spectral equations."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Inexact, Shaped

from ..core import compiled_call


def etdrk4(
    linear: Shaped[np.ndarray, "*modes"],
    nonlinear: Callable[[Inexact[Array, "*modes"]], Inexact[Array, "*modes"]],
    v0: Inexact[Array, "*modes"],
    *,
    time: float,
    steps: int,
) -> Inexact[Array, "*modes"]:
    """Integrate v_t = L v + N(v) with a diagonal L, by the ETDRK4 scheme.

    The linear part is exact, so its stiffness does not limit the step.

    **Arguments:**

    - `linear`: the diagonal of L, a NumPy array, real or complex, with real part bounded above.
    - `nonlinear`: N(v), of the shape of v.
    - `v0`: initial coefficients, of the shape of `linear`.
    - `time`, `steps`: final time and number of equal steps.

    **Returns:** the coefficients at `time`.

    **Raises:** `TypeError` for real coefficients and an L with imaginary parts.

    **Source:** Cox and Matthews, J. Comput. Phys. 176 (2002), eq. (26) to (29); coefficients by
    Kassam and Trefethen, SIAM J. Sci. Comput. 26 (2005), section 3 (means over a circle, which
    avoid the cancellation near L = 0).

    ```python
    from jaxsci.numerics import etdrk4

    k = np.arange(8.0)
    v = etdrk4(-(k**2), lambda v: -v, jnp.ones(8), time=1.0, steps=100)  # exp(-(k² + 1))
    ```
    """
    h = time / steps
    kind = jnp.result_type(v0.dtype)
    if not isinstance(linear, Tracer):
        linear = np.asarray(linear)
        linear = linear if np.any(np.imag(linear)) else np.real(linear)
    real = not np.iscomplexobj(linear)
    if not (real or jnp.iscomplexobj(v0)):
        raise TypeError(f"A complex `linear` turns v0 complex, but it is {kind}: give v0 + 0j.")
    full, half, q, f1, f2, f3 = (
        jnp.asarray(c.real if real else c, kind) for c in _coefficients(np.asarray(linear) * h, h)
    )

    def step(v, _):
        nv = nonlinear(v)
        a = half * v + q * nv
        na = nonlinear(a)
        b = half * v + q * na
        nb = nonlinear(b)
        c = half * a + q * (2 * nb - nv)
        return full * v + f1 * nv + 2 * f2 * (na + nb) + f3 * nonlinear(c), None

    return compiled_call(lambda v: jax.lax.scan(step, v, length=steps)[0], v0)


def _coefficients(z, h, points=32):
    circle = np.exp(2j * np.pi * (np.arange(points) + 0.5) / points)
    w = z[..., None] + circle
    mean = lambda x: h * np.mean(x, -1)  # noqa: E731
    e = np.exp(w)
    return (
        np.exp(z),
        np.exp(z / 2),
        mean((np.exp(w / 2) - 1) / w),
        mean((-4 - w + e * (4 - 3 * w + w**2)) / w**3),
        mean((2 + w + e * (w - 2)) / w**3),
        mean((-4 - 3 * w - w**2 + e * (4 - w)) / w**3),
    )
