"""Elementwise layers and their dual activations."""

import abc
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._duals import duals, hermite
from .._duals.duals import Covariance, Dual
from .._duals.orthant import elu
from .layer import AbstractLayer, FiniteLayer
from .pair import Pair
from .pooling import finite


class AbstractActivation(AbstractLayer):
    """An elementwise function φ and its dual, both given by subclasses."""

    @abc.abstractmethod
    def function(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """φ(x)."""

    @abc.abstractmethod
    def dual(self, c: Covariance, q1: Covariance, q2: Covariance) -> Dual:
        """E φ(u) φ(v) and E φ'(u) φ'(v), for Gaussians of covariance c and variances q1, q2."""

    def propagate(self, pair: Pair) -> Pair:
        if not pair.gaussian:
            raise ValueError(
                f"{type(self).__name__} must follow a layer of weights, such as Dense or "
                "Conv: only then are the signals Gaussian."
            )
        nngp, slope = self.dual(pair.nngp, *pair.variances)
        cov1, _ = self.dual(pair.cov1, *pair.of_first().variances)
        cov2, _ = self.dual(pair.cov2, *pair.of_second().variances)
        return replace(pair, nngp=nngp, ntk=pair.ntk * slope, cov1=cov1, cov2=cov2, gaussian=False)

    def independent(self, before: bool) -> bool:
        return False

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        return finite(self.function, shape)


class LeakyRelu(AbstractActivation):
    """φ(x) = x for x > 0 and a x for x < 0.

        E φ(u) φ(v) = (1 - a)² √(q₁ q₂) (sin θ + (π - θ) cos θ) / 2π + a c,   cos θ = c / √(q₁ q₂)

    **Arguments:**

    - `negative_slope`: a; 0 gives `Relu()`, -1 gives `Abs()`.

    **Source:** Cho and Saul, "Kernel methods for deep learning" (2009), eq. 6.

    ```python
    infinite.serial(infinite.Dense(512), infinite.LeakyRelu(0.1), infinite.Dense(1))
    ```
    """

    negative_slope: float = eqx.field(static=True, default=0.01)

    def function(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.where(x > 0, x, self.negative_slope * x)

    def dual(self, c: Covariance, q1: Covariance, q2: Covariance) -> Dual:
        return duals.rectifier(c, q1, q2, self.negative_slope, 1.0)


def Relu() -> LeakyRelu:
    """φ(x) = max(x, 0): a `LeakyRelu` of negative slope 0.

    **Returns:** a layer.

    ```python
    infinite.serial(infinite.Dense(512), infinite.Relu(), infinite.Dense(1))
    ```
    """
    return LeakyRelu(0.0)


def Abs() -> LeakyRelu:
    """φ(x) = |x|: a `LeakyRelu` of negative slope -1.

    **Returns:** a layer.

    ```python
    infinite.serial(infinite.Dense(512), infinite.Abs(), infinite.Dense(1))
    ```
    """
    return LeakyRelu(-1.0)


class Erf(AbstractActivation):
    """φ(x) = erf(x).

        E φ(u) φ(v) = 2/π asin(2 c / √((1 + 2 q₁) (1 + 2 q₂)))

    **Source:** Williams, "Computing with infinite networks" (1997), eq. 11.

    ```python
    infinite.serial(infinite.Dense(512), infinite.Erf(), infinite.Dense(1))
    ```
    """

    def function(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.scipy.special.erf(x)

    def dual(self, c: Covariance, q1: Covariance, q2: Covariance) -> Dual:
        return duals.erf(c, q1, q2)


class Gelu(AbstractActivation):
    """φ(x) = x Φ(x), exactly (not the tanh approximation).

        E φ(u) φ(v) = c/4 + c asin(c/√d)/2π + (q₁ q₂ + c² (1 - q₁ q₂)/d) / (2π √(d - c²)),
        d = (1 + q₁) (1 + q₂)

    **Source:** Tsuchida, Pearce, van der Heide, Roosta and Gallagher (2021), by Stein's lemma here.

    ```python
    infinite.serial(infinite.Dense(512), infinite.Gelu(), infinite.Dense(1))
    ```
    """

    def function(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.nn.gelu(x, approximate=False)

    def dual(self, c: Covariance, q1: Covariance, q2: Covariance) -> Dual:
        return duals.gelu(c, q1, q2)


class Sin(AbstractActivation):
    """φ(x) = a sin(ω x + φ₀).

        E φ(u) φ(v) = a²/2 (exp(-ω² (q₁ + q₂ - 2c)/2) - cos(2 φ₀) exp(-ω² (q₁ + q₂ + 2c)/2))

    **Arguments:**

    - `frequency`, `phase`, `amplitude`: ω, φ₀ (radians) and a. `Sin(30.0)` is the first layer of a
      SIREN.

    **Source:** Pearce et al., "Expressive priors in Bayesian neural networks" (2020), section 3.

    ```python
    infinite.serial(infinite.Dense(512), infinite.Sin(30.0), infinite.Dense(1))
    ```
    """

    frequency: float = eqx.field(static=True, default=1.0)
    phase: float = eqx.field(static=True, default=0.0, kw_only=True)
    amplitude: float = eqx.field(static=True, default=1.0, kw_only=True)

    def function(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.amplitude * jnp.sin(self.frequency * x + self.phase)

    def dual(self, c: Covariance, q1: Covariance, q2: Covariance) -> Dual:
        value, slope = duals.sine(c, q1, q2, self.frequency, self.phase)
        return self.amplitude**2 * value, self.amplitude**2 * slope


def Cos(frequency: float = 1.0) -> Sin:
    """φ(x) = cos(ω x): a `Sin` of phase π/2.

    **Arguments:**

    - `frequency`: ω.

    **Returns:** a layer.

    ```python
    infinite.serial(infinite.Dense(512), infinite.Cos(2.0), infinite.Dense(1))
    ```
    """
    return Sin(frequency, phase=math.pi / 2)


def Rbf(gamma: float = 1.0) -> Sin:
    """φ(x) = √2 sin(√(2γ) x + π/4), whose NNGP is exp(-γ E (u - v)²), the Gaussian kernel.

    **Arguments:**

    - `gamma`: γ, positive.

    **Returns:** a layer.

    ```python
    infinite.serial(infinite.Dense(512), infinite.Rbf(0.5), infinite.Dense(1))
    ```
    """
    return Sin(math.sqrt(2 * gamma), phase=math.pi / 4, amplitude=math.sqrt(2))


class Elu(AbstractActivation):
    """φ(x) = s x for x > 0, s α (eˣ - 1) for x < 0, by orthant probabilities.

    **Arguments:**

    - `alpha`, `scale`: α and s; `Selu()` has the self-normalising values.

    **Good values:** errors below 1e-6 in float64 up to variances of 100, 1e-13 at moderate ones.

    **Source:** Klambauer et al., "Self-normalizing neural networks" (2017); Genz, "Numerical
    computation of rectangular bivariate and trivariate normal probabilities" (2004).

    ```python
    infinite.serial(infinite.Dense(512), infinite.Elu(), infinite.Dense(1))
    ```
    """

    alpha: float = eqx.field(static=True, default=1.0)
    scale: float = eqx.field(static=True, default=1.0, kw_only=True)

    def function(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.scale * jax.nn.elu(x, self.alpha)

    def dual(self, c: Covariance, q1: Covariance, q2: Covariance) -> Dual:
        return elu(c, q1, q2, self.alpha, self.scale)


def Selu() -> Elu:
    """The self-normalising `Elu`: a variance of 1 stays 1 at any depth.

    **Returns:** a layer.

    ```python
    infinite.serial(infinite.Dense(512), infinite.Selu(), infinite.Dense(1))
    ```
    """
    return Elu(1.6732632423543772, scale=1.0507009873554805)


class Elementwise(AbstractActivation):
    """ANY elementwise function, by its Hermite series.

        E φ(u) φ(v) = Σ_k c_k(q₁) c_k(q₂) ρᵏ,   c_k(q) = E φ(√q z) h_k(z),   ρ = c / √(q₁ q₂)

    Coefficients cost one quadrature per input, not per pair. The remainder of the series is
    assigned to the next even and odd degree, which makes it exact at ρ = -1, 0 and 1; `error`
    bounds the error elsewhere.

    **Arguments:**

    - `activation`: φ, a differentiable function of an array, applied entry by entry.
    - `degree`: the largest k.

    **Raises:** `ValueError` for a degree below 1.

    **Notes:** the series converges slowly for functions with jumps or kinks, as `error` shows.

    **Good values:** degree 48 for smooth functions at variances up to 1; 128 up to 10.

    **Source:** Daniely, Frostig and Singer (2016), section 4; Stein's lemma for the slope.

    ```python
    swish = infinite.Elementwise(jax.nn.silu)
    swish.error(2.0)  # of the two expectations at variance 2
    infinite.serial(infinite.Dense(512), swish, infinite.Dense(1))
    ```
    """

    activation: Callable = eqx.field(static=True)
    degree: int = eqx.field(static=True, default=64, kw_only=True)

    def __check_init__(self) -> None:
        if self.degree < 1:
            raise ValueError(f"degree must be 1 or more, got {self.degree}.")

    def function(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.activation(x)

    def slope(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.jvp(self.activation, (x,), (jnp.ones_like(x),))[1]

    def dual(self, c: Covariance, q1: Covariance, q2: Covariance) -> Dual:
        norm = q1 * q2
        rho = jnp.where(norm > 0, c / jnp.sqrt(jnp.where(norm > 0, norm, 1)), 0)
        rho = jnp.clip(rho, -1, 1)
        value, slope = (
            hermite.series(
                hermite.coefficients(f, q1, self.degree),
                hermite.coefficients(f, q2, self.degree),
                rho,
            )
            for f in (self.function, self.slope)
        )
        return value, slope

    def error(self, variance: float) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Bounds on the errors of E φ(u) φ(v) and E φ'(u) φ'(v).

        **Arguments:**

        - `variance`: of u and v.

        **Returns:** the two bounds, scalars.
        """
        q = jnp.asarray(variance)
        value, slope = (
            jnp.sum(hermite.coefficients(f, q, self.degree)[-2:] ** 2)
            for f in (self.function, self.slope)
        )
        return value, slope


def Tanh(*, degree: int = 64) -> Elementwise:
    """φ = tanh, by an `Elementwise` Hermite series.

    **Arguments:**

    - `degree`: as in `Elementwise`.

    **Returns:** a layer.

    ```python
    infinite.serial(infinite.Dense(512), infinite.Tanh(), infinite.Dense(1))
    ```
    """
    return Elementwise(jnp.tanh, degree=degree)


def Sigmoid(*, degree: int = 64) -> Elementwise:
    """φ(x) = 1 / (1 + e⁻ˣ), by an `Elementwise` Hermite series.

    **Arguments:**

    - `degree`: as in `Elementwise`.

    **Returns:** a layer.

    ```python
    infinite.serial(infinite.Dense(512), infinite.Sigmoid(), infinite.Dense(1))
    ```
    """
    return Elementwise(jax.nn.sigmoid, degree=degree)


def Polynomial(coefficients: Sequence[float]) -> Elementwise:
    """φ(x) = a₀ + a₁ x + a₂ x² + ..., exactly: its Hermite series is finite.

    **Arguments:**

    - `coefficients`: a₀, a₁, ..., at least one.

    **Returns:** a layer.

    **Raises:** `ValueError` without coefficients.

    ```python
    infinite.serial(infinite.Dense(512), infinite.Polynomial([0.0, 1.0, 0.5]), infinite.Dense(1))
    ```
    """
    terms = tuple(float(a) for a in coefficients)
    if not terms:
        raise ValueError("Polynomial needs one coefficient or more, got none.")

    def polynomial(x):
        return sum((a * x**k for k, a in enumerate(terms)), start=jnp.zeros_like(x))

    return Elementwise(polynomial, degree=max(len(terms) - 1, 1))
