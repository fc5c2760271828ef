"""One layer on an atomic graph and its line graph: atoms, edges and angles at once."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsci.nn import Dense

from ..._structure.graph import Graph
from .activations import activate
from .geometry import Geometry

# Of each update at first: the features after a layer are near those before it.
_RESIDUAL = 0.1
# Numbers of neighbours, and of near ones, by which sums over them are scaled.
_CROWD, _NEAR_CROWD = 12.0, 4.0
_AXES = 4  # columns of the moments of a neighbourhood that are multiplied with all others


class LineGraphLayer(eqx.Module):
    """Updates atoms x, edges e and angles a from what all of them were before.

        x_i  ← x_i + r₁ σ(x_i) + r₂ σ(MᵀM) + r₃ Σ_j w_ij σ(x_i, x_j, e_ij)/N
        e_ij ← e_ij + r₄ σ(x_i, x_j, e_ij) + r₅ σ(Σ_k v_ij v_ik σ(a_ijk, x_i, e_ik, e_ij)/√N′)
        a_ijk ← a_ijk + r₆ σ(a_ijk, x_i, e_ik, e_ij)

    where each σ is an activated affine layer of its own, r are learned vectors, and M are the first
    moments Σ_j w_ij r_ij/r² [e_ij, x_j]/√N of a neighbourhood. `shares` is how many of the numbers
    of an atom and an edge enter angles.
    """

    atoms: Dense
    moments: Dense
    messages: Dense
    edges: Dense
    bends: Dense
    sums: Dense
    angles: Dense
    residuals: tuple[
        Float[Array, "three atoms"], Float[Array, "two edges"], Float[Array, "one angles"]
    ]
    shares: tuple[int, int] = eqx.field(static=True)
    crowds: tuple[float, float] = eqx.field(static=True)
    smooth: bool = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(self, widths: tuple[int, int, int], *, key: PRNGKeyArray, dtype: Any):
        atoms, edges, angles = widths
        pair, bend = 2 * atoms + edges, angles + atoms + 2 * edges
        keys = iter(jax.random.split(key, 7))

        def dense(rows: int, columns: int) -> Dense:
            return Dense(rows, columns, key=next(keys), dtype=dtype)

        self.atoms = dense(atoms, atoms)
        self.moments = dense(_AXES * (edges + atoms), atoms)
        self.messages = dense(pair, atoms)
        self.edges = dense(pair, edges)
        self.bends = dense(bend, edges)
        self.sums = dense(edges, edges)
        self.angles = dense(bend, angles)
        counts = ((3, atoms), (2, edges), (1, angles))
        first, second, third = (jnp.full(shape, _RESIDUAL, dtype) for shape in counts)
        self.residuals = first, second, third
        self.shares, self.crowds = (atoms, edges), (_CROWD, _NEAR_CROWD)
        self.smooth, self.activation = True, "silu"

    def __call__(
        self, state: tuple[Array, Array, Array], geometry: Geometry, graph: Graph
    ) -> tuple[Array, Array, Array]:
        x, edges, angles = state
        pairs = jnp.concatenate([x[graph.i], x[graph.j], edges], axis=-1)
        around = self._around(x, edges, angles, geometry)
        messages = self._of(self.messages, pairs) * geometry.weights[:, None]
        received = _sums(messages, graph.i, len(x)) / self.crowds[0]
        moments = self._invariants(x, edges, geometry, graph)
        updates = (
            (self._of(self.atoms, x), self._of(self.moments, moments), received),
            (self._of(self.edges, pairs), self._of(self.sums, self._bent(around, edges, geometry))),
            (self._of(self.angles, around),),
        )
        x, edges, angles = (
            old + sum(r[None] * new for r, new in zip(rows, parts, strict=True))
            for old, rows, parts in zip(state, self.residuals, updates, strict=True)
        )
        return x, edges, angles

    def _of(self, dense: Dense, rows: Array) -> Array:
        return activate(self.activation, jax.vmap(dense)(rows))

    def _around(self, x: Array, edges: Array, angles: Array, geometry: Geometry) -> Array:
        x, edges = x[:, : self.shares[0]], edges[:, : self.shares[1]]
        parts = [angles, x[geometry.centre], edges[geometry.second], edges[geometry.first]]
        return jnp.concatenate(parts, axis=-1)

    def _bent(self, around: Array, edges: Array, geometry: Geometry) -> Array:
        """What each edge is told by its angles."""
        bends = self._of(self.bends, around) * geometry.pair_weights[:, None]
        sums = _sums(bends, geometry.first, len(edges)) / self.crowds[1] ** 0.5
        return sums if self.smooth else jnp.where(geometry.near[:, None], sums, edges)

    def _invariants(self, x: Array, edges: Array, geometry: Geometry, graph: Graph) -> Array:
        """Scalar products of the moments of edges, and of those of neighbours."""
        weighted = geometry.directions * geometry.weights[:, None]

        def products(features: Array) -> Array:
            outer = weighted[:, :, None] * features[:, None, :]
            moments = _sums(outer, graph.i, len(x)) / self.crowds[0] ** 0.5
            squares = jnp.einsum("nxa,nxc->nac", moments[..., :_AXES], moments) / 3
            return squares.reshape(len(x), _AXES * features.shape[1])

        return jnp.concatenate([products(edges), products(x[graph.j])], axis=-1)


def _sums(rows: Array, where: Array, size: int) -> Array:
    return jax.ops.segment_sum(rows, where, size)
