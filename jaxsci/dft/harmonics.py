"""How products of real spherical harmonics couple."""

import functools

import numpy as np

from .basis import angular_table


@functools.cache
def gaunt_coefficients(lmax: int) -> np.ndarray:
    """∫ Y_i Y_j Y_k dΩ of real spherical harmonics in libcint's order, rows l² to (l+1)² - 1 for l.

    Contracting two equivariant vectors with them gives a third: an exact product by quadrature.
    """
    # Gauss-Legendre in cos θ and equal angles φ: exact to the degree 3 lmax of the product.
    cosine, weight = np.polynomial.legendre.leggauss(3 * lmax // 2 + 2)
    angles = 2 * np.pi * np.arange(3 * lmax + 2) / (3 * lmax + 2)
    z, phi = np.meshgrid(cosine, angles, indexing="ij")
    sine = np.sqrt(1 - z**2)
    points = np.stack([sine * np.cos(phi), sine * np.sin(phi), z]).reshape(3, -1)
    weights = np.repeat(weight, len(angles)) * (2 * np.pi / len(angles))
    y = _harmonics(points, lmax)
    found = np.einsum("ig,jg,kg,g->ijk", y, y, y, weights, optimize=True)
    found[np.abs(found) < 1e-12] = 0
    found.setflags(write=False)
    return found


def _harmonics(points: np.ndarray, lmax: int) -> np.ndarray:
    x, y, z = points
    monomials = np.stack(
        [
            x**i * y**j * z ** (l - i - j)
            for l in range(lmax + 1)
            for i in range(l, -1, -1)
            for j in range(l - i, -1, -1)
        ]
    )
    return angular_table(lmax, False)[0] @ monomials
