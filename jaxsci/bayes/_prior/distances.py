"""Distances between distributions, from draws of them."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def energy_distance(x: Float[Array, "n d"], y: Float[Array, "m _"]) -> Float[Array, ""]:
    """The energy distance of two distributions from their draws.

        D = 2 E‖X - Y‖ - E‖X - X'‖ - E‖Y - Y'‖

    It is zero for equal distributions only. Pairs of a draw with itself are left out, so that the
    estimate is unbiased, also as a loss, and may be slightly negative.

    **Arguments:**

    - `x`, `y`: draws, (n, d) and (m, d), such as functions at d points.

    **Returns:** a scalar in the unit of the draws.

    **Raises:** `ValueError` for fewer than two draws, or draws of different sizes.

    **Source:** Székely & Rizzo, J. Stat. Plan. Inference 143, 1249 (2013).

    ```python
    jsci.bayes.energy_distance(jnp.array([[0.0], [1.0]]), jnp.array([[3.0], [4.0]]))  # 4.0
    ```
    """
    for name, draws in (("x", x), ("y", y)):
        if jnp.ndim(draws) != 2 or len(draws) < 2:
            raise ValueError(f"{name} must be (n, d) with two draws or more: {jnp.shape(draws)}.")
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"x and y must have draws of one size, got {x.shape} and {y.shape}.")
    return 2 * jnp.mean(_distances(x, y)) - _inside(x) - _inside(y)


def _inside(x):
    return jnp.sum(_distances(x, x)) / (len(x) * (len(x) - 1))


def _distances(x, y):
    """Without a cusp where two draws coincide, as each does with itself."""
    squares = jnp.sum((x[:, None] - y[None]) ** 2, axis=-1)
    apart = squares != 0  # also where NaN, which must be seen
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squares, 1)), 0)
