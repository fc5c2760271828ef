"""Products of up to three equal equivariant vectors, with weights for each way of coupling them."""

import functools
import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

ORDER = 3  # the highest power


class _Triples(NamedTuple):
    """The couplings of pairs of angular momentum `middle` with a third vector to `last`."""

    middle: int
    last: int
    rows: slice  # of the weights
    table: np.ndarray  # (thirds, 2 last + 1, 2 middle + 1, harmonics)


@functools.cache
def wigner_3j(a: int, b: int, c: int) -> np.ndarray:
    """The invariant of three angular momenta in real harmonics, of norm 1.

    Rows m = -l to l. The sign is that of the Clebsch-Gordan coefficients with a ≤ b ≤ c; an odd
    permutation multiplies it by (-1)^(a + b + c).
    """
    order = sorted(range(3), key=lambda k: (a, b, c)[k])
    x, y, z = ((a, b, c)[k] for k in order)
    complex_table = np.einsum(
        "ij,kl,nm,ikn->jlm", _real(x), _real(y), _real(z).conj(), _clebsch_gordan(x, y, z)
    )
    table = complex_table.real
    table = table / np.linalg.norm(table)
    odd = order in ([0, 2, 1], [1, 0, 2], [2, 1, 0])
    sign = (-1) ** (a + b + c) if odd else 1
    return sign * table.transpose(np.argsort(order))


def _real(l: int) -> np.ndarray:
    """Complex harmonics in terms of the real ones, with a phase that makes couplings real."""
    table = np.zeros((2 * l + 1, 2 * l + 1), complex)
    root = 1 / math.sqrt(2)
    table[l, l] = 1
    for m in range(1, l + 1):
        table[l - m, l + m], table[l - m, l - m] = root, -1j * root
        table[l + m, l + m], table[l + m, l - m] = (-1) ** m * root, 1j * (-1) ** m * root
    return (-1j) ** l * table


def _clebsch_gordan(a: int, b: int, c: int) -> np.ndarray:
    """⟨a i b j | c i+j⟩ by Racah's formula."""
    f = math.factorial
    table = np.zeros((2 * a + 1, 2 * b + 1, 2 * c + 1))
    triangle = f(a + b - c) * f(a - b + c) * f(b + c - a) / f(a + b + c + 1)
    for i in range(-a, a + 1):
        for j in range(max(-b, -c - i), min(b, c - i) + 1):
            k = i + j
            powers = f(c + k) * f(c - k) * f(a + i) * f(a - i) * f(b + j) * f(b - j)
            terms = (
                (-1) ** n
                / (f(n) * f(a + b - c - n) * f(a - i - n) * f(b + j - n))
                / (f(c - b + i + n) * f(c - a - j + n))
                for n in range(max(0, b - c - i, a - c + j), min(a + b - c, a - i, b + j) + 1)
            )
            norm = math.sqrt((2 * c + 1) * triangle * powers)
            table[a + i, b + j, c + k] = norm * sum(terms)
    return table


def _momenta(a: int, b: int) -> range:
    return range(abs(a - b), a + b + 1)


@functools.cache
def _pairs(lmax: int) -> tuple[np.ndarray, ...]:
    """For each momentum the couplings of two vectors to it, (pairs, 2 l + 1, harmonics, harmonics).

    Of unit vectors they are of order one: a factor √(2l + 1) stands before each 3j symbol.
    """
    found: list[list[np.ndarray]] = [[] for _ in range(2 * lmax + 1)]
    for a in range(lmax + 1):
        for b in range(lmax + 1):
            for l in _momenta(a, b):
                table = np.zeros((2 * l + 1, (lmax + 1) ** 2, (lmax + 1) ** 2))
                symbol = math.sqrt(2 * l + 1) * wigner_3j(l, a, b)
                table[:, a**2 : (a + 1) ** 2, b**2 : (b + 1) ** 2] = symbol
                found[l].append(table)
    return tuple(map(np.stack, found))


@functools.cache
def _triples(lmax: int) -> tuple[_Triples, ...]:
    """All couplings of a pair with a third vector; weights are ordered by pair, then by third."""
    found = []
    for last in range(lmax + 1):
        start = 0
        for middle, pairs in enumerate(_pairs(lmax)):
            thirds = [l for l in range(lmax + 1) if last in _momenta(middle, l)]
            if not thirds:
                continue
            table = np.zeros((len(thirds), 2 * last + 1, 2 * middle + 1, (lmax + 1) ** 2))
            for t, l in zip(table, thirds, strict=True):
                t[..., l**2 : (l + 1) ** 2] = math.sqrt(2 * last + 1) * wigner_3j(last, middle, l)
            stop = start + len(pairs) * len(thirds)
            found.append(_Triples(middle, last, slice(start, stop), table))
            start = stop
    return tuple(found)


def weight_counts(lmax: int) -> list[tuple[int, ...]]:
    """For each momentum, the numbers of couplings of one, two and three vectors to it."""
    triples = [max(t.rows.stop for t in _triples(lmax) if t.last == l) for l in range(lmax + 1)]
    return [(1, len(_pairs(lmax)[l]), triples[l]) for l in range(lmax + 1)]


def powers(
    weights: Any, x: Float[Array, "atoms harmonics channels"]
) -> Float[Array, "atoms harmonics channels"]:
    """Σ_ν Σ_paths w_path [x ⊗ ... ⊗ x]_path of ν = 1 to 3 factors, each channel on its own.

    `weights[l]` holds for ν = 1, 2, 3 the weights (paths, channels) of the result of momentum l.
    Each pair is coupled once, and those of one momentum are summed with their weights before they
    meet the third vector.

    **Source:** the symmetric contraction of Batatia et al., NeurIPS 2022 (arXiv 2206.07697).
    """
    lmax = len(weights) - 1
    pairs = [jnp.einsum("pmij,aic,ajc->apmc", table, x, x) for table in _pairs(lmax)]
    result = []
    for l, (one, two, _) in enumerate(weights):
        result.append(
            one[None] * x[:, l**2 : (l + 1) ** 2] + jnp.einsum("apmc,pc->amc", pairs[l], two)
        )
    for t in _triples(lmax):
        w = weights[t.last][2][t.rows].reshape(pairs[t.middle].shape[1], len(t.table), -1)
        weighted = jnp.einsum("apmc,ptc->atmc", pairs[t.middle], w)
        result[t.last] += jnp.einsum("tomk,atmc,akc->aoc", t.table, weighted, x)
    return jnp.concatenate(result, axis=1)
