"""Matrix products on fields `(*grid, channels)`, in a form that XLA batches without transposing."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

POINTS_WORTH_A_PRODUCT = 64


def carry_batch(w: Shaped[Array, "..."], a: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """`w` itself, but batched wherever `vmap` batches `a`.

    Under `vmap`, a product of an unbatched with a batched matrix makes the batch a free axis of
    one large product, for which XLA transposes the field; and the weight gradient becomes one
    contraction over every point of every sample, which a CPU does at a fraction of its speed.
    With both operands batched, each sample is a matrix product of its own, and the weight
    gradient is their sum. The zero added here is a sum over no elements: it costs nothing and
    passes no NaN on.
    """
    empty = jax.lax.stop_gradient(a).reshape(-1)[:0]
    return w + jnp.sum(empty).astype(w.dtype)


def along_axis(
    matrix: Float[np.ndarray, "rows n"], a: Float[Array, "..."], axis: int
) -> Float[Array, "..."]:
    """Multiply a constant matrix into one axis of `a`: bᵢⱼₗ = Σₙ Mⱼₙ aᵢₙₗ."""
    before, after = a.shape[:axis], a.shape[axis + 1 :]
    rows, n = matrix.shape
    m = carry_batch(jnp.asarray(matrix, a.dtype), a)
    if math.prod(after) == 1:
        product = a.reshape(-1, n) @ m.T
    else:
        blocks = a.reshape(math.prod(before), n, -1)
        product = jnp.broadcast_to(m, (blocks.shape[0], rows, n)) @ blocks
    return product.reshape(*before, rows, *after)


def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The exact GELU, x Φ(x) = x (1 + erf(x/√2)) / 2.

    The erf form: `jax.nn.gelu(approximate=False)` uses erfc, the same function at several times
    the cost on a CPU.
    """
    return 0.5 * x * (1 + jax.lax.erf(x * np.sqrt(0.5).astype(x.dtype)))


def normalise(
    a: Float[Array, "*grid channels"], weights: Float[Array, "..."] | None = None
) -> Float[Array, "*grid channels"]:
    """Instance norm as an integral: mean zero and variance one over the domain, channel by channel.

        b = (a - ⟨a⟩)/√(⟨(a - ⟨a⟩)²⟩ + ε),   ⟨f⟩ = Σᵢ wᵢ f(xᵢ) / Σᵢ wᵢ

    **Arguments:**

    - `a`: one sample `(*grid, channels)`.
    - `weights`: quadrature weights of the points; equal by default. Points of weight zero do not
        count, whatever stands there.

    **Raises:** `ValueError` for a field without grid or points or weights of another shape than the
    grid, `TypeError` for a complex field.

    **Returns:** the normalised field. The same on every grid, as closely as the quadrature.

    Source: Berner et al., "Principled Approaches for Extending Neural Architectures to Function
    Spaces", 2025, section on normalisation.

    ```python
    b = normalise(a)
    ```
    """
    check_real_and_filled(a, "normalise()")
    if a.ndim < 2:
        raise ValueError(f"normalise() takes one sample (*grid, channels), got shape {a.shape}.")
    check_weights(weights, a.shape[:-1], "normalise()")
    points = a.reshape(-1, a.shape[-1])
    if weights is None:
        share = jnp.full((len(points), 1), 1 / len(points), a.dtype)
        counted = points
    else:
        share = (weights / jnp.sum(weights)).reshape(-1, 1)
        counted = jnp.where(share == 0, 0, points)
    mean = jnp.sum(share * counted, 0, keepdims=True)
    variance = jnp.sum(share * (counted - mean) ** 2, 0, keepdims=True)
    return ((points - mean) * jax.lax.rsqrt(variance + 1e-6)).reshape(a.shape)


class Pointwise(eqx.Module):
    """The same affine map at every point: b(x) = a(x) W + c.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels in and out.
    - `bias`: whether to add c.
    - `key`: PRNG key of the weights, uniform in ±1/√in_channels.

    Called with a field `(*grid, in_channels)`; returns `(*grid, out_channels)`.
    """

    weight: Float[Array, "in_channels out_channels"]
    bias: Float[Array, " out_channels"] | None

    def __init__(
        self, in_channels: int, out_channels: int, *, bias: bool = True, key: PRNGKeyArray
    ):
        bound = 1 / math.sqrt(in_channels)
        keys = jax.random.split(key)
        self.weight = jax.random.uniform(
            keys[0], (in_channels, out_channels), minval=-bound, maxval=bound
        )
        self.bias = (
            jax.random.uniform(keys[1], (out_channels,), minval=-bound, maxval=bound)
            if bias
            else None
        )

    def __call__(self, a: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        if a.ndim == 1:  # as a vector: a batch of them is then one matrix
            b = a @ self.weight
            return b if self.bias is None else b + self.bias
        points = a.reshape(-1, a.shape[-1])
        # With few points to a sample, one product over the whole batch is the better one.
        many = points.shape[0] >= POINTS_WORTH_A_PRODUCT
        b = points @ (carry_batch(self.weight, a) if many else self.weight)
        b = b.reshape(*a.shape[:-1], -1)
        return b if self.bias is None else b + self.bias.reshape((1,) * (b.ndim - 1) + (-1,))


def grid_coordinates(grid: Sequence[int], dtype) -> Float[Array, "*grid dim"]:
    """The points xᵢ = i/N of a uniform grid on [0, 1)ᵈ, as a field of d channels."""
    return jnp.asarray(mesh([np.arange(n) / n for n in grid]), dtype)


def mesh(axes: Sequence[np.ndarray]) -> Float[np.ndarray, "*grid dim"]:
    """The points of a grid that is a product of axes."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1)


def check_real_and_filled(a, name: str):
    """`TypeError` for complex numbers, whose squares are not their sizes; no empty fields."""
    if jnp.iscomplexobj(a):
        raise TypeError(f"{name} takes real fields; give real and imaginary part as two channels.")
    if a.size == 0:
        raise ValueError(f"{name} got an empty field, of shape {a.shape}.")


def check_floating(a, name: str):
    """`TypeError` for integers: constants take the dtype of the field, and would be truncated."""
    if not jnp.issubdtype(a.dtype, jnp.inexact):
        raise TypeError(f"{name} takes fields of floats, got {a.dtype}: use a.astype(float).")


def check_weights(weights, grid: Sequence[int], name: str):
    """`ValueError` unless there is one weight for each point of the grid."""
    if weights is not None and weights.shape != tuple(grid):
        raise ValueError(
            f"{name} needs one weight for each point, an array of shape {tuple(grid)}; got shape "
            f"{weights.shape}. Weights of one axis alone: jnp.broadcast_to(w[:, None], grid)."
        )


def known(a) -> np.ndarray | None:
    """The values as NumPy's, or `None` within jit, vmap or grad, where there are none yet."""
    return None if isinstance(a, Tracer) else np.asarray(a)


def check_field(a, channels: int, dim: int | None, name: str):
    """`ValueError` unless `a` is one sample `(*grid, channels)`, of `dim` grid axes if given."""
    if dim is not None and a.ndim != dim + 1:
        hint = " For a batch, use jax.vmap." if a.ndim == dim + 2 else ""
        raise ValueError(
            f"{name} works on a {dim}-dimensional grid and takes one sample of shape (*grid, "
            f"channels), {dim + 1} axes; got {a.ndim}, shape {a.shape}.{hint}"
        )
    if a.shape[-1] != channels:
        raise ValueError(
            f"{name} was made for in_channels={channels} and takes (*grid, {channels}); got shape "
            f"{a.shape}, {a.shape[-1]} channels in the last axis. Fields are channels-last."
        )
    check_floating(a, name)
    check_real_and_filled(a, name)


def as_modes(modes: int | Sequence[int], name: str) -> tuple[int, ...]:
    """The highest wave number of each axis as a tuple; `ValueError` unless 1 to 3, all >= 0."""
    values = (modes,) if isinstance(modes, int) else tuple(modes)
    if not 1 <= len(values) <= 3 or any(not isinstance(m, int) or m < 0 for m in values):
        raise ValueError(
            f"{name}: modes is the highest wave number of each grid axis, one to three integers "
            f">= 0, such as 16 (1D) or (12, 12) (2D); got {modes!r}."
        )
    return values


def as_lengths(lengths: float | Sequence[float], dim: int, name: str) -> tuple[float, ...]:
    """The length of each axis; `ValueError` unless positive, one for all or one an axis."""
    values = np.asarray(lengths, float)
    if values.shape not in ((), (dim,)) or not np.all(values > 0):
        raise ValueError(
            f"{name}: lengths is one positive number, or one for each of the {dim} grid axes; got "
            f"{lengths!r}."
        )
    return tuple(np.broadcast_to(values, dim).tolist())


def check_padding(padding: float, name: str):
    """`TypeError` unless it is one number, `ValueError` unless finite and not negative."""
    if not isinstance(padding, int | float):
        raise TypeError(
            f"{name}: padding is one number for all axes, such as 0.25; got {padding!r}."
        )
    if not 0 <= padding < math.inf:
        raise ValueError(
            f"{name} needs padding >= 0, a share of the domain; got padding={padding}."
        )
