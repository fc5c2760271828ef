"""Zonal kernels and advection on the sphere, learned."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.pointwise import Pointwise
from .._spectral.sphere import Sphere
from .._spectral.spherical_conv import SphereGrid


class Transport(eqx.Module):
    """What fluids do to fields: they are smoothed in place, and carried by each other.

        b = K a + M (p·q),   p = k × ∇(K₁ a) + ∇(K₂ a),   q = ∇(K₃ a)

    with zonal kernels K and gradients scaled by l(l + 1)^(-1/2). All of it commutes with rotations,
    and the advection k × ∇ψ·∇q tells east from west, which zonal kernels cannot.

    **Arguments:**

    - `width`: channels of a and b.
    - `carried`: number of products p·q.
    - `degree`: highest degree of the kernels.
    - `key`: PRNG key of the weights.
    """

    kernel: Float[Array, "degrees width kernels"]
    mix: Pointwise

    def __init__(self, width: int, carried: int, *, degree: int, key: PRNGKeyArray):
        keys = jax.random.split(key)
        shape = (degree + 1, width, width + 3 * carried)
        self.kernel = jax.random.normal(keys[0], shape) / math.sqrt(width)
        self.mix = Pointwise(carried, width, bias=False, key=keys[1])

    def __call__(
        self, a: Float[Array, "latitudes longitudes width"], grid: SphereGrid
    ) -> Float[Array, "latitudes longitudes width"]:
        degree, width = self.kernel.shape[0] - 1, a.shape[2]
        sphere = Sphere(a.shape[0], a.shape[1], degree=degree, grid=grid)
        mixed = jnp.einsum("mlc,lcd->mld", sphere.analysis(a), self.kernel)
        l = np.arange(degree + 1.0)[None, :, None]
        scaled = jnp.asarray(np.sqrt(l * (l + 1)), a.dtype) * mixed[..., width:]
        stream, potential, carried = jnp.split(scaled, 3, -1)
        vorticity = jnp.concatenate([stream, jnp.zeros_like(carried)], -1)
        v = sphere.vector_synthesis(vorticity, jnp.concatenate([potential, carried], -1))
        p, q = jnp.split(v, 2, 2)
        return sphere.synthesis(mixed[..., :width]) + self.mix(jnp.sum(p * q, -1))
