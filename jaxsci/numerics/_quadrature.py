"""Gauss-Legendre quadrature on panels."""

import numpy as np
from jaxtyping import Float


def gauss_legendre(
    ends: Float[np.ndarray, " ends"], n: int
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Points and weights of ∫ f dx over adjacent panels, exact to degree 2n - 1 on each.

    **Arguments:**

    - `ends`: ends of the panels, ascending; put one wherever f bends or jumps.
    - `n`: points on each panel.

    **Returns:** points, ascending, and weights, both `(n panels,)`, in float64 on the host.

    ```python
    from jaxsci.numerics import gauss_legendre

    points, weights = gauss_legendre(np.array([-1.0, 0.0, 2.0]), 8)
    ```
    """
    z, w = np.polynomial.legendre.leggauss(n)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    points = middle[:, None] + half[:, None] * z
    return points.ravel(), (half[:, None] * w).ravel()
