"""Blocks of a matrix between the basis functions of two atoms, from tensors of the pair."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._basis.functions import Basis
from .atom_features import degrees
from .tensor_products import couplings, of_degree


def pair_blocks(
    pairs: Float[Array, "twice_lm 2 channels A B"],
    left: Float[Array, "A lmax shells channels"],
    right: Float[Array, "B lmax shells channels"],
    shells: tuple[int, ...],
) -> Float[Array, "functions functions A B"]:
    """Σ_c a_ic b_jc Σ_lm ⟨l_i m_i, l_j m_j | lm⟩ p_AB,lmc with p as even or odd as l_i + l_j.

    Functions are those of all shells of l = 0, then of l = 1, and so on. Channels are summed first,
    for each pair of shells, and only for those l that two shells couple to.
    """
    table = couplings(2 * (len(shells) - 1)).sum(axis=0)  # one of both is zero
    a, b = left.transpose(1, 2, 3, 0), right.transpose(1, 2, 3, 0)
    rows = []
    for i, n in enumerate(shells):
        row = []
        for j, m in enumerate(shells):
            lm = slice((i - j) ** 2, (i + j + 1) ** 2)
            both = a[i, :n, None, :, :, None] * b[j, None, :m, :, None]
            summed = jnp.sum(both[:, :, None] * pairs[None, None, lm, (i + j) % 2], axis=3)
            block = jnp.einsum("xym,stmab->sxtyab", table[of_degree(i), of_degree(j), lm], summed)
            row.append(block.reshape(n * (2 * i + 1), m * (2 * j + 1), *block.shape[-2:]))
        rows.append(jnp.concatenate(row, axis=1))
    return jnp.concatenate(rows)


def functions_of(
    blocks: Float[Array, "functions functions A B"], basis: Basis, shells: tuple[int, ...]
) -> Float[Array, "nao nao"]:
    """The entries of the basis functions of a molecule."""
    l = jnp.asarray(degrees(len(shells) - 1))[basis.angular]
    before = np.cumsum([0, *(n * (2 * l + 1) for l, n in enumerate(shells[:-1]))])
    place = jnp.asarray(before)[l] + basis.rank * (2 * l + 1) + basis.angular - l**2
    atom = basis.atom
    return blocks[place[:, None], place[None], atom[:, None], atom[None]]
