"""gauss_legendre: exact for polynomials, and for what bends at the ends of panels."""

import numpy as np
import pytest

from jaxsci.numerics import gauss_legendre


@pytest.mark.parametrize("n", [1, 2, 5])
def test_is_exact_to_degree_2n_minus_1_and_no_further(n):
    x, w = gauss_legendre(np.array([-1.0, 0.5, 3.0]), n)
    assert x.shape == w.shape == (2 * n,)
    assert (np.diff(x) > 0).all()
    for degree in range(2 * n):
        exact = (3.0 ** (degree + 1) - (-1.0) ** (degree + 1)) / (degree + 1)
        np.testing.assert_allclose(w @ x**degree, exact, rtol=1e-13)
    exact = (3.0 ** (2 * n + 1) + 1) / (2 * n + 1)
    assert abs(w @ x ** (2 * n) - exact) > 1e-6 * exact


def test_is_exact_for_a_kink_where_panels_meet():
    x, w = gauss_legendre(np.array([-2.0, 0.0, 1.0]), 3)
    np.testing.assert_allclose(w @ np.abs(x), 2.5, rtol=1e-14)
