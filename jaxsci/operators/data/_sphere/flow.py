"""What all flows on a sphere have: the Earth's numbers, truncation, random initial states."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..._spectral.sphere import Sphere

RADIUS = 6.37122e6  # m
ROTATION = 7.292e-5  # 1/s
GRAVITY = 9.80616  # m/s²


def solving_sphere(degree: int, radius: float) -> Sphere:
    """The smallest Gauss grid on which products of two fields of this degree have no aliases."""
    if degree < 2:
        raise ValueError(f"Eddies have harmonics of degree 2 at least; got degree={degree}.")
    return Sphere((3 * degree + 2) // 2, 3 * degree + 1, degree=degree, radius=radius)


def coriolis(sphere: Sphere, rotation: float, dtype: Any) -> Float[Array, "latitudes 1 1"]:
    """f = 2Ω cos θ on the rings."""
    return jnp.asarray(2 * rotation * np.cos(sphere.colatitude)[:, None, None], dtype)


def damping_rates(sphere: Sphere, damping: float) -> Float[np.ndarray, " degrees"]:
    """Of Δ⁴, `damping` at the highest degree."""
    l = np.arange(sphere.degree + 1.0)
    return damping * (l * (l + 1) / (l[-1] * (l[-1] + 1))) ** 4


def random_vorticity(
    key: PRNGKeyArray, sphere: Sphere, jet: Float[Array, ""], eddies: Float[Array, ""]
) -> Float[Array, "orders degrees 1"]:
    """Coefficients of the vorticity of a westerly jet in each hemisphere and of random eddies."""
    keys = jax.random.split(key, 4)
    latitude = np.pi / 2 - sphere.colatitude
    centre = jnp.deg2rad(jax.random.uniform(keys[0], (2, 1), minval=30.0, maxval=50.0))
    speed = jet * jax.random.uniform(keys[1], (2, 1), minval=0.5)
    width = jnp.deg2rad(jax.random.uniform(keys[2], (2, 1), minval=12.0, maxval=18.0))
    away = (np.stack([latitude, -latitude]) - centre) / width
    u = jnp.sum(speed * jnp.exp(-(away**2) / 2), 0) * np.cos(latitude)
    wind = jnp.stack([u, 0 * u], -1)[:, None, None]
    wind = jnp.broadcast_to(wind, (sphere.latitudes, sphere.longitudes, 1, 2))
    zonal = sphere.vector_analysis(wind)[0]
    return zonal + random_coefficients(keys[3], sphere, slope=1) * eddies / sphere.radius


def random_coefficients(
    key: PRNGKeyArray, sphere: Sphere, slope: float
) -> Float[Array, "orders degrees 1"]:
    """Of a random field q with most power about l = 6 and ⟨q² (r²/l(l + 1))^slope⟩ = 1."""
    l = np.arange(sphere.degree + 1.0)
    m = np.r_[0 : sphere.degree + 1, 1 : sphere.degree + 1][:, None]
    power = np.where((l >= 2) & (l >= m), np.exp(-(((l - 6) / 2.5) ** 2)), 0)
    scale = np.maximum(l * (l + 1), 1) ** (slope / 2)
    amplitude = np.sqrt(4 * np.pi * power / power.sum()) * scale
    return jnp.asarray(amplitude)[..., None] * jax.random.normal(key, (*amplitude.shape, 1))
