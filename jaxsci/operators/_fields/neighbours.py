"""Which points lie in the balls around others, as lists of one length."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.spatial import KDTree

from .fields import check_floating, known

# Rounding of a distance in float32 must not lose a point; beyond the radius the window is zero.
_MARGIN = 1e-5
# Points of which both have moved by this share of the radius along each of up to three axes can
# lack neighbours whose window is below (4 √3 share)² = 5e-7.
_MOVED = 1e-4


class Neighbours(eqx.Module):
    """The points x in the ball around each point y; `neighbours` makes it.

    A pytree: lists of several geometries with as many `places` can be stacked for `jax.vmap`.

    **Arguments:**

    - `index`: numbers of the points `(queries, places)`; unused places are 0.
    - `real`: which places are used, `(queries, places)`.
    - `x`, `y`: the points `(points, dim)` and `(queries, dim)` of which the lists are.
    - `radius`: of the balls, in the unit of the points.

    ```python
    points = np.random.default_rng(0).random((50, 2))
    layer = jsci.operators.BallIntegral(1, 1, dim=2, radius=0.3, width=8, key=key)
    near = layer.neighbours(points)
    near.index.shape[0]  # 50
    ```
    """

    index: Int[Array, "queries places"]
    real: Bool[Array, "queries places"]
    x: Float[Array, "points dim"]
    y: Float[Array, "queries dim"]
    radius: float = eqx.field(static=True)


def neighbours(x, y, radius: float, places: int | None, name: str) -> Neighbours:
    """Lists of the points x in the ball of a radius around each y, by a k-d tree on the host.

    **Arguments:**

    - `x`, `y`: points `(points, dim)` and `(queries, dim)`, with known values.
    - `radius`: of the balls.
    - `places`: length of the lists; by default that of the longest one.
    - `name`: of the layer, for messages.

    **Raises:** `ValueError` for points that are traced, not finite, of another shape, or more in a
    ball than there are places.
    """
    inputs, queries = _finite(x, "x", name), _finite(y, "y", name)
    if inputs.shape[1] != queries.shape[1]:
        raise ValueError(f"{name}: x and y differ in dimension: {inputs.shape}, {queries.shape}.")
    if len(queries) and not len(inputs):
        raise ValueError(f"{name}: there is no point x, of shape {inputs.shape}.")
    found = KDTree(inputs).query_ball_point(
        queries, radius * (1 + _MARGIN), return_sorted=True, workers=1
    )
    count = np.array([len(f) for f in found])
    longest = max(1, int(count.max(initial=0)))
    places = longest if places is None else places
    if longest > places:
        raise ValueError(
            f"{name}: places={places}, but the ball of radius {radius:g} around "
            f"{queries[count.argmax()]} holds {longest} points."
        )
    real = np.arange(places) < count[:, None]
    index = np.zeros(real.shape, np.int32)
    index[real] = np.concatenate([*found, []]).astype(np.int32)
    return Neighbours(
        jnp.asarray(index), jnp.asarray(real), jnp.asarray(x), jnp.asarray(y), float(radius)
    )


def checked(near: Neighbours, x, y, radius: float, name: str) -> Bool[Array, ""]:
    """Whether lists are of these points; `ValueError` where that is known and false."""
    if near.radius != radius or near.x.shape != x.shape or near.y.shape != y.shape:
        raise ValueError(
            f"{name}: the neighbours are of {near.x.shape} and {near.y.shape} points within "
            f"{near.radius:g}; these are {x.shape} and {y.shape} within {radius:g}. Make them by "
            "neighbours(x, y) of this model."
        )
    same = jnp.array(True)
    for old, new, what in ((near.x, x, "x"), (near.y, y, "y")):
        close = jnp.all(jnp.abs(old - new) <= _MOVED * radius)
        if known(close) is not None and not known(close):
            raise ValueError(
                f"{name}: the points {what} are not those of the neighbours. Make them anew by "
                "neighbours(x, y) when points move."
            )
        same = same & close
    return same


def unseen(y: np.ndarray, x: np.ndarray, radius: float) -> np.ndarray:
    """Which points y have no point x within the radius; those that are not finite do not count."""
    distance = np.zeros(len(y))
    finite = np.isfinite(y).all(1)
    if np.isfinite(x).all():  # what is not a number is not beyond the radius
        distance[finite] = KDTree(x).query(y[finite])[0]
    return distance >= radius


def _finite(points, what: str, name: str) -> np.ndarray:
    values = known(points)
    if values is None:
        raise ValueError(
            f"{name}.neighbours() needs the values of its points: call it outside jit, vmap and "
            "grad, and give the result to the model as near=."
        )
    check_floating(values, f"{name}.neighbours()")
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(
            f"{name}.neighbours() takes finite points {what} of shape (n, dim); got shape "
            f"{values.shape}, {np.sum(~np.isfinite(values))} entries of which are not finite."
        )
    return np.asarray(values, float)
