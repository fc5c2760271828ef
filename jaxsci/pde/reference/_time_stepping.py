"""Exponential time differencing of fourth order, for periodic reference solutions."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ... import numerics


def etdrk4(
    symbol: Callable,
    nonlinear: Callable,
    initial: Float[Array, " n"],
    *,
    length: float,
    time: float,
    steps: int,
) -> Float[Array, " n"]:
    """A stiff periodic evolution equation in one dimension, Fourier in space, order 4 in time.

        u_t = L u + N(u),   L̂ = symbol(k)

    The stiff linear part is integrated exactly, so only the nonlinear part limits the step.

    **Arguments:**

    - `symbol`: L as a function of the wavenumbers k: `lambda k: -D * k**2` for D u_xx.
    - `nonlinear`: `N(u, derivative)` on grid values, where `derivative(u)` is u_x:
        `lambda u, d: 5 * (u - u**3)`, or `lambda u, d: -u * d(u)`.
    - `initial`: u(x, 0) at n equidistant points `(n,)`, without the end of the period.
    - `length`, `time`: the period, and the final time.
    - `steps`: number of steps; the error falls with its fourth power.

    **Returns:** u(x, time) on the same points.

    **Raises:** `ValueError` for fewer than one step, or a length or time that is not positive.

    **Source:** Kassam & Trefethen, "Fourth-order time stepping for stiff PDEs" (2005), section 2.

    ```python
    x = jnp.arange(128) / 128 * 2 - 1
    u = jsci.pde.reference.etdrk4(
        lambda k: -1e-3 * k**2, lambda u, d: 5 * (u - u**3), x**2 * jnp.cos(jnp.pi * x),
        length=2.0, time=1.0, steps=200,
    )
    ```
    """
    if steps < 1 or not length > 0 or not time > 0:
        raise ValueError(
            f"etdrk4 needs steps >= 1, length > 0 and time > 0, got {steps}, {length} and {time}."
        )
    n = initial.size
    k = 2 * np.pi / length * np.arange(n // 2 + 1)
    v0 = jnp.fft.rfft(initial)
    # The highest mode of an even grid has no derivative of its own.
    ik = jnp.asarray(np.where(np.arange(n // 2 + 1) * 2 == n, 0, 1j * k), v0.dtype)

    def derivative(u):
        return jnp.fft.irfft(ik * jnp.fft.rfft(u), n)

    def force(v):
        return jnp.fft.rfft(nonlinear(jnp.fft.irfft(v, n), derivative))

    final = numerics.etdrk4(np.asarray(symbol(k)), force, v0, time=time, steps=steps)
    return jnp.fft.irfft(final, n)
