"""A trainable potential on the graph of atoms, bonds and angles."""

from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsci.nn import Dense, RadialBessel

from .._structure.atoms import Atoms
from .._structure.elements import element_number
from .._structure.graph import Graph
from .graph_layers import Layer
from .known_elements import unknown_elements

_RADIAL, _ANGULAR = 8, 6


class GraphPotential(eqx.Module):
    """A potential that learns features of atoms, bonds and angles, smooth to second order.

        E = Σ_i readout(x_i),   m_i = |w · x_i + c|

    Each layer updates angles from their bonds, bonds from their angles, and atoms from their bonds,
    by gated perceptrons whose results enter with learned factors. Messages are weighted by radial
    functions that vanish at the cutoffs with two derivatives, and angles enter by polynomials of
    their cosine. So the energy is twice continuously differentiable, at straight angles too.

    **Arguments:**

    - `elements`: symbols or atomic numbers of those that it will know.
    - `cutoff`: of bonds, Å.
    - `angle_cutoff`: of angles, Å, at most `cutoff`; needed for `order=3`, and only there.
    - `width`: numbers per atom, bond and angle.
    - `depth`: layers; information travels `depth` times the cutoff.
    - `order`: 2 for atoms and bonds, 3 with angles.
    - `moments`: whether it returns magnetic moments too.
    - `key`: PRNG key of the parameters.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called as `model(atoms, graph)`; returns the energy (eV), or `(energy, moments)` in μ_B per
    atom. `jsci.pure(model)` gives `(energy, params)` as every function of potentials takes them.

    **Raises:** `ValueError` for no elements, unknown symbols, cutoffs that do not fit the order;
    in a call, for other elements (under jit the energy is NaN) or too small a graph.

    **Notes:** energies of the elements are better taken off than learned: `with_references`. Memory
    grows with `width` times the numbers of bonds and angles.

    **Good values:** `cutoff=5` to 6, `angle_cutoff=3.5` to 4; width 16 and depth 2 for hundreds of
    structures of one system, width 64 and depth 3 for thousands of different ones.

    **Source:** the series of line graphs and learned residuals: Zhang et al., "A graph neural
    network for the era of large atomistic models" (2025); messages and moments: Deng et al.,
    Nature Machine Intelligence 5, 1031 (2023).

    ```python
    model = jsci.atoms.GraphPotential(
        ["Cs", "Cl"], cutoff=5.0, width=8, depth=1, order=2, key=jax.random.key(0)
    )
    energy, params = jsci.pure(model)
    forces = jsci.atoms.properties(energy)(params, salt, graph).forces
    ```
    """

    embedding: Float[Array, "elements width"]
    basis: RadialBessel
    bonds: Float[Array, "radial width"]
    weights: Float[Array, "radial width"]
    angle_basis: RadialBessel | None
    angle_weights: Float[Array, "radial width"] | None
    angles: Float[Array, "angular width"] | None
    layers: Layer
    norm: eqx.nn.LayerNorm
    readout: tuple[Dense, Dense]
    moment: Dense | None
    elements: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        elements: Sequence[str | int],
        *,
        cutoff: float,
        angle_cutoff: float | None = None,
        width: int = 64,
        depth: int = 3,
        order: Literal[2, 3] = 3,
        moments: bool = False,
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        self.elements = element_numbers(elements)
        _check(cutoff, angle_cutoff, width, depth, order)
        dtype = jnp.dtype(dtype or jnp.result_type(float))
        keys = iter(jax.random.split(key, 9))

        def matrix(rows: int) -> Array:
            return jax.random.normal(next(keys), (rows, width), dtype) / rows**0.5

        def layer(key: PRNGKeyArray) -> Layer:
            return Layer(width, angles=order == 3, key=key, dtype=dtype)

        self.embedding = matrix(len(self.elements)) * len(self.elements) ** 0.5
        self.basis = RadialBessel(_RADIAL, cutoff, power=6, dtype=dtype)
        self.bonds, self.weights = matrix(_RADIAL), matrix(_RADIAL)
        self.angle_basis = self.angle_weights = self.angles = None
        if angle_cutoff is not None:
            self.angle_basis = RadialBessel(_RADIAL, angle_cutoff, power=6, dtype=dtype)
            self.angle_weights, self.angles = matrix(_RADIAL), matrix(_ANGULAR)
        self.layers = eqx.filter_vmap(layer)(jax.random.split(next(keys), depth))
        self.norm = eqx.nn.LayerNorm(width, dtype=dtype)
        self.readout = (
            Dense(width, width, key=next(keys), dtype=dtype),
            Dense(width, 1, key=next(keys), dtype=dtype),
        )
        self.moment = Dense(width, 1, key=next(keys), dtype=dtype) if moments else None

    @property
    def cutoff(self) -> float:
        """Of the edges that its graph needs, Å."""
        return self.basis.cutoff

    @property
    def angle_cutoff(self) -> float | None:
        """Of the angles that its graph needs, Å; `None` if it has none."""
        return None if self.angle_basis is None else self.angle_basis.cutoff

    def __call__(self, atoms: Atoms, graph: Graph) -> Any:
        graph.require(self.cutoff, self.angle_cutoff)
        unknown = unknown_elements(atoms, self.elements, "the elements")
        place = jnp.searchsorted(jnp.asarray(self.elements), atoms.numbers)
        x = self.embedding[jnp.minimum(place, len(self.elements) - 1)]
        state, weights = self._features(x, atoms, graph)

        def step(state, layer):
            return layer(state, weights, graph), None

        (x, _, _), _ = jax.lax.scan(step, state, self.layers)
        hidden = jax.vmap(self.readout[0])(jax.vmap(self.norm)(x))
        energies = jax.vmap(self.readout[1])(jax.nn.silu(hidden))[:, 0]
        energies = jnp.where(unknown, jnp.nan, energies)
        energy = jnp.sum(jnp.where(atoms.mask, energies, 0.0))
        if self.moment is None:
            return energy
        moments = jnp.abs(jax.vmap(self.moment)(x)[:, 0])
        return energy, jnp.where(atoms.mask, moments, 0.0)

    def _features(self, x: Array, atoms: Atoms, graph: Graph) -> tuple[Any, Any]:
        """`(atoms, bonds, angles)` before the first layer, and the weights of messages."""
        vectors = graph.vectors(atoms)
        lengths = jnp.linalg.norm(vectors, axis=-1)
        basis = jax.vmap(self.basis)(lengths)
        bonds, weights = basis @ self.bonds, basis @ self.weights
        x = x.astype(bonds.dtype)  # the wider of the types of parameters and positions
        if self.angle_basis is None or self.angle_weights is None or self.angles is None:
            return (x, bonds, None), (weights, None)
        close = jax.vmap(self.angle_basis)(lengths) @ self.angle_weights
        directions = vectors / lengths[:, None]
        cosine = jnp.sum(directions[graph.first] * directions[graph.second], axis=-1)
        pairs = close[graph.first] * close[graph.second]
        pairs = jnp.where(graph.angle_mask[:, None], pairs, 0.0)
        return (x, bonds, _chebyshev(cosine) @ self.angles), (weights, pairs)


def _chebyshev(cosine: Float[Array, " n"]) -> Float[Array, "n count"]:
    """cos nθ as polynomials of cos θ, which are smooth where θ = arccos(cos θ) is not."""
    rows = [jnp.ones_like(cosine), cosine]
    while len(rows) < _ANGULAR:
        rows.append(2 * cosine * rows[-1] - rows[-2])
    return jnp.stack(rows, axis=-1)


def element_numbers(elements: Sequence[str | int]) -> tuple[int, ...]:
    """Atomic numbers of these elements, in order; `ValueError` for none, or one that is none."""
    if isinstance(elements, str) or not len(elements):
        raise ValueError(f"elements must be a list such as ['Cu', 'Au'], got {elements!r}.")
    return tuple(sorted({element_number(element) for element in elements}))


def _check(cutoff: float, angle_cutoff: float | None, width: int, depth: int, order: int) -> None:
    if order not in (2, 3):
        raise ValueError(f"order must be 2 (atoms and bonds) or 3 (angles too), got {order!r}.")
    if (order == 3) != (angle_cutoff is not None):
        raise ValueError(f"order=3 needs an angle_cutoff, order=2 has none: got {angle_cutoff!r}.")
    if not 0 < (angle_cutoff or cutoff) <= cutoff < jnp.inf:
        raise ValueError(
            f"cutoff must be positive and angle_cutoff at most as long: {cutoff}, {angle_cutoff}."
        )
    if width < 1 or depth < 1:
        raise ValueError(f"width and depth must be at least 1, got {width} and {depth}.")
