"""Two-dimensional flow on a rotating sphere, and a tracer that it carries."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ....core import as_data
from ....numerics import etdrk4
from ..._spectral.sphere import Sphere
from ..._spectral.spherical_conv import SphereGrid
from .._sampling import check_settings, generate
from .flow import (
    RADIUS,
    ROTATION,
    coriolis,
    damping_rates,
    random_coefficients,
    random_vorticity,
    solving_sphere,
)


def barotropic_sphere(
    key: PRNGKeyArray,
    n: int,
    latitudes: int,
    longitudes: int,
    *,
    grid: SphereGrid = "gauss",
    degree: int = 21,
    jet: float = 40.0,
    eddies: float = 8.0,
    damping: float = 1e-4,
    settle: float = 86400.0,
    interval: float = 21600.0,
    times: int = 12,
    step: float = 3600.0,
) -> Float[Array, "n states latitudes longitudes 3"]:
    """Trajectories of two-dimensional flow on the rotating Earth, with a tracer.

    The equations are those of `solve_barotropic_sphere`. The flow starts as that of
    `shallow_water_sphere` does, and the tracer as a random field of mean zero and variance one. The
    channels are the stream function ψ in m²/s, the vorticity ζ = Δψ in 1/s, and the tracer.

    **Arguments:**

    - `key`: PRNG key.
    - `n`: number of trajectories.
    - `latitudes`, `longitudes`, `grid`: the grid of the result, as in `sphere_grid`.
    - `degree`: of the harmonics in which the equations are solved, whatever the grid of the result.
    - `jet`, `eddies`: strongest speed of a jet and root mean square of the eddies' wind, in m/s.
    - `damping`: rate, in 1/s, at which Δ⁴ damps the highest degree.
    - `settle`: time before the first state returned, in s.
    - `interval`, `times`: time between states in s, and number of intervals.
    - `step`: longest time step, in s.

    **Returns:** the states `(n, times + 1, latitudes, longitudes, 3)`.

    **Raises:** `ValueError` for settings out of range, or a grid that cannot hold the degree.

    ```python
    states = jsci.operators.data.barotropic_sphere(
        jax.random.key(0), 2, 12, 24, degree=7, settle=3600.0, times=1
    )  # (2, 2, 12, 24, 3)
    ```
    """
    check_settings(
        "barotropic_sphere",
        positive={"settle": settle, "interval": interval, "times": times, "step": step},
        others={"jet": jet, "eddies": eddies, "damping": damping},
    )
    inside = solving_sphere(degree, RADIUS)
    outside = Sphere(latitudes, longitudes, degree=degree, grid=grid, radius=RADIUS)

    speeds = as_data(jet), as_data(eddies)

    def sample(key):
        flow, tracer = jax.random.split(key)
        first = [
            random_vorticity(flow, inside, *speeds),
            random_coefficients(tracer, inside, slope=0),
        ]
        linear, nonlinear = _system(inside, ROTATION, damping, first[0].dtype)

        def advance(state, time):
            return etdrk4(linear, nonlinear, state, time=time, steps=int(np.ceil(time / step)))

        def record(state, _):
            return advance(state, interval), state

        settled = advance(jnp.concatenate(first, -1), settle)
        last, states = jax.lax.scan(record, settled, length=times)
        fields = jax.lax.map(outside.synthesis, jnp.concatenate([states, last[None]]))
        stream = jax.lax.map(outside.inverse_laplacian, fields[..., :1])
        return jnp.concatenate([stream, fields], -1)

    return generate(sample, key, n, chunk=8)


def solve_barotropic_sphere(
    start: Float[Array, "..."],
    *,
    sphere: Sphere,
    time: float,
    steps: int,
    rotation: float = ROTATION,
    damping: float = 0.0,
) -> Float[Array, "latitudes longitudes 2"]:
    """The vorticity of a flow without divergence on a rotating sphere, and a tracer, at `time`.

        ζ_t = -∇·((ζ + f) v),   q_t = -∇·(q v),   v = k × ∇Δ⁻¹ζ,   f = 2Ω cos θ

    Spherical harmonics in space, fourth order in time. Differentiable.

    **Arguments:**

    - `start`: ζ in 1/s, of mean zero, and the tracer q in any unit,
        `(latitudes, longitudes, 2)`, on the grid of `sphere`.
    - `sphere`: the grid, degree and radius, in m.
    - `time`, `steps`: the final time in s and the number of equal steps.
    - `rotation`: Ω in 1/s.
    - `damping`: as in `solve_shallow_water_sphere`.

    **Returns:** the fields at the same points. They are not finite if the steps are too long.

    **Raises:** `ValueError` unless there are two fields on the sphere's grid, for a time or number
    of steps that is not positive, or negative damping.

    ```python
    sphere = jsci.operators.Sphere(12, 24, radius=6.37122e6)
    zonal = 1e-5 * jnp.cos(sphere.colatitude)[:, None] * jnp.ones((12, 24))
    end = jsci.operators.data.solve_barotropic_sphere(
        jnp.stack([zonal, zonal], -1), sphere=sphere, time=3600.0, steps=1
    )  # the same: a flow along circles of latitude is steady
    ```
    """
    if start.shape != (sphere.latitudes, sphere.longitudes, 2):
        raise ValueError(
            "solve_barotropic_sphere() takes fields (latitudes, longitudes, 2) on the sphere's "
            f"grid, vorticity and tracer; got {start.shape} on {sphere}."
        )
    check_settings(
        "solve_barotropic_sphere",
        positive={"time": time, "steps": steps},
        others={"damping": damping},
    )
    linear, nonlinear = _system(sphere, rotation, damping, start.dtype)
    last = etdrk4(linear, nonlinear, sphere.analysis(start), time=time, steps=steps)
    return sphere.synthesis(last)


def _system(sphere, rotation, damping, dtype):
    """L and N of v_t = L v + N(v), of the coefficients of ζ and q."""
    rates = -damping_rates(sphere, damping)[:, None]
    linear = np.broadcast_to(rates, (2 * sphere.degree + 1, len(rates), 2))
    f = coriolis(sphere, rotation, dtype)

    def nonlinear(state):
        zeta = state[..., :1]
        wind = sphere.vector_synthesis(zeta, jnp.zeros_like(zeta))
        fields = sphere.synthesis(state)
        carried = jnp.concatenate([fields[..., :1] + f, fields[..., 1:]], -1)
        return -sphere.vector_analysis(carried[..., None] * wind)[1]

    return linear, nonlinear
