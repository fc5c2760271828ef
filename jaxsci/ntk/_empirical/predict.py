"""Predictions of a kernel: closed-form training dynamics, and Gaussian-process inference."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.core import Tracer
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float

from .matrices import outputs_at_start, square_kernel, test_kernel
from .spectrum import spectrum


class Posterior(NamedTuple):
    """The posterior of a Gaussian process.

    - `mean`: (m, ...), of the shape of the targets.
    - `covariance`: (m, m), or (m o, m o) for a kernel with output axes."""

    mean: Float[Array, "m ..."]
    covariance: Float[Array, "q q"]


def predict(
    kernel_train: Float[Array, "..."],
    y_train: Float[Array, "..."],
    *,
    kernel_test: Float[Array, "..."] | None = None,
    f_train: Float[Array, "..."] | None = None,
    f_test: Float[Array, "..."] | None = None,
    t: Float[Array, ""] | float = jnp.inf,
    damping: float = 0.0,
) -> Float[Array, "q ..."]:
    """The outputs of a linearised model after time t of gradient flow on ½ Σᵢ ‖f(xᵢ) - yᵢ‖².

        fₜ(x) = f₀(x) + Θ(x, X) (Θ + δ)⁻¹ (1 - exp(-(Θ + δ) t)) (y - f₀(X))

    At t = ∞ this is kernel regression; with damping, kernel ridge regression.

    **Arguments:**

    - `kernel_train`: Θ(X, X), (n, n) or (n, n, o, o). An (n, n) kernel is shared by all outputs.
    - `y_train`: targets y, (n,) or (n, o).
    - `kernel_test`: Θ(x, X), (m, n) or (m, n, o, o); without it the training outputs are predicted.
    - `f_train`, `f_test`: outputs f₀ at initialisation, zero by default; with `kernel_test` give
        both or neither.
    - `t`: learning rate times steps; for a loss that is the mean over n examples, divided by n.
    - `damping`: δ, weight decay towards the initial parameters.

    **Returns:** predictions (m, ...) or (n, ...).

    **Raises:** `ValueError` for shapes that do not fit, a `kernel_train` that is not symmetric, or
    a negative time or damping.

    **Notes:** eigenvalues below n ε λ₁ are rounding noise; without damping their directions stay at
    f₀.

    **Source:** Lee et al., "Wide neural networks of any depth evolve as linear models" (2019),
    equations 8 to 11.

    ```python
    theta = jsci.ntk.kernel(f, params, x, trace_axes=-1)
    cross = jsci.ntk.kernel(f, params, x_test, x, trace_axes=-1)
    jsci.ntk.predict(theta, y, kernel_test=cross, t=10.0)
    ```
    """
    if damping < 0:
        raise ValueError(f"damping must not be negative, got {damping}.")
    if not isinstance(t, Tracer) and t < 0:
        raise ValueError(f"t must not be negative, got {t}: it is a learning rate times steps.")
    train = square_kernel(kernel_train, "kernel_train")
    test = train if kernel_test is None else test_kernel(kernel_test, train)
    y_train = jnp.asarray(y_train)
    start, offset = outputs_at_start(y_train, f_train, f_test, kernel_test)
    values, vectors = spectrum(kernel_train)
    coefficients = vectors.T @ train.vectors(y_train - start)
    weights = vectors @ (_learnt(values, t, damping)[:, None] * coefficients)
    change = train.targets(test.matrix @ weights, y_train)
    return change if offset is None else offset + change


def _learnt(values, t, damping):
    """(1 - exp(-(λ + δ) t)) / (λ + δ), zero where λ is noise and nothing damps it."""
    noise = values.size * jnp.finfo(values.dtype).eps * values[0]
    rate = jnp.maximum(values, 0) + damping
    known = rate > noise
    safe = jnp.where(known, rate, 1)
    return jnp.where(known, -jnp.expm1(-safe * t) / safe, 0)


def posterior(
    kernel_train: Float[Array, "..."],
    kernel_test: Float[Array, "..."],
    kernel_test_test: Float[Array, "..."],
    y_train: Float[Array, "..."],
    *,
    noise: float = 1e-6,
) -> Posterior:
    """Gaussian-process inference with any of the kernels.

        mean = k (K + σ²)⁻¹ y,   covariance = k'' - k (K + σ²)⁻¹ kᵀ

    With the NNGP kernel this is Bayesian inference of an infinitely wide network; with the tangent
    kernel it is that of the linearised model with a unit normal prior on its parameters.

    **Arguments:**

    - `kernel_train`, `kernel_test`, `kernel_test_test`: K(X, X), k(x, X) and k''(x, x), of shapes
        (n, n), (m, n) and (m, m), or with output axes (o, o) after them.
    - `y_train`: targets, (n,) or (n, o).
    - `noise`: σ², relative to the mean of the diagonal of K. In float32 at least 10⁻⁶.

    **Returns:** a `Posterior`; its covariance is the same for every output of an (n, n) kernel.

    **Raises:** `ValueError` for shapes that do not fit, kernels of one set that are not symmetric,
    or a noise that is not positive.

    **Source:** Rasmussen and Williams, "Gaussian processes for machine learning" (2006), algorithm
    2.1.

    ```python
    train, cross, test = net.kernel(x), net.kernel(x_test, x), net.kernel(x_test)
    mean, covariance = jsci.ntk.posterior(train.ntk, cross.ntk, test.ntk, y, noise=1e-4)
    ```
    """
    if not noise > 0:
        raise ValueError(f"noise must be positive, got {noise}.")
    train = square_kernel(kernel_train, "kernel_train")
    test = test_kernel(kernel_test, train)
    prior = square_kernel(kernel_test_test, "kernel_test_test")
    if len(prior.matrix) != len(test.matrix) or prior.outputs != test.outputs:
        raise ValueError(
            f"kernel_test_test {prior} must have one row for each row of kernel_test {test}, and "
            "the same output axes."
        )
    y_train = jnp.asarray(y_train)
    variance = noise * jnp.mean(jnp.diag(train.matrix))
    identity = jnp.eye(train.matrix.shape[0], dtype=train.matrix.dtype)
    factor = cho_factor(train.matrix + variance * identity, lower=True)
    mean = test.matrix @ cho_solve(factor, train.vectors(y_train))
    covariance = prior.matrix - test.matrix @ cho_solve(factor, test.matrix.T)
    return Posterior(train.targets(mean, y_train), covariance)
