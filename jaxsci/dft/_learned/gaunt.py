"""Coupling coefficients of products of real spherical harmonics."""

import functools

import numpy as np

from .._basis.functions import angular_table


@functools.cache
def gaunt_coefficients(lmax: int) -> np.ndarray:
    """∫ Y_i Y_j Y_k dΩ of real spherical harmonics in libcint's order, rows l² to (l+1)² - 1 for l.

    Contracting two equivariant vectors with them gives a third. The quadrature is exact.
    """
    y, _, _, weights = _quadrature(lmax)
    return _fixed(np.einsum("ig,jg,kg,g->ijk", y, y, y, weights, optimize=True))


@functools.cache
def bracket_coefficients(lmax: int) -> np.ndarray:
    """∫ r̂·(∇Y_i × ∇Y_j) Y_k dΩ, the couplings that Gaunt coefficients leave out.

    These are the couplings with odd l_i + l_j + l_k. Contracting two equivariant vectors with them
    gives a pseudotensor, which changes sign under reflections, as the cross product does.

    **Source:** the Poisson brackets of spherical harmonics, proportional to 3j symbols: Hoppe,
    PhD thesis, MIT (1982).
    """
    y, slopes, points, weights = _quadrature(lmax)
    normal = np.zeros((len(y), len(y), points.shape[1]))
    for axis in range(3):
        u, v = slopes[axis - 2], slopes[axis - 1]
        normal += points[axis] * (u[:, None] * v[None] - v[:, None] * u[None])
    return _fixed(np.einsum("ijg,kg,g->ijk", normal, y, weights, optimize=True))


def _fixed(table: np.ndarray) -> np.ndarray:
    table[np.abs(table) < 1e-12] = 0
    table.setflags(write=False)
    return table


def rotation_matrix(rotation: np.ndarray, l: int) -> np.ndarray:
    """D of degree l with Y(R r) = D Y(r), in libcint's order."""
    y, _, points, weights = _quadrature(l)
    own = slice(l * l, (l + 1) ** 2)
    turned = _harmonics(rotation @ points, l)[0][own]
    return _fixed((turned * weights) @ y[own].T)


def _quadrature(lmax: int):
    """Y, ∂Y along x, y, z, points and weights: exact to the degree 3 lmax of a product."""
    # Gauss-Legendre in cos θ and equal angles φ
    cosine, weight = np.polynomial.legendre.leggauss(3 * lmax // 2 + 2)
    angles = 2 * np.pi * np.arange(3 * lmax + 2) / (3 * lmax + 2)
    z, phi = np.meshgrid(cosine, angles, indexing="ij")
    sine = np.sqrt(1 - z**2)
    points = np.stack([sine * np.cos(phi), sine * np.sin(phi), z]).reshape(3, -1)
    weights = np.repeat(weight, len(angles)) * (2 * np.pi / len(angles))
    value, *slopes = _harmonics(points, lmax)
    return value, slopes, points, weights


def _harmonics(points: np.ndarray, lmax: int) -> np.ndarray:
    """Y, ∂Y along x, y, z."""
    x, y, z = points
    monomials = np.stack(
        [
            x**i * y**j * z ** (l - i - j)
            for l in range(lmax + 1)
            for i in range(l, -1, -1)
            for j in range(l - i, -1, -1)
        ]
    )
    return angular_table(lmax, False) @ monomials
