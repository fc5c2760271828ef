"""The eigenvalues of a kernel, and their meaning for training."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .matrices import square_kernel


class Spectrum(NamedTuple):
    """The spectrum of a kernel.

    - `values`: eigenvalues (n,) in descending order.
    - `vectors`: eigenvectors (n, n) as columns."""

    values: Float[Array, " n"]
    vectors: Float[Array, "n n"]

    def effective_dimension(self, damping: Float[Array, ""] | float) -> Float[Array, ""]:
        """Σ λᵢ / (λᵢ + damping): the number of directions of the data that the model resolves.

        **Arguments:**

        - `damping`: in the unit of the eigenvalues.

        **Returns:** a scalar between 0 and n. An eigenvalue of zero is not resolved, also without
        damping.
        """
        resolved = ~(self.values <= 0)  # NaN is no zero
        positive = jnp.where(resolved, self.values, 1)
        return jnp.sum(jnp.where(resolved, positive / (positive + damping), 0))

    def alignment(self, y: Float[Array, "examples ..."]) -> Float[Array, " n"]:
        """The share of ‖y‖² along each eigenvector; the i-th is learnt at the rate λᵢ.

        **Arguments:**

        - `y`: targets, (n,) or (n, o).

        **Returns:** the shares (n,), which sum to 1.

        **Raises:** `ValueError` for targets that do not fit.
        """
        y, rows = jnp.asarray(y), self.vectors.shape[0]
        if rows not in (y.size, *y.shape[:1]):
            raise ValueError(
                f"Targets of shape {y.shape} do not fit eigenvectors of {rows} entries: give one "
                "row for each example, (n,) or (n, o)."
            )
        projections = self.vectors.T @ y.reshape(rows, -1)
        shares = jnp.sum(projections**2, axis=1)
        return shares / jnp.sum(shares)


def spectrum(kernel: Float[Array, "..."]) -> Spectrum:
    """The eigenvalues and eigenvectors of a kernel of a set with itself.

        Θ vᵢ = λᵢ vᵢ,   λ₁ ≥ λ₂ ≥ ...

    Under gradient flow the error along vᵢ decays as exp(-λᵢ t): with a wide spectrum some parts of
    the target are learnt long before others.

    **Arguments:**

    - `kernel`: (n, n), or (n, n, o, o), taken as a matrix of n·o rows.

    **Returns:** a `Spectrum`. Eigenvalues below n ε λ₁ (ε the precision) are rounding noise, and
    may be negative.

    **Raises:** `ValueError` if the kernel is not that of a set with itself, square and symmetric.

    **Source:** Wang, Yu and Perdikaris, "When and why PINNs fail to train" (2022), section 4.

    ```python
    s = jsci.ntk.spectrum(jsci.ntk.kernel(f, params, x, trace_axes=-1))
    s.values[0] / s.values[-1], s.alignment(y)
    ```
    """
    matrix = square_kernel(kernel, "kernel").matrix
    values, vectors = jnp.linalg.eigh((matrix + matrix.T) / 2)
    return Spectrum(values[::-1], vectors[:, ::-1])


def max_learning_rate(kernel: Float[Array, "..."], *, momentum: float = 0.0) -> Float[Array, ""]:
    """The largest stable learning rate of gradient descent on ½ Σᵢ ‖f(xᵢ) - yᵢ‖².

        η < 2 (1 + β) / λ₁

    For the mean over n examples multiply it by n; for a squared error without the ½ halve it.

    **Arguments:**

    - `kernel`: the kernel of the training set, (n, n) or (n, n, o, o).
    - `momentum`: β of the heavy ball, in [0, 1).

    **Returns:** the bound on η, a scalar.

    **Raises:** `ValueError` if the kernel is not square, or for a momentum outside [0, 1).

    **Source:** Polyak (1964); Lee et al. (2019), section 2.

    ```python
    learning_rate = 0.5 * jsci.ntk.max_learning_rate(theta)
    ```
    """
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must lie in [0, 1), got {momentum}.")
    return 2 * (1 + momentum) / spectrum(kernel).values[0]
