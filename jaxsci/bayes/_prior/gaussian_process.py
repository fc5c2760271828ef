"""Gaussian processes as samplers of functions."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray


class GaussianProcess(eqx.Module):
    """A sampler of functions; made by `gaussian_process`.

    - `kernel`, `jitter`: as in `gaussian_process`.
    """

    kernel: Callable
    jitter: float

    def __call__(self, key: PRNGKeyArray, x: Float[Array, "n ..."]) -> Float[Array, " n"]:
        """A function at points.

        **Arguments:**

        - `key`: of the function.
        - `x`: (n, ...).

        **Returns:** its values, (n,).
        """
        matrix = self.kernel(x, x)
        if matrix.shape != (len(x), len(x)):
            raise ValueError(
                f"kernel(x, x) must be a matrix ({len(x)}, {len(x)}) for {len(x)} points, got "
                f"{matrix.shape}."
            )
        ridge = self.jitter * jnp.mean(jnp.diagonal(matrix))
        root = jnp.linalg.cholesky(matrix + ridge * jnp.eye(len(x), dtype=matrix.dtype))
        return root @ jax.random.normal(key, (len(x),), matrix.dtype)


def gaussian_process(kernel: Callable, *, jitter: float = 1e-5) -> GaussianProcess:
    """Functions f ~ GP(0, k), as the target of `match_prior`.

    **Arguments:**

    - `kernel`: `kernel(x, y)`, the matrix (n, m) between two batches of points: a formula, or that
        of an infinitely wide network, `lambda x, y: net.kernel(x, y).nngp` of `ntk.infinite`.
    - `jitter`: what is added to the diagonal, relative to its mean, for the Cholesky decomposition.

    **Returns:** `f(key, x)`, the values (n,) of one function at the points x.

    **Raises:** `ValueError` for a jitter that is not positive, or a kernel of another shape. A
    kernel that is not positive gives NaN.

    ```python
    squares = lambda x, y: jnp.sum((x[:, None] - y[None]) ** 2, -1)
    smooth = jsci.bayes.gaussian_process(lambda x, y: jnp.exp(-0.5 * squares(x, y)))
    smooth(key, jnp.linspace(0, 1, 5)[:, None]).shape  # (5,)
    ```
    """
    if not jitter > 0:
        raise ValueError(f"jitter must be positive, got {jitter}.")
    return GaussianProcess(kernel, jitter)
