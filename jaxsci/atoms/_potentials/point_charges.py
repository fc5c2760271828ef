"""The electrostatic energy of point charges, by Ewald's sum in a crystal."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import erfc
from jaxtyping import Array, Bool, Float

from .._structure.atoms import Atoms
from .._structure.elements import SYMBOLS, element_number
from .._structure.graph import Graph
from .._structure.units import COULOMB
from .known_elements import unknown_elements

ChargeParams = dict[str, Float[Array, " elements"]]

# α c and K/2α: both sums are cut where their terms have fallen to erfc(4.5) = 2e-10.
_CUT = 4.5
# How far a cell may be stretched before waves are missing.
_STRETCH = 0.1


class PointCharges(eqx.Module):
    """Made by `point_charges`, which describes it."""

    cutoff: float = eqx.field(static=True)
    elements: tuple[int, ...] = eqx.field(static=True)
    cell: tuple[tuple[float, ...], ...] | None = eqx.field(static=True)

    def __call__(self, params: ChargeParams, atoms: Atoms, graph: Graph) -> Float[Array, ""]:
        """The energy of a structure, eV."""
        if (atoms.cell is None) != (self.cell is None):
            kinds = ("a molecule", "a crystal")
            made, given = kinds[self.cell is not None], kinds[atoms.cell is not None]
            raise ValueError(f"the charges are of {made}, and this is {given}: make its own.")
        unknown = unknown_elements(atoms, self.elements, "the charges")
        table = jnp.zeros(len(SYMBOLS), params["charges"].dtype)
        charges = table.at[jnp.asarray(self.elements)].set(params["charges"])[atoms.numbers]
        if self.cell is None:
            energy, lost = _of_pairs(charges, atoms), jnp.array(False)
        else:
            energy, lost = self._of_crystal(charges, atoms, graph), self._stretched(atoms)
        return jnp.where(lost | jnp.any(unknown), jnp.nan, COULOMB * energy)

    def _of_crystal(self, charges: Array, atoms: Atoms, graph: Graph) -> Array:
        graph.require(self.cutoff)
        alpha = _CUT / self.cutoff
        r = jnp.linalg.norm(graph.vectors(atoms), axis=-1)
        near = 0.5 * charges[graph.i] * charges[graph.j] * erfc(alpha * r) / r
        near = jnp.sum(jnp.where(r >= self.cutoff, 0.0, near))  # NaN stays NaN
        waves = jnp.asarray(_waves(self.cell, 2 * alpha * _CUT * (1 + _STRETCH)), r.dtype)
        inverse = jnp.linalg.inv(atoms.cell)
        phases = 2 * jnp.pi * (waves @ (atoms.positions @ inverse).T)
        squares = jnp.sum((2 * jnp.pi * waves @ inverse.T) ** 2, axis=-1)
        factors = jnp.sum(jnp.cos(phases) * charges[None], 1) ** 2
        factors = factors + jnp.sum(jnp.sin(phases) * charges[None], 1) ** 2
        far = jnp.sum(jnp.exp(-squares / (4 * alpha**2)) / squares * factors)
        far = 4 * jnp.pi / atoms.volume * far  # each wave stands for its opposite too
        itself = alpha / jnp.pi**0.5 * jnp.sum(charges**2)
        background = jnp.pi / (2 * alpha**2 * atoms.volume) * jnp.sum(charges) ** 2
        return near + far - itself - background

    def _stretched(self, atoms: Atoms) -> Bool[Array, ""]:
        """Whether waves may be missing; `ValueError` outside jit."""
        deformation = jnp.linalg.solve(jnp.asarray(self.cell, atoms.positions.dtype), atoms.cell)
        change = deformation.T @ deformation - jnp.eye(3, dtype=deformation.dtype)
        lost = jnp.sqrt(jnp.sum(change**2)) > (1 + _STRETCH) ** 2 - 1
        if not isinstance(lost, Tracer) and bool(lost):
            raise ValueError(
                f"the cell is {np.asarray(atoms.cell).tolist()}, stretched by more than "
                f"{_STRETCH:.0%} from {self.cell}, for which there are waves: make charges for it."
            )
        return jax.lax.stop_gradient(lost)


def _of_pairs(charges: Array, atoms: Atoms) -> Array:
    """Σ q_i q_j / r_ij over all pairs of a molecule."""
    apart = ~np.eye(len(atoms.numbers), dtype=bool) & atoms.mask[:, None] & atoms.mask[None]
    vectors = atoms.positions[:, None] - atoms.positions[None]
    square = jnp.where(apart, jnp.sum(vectors**2, axis=-1), 1.0)
    products = charges[:, None] * charges[None]
    return 0.5 * jnp.sum(jnp.where(apart, products / jnp.sqrt(square), 0.0))


def _waves(cell, longest: float) -> np.ndarray:
    """(waves, 3): whole numbers n with |2π n L⁻¹| below the longest, one of each n and -n."""
    lattice = np.asarray(cell)
    reach = np.floor(longest * np.linalg.norm(lattice, axis=1) / (2 * np.pi)).astype(int)
    axes = [np.arange(-n, n + 1) for n in reach]
    n = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    n = n[len(n) // 2 + 1 :]  # the list is symmetric about zero
    lengths = 2 * np.pi * np.linalg.norm(n @ np.linalg.inv(lattice).T, axis=1)
    return n[lengths < longest]


def point_charges(
    charges: Mapping[str, float] | Mapping[int, float], atoms: Atoms, *, cutoff: float
) -> tuple[PointCharges, ChargeParams]:
    """The Coulomb energy of one charge per element, with all periodic images.

        E = (1/8πε₀) Σ over pairs, i ≠ j or another image, q_i q_j / |R_i - R_j - S L|

    What a potential with a cutoff lacks in ionic crystals, and to be added to it. The sum over
    images is Ewald's: edges within the cutoff, and waves.

    **Arguments:**

    - `charges`: elementary charges by element. In an insulator they are screened: Z*/√ε∞, of the
        Born charge and the electronic dielectric constant.
    - `atoms`: a structure of the cell that it is for, which may change by 10 %, or a molecule.
    - `cutoff`: Å, of the edges that it needs: the longer, the fewer waves.

    **Returns:** `(energy, params)`, where `params["charges"]`, by atomic number, can be trained.

    **Raises:** `ValueError` for no charges, such that are not finite, a cutoff that is not
    positive, elements without a charge or with two; in a call for other elements, or a cell that
    is stretched by more than 10 %. Under jit the energy is NaN.

    **Notes:** both sums are cut where their terms are 2e-10 of the first. A cell that is not
    neutral has a uniform background that makes it so. A molecule needs no edges.

    **Good values:** `cutoff=7` to 9 for cells of tens of atoms.

    **Source:** Ewald, Annalen der Physik 369, 253 (1921).

    ```python
    energy, params = jsci.atoms.point_charges({"Cs": 1.0, "Cl": -1.0}, salt, cutoff=6.0)
    energy(params, salt, graph)
    ```
    """
    table = {element_number(key): value for key, value in charges.items()}
    if len(table) < len(charges):
        raise ValueError(f"an element has two charges, by symbol and by number: {dict(charges)}.")
    if not table or not np.isfinite(list(table.values())).all():
        raise ValueError(f"charges must be finite numbers by element, got {dict(charges)}.")
    if not 0 < cutoff < np.inf:
        raise ValueError(f"cutoff must be positive and finite, in Å, got {cutoff!r}.")
    elements = tuple(sorted(table))
    unknown_elements(atoms, elements, "the charges")
    cell = None if atoms.cell is None else tuple(map(tuple, np.asarray(atoms.cell, float).tolist()))
    params = {"charges": jnp.asarray([float(table[z]) for z in elements])}
    return PointCharges(float(cutoff), elements, cell), params
