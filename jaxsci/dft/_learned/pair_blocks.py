"""Blocks of a matrix between the basis functions of two atoms, from tensors of the pair."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._basis.functions import Basis
from .atom_features import degrees
from .edge_products import couplings


def pair_blocks(
    pairs: Float[Array, "2 twice_lm channels A B"],
    left: Float[Array, "A lmax shells channels"],
    right: Float[Array, "B lmax shells channels"],
) -> Float[Array, "functions functions A B"]:
    """Σ_c a_ic b_jc Σ_lm ⟨l_i m_i, l_j m_j | lm⟩ p_AB,lmc of tensors and pseudotensors.

    Functions are those of all shells of l = 0, then of l = 1, and so on. Channels are summed first,
    for each pair of shells, and only the lm that two shells couple to.
    """
    lmax = left.shape[1] - 1
    # With l_i + l_j even, tensors are those of even l; else those of odd l.
    of_l = degrees(2 * lmax)
    views = [jnp.where((of_l % 2 == p)[:, None, None, None], pairs[0], pairs[1]) for p in (0, 1)]
    table = couplings(2 * lmax)
    a, b = left.transpose(1, 2, 3, 0), right.transpose(1, 2, 3, 0)
    rows = []
    for i in range(lmax + 1):
        row = []
        for j in range(lmax + 1):
            lm = slice((i - j) ** 2, (i + j + 1) ** 2)
            both = a[i][:, None, :, :, None] * b[j][None, :, :, None]
            summed = jnp.sum(both[:, :, None] * views[(i + j) % 2][lm], axis=3)
            of_both = table[:, _of(i), _of(j), lm]
            block = jnp.einsum("xym,stmab->sxtyab", of_both.sum(axis=0), summed)
            sizes = [left.shape[2] * (2 * l + 1) for l in (i, j)]
            row.append(block.reshape(*sizes, *block.shape[-2:]))
        rows.append(jnp.concatenate(row, axis=1))
    return jnp.concatenate(rows)


def functions_of(
    blocks: Float[Array, "functions functions A B"], basis: Basis, lmax: int
) -> Float[Array, "nao nao"]:
    """The entries of the basis functions of a molecule."""
    l = jnp.asarray(degrees(lmax))[basis.angular]
    shells = blocks.shape[0] // (lmax + 1) ** 2
    place = shells * l**2 + basis.rank * (2 * l + 1) + basis.angular - l**2
    atom = basis.atom
    return blocks[place[:, None], place[None], atom[:, None], atom[None]]


def _of(l: int) -> slice:
    return slice(l * l, (l + 1) ** 2)
