"""One layer of a graph potential: angles, then bonds, then atoms."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsci.nn import Dense, GatedMLP

from .._structure.graph import Graph

# Of each update at first: the features of a layer are near those of the layer before.
_RESIDUAL = 0.1


class Layer(eqx.Module):
    """Updates u ← u + r ⊙ update of angles, bonds and atoms, with learned r.

    a_ijk ← gated(b_ij, b_ik, a_ijk, x_i)
    b_ij  ← gated(x_i, x_j, b_ij),  W Σ_k v_ij v_ik gated(b_ij, b_ik, a_ijk, x_i)
    x_i   ← W Σ_j w_ij gated(x_i, x_j, b_ij)
    """

    atoms: GatedMLP
    mixed_atoms: Dense
    bonds: GatedMLP
    bends: GatedMLP | None
    mixed_bends: Dense | None
    angles: GatedMLP | None
    residuals: dict[str, Float[Array, " width"]]

    def __init__(self, width: int, *, angles: bool, key: PRNGKeyArray, dtype: Any):
        keys = jax.random.split(key, 6)
        options = {"hidden": width, "dtype": dtype}
        self.atoms = GatedMLP(3 * width, width, key=keys[0], **options)
        self.mixed_atoms = Dense(width, width, key=keys[1], dtype=dtype)
        self.bonds = GatedMLP(3 * width, width, key=keys[2], dtype=dtype)
        self.bends = self.mixed_bends = self.angles = None
        names = ["atoms", "bonds"]
        if angles:
            self.bends = GatedMLP(4 * width, width, key=keys[3], **options)
            self.mixed_bends = Dense(width, width, key=keys[4], dtype=dtype)
            self.angles = GatedMLP(4 * width, width, key=keys[5], dtype=dtype)
            names += ["bends", "angles"]
        self.residuals = {name: jnp.full(width, _RESIDUAL, dtype) for name in names}

    def __call__(self, state: Any, weights: Any, graph: Graph) -> Any:
        """`(atoms, bonds, angles)` after this layer."""
        x, bonds, angles = state
        r = {name: factors[None] for name, factors in self.residuals.items()}
        first, i = graph.first, graph.i
        pairs = jnp.concatenate([x[i], x[graph.j], bonds], axis=-1)
        own = r["bonds"] * jax.vmap(self.bonds)(pairs)
        if self.angles is not None and self.bends is not None and self.mixed_bends is not None:
            around = [bonds[first], bonds[graph.second], x[i[first]]]
            angles = angles + r["angles"] * jax.vmap(self.angles)(
                jnp.concatenate([*around, angles], axis=-1)
            )
            messages = jax.vmap(self.bends)(jnp.concatenate([*around, angles], axis=-1))
            sums = jax.ops.segment_sum(messages * weights[1], first, len(bonds))
            own = own + r["bends"] * (sums @ self.mixed_bends.weight)
        bonds = bonds + own
        pairs = jnp.concatenate([x[i], x[graph.j], bonds], axis=-1)
        messages = jax.vmap(self.atoms)(pairs) * weights[0]
        sums = jax.ops.segment_sum(messages, i, len(x))
        return x + r["atoms"] * (sums @ self.mixed_atoms.weight), bonds, angles
