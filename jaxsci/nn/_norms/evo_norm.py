"""A normalisation and an activation in one, from the statistics of one sample."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from .._dense import check_sizes


class EvoNorm(eqx.Module):
    """EvoNorm-S0: normalises the channels of a field in groups, and activates them.

        b = γ a σ(v a) / √(s² + ε) + β,   s² = ⟨⟨(a - ⟨⟨a⟩⟩)²⟩⟩,   ⟨⟨f⟩⟩ = ∫ mean_group f dx / ∫ dx

    with σ the logistic function and γ, v, β learned for each channel. The statistics are those of
    one sample, so there is nothing to track between steps and a sample does not depend on its
    batch. They are integrals over the domain, so that on every grid the layer is the same map of
    functions, to the accuracy of the quadrature.

    **Arguments:**

    - `channels`: number of channels.
    - `groups`: number of groups of channels with a variance of their own, a divisor of `channels`.
        **Good values:** groups of 4 to 16 channels.
    - `epsilon`: ε, in the squared unit of the field.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called as `layer(a, weights=None)`: one sample `(*grid, channels)` and the quadrature weights
    `(*grid,)` of its points, up to a factor; equal by default. Points of weight zero do not count,
    whatever their values. Returns `(*grid, channels)`.

    **Raises:** `ValueError` for sizes that are not positive, groups that do not divide the
    channels, other channels, an empty grid, or weights of another shape than the grid; `TypeError`
    for a field of integers or complex numbers.

    **Notes:** no activation follows it. It removes the scale of its input: give the scale to the
    network by another way where it matters.

    **Source:** Liu et al., "Evolving Normalization-Activation Layers", NeurIPS 2020, table 2. The
    batch version B0 is left out: it makes a sample depend on the others.

    ```python
    layer = jsci.nn.EvoNorm(8, groups=2)
    b = layer(jax.random.normal(key, (32, 32, 8)))
    ```
    """

    scale: Float[Array, " channels"]
    slope: Float[Array, " channels"]
    shift: Float[Array, " channels"]
    groups: int = eqx.field(static=True)
    epsilon: float = eqx.field(static=True)

    def __init__(
        self,
        channels: int,
        *,
        groups: int = 1,
        epsilon: float = 1e-5,
        dtype: DTypeLike | None = None,
    ):
        check_sizes(channels=channels, groups=groups)
        if channels % groups:
            raise ValueError(f"groups={groups} must divide channels={channels}.")
        if not 0 < epsilon < float("inf"):
            raise ValueError(f"epsilon must be positive and finite, got {epsilon}.")
        self.scale = jnp.ones(channels, dtype)
        self.slope = jnp.ones(channels, dtype)
        self.shift = jnp.zeros(channels, dtype)
        self.groups, self.epsilon = groups, float(epsilon)

    def __call__(
        self, a: Float[Array, "*grid channels"], weights: Float[Array, "..."] | None = None
    ) -> Float[Array, "*grid channels"]:
        self._check(a, weights)
        points = a.reshape(-1, self.groups, a.shape[-1] // self.groups)
        share = jnp.full(len(points), 1 / len(points), a.dtype)
        if weights is not None:
            share = (weights / jnp.sum(weights)).astype(a.dtype).reshape(-1)
        share = share[:, None, None]
        counted = jnp.where(share == 0, 0, points)
        over = (0, 2)  # the domain and the channels of a group
        mean = jnp.mean(jnp.sum(share * counted, 0, keepdims=True), 2, keepdims=True)
        variance = jnp.sum(share * (counted - mean) ** 2, over) / points.shape[2]
        inverse = jnp.repeat(jax.lax.rsqrt(variance + self.epsilon), points.shape[2])
        scale, slope, shift = (
            p.reshape((1,) * (a.ndim - 1) + (-1,))
            for p in (self.scale * inverse, self.slope, self.shift)
        )
        return scale * a * jax.nn.sigmoid(slope * a) + shift

    def _check(self, a, weights):
        if a.ndim < 1 or a.shape[-1] != len(self.scale):
            raise ValueError(
                f"EvoNorm was made for channels={len(self.scale)} in the last axis and takes one "
                f"sample (*grid, channels); got shape {a.shape}."
            )
        if not jnp.issubdtype(a.dtype, jnp.floating):
            raise TypeError(
                f"EvoNorm takes fields of real floats, got {a.dtype}: use a.astype(float)."
            )
        if a.size == 0:
            raise ValueError(f"EvoNorm got an empty field, of shape {a.shape}.")
        if weights is not None and weights.shape != a.shape[:-1]:
            raise ValueError(
                f"EvoNorm needs one weight for each point, an array of shape {a.shape[:-1]}; got "
                f"shape {weights.shape}."
            )
