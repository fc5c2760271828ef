"""Tensor products of the features of an atom with the spherical harmonics of an edge."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._basis.functions import solid_harmonics
from .gaunt import bracket_coefficients, gaunt_coefficients

Triple = tuple[int, int, int]


class Path(eqx.Module):
    """The gate and the radial functions of one triple of angular momenta; `open` is 0 or 1."""

    gate: Float[Array, ""]
    weights: Float[Array, "radial channels"]
    open: Float[Array, ""]

    def scaled(self) -> Float[Array, "radial channels"]:
        """g R, with weights of mean square one, so that the gate alone sets the size."""
        gate = jax.lax.stop_gradient(self.open) * self.gate
        return gate / jnp.sqrt(jnp.mean(self.weights**2)) * self.weights


def coupled_degrees(lmax: int) -> tuple[Triple, ...]:
    """All (l₁, l₂, l) that couple: l₁ up to lmax, the others up to 2 lmax."""
    return tuple(
        (i, j, k)
        for i in range(lmax + 1)
        for j in range(2 * lmax + 1)
        for k in range(2 * lmax + 1)
        if abs(i - j) <= k <= i + j
    )


def paths_of_pairs(paths: Mapping[Triple, Path], lmax: int) -> dict[Triple, Path]:
    """Those whose products a pair of functions has: of degree 2 lmax it has even ones alone."""
    return {(i, j, k): path for (i, j, k), path in paths.items() if k < 2 * lmax or not (i + j) % 2}


def couplings(lmax: int) -> np.ndarray:
    """Couplings of degrees with an even sum, and with an odd one."""
    return np.stack([gaunt_coefficients(lmax), bracket_coefficients(lmax)])


def full_products(
    paths: Mapping[Triple, Path],
    features: Float[Array, "lm channels atoms"],
    atom: Int[Array, " edges"],
    unit: Float[Array, "3 edges"],
    radial: Float[Array, "edges radial"],
) -> Float[Array, "twice_lm 2 channels edges"]:
    """Σ_paths g R [features(A)_l₁ ⊗ Y_l₂(r_AB)]_l, even and odd under inversion.

    All m₁ and m₂ are summed; `edge_products` finds the same in the frames of the edges.
    """
    lmax = int(np.sqrt(len(features))) - 1
    table, harmonics = couplings(2 * lmax), solid_harmonics(unit[:, None], 2 * lmax)[:, 0]
    sent = features[..., atom].transpose(2, 0, 1)
    found = jnp.zeros((2, len(atom), table.shape[-1], features.shape[1]))
    for (i, j, k), path in paths.items():
        coupling = table[(i + j + k) % 2, of_degree(i), of_degree(j), of_degree(k)]
        directed = jnp.einsum("je,ijk->eik", harmonics[of_degree(j)], coupling)
        product = jnp.einsum("eic,eik->ekc", sent[:, of_degree(i)], directed)
        strength = radial @ path.scaled()
        found = found.at[(i + j) % 2, :, of_degree(k)].add(strength[:, None] * product)
    return found.transpose(2, 0, 3, 1)


def of_degree(l: int) -> slice:
    """Its functions among those of all degrees."""
    return slice(l * l, (l + 1) ** 2)
