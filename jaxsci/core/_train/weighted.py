"""Samples with weights, which turn the mean of an objective into a quadrature."""

from typing import NamedTuple

from jaxtyping import Array, Float, PyTree


class Weighted(NamedTuple):
    """The batch of one term, whose samples have weights of their own.

        termₖ = Σᵢ vᵢ ‖rₖ(params, xᵢ)‖²   in place of   meanᵢ ‖rₖ(params, xᵢ)‖²

    With the points and weights of a quadrature the term is an integral; weights 1/n give the mean.

    **Arguments:**

    - `samples`: x, a pytree with a leading axis of n samples. The residual still takes one sample,
        without its weight.
    - `weights`: v, of shape (n,), not negative.

    **Raises:** `ValueError`, from the objective, for weights of another shape or negative ones.

    ```python
    points, weights = jsci.pde.gauss_legendre(jsci.pde.Box((0.0, 0.0), (1.0, 1.0)), 20)
    loss = jsci.objective({"pde": r})
    loss.value(params, {"pde": jsci.Weighted(points, weights)})
    ```
    """

    samples: PyTree
    weights: Float[Array, " n"]


def samples_of(batch: PyTree) -> PyTree:
    """The samples of one term, without weights of their own."""
    return batch.samples if isinstance(batch, Weighted) else batch
