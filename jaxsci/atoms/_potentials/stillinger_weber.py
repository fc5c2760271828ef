"""The Stillinger-Weber potential: pairs and the angles between them."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._structure.atoms import Atoms
from .._structure.graph import Graph
from .known_elements import unknown_elements

# Table I of the paper, in units of ε and σ; the last two are ε (eV) and σ (Å) of silicon, as in
# Balamane, Halicioglu & Tiller, Phys. Rev. B 46, 2250 (1992): 50 kcal/mol.
_SILICON = {
    "A": 7.049556277,
    "B": 0.6022245584,
    "lambda": 21.0,
    "gamma": 1.2,
    "cos0": -1 / 3,
    "epsilon": 2.1683,
    "sigma": 2.0951,
}
_REACH, _P = 1.8, 4  # cutoff in units of σ, and the power of the repulsion


class StillingerWeber(eqx.Module):
    """Made by `stillinger_weber`, which describes it."""

    cutoff: float = eqx.field(static=True)

    @property
    def angle_cutoff(self) -> float:
        """Å; the same."""
        return self.cutoff

    def __call__(
        self, params: dict[str, Float[Array, ""]], atoms: Atoms, graph: Graph
    ) -> Float[Array, ""]:
        """The energy of a structure, eV."""
        graph.require(self.cutoff, self.cutoff)
        unknown = unknown_elements(atoms, [14], "the constants")
        vectors = graph.vectors(atoms)
        lengths = jnp.linalg.norm(vectors, axis=-1)
        inside = ~(lengths >= self.cutoff)  # NaN stays NaN
        # Beyond the cutoff the exponent is undefined, and so are its derivatives. Lengths in Å are
        # compared and subtracted: in units of σ the last one inside may round to the cutoff.
        near = jnp.where(inside, lengths, 0.5 * self.cutoff)
        r = near / params["sigma"]
        gap = params["sigma"] / (near - self.cutoff)
        decay = jnp.where(inside, jnp.exp(gap), 0.0)
        pairs = params["A"] * (params["B"] / r**_P - 1) * decay
        spread = jnp.where(inside, jnp.exp(params["gamma"] * gap), 0.0)
        directions = vectors / lengths[:, None]
        cosine = jnp.sum(directions[graph.first] * directions[graph.second], axis=-1)
        bends = spread[graph.first] * spread[graph.second] * (cosine - params["cos0"]) ** 2
        bending = params["lambda"] * jnp.sum(jnp.where(graph.angle_mask, bends, 0.0))
        energy = 0.5 * params["epsilon"] * (jnp.sum(pairs) + bending)
        return jnp.where(jnp.any(unknown), jnp.nan, energy)


def stillinger_weber() -> tuple[StillingerWeber, dict[str, Float[Array, ""]]]:
    """The Stillinger-Weber potential of silicon.

        E = Σ over pairs ε A (B (σ/r)⁴ - 1) exp(σ/(r - c))
          + Σ over angles ε λ (cos θ + 1/3)² exp(γσ/(r₁ - c)) exp(γσ/(r₂ - c)),   c = 1.8 σ

    Its graph needs edges and angles within `energy.cutoff`, 3.77 Å.

    **Returns:** `(energy, params)`, with `params` of the constants by name, which can be trained.

    **Raises:** the potential, `ValueError` for other elements than silicon; under `jax.jit` its
    energy is NaN.

    **Source:** Stillinger & Weber, Phys. Rev. B 31, 5262 (1985), with ε = 2.1683 eV of Balamane,
    Halicioglu & Tiller, Phys. Rev. B 46, 2250 (1992).

    ```python
    energy, params = jsci.atoms.stillinger_weber()
    ```
    """
    params = {name: jnp.asarray(value) for name, value in _SILICON.items()}
    return StillingerWeber(_REACH * _SILICON["sigma"]), params
