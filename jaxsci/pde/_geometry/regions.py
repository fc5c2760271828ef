"""Regions that can be sampled: images of the unit cube."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ...core import compiled_call, vmap

Point = Float[Array, " dim"]
Vector = Float[Array, " dim"]


class Region(eqx.Module):
    """A set of points that can be sampled: a domain, or a piece of its boundary."""

    @property
    @abc.abstractmethod
    def unit_dim(self) -> int:
        """Dimension of the unit cube that `from_unit` maps onto the region."""

    @property
    @abc.abstractmethod
    def measure(self) -> float:
        """The length, area or volume."""

    @abc.abstractmethod
    def from_unit(self, v: Float[Array, " unit_dim"]) -> Point:
        """The point for coordinates in the unit cube; uniform coordinates give uniform points."""

    def keeps(self, x: Point) -> Bool[Array, ""]:
        """Whether a point from `from_unit` belongs to the region; samplers reject the others."""
        return jnp.array(True)


def unit_sphere(v: Float[Array, " unit_dim"]) -> Float[Array, " dim"]:
    """A point of the unit circle from one, of the unit sphere from two coordinates in [0, 1]."""
    if v.size == 1:
        angle = 2 * jnp.pi * v[0]
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    z, angle = 1 - 2 * v[0], 2 * jnp.pi * v[1]
    rho = jnp.sqrt(jnp.maximum(1 - z * z, 0))
    return jnp.stack([rho * jnp.cos(angle), rho * jnp.sin(angle), z])


def low_discrepancy(count: int, dim: int) -> Float[np.ndarray, "count dim"]:
    """Points of the unit cube by Roberts' additive recurrence."""
    # The generalised golden ratio φ with φ^(d+1) = φ + 1.
    phi = 2.0
    for _ in range(64):
        phi = (1 + phi) ** (1 / (dim + 1))
    return (np.arange(1, count + 1)[:, None] * phi ** -np.arange(1.0, dim + 1)) % 1


def kept_fraction(region: Region, *, count: int = 16384) -> float:
    """The share of the unit cube that the region keeps, on a fixed low-discrepancy set."""
    # A constant, also when a sampler is made under jit.
    with jax.ensure_compile_time_eval():
        if region.unit_dim == 0:
            return float(region.keeps(region.from_unit(jnp.zeros(0))))
        unit = jnp.asarray(low_discrepancy(count, region.unit_dim))
        # In chunks, as a point of a region may take a whole cloud.
        keeps = vmap(lambda v: region.keeps(region.from_unit(v)), batch_size=2048)
        kept = compiled_call(keeps, unit)
        return float(jnp.mean(kept))


def check_floats(x: Any) -> None:
    """Raise unless `x` is an array of floats: bounds in the type of whole numbers are cut off."""
    if not hasattr(x, "dtype") or not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            "A point is an array of floating-point numbers, got "
            f"{getattr(x, 'dtype', type(x).__name__)}: write jnp.array([1.0, 2.0]), or "
            "x.astype(float)."
        )


def check_point(x: Point, dim: int) -> None:
    """Raise unless `x` is one point of the domain's dimension."""
    check_floats(x)
    if jnp.shape(x) != (dim,):
        raise ValueError(
            f"One point of shape ({dim},) is needed, got shape {jnp.shape(x)}. "
            "For many points use jsci.vmap."
        )
