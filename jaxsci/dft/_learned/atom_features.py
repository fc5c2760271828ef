"""E(3)-equivariant features of an atom and its neighbours."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num, PRNGKeyArray

from .._basis.functions import Basis, solid_harmonics
from .gaunt import gaunt_coefficients

# Centre of the first radial Gaussian, in Bohr.
_NEAREST = 1.0


class AtomFeatures(eqx.Module):
    """Equivariant features of every atom, of body order up to four.

        A_lm = Σ_B W φ(r_AB) Y_lm(r_AB),   B = (A, A ⊗ A, A ⊗ A ⊗ A),   features = g(B_00) B

    ⊗ couples spherical harmonics by their Gaunt coefficients, W depends on the elements of both
    atoms, and g are gates that a network computes from the invariants.

    **Arguments:**

    - `elements`: atomic numbers of all elements to support.
    - `lmax`: the largest angular momentum.
    - `channels`: copies of each angular momentum.
    - `radial`: number of radial Gaussians.
    - `cutoff`: distance of the last Gaussian, beyond which atoms do not interact, in Bohr.
    - `width`: of the network of the gates.
    - `key`: PRNG key of the initial weights.

    **Raises:** `ValueError` for sizes that are not positive. Other elements give NaN.

    **Source:** the products of Drautz, Phys. Rev. B 99, 014104 (2019), with the couplings between
    channels of Batatia et al., NeurIPS 2022 (MACE).
    """

    first: Float[Array, "elements lmax radial_elements channels"]
    alone: Float[Array, "elements channels"]
    mix: tuple[Float[Array, "lmax channels channels"], ...]
    hidden: Float[Array, "elements features width"]
    gates: Float[Array, "width lmax features"]
    elements: tuple[int, ...] = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __init__(
        self,
        elements: Sequence[int],
        lmax: int,
        *,
        channels: int,
        radial: int,
        cutoff: float,
        width: int,
        key: PRNGKeyArray,
    ):
        if min(channels, radial, width) < 1 or not cutoff > _NEAREST:
            raise ValueError(
                f"sizes must be positive and the cutoff beyond {_NEAREST} Bohr; got "
                f"channels={channels}, radial={radial}, width={width}, cutoff={cutoff}."
            )
        self.elements, self.cutoff = tuple(elements), float(cutoff)
        e, l, f = len(self.elements), lmax + 1, 3 * channels
        keys = iter(jax.random.split(key, 6))

        def normal(*shape, scale):
            return scale * jax.random.normal(next(keys), shape, jnp.float64)

        self.first = normal(e, l, e * radial, channels, scale=radial**-0.5)
        self.alone = normal(e, channels, scale=1.0)
        self.mix = tuple(normal(l, channels, channels, scale=channels**-0.5) for _ in range(3))
        self.hidden = normal(e, f, width, scale=f**-0.5)
        self.gates = jnp.zeros((width, l, f))

    @property
    def lmax(self) -> int:
        """The largest angular momentum."""
        return self.first.shape[1] - 1

    @property
    def size(self) -> int:
        """Number of features for each lm."""
        return self.gates.shape[2]

    def one_hot(self, numbers: Num[Array, " atoms"]) -> Float[Array, "atoms elements"]:
        """The element of each atom; zeros for other elements and for padding."""
        element = jnp.stack([jnp.abs(numbers - z) < 0.5 for z in self.elements], axis=-1)
        return element.astype(self.first.dtype)

    def __call__(
        self,
        coordinates: Float[Array, "atoms 3"],
        numbers: Num[Array, " atoms"],
        atom_mask: Bool[Array, " atoms"],
    ) -> Float[Array, "atoms lm features"]:
        element = self.one_hot(numbers)
        of_l = degrees(self.lmax)
        harmonics, radial = self.neighbours(coordinates, atom_mask, self.lmax)
        near = jnp.einsum("mab,abn,be->amen", harmonics, radial, element)
        near = near.reshape(*near.shape[:2], -1)
        first = jnp.einsum("amk,ae,emkc->amc", near, element, self.first[:, of_l])
        first = first.at[:, 0].add(element @ self.alone)
        features = self._products(first, of_l)
        invariants = jnp.einsum("af,ae,efw->aw", features[:, 0], element, self.hidden)
        gates = 1 + jnp.einsum("aw,wlf->alf", jnp.tanh(invariants), self.gates)
        known = jnp.sum(element, axis=1) > 0
        return jnp.where((known | ~atom_mask)[:, None, None], features * gates[:, of_l], jnp.nan)

    def _products(self, first, of_l) -> Float[Array, "atoms lm features"]:
        gaunt = jnp.asarray(gaunt_coefficients(self.lmax))

        def mixed(x, weights):
            return jnp.einsum("amc,mcd->amd", x, weights[of_l])

        second = jnp.einsum("aic,ajc,ijm->amc", mixed(first, self.mix[0]), first, gaunt)
        third = jnp.einsum("aic,ajc,ijm->amc", mixed(second, self.mix[1]), first, gaunt)
        return jnp.concatenate([first, second, mixed(third, self.mix[2])], axis=-1)

    def neighbours(
        self, coordinates: Float[Array, "atoms 3"], atom_mask: Bool[Array, " atoms"], lmax: int
    ) -> tuple[Float[Array, "lm A B"], Float[Array, "A B radial"]]:
        """Y_lm(r_AB), and φ_n(r_AB), which are zero for A = B and beyond the cutoff."""
        r = coordinates
        pair = atom_mask[:, None] & atom_mask[None] & ~jnp.eye(len(r), dtype=bool)
        displacement = jnp.where(pair[..., None], r[None] - r[:, None], 1)
        distance = jnp.linalg.norm(displacement, axis=-1)
        unit = (displacement / distance[..., None]).transpose(2, 0, 1)
        harmonics = solid_harmonics(unit, lmax)
        count = self.first.shape[2] // len(self.elements)
        centres, step = np.linspace(_NEAREST, self.cutoff, count, retstep=True)
        width = step if count > 1 else self.cutoff
        offset = (distance[..., None] - jnp.asarray(centres)[None, None]) / width
        inside = jnp.maximum(1 - (distance / self.cutoff) ** 2, 0) ** 2 * pair
        return harmonics, jnp.exp(-0.5 * offset**2) * inside[..., None]


def degrees(lmax: int) -> np.ndarray:
    """l of every lm up to lmax."""
    return np.repeat(np.arange(lmax + 1), [2 * l + 1 for l in range(lmax + 1)])


def elements_of(numbers: Sequence[Any]) -> tuple[int, ...]:
    """The elements among atomic numbers, ascending; ghosts and padding (0) are left out."""
    every = np.concatenate([np.asarray(x).round().astype(int) for x in numbers])
    return tuple(sorted({int(z) for z in every} - {0}))


def shells_of(bases: Sequence[Basis]) -> tuple[int, ...]:
    """The largest number of shells of each angular momentum on an atom."""
    most = [0] * (max(b.lmax for b in bases) + 1)
    for b in bases:
        for angular, rank in zip(np.asarray(b.angular), np.asarray(b.rank), strict=True):
            l = int(np.sqrt(angular))
            most[l] = max(most[l], int(rank) + 1)
    return tuple(most)
