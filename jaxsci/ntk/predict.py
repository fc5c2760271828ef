"""What a tangent kernel predicts: training in time, its limit, and Gaussian-process inference."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import jax.scipy.linalg as jsl
from jaxtyping import Array, Float


class Posterior(NamedTuple):
    """A Gaussian process conditioned on data: the mean (m, *outputs) and covariance (m, m)."""

    mean: Array
    covariance: Float[Array, "m m"]


def predict(
    k_train: Float[Array, "n n"],
    y: Float[Array, "n *outputs"],
    k_test: Float[Array, "m n"] | None = None,
    *,
    t: float = math.inf,
    f_train: Float[Array, "n *outputs"] | None = None,
    f_test: Float[Array, "m *outputs"] | None = None,
    ridge: float = 0.0,
) -> Float[Array, "m *outputs"]:
    """Outputs after gradient flow on the mean squared error for a time, in closed form.

        L = ½n⁻¹ ‖f - y‖²,   df/dt = -n⁻¹ K (f - y)
        f_train(t) = y + e^{-tK/n} (f₀ - y)
        f_test(t)  = f₀' + K' K⁻¹ (1 - e^{-tK/n}) (y - f₀)

    Exact for a linearised model; with gradient descent of learning rate η, t = η · steps. It
    holds for a real network while its kernel does not move.

    **Arguments:**

    - `k_train`: kernel of the training examples; outputs are treated alike.
    - `y`: targets.
    - `k_test`: kernel between test and training examples; without it the training outputs are
        returned.
    - `t`: training time; infinite by default, which is kernel regression.
    - `f_train`, `f_test`: outputs at initialisation; zero by default.
    - `ridge`: weight decay toward the initialisation, replacing K by K + ridge; at infinite time
        this is kernel ridge regression.

    **Returns:** outputs `(m, *outputs)`, or `(n, *outputs)` without `k_test`.

    **Raises:** `ValueError` for shapes that do not fit, a negative time or a negative ridge. In
    float32 the small eigenvalues are noise: use float64, or a ridge of 1e-6 times the largest.

    Source: Lee et al. (2019), equations 10 and 11.

    ```python
    theta = jsci.ntk.kernel(f, params, x)
    trained = jsci.ntk.predict(theta, y, jsci.ntk.kernel(f, params, x_test, x))
    ```
    """
    _check_square(k_train, y)
    if not t >= 0 or ridge < 0:
        raise ValueError(f"t and ridge must not be negative, got t={t}, ridge={ridge}.")
    n = y.shape[0]
    start = jnp.zeros_like(y) if f_train is None else f_train
    gap = (y - start).reshape(n, -1)
    values, vectors = jnp.linalg.eigh(k_train + ridge * jnp.eye(n, dtype=k_train.dtype))
    # (1 - e^{-λt/n}) / λ, whose limit at λ = 0 is t/n: no division by a vanishing eigenvalue.
    modes = vectors.T @ gap
    if k_test is None:
        moved = vectors @ ((_learned(values, t, n) * (values - ridge))[:, None] * modes)
        return start + moved.reshape(y.shape)
    if k_test.shape[1:] != (n,):
        raise ValueError(
            f"k_test must have shape (m, {n}), test by training examples; got {k_test.shape}. "
            "Use kernel(f, params, x_test, x_train)."
        )
    m = k_test.shape[0]
    moved = k_test @ (vectors @ (_learned(values, t, n)[:, None] * modes))
    origin = jnp.zeros((m, *y.shape[1:]), y.dtype) if f_test is None else f_test
    return origin + moved.reshape(m, *y.shape[1:])


def posterior(
    k_train: Float[Array, "n n"],
    y: Float[Array, "n *outputs"],
    k_test: Float[Array, "m n"],
    k_test_test: Float[Array, "m m"],
    *,
    noise: float = 1e-6,
) -> Posterior:
    """Gaussian-process inference with any kernel, and its uncertainty.

        mean = K' (K + σ²)⁻¹ y,   covariance = K'' - K' (K + σ²)⁻¹ K'ᵀ

    **Arguments:**

    - `k_train`, `k_test`, `k_test_test`: kernels train-train, test-train, test-test.
    - `y`: targets.
    - `noise`: σ², the variance of the observations, which also makes K invertible.

    **Returns:** a `Posterior`.

    **Raises:** `ValueError` for shapes that do not fit or a noise that is not positive.

    Source: Rasmussen and Williams, "Gaussian processes for machine learning" (2006), (2.23-2.24).

    ```python
    mean, covariance = jsci.ntk.posterior(k, y, k_test, k_test_test, noise=1e-4)
    ```
    """
    _check_square(k_train, y)
    if not noise > 0:
        raise ValueError(f"noise must be positive, got {noise}.")
    n = y.shape[0]
    factor = jsl.cho_factor(k_train + noise * jnp.eye(n, dtype=k_train.dtype), lower=True)
    mean = k_test @ jsl.cho_solve(factor, y.reshape(n, -1))
    half = jsl.solve_triangular(factor[0], k_test.T, lower=True)
    return Posterior(mean.reshape(k_test.shape[0], *y.shape[1:]), k_test_test - half.T @ half)


def max_learning_rate(k_train: Float[Array, "n n"], *, momentum: float = 0.0) -> Float[Array, ""]:
    """The largest learning rate with which gradient descent on ½n⁻¹‖f - y‖² is stable.

        η_max = 2 (1 + μ) n / λ_max(K)

    **Arguments:**

    - `k_train`: kernel of the training examples.
    - `momentum`: μ of heavy-ball momentum, in [0, 1).

    **Returns:** η_max.

    ```python
    optimizer = optax.sgd(0.9 * jsci.ntk.max_learning_rate(theta))
    ```
    """
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must lie in [0, 1), got {momentum}.")
    return 2 * (1 + momentum) * k_train.shape[0] / jnp.linalg.eigvalsh(k_train)[-1]


def _learned(values, t, n):
    """(1 - e^{-λt/n}) / λ for each eigenvalue."""
    positive = values > 0
    safe = jnp.where(positive, values, 1)
    if math.isinf(t):
        return jnp.where(positive, 1 / safe, 0)
    return jnp.where(positive, -jnp.expm1(-safe * t / n) / safe, t / n)


def _check_square(k_train, y):
    if k_train.ndim != 2 or k_train.shape != (y.shape[0], y.shape[0]):
        raise ValueError(
            f"k_train must have shape ({y.shape[0]}, {y.shape[0]}) for targets of shape {y.shape}; "
            f"got {k_train.shape}. For several outputs use trace_axes=-1."
        )
