"""Blocks to begin with: clusters of the leading eigenvectors of a network."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

_LLOYD_STEPS = 10


def embedding(w: Float[Array, "n n"], size: int) -> Float[Array, "n size"]:
    """The eigenvectors of the largest absolute eigenvalues, times these, the first one first.

    **Arguments:**

    - `w`: a symmetric matrix.
    - `size`: how many.

    **Returns:** a point per node. Nodes of a block lie together, also where edges are between
    blocks, which negative eigenvalues show.
    """
    values, vectors = jnp.linalg.eigh(w)
    order = jnp.argsort(-jnp.abs(values))[:size]
    return vectors[:, order] * jnp.abs(values[order])[None]


def clusters(
    points: Float[Array, "n d"], active: Bool[Array, " d"], key: PRNGKeyArray
) -> Int[Array, " n"]:
    """k-means from seeds that are far apart, with as many clusters and dimensions as are active.

    **Arguments:**

    - `points`: an embedding in as many dimensions as there may be clusters.
    - `active`: which clusters and dimensions there are.
    - `key`: a PRNG key for the seeds.

    **Returns:** the cluster of each point.
    """
    points = jnp.where(active[None], points, 0)
    centres = _seeds(points, active, key)

    def lloyd(centres, _):
        near = jax.nn.one_hot(_nearest(points, centres, active), len(active), dtype=points.dtype)
        count = jnp.sum(near, axis=0)[:, None]
        return jnp.where(count > 0, near.T @ points / jnp.maximum(count, 1), centres), None

    centres, _ = jax.lax.scan(lloyd, centres, length=_LLOYD_STEPS)
    return _nearest(points, centres, active)


def _seeds(points, active, key):
    """Random points that are far from those before, by their squared distance (k-means++)."""
    keys = jax.random.split(key, len(active))
    far = jnp.full(len(points), jnp.inf, points.dtype)

    def add(distance, now):
        key, first = now
        chance = jnp.where(first, 0, jnp.log(distance + jnp.finfo(points.dtype).tiny))
        centre = points[jax.random.categorical(key, chance)]
        return jnp.minimum(distance, jnp.sum((points - centre[None]) ** 2, axis=1)), centre

    return jax.lax.scan(add, far, (keys, jnp.arange(len(active)) == 0))[1]


def _nearest(points, centres, active):
    """By |c|² - 2 p·c, which orders distances to the centres."""
    distance = jnp.sum(centres**2, axis=1)[None] - 2 * points @ centres.T
    return jnp.argmin(jnp.where(active[None], distance, jnp.inf), axis=1)
