"""The Lennard-Jones potential."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._structure.atoms import Atoms
from .._structure.graph import Graph

PairParams = dict[str, Float[Array, ""]]


class LennardJones(eqx.Module):
    """Made by `lennard_jones`, which describes it."""

    cutoff: float = eqx.field(static=True)
    onset: float | None = eqx.field(static=True)

    def __call__(self, params: PairParams, atoms: Atoms, graph: Graph) -> Float[Array, ""]:
        """The energy of a structure, eV."""
        graph.require(self.cutoff)
        epsilon, sigma = params["epsilon"], params["sigma"]
        square = jnp.sum(graph.vectors(atoms) ** 2, axis=-1)
        pair = _well(epsilon, sigma, square)
        if self.onset is None:
            pair = pair - _well(epsilon, sigma, self.cutoff**2)
        else:
            pair = pair * _switch(square, self.onset**2, self.cutoff**2)
        return 0.5 * jnp.sum(jnp.where(square >= self.cutoff**2, 0.0, pair))


def lennard_jones(
    *, epsilon: float, sigma: float, cutoff: float, onset: float | None = None
) -> tuple[LennardJones, PairParams]:
    """The Lennard-Jones potential, of one kind of atoms.

        E = ½ Σ over edges 4 ε ((σ/r)¹² - (σ/r)⁶) s(r)

    **Arguments:**

    - `epsilon`: the depth of the well, eV.
    - `sigma`: where the energy of a pair is zero, Å.
    - `cutoff`: Å.
    - `onset`: Å, where s(r) begins to fall from one to zero at the cutoff, with one continuous
        derivative; `None` shifts the energy of a pair to zero at the cutoff instead, where the
        force jumps.

    **Returns:** `(energy, params)`, with `params` of `epsilon` and `sigma`, which can be trained.

    **Raises:** `ValueError` for a length that is not positive, or an onset beyond the cutoff.

    **Good values:** `cutoff=3 * sigma`, `onset=2 * sigma`; argon has ε = 0.0104 eV, σ = 3.40 Å.

    **Source:** Jones, Proc. R. Soc. A 106, 463 (1924). The switch is that of HOOMD and of ASE.

    ```python
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=10.2, onset=6.8)
    ```
    """
    if not (epsilon > 0 and sigma > 0 and cutoff > 0):
        raise ValueError(f"epsilon, sigma, cutoff must be positive: {epsilon}, {sigma}, {cutoff}.")
    if onset is not None and not 0 < onset < cutoff:
        raise ValueError(f"onset must be between 0 and the cutoff {cutoff} Å, got {onset}.")
    params = {"epsilon": jnp.asarray(float(epsilon)), "sigma": jnp.asarray(float(sigma))}
    return LennardJones(float(cutoff), None if onset is None else float(onset)), params


def _well(epsilon, sigma, square):
    six = (sigma**2 / square) ** 3
    return 4 * epsilon * (six * six - six)


def _switch(square, onset, cutoff):
    """From one to zero, of squared distances."""
    inside = (cutoff - square) ** 2 * (cutoff + 2 * square - 3 * onset) / (cutoff - onset) ** 3
    return jnp.where(square < onset, 1.0, inside)
