"""What the layers of a line-graph potential need to know of a structure."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..._structure.atoms import Atoms
from ..._structure.graph import Graph

_SPREAD = 0.3  # of 1/r and r/r², by which they are divided
_SHRUNK = 1 - 1e-6  # of cosines, as the weights of others were trained


class Settings(NamedTuple):
    """How distances enter.

    - `cutoff`, `angle_cutoff`: Å.
    - `onset`, `angle_onset`: Å, where weights begin to fall; they vanish at the cutoffs.
    - `exponential`: whether they fall as exp(-exp(20 (r - onset)/onset)), rather than as the
        quintic polynomial with two continuous derivatives.
    - `distances`: whether edges begin from r itself, rather than from weight/r.
    """

    cutoff: float
    angle_cutoff: float
    onset: float
    angle_onset: float
    exponential: bool = False
    distances: bool = False


class Geometry(NamedTuple):
    """Weights and directions of edges, and all pairs of near edges of one atom.

    An edge with itself is a pair too, unlike in the angles of a `Graph`.

    - `weights`: (edges,), 1 nearby and 0 beyond the cutoff, and so for padding.
    - `directions`: (edges, 3), r/r² times the weight.
    - `near`: (edges,), which are within the angle cutoff.
    - `centre`, `first`, `second`: (pairs,), the atom and the edges of each pair.
    - `pair_weights`: (pairs,), the product of both weights, which vanish at the angle cutoff.
    """

    weights: Float[Array, " edges"]
    directions: Float[Array, "edges 3"]
    near: Bool[Array, " edges"]
    centre: Int[Array, " pairs"]
    first: Int[Array, " pairs"]
    second: Int[Array, " pairs"]
    pair_weights: Float[Array, " pairs"]


def geometry(
    atoms: Atoms, graph: Graph, settings: Settings
) -> tuple[Geometry, Float[Array, " edges"], Float[Array, " pairs"]]:
    """The geometry, and the numbers from which edges and pairs begin: a length, and a cosine."""
    vectors = graph.vectors(atoms)
    lengths = jnp.linalg.norm(vectors, axis=-1)
    weights = _fall(lengths, settings.onset, settings.cutoff, settings.exponential)
    close = _fall(lengths, settings.angle_onset, settings.angle_cutoff, settings.exponential)
    itself = jnp.arange(len(lengths), dtype=graph.first.dtype)
    first = jnp.concatenate([graph.first, itself])
    second = jnp.concatenate([graph.second, itself])
    real = jnp.concatenate([graph.angle_mask, graph.edge_mask])
    units = vectors / (lengths[:, None] + 1e-6)
    cosine = jnp.sum(units[first] * units[second], axis=-1) * _SHRUNK / jnp.pi**0.5
    scaled = weights / _SPREAD
    found = Geometry(
        weights,
        vectors * (scaled / lengths**2)[:, None],
        lengths < settings.angle_cutoff,
        graph.i[first],
        first,
        second,
        jnp.where(real, close[first] * close[second], 0.0),
    )
    return found, lengths if settings.distances else scaled / lengths, cosine


def _fall(r: Array, onset: float, cutoff: float, exponential: bool) -> Array:
    if exponential:  # zero only to six digits at the cutoff, where it is cut off
        inside = jnp.exp(-jnp.exp(20 / onset * (jnp.minimum(r, cutoff) - onset)))
        return jnp.where(r >= cutoff, 0.0, inside)  # NaN stays NaN
    u = (jax.lax.clamp(jnp.asarray(onset, r.dtype), r, jnp.asarray(cutoff, r.dtype)) - onset) / (
        cutoff - onset
    )
    return 1 + u**3 * (u * (15 - 6 * u) - 10)
