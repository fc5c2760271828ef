"""Rotations of equivariant vectors into the frame of an edge, which has it as its z axis."""

import functools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .gaunt import rotation_matrix

# A rotation by 90° about x, of y into z, and the cyclic permutation of the axes, of z into x.
_QUARTER = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
_CYCLE = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])


class EdgeFrames(eqx.Module):
    """Rotations R of the z axis into the directions of edges.

        R = P Rz(α) Ry(β),   D(Ry(β)) = Jᵀ D(Rz(β)) J

    P is the identity or, for edges near the z axis, a cyclic permutation of the axes. So sin β is
    never below 1/√2, and derivatives stay right at the poles of α. Another angle about the edge
    does not matter for what commutes with it. J is constant, and D(Rz) mixes two numbers at a time.

    Components of degree l are arrays (2, orders, channels, edges): of cos mφ, and of sin mφ, that
    of m = 0 being zero.
    """

    azimuth: Float[Array, "2 orders edges"]
    polar: Float[Array, "2 orders edges"]
    permuted: Bool[Array, " edges"]

    def into(
        self, x: Float[Array, "2 orders channels atoms"], atom: Int[Array, " edges"]
    ) -> Float[Array, "2 orders channels edges"]:
        """What atoms have, in the frames of edges."""
        l, atoms = x.shape[1] - 1, x.shape[-1]
        both = jnp.concatenate([x, _apply(_turned(l, "cycle").T, x)], axis=-1)
        x = both[..., atom + atoms * self.permuted]
        x = _apply(_turned(l, "quarter"), _about_z(x, self.azimuth, -1))
        return _apply(_turned(l, "quarter").T, _about_z(x, self.polar, -1))

    def out_of(
        self, x: Float[Array, "2 some channels edges"], l: int
    ) -> Float[Array, "2 orders channels edges"]:
        """Back from the frames of edges; higher orders than those given are zero."""
        x = _about_z(_apply(_turned(l, "quarter"), x), self.polar, 1)
        x = _about_z(_apply(_turned(l, "quarter").T, x), self.azimuth, 1)
        return jnp.where(self.permuted[None, None, None], _apply(_turned(l, "cycle"), x), x)


def edge_frames(unit: Float[Array, "3 edges"], lmax: int) -> EdgeFrames:
    """Frames for vectors of degree up to lmax."""
    permuted = unit[2] ** 2 > 0.5
    x, y, z = jnp.where(permuted[None], unit[jnp.array([1, 2, 0])], unit)
    sine = jnp.sqrt(x**2 + y**2)
    azimuth, polar = _multiples(x / sine, y / sine, lmax), _multiples(z, sine, lmax)
    return EdgeFrames(azimuth, polar, permuted)


def _multiples(cosine, sine, highest: int) -> Float[Array, "2 orders edges"]:
    """cos mα and sin mα."""
    found = [jnp.stack([jnp.ones_like(cosine), jnp.zeros_like(sine)])]
    for _ in range(highest):
        c, s = found[-1]
        found.append(jnp.stack([c * cosine - s * sine, s * cosine + c * sine]))
    return jnp.stack(found, axis=1)


def _about_z(x, angle, sign: int):
    c, s = angle[:, : x.shape[1], None]
    cosine, sine = x
    s = sign * s
    return jnp.stack([c * cosine - s * sine, s * cosine + c * sine])


def _apply(matrix, x):
    """A constant matrix of one degree, or its columns for the lowest orders."""
    size, some = len(matrix), x.shape[1]
    columns = matrix.reshape(size, 2, -1)[:, :, :some].reshape(size, 2 * some)
    flat = jnp.matmul(columns, x.reshape(2 * some, -1))
    return flat.reshape(2, size // 2, *x.shape[2:])


@functools.cache
def _turned(l: int, name: str) -> np.ndarray:
    """D of a constant rotation, (2 (l + 1), 2 (l + 1))."""
    whole = rotation_matrix({"quarter": _QUARTER, "cycle": _CYCLE}[name], l)
    found = np.zeros((2 * (l + 1), 2 * (l + 1)))
    at = places(l)
    found[np.ix_(at, at)] = whole
    return found


@functools.cache
def places(l: int) -> np.ndarray:
    """Where the functions of degree l in libcint's order are among the cosines and the sines."""
    orders = np.array([1, -1, 0]) if l == 1 else np.arange(-l, l + 1)
    return np.where(orders < 0, l + 1 - orders, orders)


def split(x: Float[Array, "lm *rest"], l: int) -> Float[Array, "2 orders *rest"]:
    """The components of degree l of vectors in libcint's order."""
    own = x[l * l : (l + 1) ** 2]
    rows = np.full(2 * (l + 1), -1)
    rows[places(l)] = np.arange(2 * l + 1)
    found = jnp.concatenate([own, jnp.zeros_like(own[:1])])[rows]
    return found.reshape(2, l + 1, *x.shape[1:])


def joined(x: Float[Array, "2 orders *rest"]) -> Float[Array, "lm *rest"]:
    """The components of one degree in libcint's order."""
    return x.reshape(2 * x.shape[1], *x.shape[2:])[places(x.shape[1] - 1)]
