"""Convolutions of functions: kernels with a physical size, so that the grid does not matter."""

import math
from collections.abc import Sequence
from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.axis_points import Points, axis_weights, intervals
from .._fields.edge_padding import Boundary, Edge, as_edges, correlate_within, warn_of_edges
from .._fields.fields import check_field
from .._fields.matrix_products import along_axis


class KernelConv(eqx.Module):
    """Convolution with a learned kernel of fixed physical radius, as a quadrature sum.

        (K a)(x) = ∫_{|xⱼ - yⱼ| < r} κ((x - y)/r) a(y) dy / (2r)ᵈ + b

    κ interpolates `knots` values per axis linearly, and falls linearly to zero at ±r. On a grid the
    integral is a sum over the points within r, with κ sampled at their offsets. Under grid
    refinement the layer converges to one operator at second order, whereas a convolution with fixed
    pixels is a different operator on each grid.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels in and out.
    - `dim`: number of grid axes, 1 to 3.
    - `radius`: r, in the unit of `lengths`.
    - `knots`: number of learned values of κ along each axis, odd.
    - `boundary`: how fields continue outside the domain: "periodic", "zero" or "reflect", one for
        all axes or one per axis.
    - `lengths`: of the domain, one for all axes or one per axis.
    - `points`: where the points are along each axis, times its length: "left" (i/N), "ends"
        (i/(N - 1)) or "cells" ((i + 1/2)/N), one for all axes or one per axis.
    - `groups`: number of groups of neighbouring channels that do not mix, a divisor of both numbers
        of channels; `in_channels` for a depthwise convolution.
    - `key`: PRNG key of the weights.

    Called as `layer(a)`: one sample `(*grid, in_channels)`; returns `(*grid, out_channels)`. With a
    boundary that is not periodic take "ends" or "cells": at i/N the layer converges only at first
    order within a radius of the ends.

    **Raises:** `ValueError` for a grid so coarse that no neighbour lies within the radius, a radius
    above half of the shortest length, groups that do not divide the channels, unknown points or
    boundaries, or a field of another dimension or with other channels.

    **Notes:** a periodic layer warns of a field that is not periodic.

    **Good values:** a radius of two to four spacings of the training grid, 3 or 5 knots.

    **Source:** Berner et al., "Principled Approaches for Extending Neural Architectures to Function
    Spaces", 2025, section on convolutions; Liu-Schiaffini et al., "Neural Operators with Localized
    Integral and Differential Kernels", ICML 2024, section on integral kernels.

    ```python
    layer = jsci.operators.KernelConv(1, 8, dim=2, radius=0.05, key=jax.random.key(0))
    b = layer(jnp.ones((64, 64, 1)))
    ```
    """

    weight: Float[Array, "*knots in_group out_channels"]
    bias: Float[Array, " out_channels"]
    in_channels: int = eqx.field(static=True)
    groups: int = eqx.field(static=True)
    radius: float = eqx.field(static=True)
    edges: tuple[Edge, ...] = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        dim: int,
        radius: float,
        knots: int = 3,
        boundary: Boundary | Sequence[Boundary] = "periodic",
        lengths: float | Sequence[float] = 1.0,
        points: Points | Sequence[Points] = "left",
        groups: int = 1,
        key: PRNGKeyArray,
    ):
        _check(in_channels, out_channels, dim, "KernelConv")
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"KernelConv: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}."
            )
        self.edges = as_edges(dim, boundary, lengths, points, "KernelConv")
        shortest = min(edge.length for edge in self.edges)
        if not 0 < radius <= shortest / 2 or knots < 1 or knots % 2 == 0:
            raise ValueError(
                "KernelConv needs a radius in (0, 1/2] of the shortest length and an odd number of "
                f"knots; got radius={radius} with lengths={lengths}, and knots={knots}."
            )
        self.in_channels, self.radius, self.groups = in_channels, float(radius), groups
        mixed = in_channels // groups
        # Smooth fields keep their variance: the integral of each hat is a share 1/(knots + 1).
        scale = math.sqrt(((knots + 1) ** 2 / knots) ** dim / mixed)
        shape = (*[knots] * dim, mixed, out_channels)
        self.weight = scale * jax.random.normal(key, shape)
        self.bias = jnp.zeros(out_channels)

    def __call__(self, a: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        dim = self.weight.ndim - 2
        check_field(a, self.in_channels, dim, "KernelConv")
        warn_of_edges(a, self.edges, "KernelConv")
        return self.convolve(a)

    def convolve(self, a: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        """The layer without its checks."""
        dim, kernel = self.weight.ndim - 2, self.weight
        for axis, edge in enumerate(self.edges):
            n = intervals(a.shape[axis], edge.points)
            hats = _hats(self.weight.shape[axis], self.radius / edge.length, n)
            kernel = along_axis(hats, kernel, axis)
            if edge.points == "ends" and edge.boundary == "zero":
                a = a * _half_at_the_ends(n + 1, axis, dim).astype(a.dtype)
        b = correlate_within(a, kernel, self.edges, self.groups)
        return b + self.bias.reshape((1,) * dim + (-1,))


def _half_at_the_ends(n, axis, dim):
    """The trapezoidal rule along one axis, for fields that are zero beyond."""
    weights = axis_weights(n, "ends", periodic=False) * (n - 1)
    return weights.reshape([-1 if i == axis else 1 for i in range(dim + 1)])


class DifferentialConv(eqx.Module):
    """A learned first-order differential operator, from the stencil of a convolution.

        (D a)(x) = (1/h) Σ_o (κ_o - κ̄) a(x + h o)  →  Σ_o κ_o o·∇a(x)   as h → 0,

    with o the 3ᵈ offsets in units of the spacing h, and κ̄ the mean of the κ_o, so that constants
    give zero. First order in h for general weights.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels in and out.
    - `dim`: number of grid axes, 1 to 3.
    - `boundary`: how fields continue outside the domain: "periodic", "zero" or "reflect", one for
        all axes or one per axis.
    - `lengths`: of the domain, one for all axes or one per axis.
    - `points`: where the points are along each axis, as in `KernelConv`.
    - `key`: PRNG key of the weights.

    Called as `layer(a)`: one sample `(*grid, in_channels)`, with the same spacing along all axes;
    returns `(*grid, out_channels)`.

    **Raises:** `ValueError` for a grid with unequal spacings, another dimension or other channels,
    lengths that are not positive, and unknown points or boundaries.

    **Notes:** a periodic layer warns of a field that is not periodic.

    **Source:** Liu-Schiaffini et al., "Neural Operators with Localized Integral and Differential
    Kernels", ICML 2024, section on differential kernels.

    ```python
    layer = jsci.operators.DifferentialConv(1, 8, dim=2, key=jax.random.key(0))
    b = layer(jnp.ones((64, 64, 1)))  # zero
    ```
    """

    weight: Float[Array, "*stencil in_channels out_channels"]
    in_channels: int = eqx.field(static=True)
    edges: tuple[Edge, ...] = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        dim: int,
        boundary: Boundary | Sequence[Boundary] = "periodic",
        lengths: float | Sequence[float] = 1.0,
        points: Points | Sequence[Points] = "left",
        key: PRNGKeyArray,
    ):
        _check(in_channels, out_channels, dim, "DifferentialConv")
        self.in_channels = in_channels
        self.edges = as_edges(dim, boundary, lengths, points, "DifferentialConv")
        scale = 1 / math.sqrt(in_channels * 3**dim)
        shape = (*[3] * dim, in_channels, out_channels)
        self.weight = scale * jax.random.normal(key, shape)

    def __call__(self, a: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        check_field(a, self.in_channels, self.weight.ndim - 2, "DifferentialConv")
        warn_of_edges(a, self.edges, "DifferentialConv")
        return self.differentiate(a)

    def differentiate(
        self, a: Float[Array, "*grid in_channels"]
    ) -> Float[Array, "*grid out_channels"]:
        """The layer without a look at the values of the field."""
        grid = zip(self.edges, a.shape[:-1], strict=True)
        spacings = [e.length / max(intervals(n, e.points), 1) for e, n in grid]
        if max(spacings) - min(spacings) > 1e-6 * max(spacings):
            raise ValueError(
                "DifferentialConv needs one spacing along all axes; got the spacings "
                f"{tuple(spacings)} on the grid {a.shape[:-1]}. Give the lengths of the domain."
            )
        axes = tuple(range(self.weight.ndim - 2))
        kernel = self.weight - jnp.mean(self.weight, axes, keepdims=True)
        return correlate_within(a, kernel / spacings[0], self.edges)


@lru_cache(maxsize=256)
def _hats(knots: int, radius: float, n: int) -> np.ndarray:
    """Weights of the kernel's knots at each offset o/n within ±radius, times the quadrature."""
    reach = math.ceil(radius * n) - 1
    if reach < 1:
        raise ValueError(
            f"a radius of {radius} holds no neighbour on {n} points: use a finer grid, or a radius "
            f"above {1 / max(n, 1):.3g}."
        )
    offset = np.arange(-reach, reach + 1) / n / radius
    places = np.linspace(-1, 1, knots + 2)[1:-1]
    step = 2 / (knots + 1)
    hats = np.maximum(1 - np.abs(offset[:, None] - places) / step, 0)
    # dy / (2r): the mean over the ball, except for the linear fall to zero at its rim.
    return hats / (2 * radius * n)


def _check(in_channels, out_channels, dim, name):
    if in_channels < 1 or out_channels < 1 or dim not in (1, 2, 3):
        raise ValueError(
            f"{name} needs in_channels, out_channels >= 1 and dim 1, 2 or 3; got {in_channels}, "
            f"{out_channels} and {dim}."
        )
