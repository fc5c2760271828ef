"""Energy, forces, stress and magnetic moments from one energy function."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._structure.atoms import Atoms, moved, strained
from .._structure.graph import Graph


class Properties(NamedTuple):
    """What `properties` returns.

    - `energy`: of the structure, eV.
    - `forces`: (atoms, 3), eV/Å; zero for padding.
    - `stress`: (3, 3), eV/Å³, with ASE's sign; `None` for molecules.
    - `magmoms`: (atoms,), μ_B; `None` if the energy function gives none.
    """

    energy: Float[Array, "*b"]
    forces: Float[Array, "*b n 3"]
    stress: Float[Array, "*b 3 3"] | None
    magmoms: Float[Array, "*b n"] | None


class PropertiesOf(eqx.Module):
    """Made by `properties`, which describes it."""

    energy: Callable[..., Any]

    def __call__(self, params: PyTree, atoms: Atoms, graph: Graph) -> Properties:
        """Energy and its derivatives, of one structure."""

        def deformed(positions, strain):
            out = self.energy(params, strained(moved(atoms, positions), strain), graph)
            energy, magmoms = out if isinstance(out, tuple) else (out, None)
            return jnp.reshape(energy, ()), magmoms

        strain = jnp.zeros((3, 3), atoms.positions.dtype)
        (energy, magmoms), (slope, virial) = jax.value_and_grad(deformed, (0, 1), has_aux=True)(
            atoms.positions, strain
        )
        forces = jnp.where(atoms.mask[:, None], -slope, 0.0)
        stress = None if atoms.cell is None else virial / atoms.volume
        found = Properties(energy, forces, stress, magmoms)
        # An unknown element makes the energy NaN, and is a constant to its derivatives.
        lost = graph.overflow | jnp.isnan(energy)
        return jax.tree.map(lambda leaf: jnp.where(lost, jnp.nan, leaf), found)


def properties(
    energy: Callable[[PyTree, Atoms, Graph], Any],
) -> Callable[[PyTree, Atoms, Graph], Properties]:
    """Energy, forces, stress and magnetic moments of an energy function, by one derivative.

        F = -dE/dR,   σ = (1/V) dE/dε  of  R -> R (1 + ε),  L -> L (1 + ε)

    **Arguments:**

    - `energy`: `energy(params, atoms, graph)` of one structure, eV; or `(energy, moments)`, with
        magnetic moments in μ_B per atom. It has to leave out padded atoms, edges and angles.

    **Returns:** `f(params, atoms, graph) -> Properties` of one structure: `.energy` (eV), `.forces`
    (eV/Å), `.stress` (3, 3) (eV/Å³; positive where the crystal would shrink, as in ASE) and
    `.magmoms`. `jax.vmap(f, (None, 0, 0))` takes a batch.

    **Notes:** if the graph overflowed or the energy is NaN, everything is NaN. ε enters by its
    symmetric part, so the stress is symmetric. Forces and stress have derivatives in turn.

    ```python
    energy, params = jsci.atoms.lennard_jones(epsilon=0.01, sigma=2.3, cutoff=6.0)
    f = jax.jit(jsci.atoms.properties(energy))
    f(params, salt, graph).stress.shape
    ```
    """
    if not callable(energy):
        raise TypeError(f"properties() takes a function energy(params, atoms, graph): {energy!r}.")
    return PropertiesOf(energy)
