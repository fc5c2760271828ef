"""Energies of the elements, which are taken off before a potential is fitted."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from .._structure.atoms import Atoms
from .._structure.elements import SYMBOLS
from .._structure.frame import Frame, as_frames
from .._structure.graph import Graph


def composition_energies(frames: Sequence[Frame]) -> Float[np.ndarray, "119"]:
    """The energy per atom of each element that fits the energies of structures best.

        min over e of  Σ over structures (E - Σ_Z n_Z e_Z)²,  of all minima the smallest e

    **Arguments:**

    - `frames`: structures with energies, eV; those without are left out.

    **Returns:** (119,), eV by atomic number; zero for elements that do not occur.

    **Raises:** `ValueError` if no structure has an energy.

    **Notes:** where compositions are proportional to each other, the elements share the energy.

    ```python
    references = jsci.atoms.composition_energies([jsci.atoms.Frame(salt, energy=-7.0)])
    ```
    """
    frames = [frame for frame in as_frames(frames) if frame.energy is not None]
    if not frames:
        raise ValueError("composition_energies() needs structures with energies, got none.")
    size = len(SYMBOLS)
    counts = [np.bincount(np.asarray(frame.atoms.numbers), minlength=size) for frame in frames]
    counts = np.array(counts, float)
    counts[:, 0] = 0
    return np.linalg.lstsq(counts, np.array([frame.energy for frame in frames], float))[0]


class Referenced(eqx.Module):
    """Made by `with_references`, which describes it."""

    energy: Callable[..., Any]
    references: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, params: PyTree, atoms: Atoms, graph: Graph) -> Any:
        """The sum of both."""
        out = self.energy(params, atoms, graph)
        table = jnp.asarray(self.references, atoms.positions.dtype)
        constant = jnp.sum(table[atoms.numbers] * atoms.mask)
        return (out[0] + constant, *out[1:]) if isinstance(out, tuple) else out + constant


def with_references(
    energy: Callable[[PyTree, Atoms, Graph], Any], references: Float[np.ndarray, "119"]
) -> Callable[[PyTree, Atoms, Graph], Any]:
    """An energy function plus a constant of each element.

        E(params, atoms) + Σ_i e(Z_i)

    **Arguments:**

    - `energy`: as in `properties`.
    - `references`: (119,), eV by atomic number, such as `composition_energies` returns.

    **Returns:** an energy function of the same parameters. The constants are not trained.

    **Raises:** `ValueError` for another shape, or numbers that are not finite.

    ```python
    energy, params = jsci.atoms.lennard_jones(epsilon=0.01, sigma=2.3, cutoff=6.0)
    shifted = jsci.atoms.with_references(energy, np.full(119, -3.5))
    ```
    """
    table = np.asarray(references, float)
    if table.shape != (len(SYMBOLS),) or not np.isfinite(table).all():
        raise ValueError(
            f"references must be {len(SYMBOLS)} finite energies by atomic number, got the shape "
            f"{table.shape}."
        )
    return Referenced(energy, tuple(table.tolist()))
