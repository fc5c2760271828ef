"""Burgers' equation: initial velocity to velocity at a later time."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ...core import as_data
from ...numerics import etdrk4
from ._grf import grf
from ._sampling import as_field, check_settings, generate, stride


def burgers(
    key: PRNGKeyArray,
    n: int,
    resolution: int,
    *,
    viscosity: float = 0.01,
    amplitude: float = 1.0,
    time: float = 1.0,
    fine: int = 512,
    steps: int = 400,
) -> tuple[Float[Array, "n x 1"], Float[Array, "n x 1"]]:
    """Pairs (initial velocity, velocity at a later time) of the periodic Burgers equation.

        u_t + u u_x = ν u_xx,   x in [0, 1)

    The initial velocity is a Gaussian random field N(0, s²(-Δ + 25)⁻²) of zero mean. At amplitude 1
    waves break at about t = 0.1: the map is far from linear.

    **Arguments:**

    - `key`: PRNG key.
    - `n`: number of pairs.
    - `resolution`: number of points, at xᵢ = i/resolution; it divides `fine`.
    - `viscosity`: ν. Down to 0.005 at the default `fine`; the width of a shock is about 4ν.
    - `amplitude`: root mean square of the initial velocity, over the domain and the ensemble.
    - `time`: time of the output.
    - `fine`: number of points of the grid on which the equation is solved.
    - `steps`: number of time steps.

    **Returns:** `(u at 0, u at time)`, both `(n, resolution, 1)`.

    **Raises:** `ValueError` if `resolution` does not divide `fine`, or a setting is not positive.

    **Source:** Li et al., "Fourier Neural Operator", ICLR 2021, section 5.1, with the amplitude of
    the field set as above.

    ```python
    a, u = jsci.operators.data.burgers(jax.random.key(0), 500, 256, viscosity=0.1)
    ```
    """
    if not (viscosity > 0 and amplitude > 0 and time > 0 and steps >= 1):
        raise ValueError(
            "burgers() needs positive viscosity, amplitude, time and steps; got "
            f"{viscosity}, {amplitude}, {time} and {steps}."
        )
    step = stride("burgers", resolution, fine)
    size = as_data(amplitude)

    def sample(key):
        u0 = size * grf(key, fine, tau=5.0, modes=32)
        u = solve_burgers(u0, viscosity=viscosity, time=time, steps=steps)
        return u0[::step, None], u[::step, None]

    return generate(sample, key, n, chunk=64)


def solve_burgers(
    u0: Num[Array | np.ndarray, "..."], *, viscosity: float, time: float, steps: int
) -> Float[Array, " x"]:
    """The velocity at `time` of the periodic Burgers equation on [0, 1) with initial velocity `u0`.

    Fourier in space (two-thirds rule), fourth order in time. Differentiable.

    **Arguments:**

    - `u0`: initial velocity `(N,)` at xᵢ = i/N.
    - `viscosity`, `time`, `steps`: ν, the final time and the number of equal time steps.

    **Returns:** the velocity at the same points. It is not finite if the steps are too long.

    **Raises:** `ValueError` for values that are not real or not `(N,)`, a negative viscosity, or a
    time or number of steps that is not positive.

    ```python
    u0 = jnp.sin(2 * jnp.pi * jnp.arange(256) / 256)
    u = jsci.operators.data.solve_burgers(u0, viscosity=0.01, time=1.0, steps=400)
    ```
    """
    u0 = as_field("solve_burgers", "u0", u0)
    if u0.ndim != 1:
        raise ValueError(f"solve_burgers() takes u0 of shape (N,), got {u0.shape}: use jax.vmap.")
    check_settings(
        "solve_burgers",
        positive={"time": time, "steps": steps},
        others={"viscosity": viscosity},
    )
    n = u0.shape[0]
    k = np.arange(n // 2 + 1)
    derivative = jnp.asarray(2j * np.pi * k * (3 * k < n), jnp.result_type(u0.dtype, jnp.complex64))

    def nonlinear(v):
        return -0.5 * derivative * jnp.fft.rfft(jnp.fft.irfft(v, n) ** 2)

    linear = -viscosity * (2 * np.pi * k) ** 2
    v = etdrk4(linear, nonlinear, jnp.fft.rfft(u0), time=time, steps=steps)
    return jnp.fft.irfft(v, n)
