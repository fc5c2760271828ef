"""ANI: networks of each element on symmetry functions, with published weights."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PyTree

from ..._structure.atoms import Atoms
from ..._structure.elements import atomic_number
from ..._structure.graph import Graph
from ..known_elements import unknown_elements
from .ani_files import read_ani

HARTREE = 27.211386245988  # eV
_SHRUNK = 0.95  # of cosines, which keeps the sine smooth at straight angles
_ALPHA = 0.1  # of CELU

Constants = tuple[tuple[str, tuple[float, ...]], ...]


class ANI(eqx.Module):
    """Made by `ani`, which describes it."""

    constants: Constants = eqx.field(static=True)
    elements: tuple[int, ...] = eqx.field(static=True)

    @property
    def cutoff(self) -> float:
        """Of the edges that its graph needs, Å."""
        return dict(self.constants)["Rcr"][0]

    @property
    def angle_cutoff(self) -> float:
        """Of the angles that its graph needs, Å."""
        return dict(self.constants)["Rca"][0]

    def __call__(self, params: dict[str, PyTree], atoms: Atoms, graph: Graph) -> Float[Array, ""]:
        """The energy of a structure, eV."""
        graph.require(self.cutoff, self.angle_cutoff)
        unknown = unknown_elements(atoms, self.elements, "the weights")
        table = np.zeros(119, int)
        table[list(self.elements)] = np.arange(len(self.elements))
        species = jnp.asarray(table)[atoms.numbers]
        features = self._features(species, atoms, graph)
        # Every network for every atom, of which that of its element counts.
        outputs = jnp.stack([_mean_output(net, features) for net in params["networks"]], axis=-1)
        chosen = jnp.take_along_axis(outputs, species[:, None], axis=1)[:, 0]
        energies = jnp.where(unknown, jnp.nan, chosen + params["energies"][species])
        return HARTREE * jnp.sum(jnp.where(atoms.mask, energies, 0.0))

    def _features(self, species: Array, atoms: Atoms, graph: Graph) -> Float[Array, "n features"]:
        """Sums over neighbours by their element, and over pairs of neighbours by theirs."""
        c = {name: jnp.asarray(v, atoms.positions.dtype) for name, v in self.constants}
        n, kinds = len(species), len(self.elements)
        vectors = graph.vectors(atoms)
        r = jnp.linalg.norm(vectors, axis=-1)
        radial = 0.25 * jnp.exp(-c["EtaR"][None] * (r[:, None] - c["ShfR"][None]) ** 2)
        radial = radial * _fall(r, self.cutoff)[:, None]
        where = graph.i * kinds + species[graph.j]
        radial = jax.ops.segment_sum(radial, where, n * kinds)
        first, second = graph.first, graph.second
        u = vectors / r[:, None]
        cosine = _SHRUNK * jnp.sum(u[first] * u[second], axis=-1)
        near = _fall(r, self.angle_cutoff)
        # Each pair of neighbours is two angles, so the factor 2 of the formula is left out.
        weight = jnp.where(graph.angle_mask, near[first] * near[second], 0.0)
        bends = _bends(cosine, 0.5 * (r[first] + r[second]), c) * weight[:, None]
        pairs = _pair_table(kinds)
        kind = jnp.asarray(pairs)[species[graph.j[first]], species[graph.j[second]]]
        count = int(pairs.max()) + 1
        bends = jax.ops.segment_sum(bends, graph.i[first] * count + kind, n * count)
        return jnp.concatenate([radial.reshape(n, -1), bends.reshape(n, -1)], axis=-1)


def ani(path: str | Path, *, dtype: DTypeLike | None = None) -> tuple[ANI, dict[str, PyTree]]:
    """An ANI potential for organic molecules, from its published files.

        E = Σ_i (mean over networks of N_Z(G_i) + e(Z_i))

    where G are sums of Gaussians over neighbours and pairs of neighbours, by their elements. Its
    graph needs edges within `energy.cutoff` and angles within `energy.angle_cutoff`.

    **Arguments:**

    - `path`: a folder with a `.params` file, `sae_linfit.dat` and networks in `train0`, `train1`,
        ...: such as `torchani/resources/ani-1x_8x` of the package torchani 2.2.4. Torch is not
        needed.
    - `dtype`: of the parameters; by default JAX's default float type.

    **Returns:** `(energy, params)`, with the energy in eV as all potentials have it, where the
    files have Hartree. `params` is a dict of the networks by element, and their `energies`
    (Hartree).

    **Raises:** `ValueError` for a folder without these files, or with empty ones; in a call, for
    an element that it does not know (under jit the energy is NaN).

    **Notes:** its cutoff has one continuous derivative: second derivatives jump where an atom
    enters.

    **Source:** Smith, Isayev & Roitberg, Chem. Sci. 8, 3192 (2017); ANI-1x: Smith et al., J. Chem.
    Phys. 148, 241733 (2018).

    ```python
    energy, params = jsci.atoms.ani("ani-1x_8x")  # a copy of torchani/resources/ani-1x_8x
    ```
    """
    read = read_ani(path)
    dtype = jnp.dtype(dtype or jnp.result_type(float))
    networks = tuple(_stacked(members, dtype) for members in zip(*read["networks"], strict=True))
    params = {"networks": networks, "energies": jnp.asarray(read["energies"], dtype)}
    elements = tuple(atomic_number(symbol) for symbol in read["species"])
    return ANI(tuple(read["constants"].items()), elements), params


def _stacked(members: tuple[Any, ...], dtype: Any) -> tuple[dict[str, Array], ...]:
    """The layers of one element's networks, with a leading axis over these."""
    same = zip(*members, strict=True)
    arrays = (map(np.stack, zip(*layers, strict=True)) for layers in same)
    return tuple(
        {"weight": jnp.asarray(weight, dtype), "bias": jnp.asarray(bias, dtype)}
        for weight, bias in arrays
    )


def _bends(cosine: Array, r: Array, c: dict[str, Array]) -> Float[Array, "angles features"]:
    """((1 + cos(θ - θ_s))/2)^ζ exp(-η (r - r_s)²) of each pair of shifts, θ_s the faster."""
    sine = jnp.sqrt(1 - cosine**2)
    turned = jnp.outer(cosine, jnp.cos(c["ShfZ"])) + jnp.outer(sine, jnp.sin(c["ShfZ"]))
    around = ((1 + turned) / 2) ** c["Zeta"][None]
    far = jnp.exp(-c["EtaA"][None] * (r[:, None] - c["ShfA"][None]) ** 2)
    size = far.shape[1] * around.shape[1]
    return (far[:, :, None] * around[:, None, :]).reshape(len(r), size)


def _fall(r: Array, cutoff: float) -> Array:
    return jnp.where(r >= cutoff, 0.0, 0.5 + 0.5 * jnp.cos(jnp.pi * r / cutoff))


def _pair_table(kinds: int) -> np.ndarray:
    """The number of each unordered pair of elements, by rows of the upper triangle."""
    table = np.zeros((kinds, kinds), int)
    upper = np.triu_indices(kinds)
    table[upper] = np.arange(len(upper[0]))
    return np.maximum(table, table.T)


def _mean_output(layers: tuple[dict[str, Array], ...], features: Array) -> Float[Array, " n"]:
    """Of the networks of one element, by a loop over members inside a matrix product."""

    def member(layers: Any) -> Array:
        x = features
        for layer in layers[:-1]:
            x = jax.nn.celu(x @ layer["weight"] + layer["bias"][None], _ALPHA)
        return (x @ layers[-1]["weight"] + layers[-1]["bias"][None])[:, 0]

    return jnp.mean(jax.vmap(member)(layers), axis=0)
