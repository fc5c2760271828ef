"""Critical initialisation: the variances of weights and biases that preserve signals with depth."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...core import as_data, compiled_call, require_x64
from ...numerics import bisect
from .._gaussian import expectation, real_number

UniversalityClass = Literal["scale-invariant", "K* = 0", "half-stable", "none"]
_SCAN = np.logspace(-2, 3, 251)


class Susceptibilities(NamedTuple):
    """The growth of perturbations of a kernel per layer.

    - `parallel`: χ_∥, of its size.
    - `perpendicular`: χ_⊥, of the angle between inputs."""

    parallel: Float[Array, ""]
    perpendicular: Float[Array, ""]


class Criticality(NamedTuple):
    """The critical point of an activation; NaN if there is none, or if any value will do.

    - `universality_class`: "scale-invariant", "K* = 0", "half-stable" or "none".
    - `kernel`: K* at the critical point.
    - `weight_variance`: C_W, the variance of a weight times its fan-in.
    - `bias_variance`: C_b."""

    universality_class: UniversalityClass
    kernel: float
    weight_variance: float
    bias_variance: float


def susceptibilities(
    activation: Callable, kernel: Float[Array, ""] | float, *, weight_variance: Array | float = 1.0
) -> Susceptibilities:
    """The growth of perturbations of a kernel K, of its size and of its angle.

        χ_∥ = C_W d/dK E σ(z)²,   χ_⊥ = C_W E σ'(z)²,   z ~ N(0, K)

    **Arguments:**

    - `activation`: σ, an elementwise function of an array.
    - `kernel`: K, positive.
    - `weight_variance`: C_W, the variance of a weight times its fan-in.

    **Returns:** `Susceptibilities(parallel, perpendicular)`; both are 1 at a critical point.

    **Notes:** NaN for K <= 0. A kink away from zero costs accuracy.

    **Source:** Roberts, Yaida and Hanin, "The principles of deep learning theory" (2022), eqs. 5.11
    and 5.12.

    ```python
    jsci.ntk.susceptibilities(jax.nn.selu, 1.0)  # 0.782648, 1.071575
    ```
    """

    def moments(z):
        value, slope = jax.jvp(activation, (z,), (jnp.ones_like(z),))
        return jnp.stack([value * slope * z, slope**2])

    parallel, perpendicular = expectation(moments, kernel)
    return Susceptibilities(weight_variance * parallel / kernel, weight_variance * perpendicular)


def kernel_recursion(
    activation: Callable,
    kernel: Float[Array, ""] | float,
    *,
    depth: int,
    weight_variance: Float[Array, ""] | float,
    bias_variance: Float[Array, ""] | float = 0.0,
) -> Float[Array, " depth"]:
    """The kernel of each layer of an infinitely wide network, from that of the first.

        K_{l+1} = C_b + C_W E σ(z)²,   z ~ N(0, K_l)

    **Arguments:**

    - `activation`: σ, an elementwise function of an array.
    - `kernel`: K₁ of the first layer's preactivations.
    - `depth`: the number of layers.
    - `weight_variance`, `bias_variance`: C_W and C_b.

    **Returns:** K₁ to K_depth, (depth,).

    **Raises:** `ValueError` for a depth below 1, or a kernel that is not one real number.

    **Source:** Roberts, Yaida and Hanin (2022), eq. 4.118.

    ```python
    jsci.ntk.kernel_recursion(jnp.tanh, 1.0, depth=1000, weight_variance=1.0)[-1]  # about 1/2000
    ```
    """
    if depth < 1:
        raise ValueError(f"depth must be 1 or more, got {depth}.")

    first = real_number("kernel", kernel)
    weight, bias = (as_data(v, first) for v in (weight_variance, bias_variance))

    def layer(k, _):
        return bias + weight * expectation(lambda z: activation(z) ** 2, k), k

    return compiled_call(lambda k: jax.lax.scan(layer, k, length=depth)[1], first)


def criticality(activation: Callable) -> Criticality:
    """The critical initialisation of an activation, and its universality class.

        χ_∥ = χ_⊥ = 1 at a fixed point K* = C_b + C_W E σ(z)²

    - "scale-invariant": every K is fixed (ReLU, leaky ReLU, linear).
    - "K* = 0": the kernel decays to zero as 1/l at C_W = 1/σ'(0)², C_b = 0 (tanh, sin). It is
      stable only if σ'''/σ' + ¾ (σ''/σ')² < 0 at zero.
    - "half-stable": χ_∥ = χ_⊥ at some K* > 0 (GELU, Swish).
    - "none": both susceptibilities are 1 at no K with C_b ≥ 0 (sigmoid, softplus, ELU, SELU).

    **Arguments:**

    - `activation`: σ, an elementwise function of an array, smooth or with a kink at zero.

    **Returns:** a `Criticality` of Python floats: K* (NaN if every K is fixed), C_W and C_b.

    **Raises:** `ValueError` in float32 mode, where roots have only four digits.

    **Notes:** critical points are searched between K = 10⁻² and 10³.

    **Good values:** initialise weights with variance `weight_variance` / fan-in and biases with
    variance `bias_variance`.

    **Source:** Roberts, Yaida and Hanin (2022), sections 5.2 to 5.5.

    ```python
    jsci.ntk.criticality(jax.nn.gelu)  # half-stable: K* 3.561553, C_W 1.983058, C_b 0.172922
    ```
    """
    require_x64("criticality")

    def moments(kernels):
        each = jax.vmap(lambda k: jnp.stack(_moments(activation, k)))
        return compiled_call(each, kernels)

    gaps = _relative_gap(moments(jnp.asarray(_SCAN)))
    if np.abs(gaps).max() < 1e-10:
        return Criticality("scale-invariant", np.nan, 1 / float(moments(jnp.ones(1))[0, 2]), 0.0)
    slope = _stable_slope_at_zero(activation)
    if slope is not None:
        return Criticality("K* = 0", 0.0, slope**-2, 0.0)

    def gap(kernel):
        return _relative_gap(moments(jnp.asarray([kernel])))[0]

    for i in np.flatnonzero(gaps[:-1] * gaps[1:] < 0):
        kernel = bisect(lambda k, first=gaps[i]: gap(k) * first > 0, _SCAN[i], _SCAN[i + 1])
        square, _, slopes = np.asarray(moments(jnp.asarray([kernel]))[0])
        if kernel - square / slopes >= 0:
            return Criticality(
                "half-stable", kernel, float(1 / slopes), float(kernel - square / slopes)
            )
    return Criticality("none", np.nan, np.nan, np.nan)


def _moments(activation: Callable, kernel: Array) -> tuple[Array, Array, Array]:
    """E σ², and both susceptibilities at C_W = 1."""
    square = expectation(lambda z: activation(z) ** 2, kernel)
    parallel, perpendicular = susceptibilities(activation, kernel)
    return square, parallel, perpendicular


def _relative_gap(moments: Array) -> np.ndarray:
    _, parallel, perpendicular = np.asarray(moments).T
    return (parallel - perpendicular) / perpendicular


def _stable_slope_at_zero(activation: Callable) -> float | None:
    """σ'(0), if σ is smooth at zero, σ(0) = 0 and K* = 0 is stable."""
    derivatives, f = [], activation
    for _ in range(4):
        derivatives.append([float(f(jnp.asarray(z))) for z in (-1e-9, 0.0, 1e-9)])
        f = jax.grad(f)
    below, at, above = np.transpose(derivatives)
    smooth = np.allclose(below, above, rtol=1e-6, atol=1e-7)
    if not smooth or at[0] != 0 or at[1] == 0:
        return None
    stable = at[3] / at[1] + 0.75 * (at[2] / at[1]) ** 2 < 0
    return float(at[1]) if stable else None
