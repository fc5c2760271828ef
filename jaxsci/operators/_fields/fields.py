"""Fields `(*grid, channels)`: their points, normalisation and checks."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float


def normalise(
    a: Float[Array, "*grid channels"], weights: Float[Array, "..."] | None = None
) -> Float[Array, "*grid channels"]:
    """Instance norm as an integral: mean zero and variance one over the domain, channel by channel.

        b = (a - ⟨a⟩)/√(⟨(a - ⟨a⟩)²⟩ + ε),   ⟨f⟩ = Σᵢ wᵢ f(xᵢ) / Σᵢ wᵢ

    **Arguments:**

    - `a`: one sample `(*grid, channels)`.
    - `weights`: quadrature weights `(*grid,)` of the points; equal by default. Points of weight
        zero do not count, whatever their values.

    **Returns:** the normalised field, the same on every grid to the accuracy of the quadrature.

    **Raises:** `ValueError` for a field without grid or points, or weights whose shape is not that
    of the grid; `TypeError` for a field of integers or complex numbers.

    **Source:** Berner et al., "Principled Approaches for Extending Neural Architectures to Function
    Spaces", 2025, section on normalisation.

    ```python
    b = jsci.operators.normalise(a)
    ```
    """
    check_real_and_filled(a, "normalise()")
    check_floating(a, "normalise()")
    if a.ndim < 2:
        raise ValueError(f"normalise() takes one sample (*grid, channels), got shape {a.shape}.")
    check_weights(weights, a.shape[:-1], "normalise()")
    points = a.reshape(-1, a.shape[-1])
    if weights is None:
        share = jnp.full((len(points), 1), 1 / len(points), a.dtype)
        counted = points
    else:
        share = (weights / jnp.sum(weights)).astype(a.dtype).reshape(-1, 1)
        counted = jnp.where(share == 0, 0, points)
    mean = jnp.sum(share * counted, 0, keepdims=True)
    variance = jnp.sum(share * (counted - mean) ** 2, 0, keepdims=True)
    return ((points - mean) * jax.lax.rsqrt(variance + 1e-6)).reshape(a.shape)


def mesh(axes: Sequence[np.ndarray]) -> Float[np.ndarray, "*grid dim"]:
    """The points of a product grid."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1)


def check_real_and_filled(a, name: str):
    """Raise for complex fields, whose squares are not magnitudes, and for empty ones."""
    if jnp.iscomplexobj(a):
        raise TypeError(f"{name} takes real fields; give real and imaginary parts as two channels.")
    if a.size == 0:
        raise ValueError(f"{name} got an empty field, of shape {a.shape}.")


def check_floating(a, name: str):
    """`TypeError` for integers, since constants would be truncated to the dtype of the field."""
    if not jnp.issubdtype(a.dtype, jnp.inexact):
        raise TypeError(f"{name} takes fields of floats, got {a.dtype}: use a.astype(float).")


def check_weights(weights, grid: Sequence[int], name: str):
    """`ValueError` unless there is one weight for each point, none of them negative."""
    if weights is None:
        return
    if weights.shape != tuple(grid):
        raise ValueError(
            f"{name} needs one weight for each point, an array of shape {tuple(grid)}; got shape "
            f"{weights.shape}. For weights of one axis use jnp.broadcast_to(w[:, None], grid)."
        )
    given = known(weights)
    if given is not None and not given.min() >= 0:
        raise ValueError(
            f"{name} needs weights that are finite and >= 0; got a smallest one of {given.min()}."
        )


def check_counted(a, weights, name: str, field: str):
    """`ValueError` unless a field has its weights and, outside jit, is finite where they count."""
    check_weights(weights, a.shape[:-1], name)
    share, values = known(weights), known(a)
    if share is None or values is None:
        return
    wrong = np.argwhere(~np.isfinite(values) & (share != 0)[..., None])
    if len(wrong):
        index = tuple(map(int, wrong[0]))
        raise ValueError(
            f"{name}: {field}{list(index)} is {values[index]} although its weight is not zero. "
            "Give weight zero to points where the field is not defined."
        )


def root(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """√x with a slope of zero at zero, where an error vanishes, in place of an infinite one."""
    zero = x == 0  # NaN is not, and propagates
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, x)))


def known(a) -> np.ndarray | None:
    """The values as a NumPy array, or `None` within jit, vmap or grad."""
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
    values = tuple(np.atleast_1d(modes).tolist())  # NumPy's integers as Python's
    if not 1 <= len(values) <= 3 or any(not isinstance(m, int) or m < 0 for m in values):
        raise ValueError(
            f"{name}: modes is the highest wave number of each grid axis, one to three integers "
            f">= 0, such as 16 (1D) or (12, 12) (2D); got {modes!r}."
        )
    return values


def as_lengths(lengths: Any, dim: int, name: str) -> tuple[Any, ...]:
    """The length of each axis, a float unless traced; `ValueError` unless positive, 1 or `dim`."""
    values = (lengths,) * dim if np.ndim(lengths) == 0 else tuple(lengths)
    if len(values) != dim or not all(known(v) is None or v > 0 for v in values):
        raise ValueError(
            f"{name}: lengths is one positive number, or one for each of the {dim} grid axes; got "
            f"{lengths!r}."
        )
    # Those of NumPy would raise the precision of fields.
    return tuple(v if isinstance(v, Tracer) else float(v) for v in values)
