"""Checks of functions on scattered points: a field, its points and their quadrature weights."""

import numpy as np
from jaxtyping import Array

from .fields import known


def check_points(a, x, weights, y, channels: int, dim: int, name: str) -> Array:
    """The points of evaluation: y, or x where it is `None`.

    `ValueError` unless a field has its points and weights, and y has their dimension.
    """
    y = x if y is None else y
    if a.ndim != 2 or a.shape[1] != channels:
        raise ValueError(
            f"{name} takes one field on scattered points, (points, {channels}); got shape "
            f"{a.shape}. Flatten a grid; batch with jax.vmap."
        )
    if x.shape != (len(a), dim) or weights.shape != (len(a),):
        raise ValueError(
            f"{name} needs the {len(a)} points of its field, ({len(a)}, {dim}), and their "
            f"quadrature weights, ({len(a)},); got {x.shape} and {weights.shape}. On a uniform "
            "grid every weight is 1/points."
        )
    if y.ndim != 2 or y.shape[1] != dim:
        raise ValueError(f"{name}: y are points of shape (queries, {dim}); got {y.shape}.")
    return y


def counted(x, weights) -> np.ndarray | None:
    """The points whose weight is not zero, or `None` where the values are not known yet."""
    places, given = known(x), known(weights)
    return None if places is None or given is None else places[given != 0]


def check_in_box(x, weights, y, name: str):
    """`ValueError` if points of known values, but for those of weight zero, leave [0, 1]ᵈ."""
    for points, what in ((counted(x, weights), "x"), (None if y is None else known(y), "y")):
        if points is not None and np.any(np.abs(points - 0.5) > 0.5 + 1e-5):
            raise ValueError(
                f"{name} takes points of the box [0, 1]ᵈ, which holds the domain; {what} reaches "
                f"from {np.min(points, 0)} to {np.max(points, 0)}. Scale the coordinates into the "
                "box, and the weights by the same volume."
            )
