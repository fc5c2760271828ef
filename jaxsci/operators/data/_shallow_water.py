"""Shallow water on the torus: elevation and velocity to those at a later time."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ...core import as_data
from ...numerics import etdrk4
from ._fourier_waves import wave_vectors
from ._grf import grf
from ._sampling import as_field, check_settings, generate, stride


def shallow_water(
    key: PRNGKeyArray,
    n: int,
    resolution: int,
    *,
    amplitude: float = 0.2,
    coriolis: float = 2.0,
    viscosity: float = 1e-3,
    time: float = 0.5,
    fine: int = 64,
    steps: int = 100,
) -> tuple[Float[Array, "n x y 3"], Float[Array, "n x y 3"]]:
    """Pairs (fields at 0, fields at a later time) of a rotating sheet of water on the torus.

        η_t + ∇·((1 + η) v) = ν Δη
        v_t + (v·∇) v + f (-v_y, v_x) = -∇η + ν Δv,   x in [0, 1)²

    in units of the mean depth and of the speed of long waves. The channels are the elevation η and
    the two components of v. The initial η is a Gaussian random field, and another one is the stream
    function of the initial v: waves and vortices.

    **Arguments:**

    - `key`: PRNG key.
    - `n`: number of pairs.
    - `resolution`: number of points along each axis, at xᵢ = i/resolution; it divides `fine`.
    - `amplitude`: root mean square of the initial η and |v|. At 0.2 waves steepen visibly; far
        above it the sheet may run dry (1 + η < 0).
    - `coriolis`, `viscosity`: f and ν.
    - `time`: time of the output. A wave crosses the domain in unit time.
    - `fine`: number of points along each axis of the grid on which the equation is solved.
    - `steps`: number of time steps; waves need about 4 fine · time / 3 or more.

    **Returns:** `(fields at 0, fields at time)`, both `(n, resolution, resolution, 3)`.

    **Raises:** `ValueError` if `resolution` does not divide `fine`, or a setting is out of range.

    **Source:** Vallis, "Atmospheric and Oceanic Fluid Dynamics" (2017), equations 3.7 and 3.8.

    ```python
    a, u = jsci.operators.data.shallow_water(jax.random.key(0), 20, 64)
    ```
    """
    if not (amplitude > 0 and viscosity >= 0 and time > 0 and steps >= 1):
        raise ValueError(
            "shallow_water() needs positive amplitude, time and steps and viscosity >= 0; got "
            f"{amplitude}, {time}, {steps} and {viscosity}."
        )
    step = stride("shallow_water", resolution, fine)
    size, turning = as_data(amplitude), as_data(coriolis)

    def sample(key):
        start = _random_start(key, fine, size)
        end = solve_shallow_water(
            start, coriolis=turning, viscosity=viscosity, time=time, steps=steps
        )
        return start[::step, ::step], end[::step, ::step]

    return generate(sample, key, n, chunk=8)


def _random_start(key, fine, amplitude):
    """A random elevation, and the flow of a random stream function."""
    modes = min(12, fine // 3)
    elevation, stream = (
        grf(k, (fine, fine), alpha=3.0, tau=7.0, modes=modes) for k in jax.random.split(key)
    )
    to_x, to_y = wave_vectors(fine, fine, stream.dtype)[:2]
    waves = jnp.fft.rfft2(stream)
    u, v = (jnp.fft.irfft2(k * waves, (fine, fine)) for k in (-to_y, to_x))
    speed = jnp.sqrt(jnp.mean(u**2 + v**2))
    return amplitude * jnp.stack([elevation, u / speed, v / speed], -1)


def solve_shallow_water(
    start: Num[Array | np.ndarray, "..."],
    *,
    coriolis: Float[Array, ""] | float,
    viscosity: float,
    time: float,
    steps: int,
) -> Float[Array, "x y 3"]:
    """The fields (η, v_x, v_y) at `time` of a rotating sheet of water with initial fields `start`.

    Fourier in space (two-thirds rule), fourth order in time. Differentiable. The mean elevation is
    conserved exactly.

    **Arguments:**

    - `start`: η and v, `(N, N, 3)`, at xᵢ = i/N of the unit torus.
    - `coriolis`, `viscosity`, `time`, `steps`: f, ν, the final time and the number of equal steps.

    **Returns:** the fields at the same points. They are not finite if the steps are too long.

    **Raises:** `ValueError` unless there are three fields of real numbers, for a negative viscosity
    or a time or number of steps that is not positive.

    ```python
    x = jnp.arange(32) / 32
    bump = 0.1 * jnp.cos(2 * jnp.pi * x)[:, None] * jnp.ones(32)
    start = jnp.stack([bump, 0 * bump, 0 * bump], -1)
    end = jsci.operators.data.solve_shallow_water(
        start, coriolis=2.0, viscosity=1e-3, time=0.5, steps=100
    )
    ```
    """
    start = as_field("solve_shallow_water", "start", start)
    if start.ndim != 3 or start.shape[-1] != 3:
        raise ValueError(
            f"solve_shallow_water() takes fields (x, y, 3): η, v_x and v_y; got {start.shape}."
        )
    check_settings(
        "solve_shallow_water",
        positive={"time": time, "steps": steps},
        others={"viscosity": viscosity},
    )
    rows, columns = start.shape[:2]
    to_x, to_y, square, keep = wave_vectors(rows, columns, start.dtype)
    turning = jnp.asarray(coriolis, start.dtype)

    def field(waves):
        return jnp.fft.irfft2(keep * waves, (rows, columns))

    def waves_of(field):
        return keep * jnp.fft.rfft2(field)

    def nonlinear(state):
        depth, u, v = state
        h, vx, vy = field(depth), field(u), field(v)
        # Vector-invariant form: (v·∇) v = ζ (-v_y, v_x) + ∇ |v|²/2.
        rotation = field(to_x * v - to_y * u) + turning
        head = waves_of(0.5 * (vx**2 + vy**2)) + depth
        flux_x, flux_y = waves_of((1 + h) * vx), waves_of((1 + h) * vy)
        return jnp.stack(
            [
                -to_x * flux_x - to_y * flux_y,
                waves_of(rotation * vy) - to_x * head,
                -waves_of(rotation * vx) - to_y * head,
            ]
        )

    linear = np.broadcast_to(-viscosity * square, (3, *square.shape))
    first = jnp.fft.rfft2(jnp.moveaxis(start, -1, 0))
    last = etdrk4(linear, nonlinear, first, time=time, steps=steps)
    return jnp.moveaxis(jnp.fft.irfft2(last, (rows, columns)), 0, -1)
