"""Reject combinations whose parts touch in a way that makes a trial function wrong there."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ...core import compiled_call
from .boundaries import Piece
from .domains import Domain, SpaceTime, _Combination
from .regions import low_discrepancy

# Points tried per piece, and how many must agree, since a few may lie close to a corner.
_POINTS, _AGREE = 512, 3


def require_clear_faces(domain: Domain) -> None:
    """Raise if a level vanishes inside its domain, or has no well-defined slope on the boundary.

    The former happens where parts of a union only touch, the latter where two parts share a face
    from the same side: both levels are zero there, and only their ratio nearby is defined.

    **Raises:** `ValueError` that names a point.
    """
    space = domain.space if isinstance(domain, SpaceTime) else domain
    if not isinstance(space, _Combination):
        return
    # Constants even under jit, and in float64 whatever the precision of JAX: the points beside a
    # face are closer to it than float32 resolves.
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        faces = _faces(space)
        drawn = [_points_and_normals(piece) for piece in faces]
        points, normals = (jnp.concatenate(arrays) for arrays in zip(*drawn, strict=True))
        closed, slanted = _judge(space, points, normals)
    _refuse(
        points,
        closed,
        "only touch at {}: u would be fixed to its boundary value there, inside the domain. Let "
        "the parts overlap, or give them as one Polygon. (Boxes may touch.)",
    )
    _refuse(
        points,
        slanted,
        "have a face in common at {}, where the slope of u would be wrong. Extend one part beyond "
        "the other where that leaves the domain unchanged, or give it as one Polygon.",
    )


def _refuse(points, found, message: str) -> None:
    """Raise if enough points of one face were found, and say where."""
    for face, on_face in zip(np.split(np.asarray(points), len(found)), found, strict=True):
        if on_face.sum() >= _AGREE:
            where = ", ".join(f"{value:.4g}" for value in face[on_face][0])
            raise ValueError("Parts of the domain " + message.format(f"({where})"))


def _faces(domain: Domain) -> list[Piece]:
    """The whole boundaries of the parts, at any depth."""
    if isinstance(domain, _Combination):
        return _faces(domain.first) + _faces(domain.second)
    return list(domain.boundary.values())


def _points_and_normals(piece: Piece) -> tuple[Array, Array]:
    points = jax.vmap(piece.from_unit)(jnp.asarray(low_discrepancy(_POINTS, piece.unit_dim)))
    return points, jax.vmap(piece.normal)(points)


def _judge(
    domain: Domain, points: Float[Array, "n dim"], normals: Float[Array, "n dim"]
) -> tuple[Bool[np.ndarray, "faces points"], Bool[np.ndarray, "faces points"]]:
    """Where the level is zero between positive values, and where its derivative differs from its
    one-sided difference."""
    lower, upper = domain.bounds
    step = 1e-7 * float(np.max(upper - lower))

    def level(k):
        return np.asarray(levels(points + k * step * normals)[0])

    def levels(points):
        return compiled_call(jax.vmap(jax.value_and_grad(domain.level)), points)

    here, gradients = (np.asarray(a) for a in levels(points))
    behind, ahead = level(-1), level(1)
    closed = (np.minimum(behind, ahead) > 0) & (here < 0.1 * np.minimum(behind, ahead))
    side = np.where(ahead > 0, 1, -1)
    inside = np.maximum(behind, ahead)
    further = np.where(side > 0, level(2), level(-2))
    difference = (4 * inside - further - 3 * here) / (2 * step)
    slope = side * np.sum(gradients * np.asarray(normals), axis=1)
    on_boundary = ((ahead > 0) != (behind > 0)) & (np.abs(here) < 0.1 * inside)
    slanted = on_boundary & (np.abs(slope - difference) > 0.01 * np.abs(difference))
    return closed.reshape(-1, _POINTS), slanted.reshape(-1, _POINTS)
