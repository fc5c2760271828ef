"""The state of a pair of inputs at one layer of an infinitely wide network."""

import math
from collections.abc import Callable
from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class Pair(eqx.Module):
    """Covariances of the signals of two inputs, for ONE pair (x, x'); `jax.vmap` gives the rest.

    - `nngp`: E f(x) f(x') over the weights, one channel; a scalar for a dense network. With
      positions it is `(*positions)`, the covariance at equal positions, or `(*positions,
      *positions)` for every pair of positions, if `crossed`.
    - `ntk`: the tangent kernel, in the same layout.
    - `cov1`, `cov2`: the covariance of x with itself and of x' with itself, in the same layout.
    - `rank`: the number of position axes: 0 for vectors, 2 for images.
    - `gaussian`: whether the channels are independent Gaussians given the input, as after a layer
      of weights; an activation requires this and ends it.
    """

    nngp: Float[Array, "*positions"]
    ntk: Float[Array, "*positions"]
    cov1: Float[Array, "*positions1"]
    cov2: Float[Array, "*positions2"]
    rank: int = eqx.field(static=True)
    crossed: bool = eqx.field(static=True)
    gaussian: bool = eqx.field(static=True)

    @property
    def variances(self) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """E f(x)² and E f(x')², ready to broadcast against `nngp`."""
        if not self.crossed:
            return self.cov1, self.cov2
        v1, v2 = (positionwise(k, self.rank) for k in (self.cov1, self.cov2))
        ones = (1,) * self.rank
        return v1.reshape(v1.shape + ones), v2.reshape(ones + v2.shape)

    def of_first(self) -> "Pair":
        """The pair (x, x)."""
        return replace(self, nngp=self.cov1, ntk=self.cov1, cov2=self.cov1)

    def of_second(self) -> "Pair":
        """The pair (x', x')."""
        return replace(self, nngp=self.cov2, ntk=self.cov2, cov1=self.cov2)

    def map(self, linear: Callable) -> "Pair":
        """The same linear map of positions on the kernels and both covariances."""
        return replace(
            self,
            nngp=linear(self.nngp),
            ntk=linear(self.ntk),
            cov1=linear(self.cov1),
            cov2=linear(self.cov2),
        )

    def weighted(self, weight_std: Array | float, bias_std: Array | float) -> "Pair":
        """After independent weights and biases: K ← σ_w² K + σ_b², Θ ← K + σ_w² Θ."""
        nngp, cov1, cov2 = (
            weight_std**2 * k + bias_std**2 for k in (self.nngp, self.cov1, self.cov2)
        )
        ntk = nngp + weight_std**2 * self.ntk
        return replace(self, nngp=nngp, ntk=ntk, cov1=cov1, cov2=cov2, gaussian=True)

    def at_equal_positions(self) -> "Pair":
        """Drop the covariances between different positions."""
        if not self.crossed:
            return self
        return replace(self.map(lambda k: positionwise(k, self.rank)), crossed=False)


def positionwise(k: Float[Array, "*crossed"], rank: int) -> Float[Array, "*positions"]:
    """The entries of equal positions of `(*positions, *positions)`."""
    shape = k.shape[:rank]
    return jnp.diagonal(k.reshape(math.prod(shape), -1)).reshape(shape)


def input_pair(x1: Float[Array, "*shape"], x2: Float[Array, "*shape"], crossed: bool) -> Pair:
    """The pair of two raw inputs (*positions, channels): K = x·x' / channels, Θ = 0."""
    rank = x1.ndim - 1
    crossed = crossed and rank > 0

    def covariance(a, b):
        if crossed:
            return jnp.tensordot(a, b, axes=(-1, -1)) / a.shape[-1]
        return jnp.mean(a * b, axis=-1)

    nngp = covariance(x1, x2)
    cov1, cov2 = covariance(x1, x1), covariance(x2, x2)
    return Pair(nngp, jnp.zeros_like(nngp), cov1, cov2, rank, crossed, gaussian=False)
