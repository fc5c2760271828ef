"""Shallow water on a rotating sphere, as vorticity, divergence and depth."""

import math
from collections.abc import Callable
from typing import NamedTuple

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
    GRAVITY,
    RADIUS,
    ROTATION,
    coriolis,
    damping_rates,
    random_vorticity,
    solving_sphere,
)


def shallow_water_sphere(
    key: PRNGKeyArray,
    n: int,
    latitudes: int,
    longitudes: int,
    *,
    grid: SphereGrid = "gauss",
    degree: int = 21,
    jet: float = 40.0,
    eddies: float = 8.0,
    depth: float = 8000.0,
    damping: float = 1e-4,
    settle: float = 86400.0,
    interval: float = 21600.0,
    times: int = 12,
    step: float = 1800.0,
) -> Float[Array, "n states latitudes longitudes 3"]:
    """Trajectories of jets and eddies in shallow water on the rotating Earth, from balanced states.

    The equations are those of `solve_shallow_water_sphere`. Each sample starts from a westerly jet
    in each hemisphere and random eddies, with the height that balances them, and first runs for
    `settle`. The channels are the depth h in m, the vorticity ζ and the divergence δ in 1/s: three
    scalars, which are smooth at the poles.

    **Arguments:**

    - `key`: PRNG key.
    - `n`: number of trajectories.
    - `latitudes`, `longitudes`, `grid`: the grid of the result, as in `sphere_grid`.
    - `degree`: of the harmonics in which the equations are solved, whatever the grid of the result.
    - `jet`: strongest speed of a jet, in m/s; those of the samples are between half of it and it.
    - `eddies`: root mean square of the eddies' wind, in m/s.
    - `depth`: mean of h, in m.
    - `damping`: rate, in 1/s, at which Δ⁴ damps the highest degree, as in the solver.
    - `settle`: time from the balanced state to the first state returned, in s.
    - `interval`, `times`: time between states in s, and number of intervals.
    - `step`: longest time step, in s.

    **Returns:** the states `(n, times + 1, latitudes, longitudes, 3)`; NaN for a sample whose
    balanced depth is not positive everywhere: take a larger `depth` or weaker winds.

    **Raises:** `ValueError` for settings out of range, or a grid that cannot hold the degree.

    **Source:** the equations and the balance: Williamson et al., J. Comput. Phys. 102 (1992).

    ```python
    states = jsci.operators.data.shallow_water_sphere(
        jax.random.key(0), 2, 12, 24, degree=7, settle=3600.0, times=1
    )  # (2, 2, 12, 24, 3)
    ```
    """
    check_settings(
        "shallow_water_sphere",
        positive={
            "depth": depth, "settle": settle, "interval": interval, "times": times, "step": step
        },
        others={"jet": jet, "eddies": eddies, "damping": damping},
    )  # fmt: skip
    inside = solving_sphere(degree, RADIUS)
    outside = Sphere(latitudes, longitudes, degree=degree, grid=grid)

    speeds = as_data(jet), as_data(eddies)

    def sample(key):
        vorticity = random_vorticity(key, inside, *speeds)
        height = balanced_height(inside.synthesis(vorticity)[..., 0], sphere=inside, depth=depth)
        height = jnp.where(jnp.min(height) > 0, height, jnp.nan)
        height = inside.analysis(height[..., None])
        first = jnp.concatenate([height, vorticity, 0 * vorticity], -1)
        system = _system(inside, depth, GRAVITY, ROTATION, None, damping, first.dtype)

        def advance(state, time):
            steps = int(np.ceil(time / step))
            return etdrk4(system.linear, system.nonlinear, state, time=time, steps=steps)

        def record(state, _):
            return advance(state, interval), state

        settled = advance(system.pack(first), settle)
        last, states = jax.lax.scan(record, settled, length=times)
        states = jax.vmap(system.unpack)(jnp.concatenate([states, last[None]]))
        return jax.lax.map(outside.synthesis, states)

    return generate(sample, key, n, chunk=8)


def solve_shallow_water_sphere(
    start: Float[Array, "..."],
    *,
    sphere: Sphere,
    depth: float,
    time: float,
    steps: int,
    gravity: float = GRAVITY,
    rotation: float = ROTATION,
    mountain: Float[Array, "..."] | None = None,
    damping: float = 0.0,
) -> Float[Array, "latitudes longitudes 3"]:
    """The fields (h, ζ, δ) at `time` of shallow water on a rotating sphere, from those at 0.

        ζ_t = -∇·((ζ + f) v)
        δ_t = k·∇×((ζ + f) v) - Δ(g (h + b) + |v|²/2)
        h_t = -∇·(h v),   f = 2Ω cos θ,   k·∇×v = ζ, ∇·v = δ

    Spherical harmonics in space, fourth order in time: gravity waves of the mean depth are solved
    exactly in time (δ and h of each harmonic turn into each other), so that they do not limit the
    step. The mean of h is conserved exactly. Differentiable.

    **Arguments:**

    - `start`: depth h in m, vorticity ζ and divergence δ in 1/s, `(latitudes, longitudes, 3)`, on
        the grid of `sphere`. From velocities by `sphere.vorticity` and `sphere.divergence`.
    - `sphere`: the grid, degree and radius. Its default degree keeps products free of aliases on a
        Gauss grid.
    - `depth`: about the mean of h, a number: the depth whose waves are exact in time.
    - `time`, `steps`: the final time in s and the number of equal steps. Good values: steps of 20
        to 30 minutes at degree 42, of an hour at 21.
    - `gravity`: g in m/s².
    - `rotation`: Ω in 1/s.
    - `mountain`: the height b of the ground in m, `(latitudes, longitudes)`.
    - `damping`: hyperdiffusion by Δ⁴: the rate in 1/s at the highest degree. Good value: 1e-4
        where eddies feed small scales; 0 for smooth flows.

    **Returns:** the fields at the same points. They are not finite if the steps are too long.

    **Raises:** `ValueError` unless there are three fields and a mountain on the sphere's grid, for
    a depth, time, gravity or number of steps that is not positive, or negative damping.

    **Source:** Hack and Jakob, "Description of a global shallow water model based on the spectral
    transform method", NCAR/TN-343 (1992), equations 2.1 to 2.12.

    ```python
    sphere = jsci.operators.Sphere(12, 24, radius=6.37122e6)
    ridge = 5000 + 100 * jnp.cos(sphere.colatitude)[:, None] * jnp.ones((12, 24))
    start = jnp.stack([ridge, 0 * ridge, 0 * ridge], -1)
    end = jsci.operators.data.solve_shallow_water_sphere(
        start, sphere=sphere, depth=5000.0, time=3600.0, steps=4
    )
    ```
    """
    if start.shape != (sphere.latitudes, sphere.longitudes, 3):
        raise ValueError(
            "solve_shallow_water_sphere() takes fields (latitudes, longitudes, 3) on the sphere's "
            f"grid, depth, vorticity and divergence; got {start.shape} on {sphere}."
        )
    check_settings(
        "solve_shallow_water_sphere",
        positive={"depth": depth, "time": time, "steps": steps, "gravity": gravity},
        others={"damping": damping},
    )
    _check_mountain(mountain, sphere, "solve_shallow_water_sphere")
    system = _system(sphere, depth, gravity, rotation, mountain, damping, start.dtype)
    state = system.pack(sphere.analysis(start))
    last = etdrk4(system.linear, system.nonlinear, state, time=time, steps=steps)
    return sphere.synthesis(system.unpack(last))


def balanced_height(
    vorticity: Float[Array, "latitudes longitudes"],
    *,
    sphere: Sphere,
    depth: float,
    gravity: float = GRAVITY,
    rotation: float = ROTATION,
    mountain: Float[Array, "..."] | None = None,
) -> Float[Array, "latitudes longitudes"]:
    """The depth of shallow water with which a flow without divergence starts without gravity waves.

        Δ(g (h + b) + |v|²/2) = k·∇×((ζ + f) v),   ⟨h⟩ = depth

    Then δ_t = 0 initially; a flow along circles of latitude, such as a jet, is steady.

    **Arguments:**

    - `vorticity`: ζ in 1/s, `(latitudes, longitudes)`, of the flow v = k × ∇Δ⁻¹ζ.
    - `sphere`: the grid, degree and radius, in m.
    - `depth`: mean of h, in m.
    - `gravity`, `rotation`, `mountain`: as in `solve_shallow_water_sphere`.

    **Returns:** h in m, `(latitudes, longitudes)`. Negative values mean that no such depth is deep
    enough for the flow.

    **Raises:** `ValueError` for fields on another grid, or a depth or gravity that is not positive.

    **Source:** Charney, "The use of the primitive equations of motion in numerical prediction",
    Tellus 7 (1955), equation 2.

    ```python
    sphere = jsci.operators.Sphere(12, 24, radius=6.37122e6)
    vorticity = 1e-5 * jnp.cos(sphere.colatitude)[:, None] * jnp.ones((12, 24))
    h = jsci.operators.data.balanced_height(vorticity, sphere=sphere, depth=5000.0)
    ```
    """
    check_settings("balanced_height", positive={"depth": depth, "gravity": gravity})
    _check_mountain(mountain, sphere, "balanced_height")
    zeta = sphere.analysis(vorticity[..., None])
    wind = sphere.vector_synthesis(zeta, jnp.zeros_like(zeta))
    absolute = vorticity[..., None] + coriolis(sphere, rotation, vorticity.dtype)
    curl = sphere.vector_analysis(absolute[..., None] * wind)[0]
    energy = jnp.sum(wind**2, -1) / 2
    height = (
        sphere.inverse_laplacian(sphere.synthesis(curl)) - _projected(sphere, energy)
    ) / gravity
    if mountain is not None:
        height = height - _projected(sphere, jnp.asarray(mountain, height.dtype)[..., None])
    mean = sphere.analysis(height)[0, 0, 0] / math.sqrt(4 * math.pi)
    return height[..., 0] - mean + depth


def _check_mountain(mountain, sphere, name):
    if mountain is not None and mountain.shape != (sphere.latitudes, sphere.longitudes):
        raise ValueError(
            f"{name}() takes a mountain (latitudes, longitudes) on the sphere's grid, "
            f"({sphere.latitudes}, {sphere.longitudes}); got {mountain.shape}."
        )


def _projected(sphere, field):
    return sphere.synthesis(sphere.analysis(field))


class _System(NamedTuple):
    """v_t = L v + N(v) of complex coefficients v: ζ, and w = δ + i s Φ′ with s = √(l(l+1)/Φ̄)/r.

    Φ′ = g h - Φ̄ is the departure of the geopotential. Since δ_t = -ΔΦ′ + ... and Φ′_t = -Φ̄ δ + ...,
    w_t = -i ω w + ... with the frequency ω = √(l(l+1) Φ̄)/r: a diagonal L.
    """

    linear: np.ndarray
    nonlinear: Callable[[Array], Array]
    pack: Callable[[Array], Array]
    unpack: Callable[[Array], Array]


def _system(sphere, depth, gravity, rotation, mountain, damping, dtype) -> _System:
    gravity, mean = float(gravity), float(gravity * depth)  # those of NumPy raise the precision
    l = np.arange(sphere.degree + 1.0)
    number = np.sqrt(l * (l + 1)) / sphere.radius
    # The mean of Φ′ does not change; any scale serves it.
    scale = jnp.asarray(np.where(l == 0, 1, number / np.sqrt(mean))[None], dtype)
    decay = damping_rates(sphere, damping)
    rates = np.stack([-decay + 0j, -decay - 1j * number * np.sqrt(mean)])
    linear = np.broadcast_to(rates[:, None], (2, 2 * sphere.degree + 1, len(l)))
    f = coriolis(sphere, rotation, dtype)
    ground = 0.0 if mountain is None else gravity * jnp.asarray(mountain, dtype)[..., None]
    square = jnp.asarray(number[None, :, None] ** 2, dtype)
    level = mean * math.sqrt(4 * math.pi)  # the coefficient of Φ̄

    def pack(c):
        departure = (gravity * c[..., 0]).at[0, 0].add(-level)
        return jnp.stack([c[..., 1] + 0j, jax.lax.complex(c[..., 2], scale * departure)])

    def unpack(state):
        height = (state[1].imag / scale).at[0, 0].add(level) / gravity
        return jnp.stack([height, state[0].real, state[1].real], -1)

    def nonlinear(state):
        zeta, delta, phi = state[0].real, state[1].real, state[1].imag / scale
        fields = sphere.synthesis(jnp.stack([zeta, phi], -1))
        wind = sphere.vector_synthesis(zeta[..., None], delta[..., None])
        carried = jnp.concatenate([fields[..., :1] + f, fields[..., 1:]], -1)
        curl, divergence = sphere.vector_analysis(carried[..., None] * wind)
        head = sphere.analysis(jnp.sum(wind**2, -1) / 2 + ground)
        acceleration = (curl[..., :1] + square * head)[..., 0]
        return jnp.stack(
            [
                -divergence[..., 0] + 0j,
                jax.lax.complex(acceleration, -scale * divergence[..., 1]),
            ]
        )

    return _System(linear, nonlinear, pack, unpack)
