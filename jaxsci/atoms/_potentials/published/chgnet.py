"""CHGNet: a network of atoms, bonds and angles, with published weights."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PyTree

from ..._structure.atoms import Atoms
from ..._structure.graph import Graph
from ..known_elements import unknown_elements
from .chgnet_weights import load

# The cosine is kept from ±1 by this factor, where the derivative of the arc cosine is infinite.
_SHRUNK = 1 - 1e-6


class CHGNet(eqx.Module):
    """Made by `chgnet`, which describes it."""

    cutoff: float = eqx.field(static=True)
    angle_cutoff: float = eqx.field(static=True)

    def __call__(
        self, params: dict[str, PyTree], atoms: Atoms, graph: Graph
    ) -> tuple[Float[Array, ""], Float[Array, " n"]]:
        """The energy of a structure, eV, and the magnetic moment of each atom, μ_B."""
        graph.require(self.cutoff, self.angle_cutoff)
        table = params["elements"]["energy"]
        unknown = unknown_elements(atoms, range(1, len(table) + 1), "the weights")
        element = jnp.maximum(atoms.numbers - 1, 0)
        x = params["elements"]["embedding"][element]
        edges, angles = _geometry(params, atoms, graph)
        bonds = edges.pop("features")
        # The wider of the types of parameters and positions.
        state = (x.astype(bonds.dtype), bonds, angles)

        def step(state, layer_and_last):
            layer, last = layer_and_last
            return _layer(layer, last, state, edges, graph), None

        depth = len(jax.tree.leaves(params["layers"])[0])
        layers = (params["layers"], jnp.arange(depth) == depth - 1)
        # A layer is computed again for its derivatives: keeping it takes longer, and more memory.
        (x, bonds, _), _ = jax.lax.scan(jax.checkpoint(step), state, layers)
        moments = jnp.abs(_affine(params["moment"], x)[:, 0])
        x = _atoms(params["last"], x, bonds, edges, graph)
        energies = _readout(params, x) + table[element]
        energies = jnp.where(unknown, jnp.nan, energies)
        energy = jnp.sum(jnp.where(atoms.mask, energies, 0.0))
        return energy, jnp.where(atoms.mask, moments, 0.0)


def chgnet(
    weights: str | Path = "0.3.0", *, dtype: DTypeLike | None = None
) -> tuple[CHGNet, dict[str, PyTree]]:
    """CHGNet, a universal potential with magnetic moments, and its published weights.

        E = Σ_i (readout(x_i) + e(Z_i)),   m_i = |w · x_i + c|

    where x are features of atoms, updated with those of bonds and angles in four layers. Its graph
    needs edges within `energy.cutoff` and angles within `energy.angle_cutoff`.

    **Arguments:**

    - `weights`: `"0.3.0"`, which comes with jaxsci (trained on PBE+U energies of the Materials
        Project); `"r2scan"` or `"0.2.0"`, read from an installed package `chgnet`; or a file that
        chgnet's trainer wrote. Torch is not needed, and nothing in a file is executed.
    - `dtype`: of the parameters; by default JAX's default float type.

    **Returns:** `(energy, params)`, where `energy(params, atoms, graph)` returns the total energy
    (eV) and magnetic moments (μ_B): `properties(energy)` gives both. `params` is a dict by part,
    of which `frozen` holds some fixed in a further training.

    **Raises:** `ValueError` for other weights, an element above 94 (under jit the energy is NaN),
    or a file of another architecture; `ImportError` if weights need chgnet and it is not installed.

    **Notes:** its angles enter by an arc cosine, so the energy has a cusp at straight angles, as in
    rock salt: second derivatives there are those of the cusp, and force constants need differences
    of forces over 0.01 Å or more. chgnet reports energies per atom and stresses in GPa.

    **Source:** Deng et al., Nature Machine Intelligence 5, 1031 (2023). The weights are under
    the Modified BSD licence of chgnet, which is beside them.

    ```python
    energy, params = jsci.atoms.chgnet()
    graph = jsci.atoms.neighbours(salt, energy.cutoff, angle_cutoff=energy.angle_cutoff)
    total, moments = jax.jit(energy)(params, salt, graph)
    ```
    """
    params, settings = load(weights, jnp.dtype(dtype or jnp.result_type(float)))
    return CHGNet(settings["cutoff"], settings["angle_cutoff"]), params


def _geometry(params, atoms: Atoms, graph: Graph) -> tuple[dict[str, Array], Array]:
    """Features of edges, the weights of their messages, and features of angles."""
    bonds = params["bonds"]
    vectors = graph.vectors(atoms)
    lengths = jnp.linalg.norm(vectors, axis=-1)
    basis = jax.vmap(bonds["basis"])(lengths)
    close = jax.vmap(bonds["close_basis"])(lengths)
    edges = {
        "features": basis @ bonds["embedding"],
        # Zero beyond the cutoffs, and so for padding.
        "weight": basis @ bonds["weight"],
        "close_weight": close @ bonds["close_weight"],
    }
    directions = vectors / lengths[:, None]
    cosine = jnp.sum(directions[graph.first] * directions[graph.second], axis=-1) * _SHRUNK
    theta = jnp.arccos(jnp.where(graph.angle_mask, cosine, 0.0))
    waves = jnp.outer(theta, params["angles"]["frequencies"])
    constant = jnp.full((len(theta), 1), 0.5**0.5, waves.dtype)
    series = jnp.concatenate([constant, jnp.sin(waves), jnp.cos(waves)], axis=-1) / jnp.pi**0.5
    return edges, series @ params["angles"]["embedding"]


def _layer(layer, last: Array, state, edges, graph: Graph):
    """Atoms, bonds with the new atoms, then angles with both: nothing needs those of the last."""
    x, bonds, angles = state
    x = _atoms(layer["atoms"], x, bonds, edges, graph)
    bonds = _bonds(layer["bonds"], x, bonds, angles, edges, graph)

    def bent():
        return angles + layer["angles"].of_parts(*_around(x, bonds, angles, graph))

    return x, bonds, jax.lax.cond(last, lambda: angles, bent)


def _atoms(update, x, bonds, edges, graph: Graph):
    """x_i + W Σ_j w_ij gated(x_i, b_ij, x_j)."""
    messages = update["gated"].of_parts((x, graph.i), (bonds, None), (x, graph.j))
    messages = messages * edges["weight"]
    return x + _affine(update["out"], _sums(messages, graph.i, len(x)))


def _bonds(update, x, bonds, angles, edges, graph: Graph):
    """b_ij + W Σ_k w_ij w_ik gated(b_ij, b_ik, a_ijk, x_i) over k at either end of the bond."""
    weight = edges["close_weight"]
    messages = update["gated"].of_parts(*_around(x, bonds, angles, graph))
    messages = messages * weight[graph.first] * weight[graph.second]
    messages = jnp.where(graph.angle_mask[:, None], messages, 0.0)
    sums = _sums(messages, graph.first, len(bonds))
    return bonds + _affine(update["out"], sums + sums[graph.reverse])


def _around(x, bonds, angles, graph: Graph):
    ends = graph.i[graph.first]
    return (bonds, graph.first), (bonds, graph.second), (angles, None), (x, ends)


def _readout(params, x):
    if params["norm"] is not None:
        x = jax.vmap(params["norm"])(x)
    for layer in params["readout"][:-1]:
        x = jax.nn.silu(_affine(layer, x))
    return _affine(params["readout"][-1], x)[:, 0]


def _affine(layer: dict[str, Array], x):
    y = x @ layer["weight"]
    return y + layer["bias"][None] if "bias" in layer else y


def _sums(rows: Array, where: Array, size: int) -> Array:
    return jax.ops.segment_sum(rows, where, size)
