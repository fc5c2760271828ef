"""Which points a query may attend to."""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool

Mask = Bool[Array, "..."] | Bool[np.ndarray, "..."]


def allowed_points(
    mask: Mask | None, shape: tuple[int, ...], name: str
) -> Bool[Array, "..."] | None:
    """The mask in the shape of the logits, (…, queries, points).

    `TypeError` unless it is of booleans, `ValueError` if it does not fit, or if it is known and
    leaves a query no point.
    """
    if mask is None:
        return None
    if mask.dtype != bool:
        raise TypeError(
            f"{name} takes a mask of booleans, True where a point is seen; got {mask.dtype}. Of "
            "numbers, say which ones: mask != 0, or logits > -inf."
        )
    if mask.ndim not in {1, 2, len(shape)} or not _broadcasts(mask.shape, shape):
        raise ValueError(
            f"{name} takes a mask of shape ({shape[-1]},) or ({shape[-2]}, {shape[-1]}), the "
            f"points or one row of them per query; got {mask.shape}."
        )
    if not isinstance(mask, Tracer):
        _check_rows(np.asarray(mask), name)
    return jnp.broadcast_to(mask.reshape((1,) * (len(shape) - mask.ndim) + mask.shape), shape)


def _broadcasts(mask: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return all(m in (1, n) for m, n in zip(mask[::-1], shape[::-1], strict=False))


def _check_rows(mask: np.ndarray, name: str) -> None:
    rows = np.any(mask, -1).reshape(-1)
    if not np.all(rows):
        raise ValueError(
            f"{name}: the mask leaves no point in {np.sum(~rows)} of its {rows.size} rows, the "
            f"first is row {np.argmin(rows)}. Leave such queries out, or give them a point and "
            "ignore their result."
        )
