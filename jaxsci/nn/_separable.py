"""Separable networks: sums of products of functions of one coordinate."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._dense import check_sizes, check_vector
from ._field_network import FieldNetwork, OutSize, output_size
from ._mlp import MLP


class Separable(FieldNetwork):
    """A sum of products of one-dimensional networks, cheap on product grids.

        u(x) = Σᵣ Πᵢ fᵢ(xᵢ)ᵣ

    On a grid of n points along each of d coordinates `on_grid` evaluates n d inputs of the
    networks instead of n^d points; derivatives along a coordinate touch one factor only.

    **Arguments:**

    - `in_size`: coordinates of a point.
    - `out_size`: outputs, or `"scalar"` for an output of shape `()`.
    - `rank`: R, number of products per output.
    - `width`, `depth`: units per hidden layer of each fᵢ, and number of its hidden layers.
    - `key`: PRNG key of the parameters.
    - `activation`: of the hidden layers; smooth (tanh, sin) where derivatives of the network enter
        the loss.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called with one point `(in_size,)`; returns `(out_size,)`, or `()` for `"scalar"`.

    **Raises:** `ValueError` for sizes that are not positive, or a point of another size.

    **Good values:** rank 16 to 64. A solution that is not close to a short sum of products, such as
    a front that moves obliquely, needs a rank near the number of points along it.

    **Source:** Cho et al., "Separable physics-informed neural networks" (2023), equation 6.

    ```python
    net = jsci.nn.Separable(3, "scalar", rank=16, width=32, depth=2, key=jax.random.key(0))
    x, y = jnp.linspace(0, 1, 10), jnp.linspace(0, 1, 20)
    values = net.on_grid([x, x, y])  # (10, 10, 20)
    ```
    """

    factors: tuple[MLP, ...]
    rank: int = eqx.field(static=True)
    scalar: bool = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        out_size: OutSize,
        *,
        rank: int,
        width: int,
        depth: int,
        key: PRNGKeyArray,
        activation: Callable = jnp.tanh,
        dtype: DTypeLike | None = None,
    ):
        check_sizes(in_size=in_size, rank=rank)
        self.factors = tuple(
            MLP(
                1,
                rank * output_size(out_size),
                width=width,
                depth=depth,
                key=k,
                activation=activation,
                dtype=dtype,
            )
            for k in jax.random.split(key, in_size)
        )
        self.rank = rank
        self.scalar = isinstance(out_size, str)

    def _outputs(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        check_vector(x, len(self.factors), "Separable")
        factors = [f(xi[None]) for f, xi in zip(self.factors, x, strict=True)]
        return jnp.prod(jnp.stack(factors), axis=0).reshape(self.rank, -1).sum(axis=0)

    def on_grid(self, axes: Sequence[Float[Array, " _"]]) -> Float[Array, "*grid"]:
        """Values at all combinations of coordinates: shape `(n₁, …, n_d)`, then the outputs'.

        Exactly `vmap` of the network over the grid. `jax.jvp` with a tangent of ones for one of
        the axes is the derivative along it on the whole grid.

        **Arguments:**

        - `axes`: one vector of points per coordinate.

        **Returns:** an array `(n₁, …, n_d)`, followed by the output axis unless it is `"scalar"`.

        **Raises:** `ValueError` unless there is one axis per coordinate.
        """
        if len(axes) != len(self.factors):
            raise ValueError(f"on_grid needs {len(self.factors)} axes, got {len(axes)}.")
        first, *others = (
            jax.vmap(f)(axis[:, None]).reshape(len(axis), self.rank, -1)
            for f, axis in zip(self.factors, axes, strict=True)
        )
        y = first
        # The last product also sums over the rank, so only the others are held for each r.
        for factor in others[:-1]:
            y = jnp.einsum("aro,bro->abro", y, factor).reshape(-1, *factor.shape[1:])
        y = jnp.einsum("aro,bro->abo", y, others[-1]) if others else y.sum(axis=1)
        y = y.reshape(*(len(axis) for axis in axes), -1)
        return y[..., 0] if self.scalar else y
