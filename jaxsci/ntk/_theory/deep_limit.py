"""The classifiers that infinitely wide networks become as their depth tends to infinity."""

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Num, Real

from ...core import compiled_call, require_x64
from ...numerics import bisect
from .._gaussian import expectation
from ..infinite import Elementwise, Polynomial
from ..infinite._duals import hermite

Classifier = Literal["nearest neighbour", "majority vote", "singular kernel", "none"]
_ROUNDING = 1e-10  # of expectations by quadrature, of functions of order one
_DEGREE = 64


class DeepLimit(eqx.Module):
    """The classifier of an infinitely wide and deep network.

    - `classifier`: "nearest neighbour", "majority vote", "singular kernel", or "none".
    - `exponent`: α of the singular kernel 1 / ‖x - x'‖^α; NaN for the others.
    - `mean`, `mean_slope`, `square_slope`: A = E φ, A' = E φ' and B' = E φ'², with E φ² = 1.
    """

    classifier: Classifier
    exponent: float
    mean: float
    mean_slope: float
    square_slope: float

    def predict(
        self,
        x_train: Real[Array, "n dim"],
        labels: Real[Array, "_ *classes"],
        x: Real[Array, "m dim"],
    ) -> Float[Array, "m *classes"]:
        """The mean of the labels with the weights of the limit.

            ŷ(x) = Σᵢ wᵢ(x) yᵢ / Σᵢ wᵢ(x),   wᵢ = ‖x - xᵢ‖^-α

        α = 0 is the majority vote and α = ∞ the nearest neighbour.

        **Arguments:**

        - `x_train`: n training inputs (n, d), of norm 1 and at acute angles (for example with
          entries ≥ 0): an odd or even φ identifies -x with the opposite of x, or with x itself.
        - `labels`: ±1, (n,), or one-hot rows (n, classes).
        - `x`: m inputs (m, d), likewise.

        **Returns:** ŷ, whose sign or largest entry is the class.

        **Raises:** `ValueError` if the limit is not a classifier, for inputs whose norm is not 1,
        or unless there is one label per training input.
        """
        if self.classifier == "none":
            raise ValueError(
                "With depth, this activation separates inputs no better and no worse (linear), or "
                "not at all (B' < 1): its limit is no classifier."
            )
        if len(labels) != len(x_train):
            raise ValueError(
                f"{len(x_train)} training inputs need a label each, got {len(labels)}."
            )
        x_train, labels, x = (
            jnp.asarray(v, jnp.result_type(v, float)) for v in (x_train, labels, x)
        )
        _check_norms("x_train", x_train)
        _check_norms("x", x)
        similarity = jnp.clip(x @ x_train.T, -1, 1)
        if self.classifier == "nearest neighbour":
            return labels[jnp.argmax(similarity, axis=1)]
        if self.classifier == "majority vote":
            return jnp.broadcast_to(jnp.mean(labels, axis=0), (x.shape[0], *labels.shape[1:]))
        gap = jnp.maximum(1 - similarity, jnp.finfo(x.dtype).eps)  # ‖x - x'‖² / 2
        return jax.nn.softmax(-self.exponent / 2 * jnp.log(gap), axis=1) @ labels


def deep_limit(activation: Callable) -> DeepLimit:
    """The classifier that a fully connected network becomes as width, then depth, tends to
    infinity.

        A = E φ(z),   A' = E φ'(z),   B' = E φ'(z)²,   z ~ N(0, 1),   φ scaled to E φ² = 1

    - "singular kernel", A = 0 ≠ A': labels weighted by ‖x - x'‖^-α, α = -4 log A' / log B'.
    - "nearest neighbour", A = A' = 0: the label of the closest example.
    - "majority vote", A ≠ 0, B' ≥ 1: the more frequent label, whatever the input.
    - "none": φ is linear (the kernel does not change), or B' < 1 (all inputs become equal).

    Only a singular kernel of α = d, the dimension of the sphere that the inputs lie on, makes the
    classifier consistent: see `optimal_activation`.

    **Arguments:**

    - `activation`: φ, an elementwise function of an array, smooth or with a kink at zero. Inputs
      have norm 1 and layers have no biases, and weights of variance 1 / (fan in · E φ²).

    **Returns:** a `DeepLimit`.

    **Raises:** `ValueError` in float32 mode, which cannot tell zero from small values.

    **Good values:** the NNGP shows α at depths above log(1 / (1 - cos θ)) / log B'; the tangent
    kernel only at 1 - cos θ far above 1 / depth, which may be a million layers.

    **Source:** Radhakrishnan, Belkin and Uhler, "Wide and deep neural networks achieve consistency
    for classification", PNAS 120 (2023), theorem 1.

    ```python
    jsci.ntk.deep_limit(jnp.tanh)  # singular kernel
    jsci.ntk.deep_limit(jax.nn.relu).classifier  # "majority vote"
    ```
    """
    require_x64("deep_limit")

    def moments(z):
        value, slope = jax.jvp(activation, (z,), (jnp.ones_like(z),))
        return jnp.stack([value, slope, value**2, slope**2])

    mean, mean_slope, square, square_slope = np.asarray(expectation(moments, 1.0))
    mean, mean_slope = mean / np.sqrt(square), abs(mean_slope) / np.sqrt(square)
    square_slope = square_slope / square
    classifier = _classifier(mean, mean_slope, square_slope)
    singular = classifier == "singular kernel"
    exponent = -4 * np.log(mean_slope) / np.log(square_slope) if singular else np.nan
    return DeepLimit(
        classifier, float(exponent), float(mean), float(mean_slope), float(square_slope)
    )


def _check_norms(name: str, x: Float[Array, "n dim"]) -> None:
    if isinstance(x, Tracer):
        return
    norms = jnp.linalg.norm(x, axis=1)
    worst = float(norms[jnp.argmax(jnp.abs(norms - 1))])
    if abs(worst - 1) > jnp.finfo(x.dtype).eps ** 0.5:
        raise ValueError(
            f"{name} has an input of norm {worst:.6g}, and the limit is that of inputs of norm 1: "
            f"divide by jnp.linalg.norm({name}, axis=1, keepdims=True)."
        )


def _classifier(mean: float, mean_slope: float, square_slope: float) -> Classifier:
    if abs(mean) > _ROUNDING:
        return "majority vote" if square_slope > 1 - _ROUNDING else "none"
    if mean_slope < _ROUNDING:
        return "nearest neighbour"
    return "singular kernel" if mean_slope < 1 - _ROUNDING else "none"


def optimal_activation(dimension: int) -> Elementwise:
    """The activation whose infinitely wide and deep network classifies best.

        φ = c₁ h₁ + c_k h_k,   c₁² + c_k² = 1,   -4 log c₁ = d log(1 + (k - 1) c_k²)

    h_k are normalised Hermite polynomials, k = 3 (5 on a circle, where 3 has no solution). Its
    limit is the singular kernel of exponent α = d, the only one that reaches the least possible
    risk as examples are added.

    **Arguments:**

    - `dimension`: d of the sphere on which the inputs lie, one less than their number of entries.

    **Returns:** a layer of `infinite`; its `.activation` is the function φ.

    **Raises:** `ValueError` for a dimension below 1.

    **Source:** Radhakrishnan, Belkin and Uhler (2023), corollary 1; k = 5 is ours.

    ```python
    phi = jsci.ntk.optimal_activation(2)
    jsci.ntk.deep_limit(phi.activation).exponent  # 2.0
    ```
    """
    if dimension < 1:
        raise ValueError(f"dimension must be 1 or more, got {dimension}.")
    k = 3 if dimension > 1 else 5
    higher = bisect(
        lambda s: dimension * np.log1p((k - 1) * s) + 2 * np.log1p(-s) > 0, 1e-6, 1 - 1e-12
    )
    first, last = np.sqrt(1 - higher), np.sqrt(higher)
    scaled = {3: (0, -3, 0, 1), 5: (0, 15, 0, -10, 0, 1)}[k]  # √k! h_k
    polynomial = last / np.sqrt(np.prod(np.arange(1.0, k + 1))) * np.array(scaled)
    polynomial[1] += first
    return Polynomial(polynomial)


def deep_kernel(
    activation: Callable, correlation: Num[Array, "..."], *, depth: int
) -> Float[Array, "..."]:
    """The NNGP of a deep fully connected network, for inputs of norm 1.

        K_{l+1} = φ̌(K_l),   φ̌(ρ) = E φ(u) φ(v) = Σ_k c_k² ρᵏ,   K₀ = x · x'

    φ is scaled to E φ² = 1, so that K is 1 for equal inputs at any depth.

    **Arguments:**

    - `activation`: φ, an elementwise function of an array.
    - `correlation`: x · x', any shape, between -1 and 1.
    - `depth`: number of hidden layers.

    **Returns:** K_depth, of the shape of `correlation`.

    **Raises:** `ValueError` for a depth below 0 or a correlation outside [-1, 1] (NaN under
    `jax.jit`).

    **Notes:** functions with kinks are accurate to a Hermite series of 64 terms
    (`infinite.Elementwise(activation).error(1.0)`) per layer. Depth costs run time but no
    compilation.

    **Source:** Poole et al. (2016); Daniely, Frostig and Singer (2016).

    ```python
    jsci.ntk.deep_kernel(jnp.tanh, jnp.array([0.9, 0.99]), depth=100)
    ```
    """
    if depth < 0:
        raise ValueError(f"depth must be 0 or more, got {depth}.")
    correlation = jnp.asarray(correlation)
    correlation = _known_correlation(correlation.astype(jnp.result_type(correlation, float)))
    c = hermite.coefficients(activation, jnp.ones((), correlation.dtype), _DEGREE)
    c = c / jnp.linalg.norm(c)
    # A mean that is zero up to rounding would become the value of every deep kernel.
    c = jnp.where(jnp.abs(c) <= 16 * jnp.finfo(c.dtype).eps, 0, c)
    c = c.reshape(-1, *(1,) * correlation.ndim)

    def layer(_, k):
        return _snapped(hermite.series(c, c, k))

    return compiled_call(lambda k: jax.lax.fori_loop(0, depth, layer, k), correlation)


def _known_correlation(rho: Float[Array, "..."]) -> Float[Array, "..."]:
    """Raise outside [-1, 1], where the series diverges; NaN if the values are unknown."""
    wrong = jnp.abs(rho) > 1 + jnp.finfo(rho.dtype).eps ** 0.5
    if not isinstance(rho, Tracer) and wrong.any():
        raise ValueError(
            f"correlation must lie in [-1, 1], got {float(rho[wrong][0]):.6g}: divide the inputs "
            "by their norms."
        )
    return _snapped(jnp.where(wrong, jnp.nan, rho))


def _snapped(rho: Float[Array, "..."]) -> Float[Array, "..."]:
    """Snap to ±1 within rounding: the deep kernel of equal inputs is 1, but diverges from 1 + ε."""
    near = jnp.abs(rho) > 1 - 16 * jnp.finfo(rho.dtype).eps
    return jnp.where(near, jnp.sign(rho), rho)
