"""Eigenpairs of a pencil A - λ B with more rows than columns, in the sense of least squares."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Complex, Float, Inexact

# Eigenvalues this close, relative to their size, are refined together.
_CLUSTER = 1e-6
# Those below this share of the median size are zeros with rounding.
_ZERO = 1e-8
# A spread of at most so many residuals within a cluster is rounding.
_DEGENERATE = 10


class Pencil(NamedTuple):
    """A T and B T in a basis T of coefficients in which B T has orthonormal columns.

    - `operator`: A T.
    - `weight`: B T.
    - `basis`: T.
    - `matrix`: (B T)ᵀ A T, whose eigenvectors z give coefficients T z.
    """

    operator: Float[np.ndarray, "rows rank"]
    weight: Float[np.ndarray, "rows rank"]
    basis: Float[np.ndarray, "coefficients rank"]
    matrix: Float[np.ndarray, "rank rank"]


def orthonormalised(
    a: Float[np.ndarray, "rows coefficients"], b: Float[np.ndarray, "rows coefficients"]
) -> Pencil:
    """By the singular values of B that exceed rounding, its columns brought to equal length."""
    lengths = np.linalg.norm(b, axis=0)
    lengths = np.where(lengths > 0, lengths, 1.0)
    q, r = np.linalg.qr(b / lengths)
    left, values, right = np.linalg.svd(r)
    rank = int(np.sum(values > np.finfo(b.dtype).eps * max(r.shape) * values[0]))
    basis = right[:rank].T / values[:rank] / lengths[:, None]
    operator, weight = a @ basis, q @ left[:, :rank]
    return Pencil(operator, weight, basis, weight.T @ operator)


def eigenpairs_of(
    pencil: Pencil,
) -> tuple[Complex[np.ndarray, " rank"], Complex[np.ndarray, "rank rank"]]:
    """All eigenvalues and eigenvectors of the projected matrix, spurious ones among them."""
    values, vectors = np.linalg.eig(pencil.matrix)
    return values.astype(complex), vectors.astype(complex)


def sizes_of(values: Complex[np.ndarray, " rank"]) -> Float[np.ndarray, " rank"]:
    """The sizes that errors are relative to: for λ = 0 that of the smallest other eigenvalue."""
    sizes = np.abs(values)
    others = sizes[sizes > _ZERO * np.median(sizes)]
    return np.maximum(sizes, others.min() if others.size else 1.0)


def clusters(
    values: Complex[np.ndarray, " some"], sizes: Float[np.ndarray, " some"]
) -> list[np.ndarray]:
    """Indices of eigenvalues that rounding does not tell apart, in the order given."""
    left, found = np.ones(len(values), bool), []
    for i, value in enumerate(values):
        if left[i]:
            together = left & (np.abs(values - value) <= _CLUSTER * sizes[i])
            left &= ~together
            found.append(np.flatnonzero(together))
    return found


def refined(
    pencil: Pencil,
    values: Complex[np.ndarray, " cluster"],
    vectors: Complex[np.ndarray, "rank cluster"],
) -> tuple[Inexact[np.ndarray, " cluster"], Inexact[np.ndarray, "rank cluster"]]:
    """Two steps of inverse iteration, min |(A - λ B) T z' - B T z|, with the span of a cluster.

    A cluster that holds the conjugates of its members has a real span, which stays real.
    """
    for _ in range(2):
        shift = values.mean()
        is_real = bool(np.isin(values.conj(), values).all())
        if is_real:
            shift, vectors = shift.real, _real_span(vectors)
        q, r = np.linalg.qr(pencil.operator - shift * pencil.weight)
        target = q.conj().T @ (pencil.weight @ vectors)
        vectors = scipy.linalg.solve_triangular(_regular(r), target)
        vectors = np.linalg.qr(vectors)[0]
        values, vectors = _rayleigh_ritz(pencil, vectors, is_real)
    return values, vectors


def _regular(r):
    """A triangular matrix without zeros on its diagonal, where an exact eigenvalue has one."""
    diagonal = np.diagonal(r)
    least = np.finfo(float).eps * np.abs(diagonal).max()
    return r + np.diag(np.where(np.abs(diagonal) < least, least, 0.0))


def _real_span(vectors):
    parts = np.concatenate([vectors.real, vectors.imag], axis=1)
    return np.linalg.svd(parts, full_matrices=False)[0][:, : vectors.shape[1]]


def _rayleigh_ritz(pencil, vectors, is_real):
    """Eigenpairs within a span; a multiple eigenvalue keeps the orthonormal basis of it."""
    small = vectors.conj().T @ pencil.matrix @ vectors
    mean = np.trace(small) / len(small)
    if is_real:
        left = pencil.operator @ vectors - pencil.weight @ vectors @ small
        spread = np.linalg.norm(small - mean * np.eye(len(small)))
        if spread <= _DEGENERATE * np.linalg.norm(left):
            return np.diagonal(small).copy(), vectors
    values, rotation = np.linalg.eig(small)
    return values, vectors @ rotation
