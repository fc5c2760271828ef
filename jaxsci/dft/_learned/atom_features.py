"""E(3)-equivariant features of an atom and its neighbours."""

import itertools
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Num, PRNGKeyArray

from .._basis.elements import SYMBOLS
from .._basis.functions import Basis, solid_harmonics
from .gaunt import gaunt_coefficients

# Centre of the first radial Gaussian, in Bohr.
_NEAREST = 1.0
_KINDS = 8  # numbers that describe an element to its neighbours
_SENT = 2  # the largest angular momentum that messages carry


class Nuclei(NamedTuple):
    """The atoms of one molecule.

    - `coordinates`: in Bohr.
    - `elements`: atomic numbers; 0 for ghosts and padding.
    - `charges`: of the nuclei, without the electrons of a core potential.
    - `mask`: true for atoms, false for padding.
    - `net_charge`: of the molecule.
    """

    coordinates: Float[Array, "atoms 3"]
    elements: Num[Array, " atoms"]
    charges: Num[Array, " atoms"]
    mask: Bool[Array, " atoms"]
    net_charge: Num[Array, ""]


class Products(eqx.Module):
    """Products of equivariant vectors with themselves, gated by a network of the invariants.

    B = (A, A ⊗ A, A ⊗ A ⊗ A),   features = g(B_00) B
    """

    mix: tuple[Float[Array, "lmax channels channels"], ...]
    hidden: Float[Array, "elements features width"]
    gates: Float[Array, "width lmax features"]

    def __init__(self, elements: int, lmax: int, channels: int, width: int, key: PRNGKeyArray):
        keys, f = jax.random.split(key, 4), 3 * channels
        shape = lmax + 1, channels, channels
        self.mix = tuple(_normal(k, *shape, scale=channels**-0.5) for k in keys[:3])
        self.hidden = _normal(keys[3], elements, f, width, scale=f**-0.5)
        self.gates = jnp.zeros((width, lmax + 1, f))

    def __call__(
        self, first: Float[Array, "atoms lm channels"], element: Float[Array, "atoms elements"]
    ) -> Float[Array, "atoms lm features"]:
        lmax = self.gates.shape[1] - 1
        of_l, gaunt = degrees(lmax), jnp.asarray(gaunt_coefficients(lmax))

        def mixed(x, weights):
            return jnp.einsum("amc,mcd->amd", x, weights[of_l])

        second = jnp.einsum("aic,ajc,ijm->amc", mixed(first, self.mix[0]), first, gaunt)
        third = jnp.einsum("aic,ajc,ijm->amc", mixed(second, self.mix[1]), first, gaunt)
        features = jnp.concatenate([first, second, mixed(third, self.mix[2])], axis=-1)
        invariants = jnp.einsum("af,ae,efw->aw", features[:, 0], element, self.hidden)
        gates = 1 + jnp.einsum("aw,wlf->alf", jnp.tanh(invariants), self.gates)
        return features * gates[:, of_l]


class Messages(eqx.Module):
    """The features of an atom with those of its neighbours, as they are seen from it.

    A'_lm = (K x_A)_lm + Σ_B Σ R_l₁(r_AB) ⟨l₁ m₁, l₂ m₂ | lm⟩ Y_l₁m₁(r_AB) (S x_B)_l₂m₂
    """

    keep: Float[Array, "lmax features channels"]
    send: Float[Array, "lsent features channels"]
    radial: Float[Array, "lmax radial channels"]

    def __init__(self, lmax: int, channels: int, radial: int, key: PRNGKeyArray):
        keys, f = jax.random.split(key, 3), 3 * channels
        self.keep = _normal(keys[0], lmax + 1, f, channels, scale=f**-0.5)
        self.send = _normal(keys[1], min(lmax, _SENT) + 1, f, channels, scale=f**-0.5)
        self.radial = _normal(keys[2], lmax + 1, radial, channels, scale=radial**-0.5)

    def __call__(
        self,
        features: Float[Array, "atoms lm features"],
        harmonics: Float[Array, "lm A B"],
        radial: Float[Array, "A B radial"],
    ) -> Float[Array, "atoms lm channels"]:
        lmax, sent = len(self.keep) - 1, degrees(len(self.send) - 1)
        of_l, gaunt = degrees(lmax), jnp.asarray(gaunt_coefficients(lmax))
        kept = jnp.einsum("amf,mfc->amc", features, self.keep[of_l])
        x = jnp.einsum("bjf,jfc->bjc", features[:, : len(sent)], self.send[sent])
        strength = jnp.einsum("abn,lnc->labc", radial, self.radial)[of_l]
        seen = jnp.einsum("iab,iabc,bjc->aijc", harmonics, strength, x)
        return kept + jnp.einsum("aijc,ijm->amc", seen, gaunt[:, : len(sent)])


class AtomFeatures(eqx.Module):
    """Equivariant features of every atom, of body order up to four in each layer.

        A_lm = t_A Σ_B W_l φ(r_AB) s_B Y_lm(r_AB),   B = (A, A ⊗ A, A ⊗ A ⊗ A),   x = g(B_00) B

    ⊗ couples spherical harmonics by their Gaunt coefficients, and g are gates that a network
    computes from the invariants. An element is known to its neighbours by a short vector s and to
    itself by t, so that no weight belongs to a pair of elements, which training might lack. Further
    layers start from the features of an atom and of its neighbours.

    **Arguments:**

    - `examples`: molecules that contain every element and every pair of neighbours to support.
    - `lmax`: the largest angular momentum.
    - `channels`: copies of each angular momentum.
    - `radial`: number of radial Gaussians.
    - `cutoff`: distance of the last Gaussian, beyond which atoms do not interact, in Bohr.
    - `width`: of the network of the gates.
    - `layers`: 1 for the neighbours alone, 2 for those that their neighbours see.
    - `key`: PRNG key of the initial weights.

    **Raises:** `ValueError` for sizes that are not positive. Other elements, or another core
    potential of one, give NaN. A pair of elements, or a charge of the molecule, that was in no
    example is an extrapolation, of which a call outside of `jit` warns.

    **Source:** the products of Drautz, Phys. Rev. B 99, 014104 (2019), with the couplings between
    channels and the layers of Batatia et al., NeurIPS 2022 (MACE).
    """

    near: Float[Array, "lmax radial kinds channels"]
    # By the elements and the cutoff, so that weights for others in a file are not taken for these.
    seen_as: dict[str, Float[Array, "elements kinds"]]
    centre: Float[Array, "elements lmax channels"]
    alone: Float[Array, "elements channels"]
    charged: Float[Array, "elements channels"]
    products: tuple[Products, ...]
    messages: tuple[Messages, ...]
    elements: tuple[int, ...] = eqx.field(static=True)
    charges: tuple[int, ...] = eqx.field(static=True)
    pairs: frozenset[tuple[int, int]] = eqx.field(static=True)
    net_charges: frozenset[int] = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __init__(
        self,
        examples: Sequence[Nuclei],
        lmax: int,
        *,
        channels: int,
        radial: int,
        cutoff: float,
        width: int,
        layers: int,
        key: PRNGKeyArray,
    ):
        if min(channels, radial, width, layers) < 1 or not cutoff > _NEAREST:
            raise ValueError(
                f"sizes must be positive and the cutoff beyond {_NEAREST} Bohr; got "
                f"channels={channels}, radial={radial}, width={width}, layers={layers}, "
                f"cutoff={cutoff}."
            )
        self.elements, self.charges = _elements_of(examples)
        self.cutoff = float(cutoff)
        self.pairs = frozenset().union(*(pairs_within(n, self.cutoff) for n in examples))
        self.net_charges = frozenset(_net_charge(n) for n in examples)
        e, l = len(self.elements), lmax + 1
        keys = jax.random.split(key, 4)
        self.near = _normal(keys[0], l, radial, _KINDS, channels, scale=(radial * _KINDS) ** -0.5)
        self.seen_as = {self._purpose: _normal(keys[1], e, _KINDS, scale=1.0)}
        self.centre = jnp.ones((e, l, channels))
        self.alone = _normal(keys[2], e, channels, scale=1.0)
        self.charged = jnp.zeros((e, channels))
        of_layers = jax.random.split(keys[3], 2 * layers)
        self.products = tuple(Products(e, lmax, channels, width, k) for k in of_layers[:layers])
        self.messages = tuple(Messages(lmax, channels, radial, k) for k in of_layers[layers + 1 :])

    @property
    def _purpose(self) -> str:
        """Elements, with the charges that core potentials leave, and the cutoff."""
        of = zip(self.elements, self.charges, strict=True)
        names = [SYMBOLS[z - 1] + (f"({q})" if q != z else "") for z, q in of]
        return f"{' '.join(names)} within {self.cutoff:g} Bohr"

    @property
    def lmax(self) -> int:
        """The largest angular momentum."""
        return self.near.shape[0] - 1

    @property
    def size(self) -> int:
        """Number of features for each lm."""
        return 3 * self.near.shape[3] * len(self.products)

    def one_hot(self, nuclei: Nuclei) -> Float[Array, "atoms elements"]:
        """The element of each atom; zeros for other elements, core potentials and padding."""
        alike = [
            (jnp.abs(nuclei.elements - z) < 0.5) & (jnp.abs(nuclei.charges - q) < 0.5)
            for z, q in zip(self.elements, self.charges, strict=True)
        ]
        return jnp.stack(alike, axis=-1).astype(self.near.dtype)

    def __call__(self, nuclei: Nuclei) -> Float[Array, "atoms lm features"]:
        self._warn_of_extrapolation(nuclei)
        element = self.one_hot(nuclei)
        unit, radial = self.edges(nuclei)
        harmonics = solid_harmonics(unit, self.lmax)
        x = self._first(nuclei, element, harmonics, radial)
        layers = [self.products[0](x, element)]
        for products, messages in zip(self.products[1:], self.messages, strict=True):
            layers.append(products(messages(layers[-1], harmonics, radial), element))
        known = (jnp.sum(element, axis=1) > 0) | ~nuclei.mask
        return jnp.where(known[:, None, None], jnp.concatenate(layers, axis=-1), jnp.nan)

    def _first(self, nuclei: Nuclei, element, harmonics, radial):
        near = jnp.einsum(
            "mab,abn,bk->mank", harmonics, radial, element @ self.seen_as[self._purpose]
        )
        first = jnp.einsum("mank,mnkc->amc", near, self.near[degrees(self.lmax)])
        first *= jnp.einsum("ae,elc->alc", element, self.centre)[:, degrees(self.lmax)]
        share = nuclei.net_charge / jnp.sum(nuclei.mask)
        return first.at[:, 0].add(element @ (self.alone + share * self.charged))

    def edges(self, nuclei: Nuclei) -> tuple[Float[Array, "3 A B"], Float[Array, "A B radial"]]:
        """Directions, and φ_n(r_AB), which are zero for A = B and beyond the cutoff."""
        r, mask = nuclei.coordinates, nuclei.mask
        pair = mask[:, None] & mask[None] & ~jnp.eye(len(r), dtype=bool)
        displacement = jnp.where(pair[..., None], r[None] - r[:, None], 1)
        distance = jnp.linalg.norm(displacement, axis=-1)
        unit = (displacement / distance[..., None]).transpose(2, 0, 1)
        count = self.near.shape[1]
        centres, step = np.linspace(_NEAREST, self.cutoff, count, retstep=True)
        width = step if count > 1 else self.cutoff
        offset = (distance[..., None] - jnp.asarray(centres)[None, None]) / width
        inside = jnp.maximum(1 - (distance / self.cutoff) ** 2, 0) ** 2 * pair
        return unit, jnp.exp(-0.5 * offset**2) * inside[..., None]

    def _warn_of_extrapolation(self, nuclei: Nuclei) -> None:
        if any(isinstance(x, Tracer) for x in nuclei):
            return
        unseen = sorted(pairs_within(nuclei, self.cutoff) - self.pairs)
        if unseen:
            names = ", ".join(f"{SYMBOLS[a - 1]}-{SYMBOLS[b - 1]}" for a, b in unseen)
            warnings.warn(
                f"no example of this model has the neighbours {names}: what it predicts for them "
                "is an extrapolation. Add molecules with such pairs to the training.",
                stacklevel=4,
            )
        charge = _net_charge(nuclei)
        if charge not in self.net_charges:
            warnings.warn(
                f"no example of this model has the charge {charge:+d}, only those of "
                f"{sorted(self.net_charges)}: what it predicts is an extrapolation. Add molecules "
                "with that charge to the training.",
                stacklevel=4,
            )


def _normal(key, *shape, scale):
    return scale * jax.random.normal(key, shape, jnp.float64)


def degrees(lmax: int) -> np.ndarray:
    """l of every lm up to lmax."""
    return np.repeat(np.arange(lmax + 1), [2 * l + 1 for l in range(lmax + 1)])


def _elements_of(examples: Sequence[Nuclei]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The elements, ascending, and the charges of their nuclei, without ghosts and padding."""
    every = ((_integers(n.elements), _integers(n.charges)) for n in examples)
    found = {pair for z, q in every for pair in zip(z.tolist(), q.tolist(), strict=True)}
    elements, charges = zip(*sorted(pair for pair in found if pair[0]), strict=True)
    return elements, charges


def _net_charge(nuclei: Nuclei) -> int:
    return round(float(nuclei.net_charge))


def pairs_within(nuclei: Nuclei, cutoff: float) -> frozenset[tuple[int, int]]:
    """The pairs of elements of atoms that are closer than the cutoff, the lighter one first."""
    r, z = np.asarray(nuclei.coordinates), _integers(nuclei.elements).tolist()
    atoms = [a for a, element in enumerate(z) if element]
    return frozenset(
        (min(z[a], z[b]), max(z[a], z[b]))
        for a, b in itertools.combinations(atoms, 2)
        if np.linalg.norm(r[a] - r[b]) < cutoff
    )


def _integers(x) -> np.ndarray:
    return np.asarray(x).round().astype(int)


def shells_of(bases: Sequence[Basis]) -> tuple[int, ...]:
    """The largest number of shells of each angular momentum on an atom."""
    most = [0] * (max(b.lmax for b in bases) + 1)
    for b in bases:
        for angular, rank in zip(np.asarray(b.angular), np.asarray(b.rank), strict=True):
            l = int(np.sqrt(angular))
            most[l] = max(most[l], int(rank) + 1)
    return tuple(most)
