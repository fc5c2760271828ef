"""Who is whose neighbour: the pairs within a cutoff, and pairs of these as angles."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .atoms import Atoms


class Graph(eqx.Module):
    """The edges between neighbouring atoms, and the angles between edges of one atom.

    Edge e goes from atom i to the image of atom j at R_j + S L; there is one for each direction.
    An angle is an ordered pair of different edges of one atom, both shorter than the angle cutoff.
    All are padded to fixed numbers, and `vectors` takes padded edges to be beyond the cutoff.

    **Arguments:**

    - `i`, `j`: (edges,), atoms; sorted by i.
    - `shift`: (edges, 3), S, whole numbers of lattice vectors.
    - `edge_mask`: (edges,), which are real.
    - `reverse`: (edges,), the number of the edge from j to i; of a padded edge itself.
    - `first`, `second`: (angles,), edges; sorted by the first. None where no angles were asked for.
    - `angle_mask`: (angles,), which are real.
    - `overflow`: whether there were more edges or angles than places, or atoms closer than 0.3 Å;
        `properties` are then NaN.
    - `cutoff`, `angle_cutoff`: Å, within which the lists are complete.

    **Returns:** what `neighbours` and `NeighbourList` return.

    **Notes:** lengths and angles are computed from the positions given, the pairs are those of the
    structure it was built of. If atoms have moved since, pairs that have come within the cutoff
    are missing, and energies are wrong without a flag: build it anew, or use a `NeighbourList`,
    whose `skin` allows for motion and whose `stale` tells when it is used up.
    """

    i: Int[Array, "*b edges"]
    j: Int[Array, "*b edges"]
    shift: Int[Array, "*b edges 3"]
    edge_mask: Bool[Array, "*b edges"]
    reverse: Int[Array, "*b edges"]
    first: Int[Array, "*b angles"]
    second: Int[Array, "*b angles"]
    angle_mask: Bool[Array, "*b angles"]
    overflow: Bool[Array, "*b"]
    cutoff: float = eqx.field(static=True)
    angle_cutoff: float | None = eqx.field(static=True)

    def vectors(self, atoms: Atoms) -> Float[Array, "edges 3"]:
        """From atom i to j, Å.

        **Arguments:**

        - `atoms`: those whose neighbours these are, which may have moved since.

        **Returns:** R_j + S L - R_i; (2 c, 0, 0) for padding, where c is the cutoff, so that
        lengths have derivatives.

        ```python
        lengths = jnp.linalg.norm(graph.vectors(salt), axis=-1)
        ```
        """
        vectors = atoms.positions[self.j] - atoms.positions[self.i]
        if atoms.cell is not None:
            vectors = vectors + self.shift.astype(atoms.cell.dtype) @ atoms.cell
        beyond = jnp.array([2 * self.cutoff, 0, 0], vectors.dtype)
        return jnp.where(self.edge_mask[:, None], vectors, beyond[None])

    def require(self, cutoff: float, angle_cutoff: float | None = None) -> None:
        """Refuse a graph that lacks neighbours which a potential needs.

        **Arguments:**

        - `cutoff`: of the potential's edges, Å.
        - `angle_cutoff`: of its angles, Å; `None` if it has none.

        **Raises:** `ValueError` if the graph was built with smaller ones.

        ```python
        graph.require(5.0)
        ```
        """
        if self.cutoff < cutoff:
            raise ValueError(
                f"the potential needs neighbours within {cutoff} Å, and the graph has those within "
                f"{self.cutoff} Å: build it by neighbours(atoms, {cutoff})."
            )
        if angle_cutoff is not None and (self.angle_cutoff or 0.0) < angle_cutoff:
            raise ValueError(
                f"the potential needs angles within {angle_cutoff} Å, and the graph has "
                f"{self.angle_cutoff}: build it by neighbours(..., angle_cutoff={angle_cutoff})."
            )
