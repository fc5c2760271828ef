"""A trainable potential on the graph of atoms and its line graph."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsci.nn import Dense

from ..._structure.atoms import Atoms
from ..._structure.elements import SYMBOLS
from ..._structure.graph import Graph
from ..graph_potential import element_numbers
from ..known_elements import unknown_elements
from .activations import activate
from .geometry import Settings, geometry
from .layer import LineGraphLayer
from .readout import Readout

_ONSET = 0.5  # of a cutoff, where weights begin to fall: later ones fall too fast for phonons


class LineGraphPotential(eqx.Module):
    """A potential that updates atoms, edges and angles at once, as DPA3 does.

        E = Σ_i (readout(x_i) + e(Z_i))

    Atoms are the vertices of a graph; its edges are the vertices of the line graph, whose edges are
    angles. A layer adds to each of them, times learned vectors, activated affine maps of what is
    around it; atoms also see scalar products of the first moments of their neighbourhood. Angles
    enter by their cosine, and the weights of neighbours have two continuous derivatives.

    **Arguments:**

    - `elements`: symbols or atomic numbers of those that it will know.
    - `cutoff`: of edges, Å.
    - `angle_cutoff`: of angles, Å, at most `cutoff`.
    - `widths`: numbers per atom, edge and angle; the first two at least 4.
    - `depth`: layers; information travels `depth` times the cutoff.
    - `key`: PRNG key of the parameters.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called as `model(atoms, graph)`; returns the energy (eV). `jsci.pure(model)` gives
    `(energy, params)` as every function of potentials takes them.

    **Raises:** `ValueError` for no elements, unknown symbols, cutoffs that are not positive, widths
    or depths too small; in a call, for other elements (under jit the energy is NaN) or too small a
    graph.

    **Notes:** sums over neighbours are not divided by their number, but by a constant. `dpa3` reads
    one that deepmd-kit trained. `GraphPotential` gates its messages and takes fewer parameters.

    **Good values:** `cutoff=6`, `angle_cutoff=4`, `widths=(128, 64, 32)`, `depth=6` for many
    elements and thousands of structures; `(32, 16, 8)` and 2 for one system.

    **Source:** Zhang et al., "A graph neural network for the era of large atomistic models" (2025).

    ```python
    near = {"cutoff": 5.0, "angle_cutoff": 4.5}
    model = jsci.atoms.LineGraphPotential(
        ["Cs", "Cl"], widths=(8, 8, 4), depth=1, key=jax.random.key(0), **near
    )
    energy, params = jsci.pure(model)
    graph = jsci.atoms.neighbours(salt, **near)
    forces = jsci.atoms.properties(energy)(params, salt, graph).forces
    ```
    """

    embedding: Float[Array, "elements atoms"]
    edges: Dense
    angles: Float[Array, " angles"]
    layers: LineGraphLayer
    readout: Readout
    energies: Float[Array, " elements"]
    elements: tuple[int, ...] = eqx.field(static=True)
    settings: Settings = eqx.field(static=True)

    def __init__(
        self,
        elements: Sequence[str | int],
        *,
        cutoff: float,
        angle_cutoff: float,
        widths: tuple[int, int, int] = (128, 64, 32),
        depth: int = 6,
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        _check(cutoff, angle_cutoff, widths, depth)
        dtype = jnp.dtype(dtype or jnp.result_type(float))
        keys = jax.random.split(key, 5)
        self.elements = element_numbers(elements)
        self.settings = Settings(
            float(cutoff), float(angle_cutoff), _ONSET * cutoff, _ONSET * angle_cutoff
        )
        self.embedding = jax.random.normal(keys[0], (len(self.elements), widths[0]), dtype)
        self.edges = Dense(1, widths[1], key=keys[1], bias_scale=1.0, dtype=dtype)
        self.angles = jax.random.normal(keys[2], (widths[2],), dtype)
        self.layers = eqx.filter_vmap(lambda k: LineGraphLayer(widths, key=k, dtype=dtype))(
            jax.random.split(keys[3], depth)
        )
        self.readout = Readout(widths[0], key=keys[4], dtype=dtype)
        self.energies = jnp.zeros(len(self.elements), dtype)

    @property
    def cutoff(self) -> float:
        """Of the edges that its graph needs, Å."""
        return self.settings.cutoff

    @property
    def angle_cutoff(self) -> float:
        """Of the angles that its graph needs, Å."""
        return self.settings.angle_cutoff

    def __call__(self, atoms: Atoms, graph: Graph) -> Float[Array, ""]:
        graph.require(self.cutoff, self.angle_cutoff)
        unknown = unknown_elements(atoms, self.elements, "the elements")
        table = np.zeros(len(SYMBOLS), int)
        table[list(self.elements)] = np.arange(len(self.elements))
        element = jnp.asarray(table)[atoms.numbers]
        features = self._features(element, atoms, graph)
        energies = jax.vmap(self.readout)(features) + self.energies[element]
        energies = jnp.where(unknown, jnp.nan, energies)
        return jnp.sum(jnp.where(atoms.mask, energies, 0.0))

    def _features(self, element: Array, atoms: Atoms, graph: Graph) -> Float[Array, "n atoms"]:
        """Of each atom after the last layer."""
        found, lengths, cosines = geometry(atoms, graph, self.settings)
        edges = jax.vmap(self.edges)(lengths[:, None])
        if not self.settings.distances:
            edges = activate(self.layers.activation, edges)
        x = activate(self.layers.activation, self.embedding)[element]
        angles = cosines[:, None] * self.angles[None]
        # The wider of the types of parameters and positions.
        state = (x.astype(edges.dtype), edges, angles)

        def step(state, layer):
            return layer(state, found, graph), None

        (x, _, _), _ = jax.lax.scan(step, state, self.layers)
        return x


def _check(cutoff: float, angle_cutoff: float, widths: tuple[int, int, int], depth: int) -> None:
    if not 0 < angle_cutoff <= cutoff < jnp.inf:
        raise ValueError(
            f"cutoff must be positive and angle_cutoff at most as long: {cutoff}, {angle_cutoff}."
        )
    if len(widths) != 3 or min(widths[:2]) < 4 or widths[2] < 1 or depth < 1:
        raise ValueError(
            f"widths are of atoms, edges (at least 4) and angles, and depth is at least 1: got "
            f"{widths}, {depth}."
        )
