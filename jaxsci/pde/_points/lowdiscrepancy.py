"""Sobol points in up to 16 dimensions."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

_BITS = 30
# Primitive polynomials (degree, coefficients) and initial direction numbers of Joe & Kuo (2008).
_JOE_KUO = (
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)),
    (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)),
    (5, 11, (1, 1, 5, 1, 1)),
    (5, 13, (1, 1, 1, 3, 11)),
    (5, 14, (1, 3, 5, 5, 31)),
    (6, 1, (1, 3, 3, 9, 7, 49)),
    (6, 13, (1, 1, 1, 15, 21, 21)),
    (6, 16, (1, 3, 1, 13, 27, 49)),
)
LARGEST_DIMENSION = len(_JOE_KUO) + 1


def sobol_points(key: PRNGKeyArray, n: int, dim: int) -> Float[Array, "n dim"]:
    """n points of the Sobol sequence in [0, 1)^dim under a random digital shift."""
    if dim == 0:
        return jnp.zeros((n, 0))
    directions = jnp.asarray(_directions(dim))
    index = jnp.arange(n, dtype=jnp.uint32)
    index = index ^ (index >> 1)
    points = jax.random.bits(key, (1, dim), jnp.uint32) >> (32 - _BITS)
    points = jnp.broadcast_to(points, (n, dim))
    for bit in range(max(1, int(n - 1).bit_length())):
        use = ((index >> bit) & 1)[:, None] == 1
        points = jnp.where(use, points ^ directions[:, bit][None], points)
    return points.astype(jnp.result_type(float)) * 2.0**-_BITS


def _directions(dim: int) -> np.ndarray:
    """Direction numbers, one row per dimension, as integers of `_BITS` bits."""
    rows = [[1 << (_BITS - 1 - i) for i in range(_BITS)]]
    for degree, polynomial, initial in _JOE_KUO[: dim - 1]:
        row = [m << (_BITS - 1 - i) for i, m in enumerate(initial)]
        for i in range(degree, _BITS):
            new = row[i - degree] ^ (row[i - degree] >> degree)
            for k in range(1, degree):
                if (polynomial >> (degree - 1 - k)) & 1:
                    new ^= row[i - k]
            row.append(new)
        rows.append(row)
    return np.array(rows, np.uint32)
