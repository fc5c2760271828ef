"""Samples that carry weights: what turns the mean of an objective into a quadrature."""

from typing import NamedTuple

from jaxtyping import Array, Float, PyTree


class Weighted(NamedTuple):
    """A batch of one term whose samples count by weights of their own, not alike.

        termₖ = Σᵢ vᵢ ‖rₖ(params, xᵢ)‖²   in place of   meanᵢ ‖rₖ(params, xᵢ)‖²

    The points and weights of a quadrature make the term an integral; weights of 1/n its mean.

    **Arguments:**

    - `samples`: x, a pytree with a leading axis of n samples. The residual takes one of them, as
        without weights.
    - `weights`: v, of shape (n,), not negative.

    **Raises:** `ValueError`, from the objective, for weights of another shape or negative ones.

    ```python
    points, weights = jsci.pde.gauss_legendre(jsci.pde.Interval(0.0, 1.0), 20)
    loss.value(params, {"pde": jsci.Weighted(points, weights)})
    ```
    """

    samples: PyTree
    weights: Float[Array, " n"]
