"""One layer of a graph potential: angles, then bonds, then atoms."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsci.nn import GatedMLP

from .._structure.graph import Graph

# Of each update at first: the features after a layer are near those before it.
_RESIDUAL = 0.1


class Bends(eqx.Module):
    """Updates angles by what is around them, and gives each bond the sum over its angles.

    a_ijk ← a_ijk + r ⊙ gated(b_ij, b_ik, x_i, a_ijk)
    W Σ_k v_ij v_ik gated(b_ij, b_ik, x_i, a_ijk)
    """

    angles: GatedMLP
    messages: GatedMLP
    mix: Float[Array, "width width"]
    residual: Float[Array, " width"]

    def __init__(self, width: int, *, key: PRNGKeyArray, dtype: Any):
        keys = jax.random.split(key, 3)
        self.angles = GatedMLP(4 * width, width, key=keys[0], dtype=dtype)
        self.messages = GatedMLP(4 * width, width, hidden=width, key=keys[1], dtype=dtype)
        self.mix = _mix(width, keys[2], dtype)
        self.residual = jnp.full(width, _RESIDUAL, dtype)

    def __call__(self, state: Any, weights: Array, graph: Graph) -> tuple[Array, Array]:
        """The new angles, and what they add to each bond."""
        x, bonds, angles = state
        first = graph.first
        around = ((bonds, first), (bonds, graph.second), (x, graph.i[first]))
        angles = angles + self.residual[None] * self.angles.of_parts(*around, (angles, None))
        messages = self.messages.of_parts(*around, (angles, None))
        return angles, jax.ops.segment_sum(messages * weights, first, len(bonds)) @ self.mix


class Layer(eqx.Module):
    """Updates of bonds by their ends and angles, and of atoms by their bonds, with learned r.

    b_ij ← b_ij + r₁ ⊙ gated(x_i, x_j, b_ij) + r₃ ⊙ bends
    x_i  ← x_i + r₂ ⊙ W Σ_j w_ij gated(x_i, x_j, b_ij)
    """

    bends: Bends | None
    bonds: GatedMLP
    messages: GatedMLP
    mix: Float[Array, "width width"]
    residuals: Float[Array, "updates width"]

    def __init__(self, width: int, *, angles: bool, key: PRNGKeyArray, dtype: Any):
        keys = jax.random.split(key, 4)
        self.bends = Bends(width, key=keys[0], dtype=dtype) if angles else None
        self.bonds = GatedMLP(3 * width, width, key=keys[1], dtype=dtype)
        self.messages = GatedMLP(3 * width, width, hidden=width, key=keys[2], dtype=dtype)
        self.mix = _mix(width, keys[3], dtype)
        self.residuals = jnp.full((3 if angles else 2, width), _RESIDUAL, dtype)

    def __call__(self, state: Any, weights: Any, graph: Graph) -> Any:
        """`(atoms, bonds, angles)` after this layer."""
        x, bonds, angles = state
        of_bonds, of_angles = weights
        ends = ((x, graph.i), (x, graph.j))
        new = bonds + self.residuals[:1] * self.bonds.of_parts(*ends, (bonds, None))
        if self.bends is not None:
            angles, sums = self.bends(state, of_angles, graph)
            new = new + self.residuals[2:] * sums
        messages = self.messages.of_parts(*ends, (new, None)) * of_bonds
        sums = jax.ops.segment_sum(messages, graph.i, len(x)) @ self.mix
        return x + self.residuals[1:2] * sums, new, angles


def _mix(width: int, key: PRNGKeyArray, dtype: Any) -> Array:
    return jax.random.normal(key, (width, width), dtype) / width**0.5
