"""Deep operator networks: a branch reads the input function, a trunk the point of evaluation."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .products import Pointwise, gelu


class DeepONet(eqx.Module):
    """Deep operator network: the output function is a learned combination of learned functions.

        G(a)(y)_c = Σ_k b_kc(a(x₁), ..., a(x_m)) t_k(y) + β_c

    The branch b sees the input function at m fixed sensors; the trunk t sees any point y, so the
    output is a function of y that `jsci.derivative` differentiates (physics-informed training).

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `sensors`: number m of points at which the input function is given, however arranged.
    - `dim`: dimension of y.
    - `width`, `depth`: hidden channels and hidden layers of branch and trunk. Good values: 40 to
        128 and 2 to 4.
    - `terms`: number of terms k of the sum. Good value: `width`, the default.
    - `activation`: of the hidden layers and of the trunk's output.
    - `key`: PRNG key of the weights.

    Called as `model(a, y)`: `a` is one input function `(*grid, in_channels)` with m grid points,
    `y` is one point `(dim,)` or many `(*points, dim)`. Returns `(*points, out_channels)`. Batches:
    `jax.vmap(model, (0, None))` where all functions share the points (the trunk is then computed
    once), `jax.vmap(model)` where each has its own.

    **Raises:** `ValueError` for another number of sensors, channels or dimensions.

    Source: Lu et al., Nature Machine Intelligence 3 (2021), eq. (2), "unstacked".

    ```python
    model = DeepONet(1, 1, sensors=100, dim=1, width=40, depth=2, key=jax.random.key(0))
    u = model(a, y)                             # a: (100, 1), y: (50, 1), u: (50, 1)
    us = jax.vmap(model, (0, None))(many, y)
    ```
    """

    branch: list[Pointwise]
    trunk: list[Pointwise]
    bias: Float[Array, " out_channels"]
    in_channels: int = eqx.field(static=True)
    sensors: int = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    activation: Callable = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        sensors: int,
        dim: int,
        width: int,
        depth: int,
        terms: int | None = None,
        activation: Callable = gelu,
        key: PRNGKeyArray,
    ):
        terms = width if terms is None else terms
        if min(in_channels, out_channels, sensors, dim, width, depth, terms) < 1:
            raise ValueError(
                "DeepONet needs in_channels, out_channels, sensors, dim, width, depth and terms "
                f">= 1; got {in_channels}, {out_channels}, {sensors}, {dim}, {width}, {depth} and "
                f"{terms}."
            )
        keys = jax.random.split(key)
        hidden = [width] * depth
        sizes = [sensors * in_channels, *hidden, terms * out_channels]
        self.branch = _layers(sizes, keys[0])
        self.trunk = _layers([dim, *hidden, terms], keys[1])
        self.bias = jnp.zeros(out_channels)
        self.in_channels, self.sensors, self.dim = in_channels, sensors, dim
        self.activation = activation

    def __call__(
        self, a: Float[Array, "*grid in_channels"], y: Float[Array, "*points dim"]
    ) -> Float[Array, "*points out_channels"]:
        self._check(a, y)
        b = a.reshape(-1)
        for layer in self.branch[:-1]:
            b = self.activation(layer(b))
        b = self.branch[-1](b).reshape(-1, self.bias.size)
        t = y
        for layer in self.trunk:
            t = self.activation(layer(t))
        return t @ b + self.bias.reshape((1,) * (y.ndim - 1) + (-1,))

    def _check(self, a, y):
        if a.shape[-1] != self.in_channels or a.size != self.sensors * self.in_channels:
            raise ValueError(
                f"This DeepONet reads {self.sensors} sensors of {self.in_channels} channels, one "
                f"sample of shape (*grid, {self.in_channels}); got shape {a.shape}. The sensors "
                "are fixed: resample the input function, or build a network for this grid."
            )
        if y.shape[-1] != self.dim:
            raise ValueError(
                f"This DeepONet's output is a function of {self.dim} coordinates: y has shape "
                f"(*points, {self.dim}); got {y.shape}."
            )


def _layers(sizes, key):
    keys = jax.random.split(key, len(sizes) - 1)
    return [Pointwise(m, n, key=k) for m, n, k in zip(sizes[:-1], sizes[1:], keys, strict=True)]
