"""Corrections of finite width to infinite networks: fluctuations of order 1/n."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ...core import as_data, compiled_call
from .._gaussian import expectation, real_number
from .criticality import susceptibilities


def four_point_recursion(
    activation: Callable,
    kernel: Float[Array, ""] | float,
    *,
    depth: int,
    weight_variance: Float[Array, ""] | float,
    bias_variance: Float[Array, ""] | float = 0.0,
) -> tuple[Float[Array, " depth"], Float[Array, " depth"]]:
    """Kernel and four-point vertex of every layer, to leading order in 1 / width.

        V_{l+1} = χ_∥(K_l)² V_l + C_W² (E σ(z)⁴ - (E σ(z)²)²),   V₁ = 0,   z ~ N(0, K_l)

    V / n is the variance of a layer's kernel over networks of width n. Where V / (n K²) is of order
    1, the infinite network no longer describes the finite one.

    **Arguments:**

    - `activation`: σ, an elementwise function of an array.
    - `kernel`: K₁ of the first layer's preactivations.
    - `depth`: the number of layers.
    - `weight_variance`, `bias_variance`: C_W and C_b.

    **Returns:** K and V, each (depth,).

    **Raises:** `ValueError` for a depth below 1, or a kernel that is not one real number.

    **Notes:** corrections are of relative order depth / width: at depth 8 and width 64 the exact
    ReLU vertex is a quarter larger.

    **Source:** Roberts, Yaida and Hanin (2022), eqs. 4.118 and 5.109.

    ```python
    k, v = jsci.ntk.four_point_recursion(jax.nn.relu, 1.0, depth=8, weight_variance=2.0)
    v / k**2  # 5 (l - 1)
    ```
    """
    if depth < 1:
        raise ValueError(f"depth must be 1 or more, got {depth}.")

    first = real_number("kernel", kernel)
    weight, bias = (as_data(v, first) for v in (weight_variance, bias_variance))

    def layer(state, _):
        k, v = state

        def moments(z):
            square = activation(z) ** 2
            return jnp.stack([square, square**2])

        square, fourth = expectation(moments, k)
        growth = susceptibilities(activation, k, weight_variance=weight).parallel
        spread = weight**2 * (fourth - square**2)
        return (bias + weight * square, growth**2 * v + spread), state

    begin = first, jnp.zeros_like(first)
    return compiled_call(lambda state: jax.lax.scan(layer, state, length=depth)[1], begin)


def linear_kernel_variance(depth: Int[Array, "..."] | int, width: int) -> Float[Array, "..."]:
    """The exact relative variance of the kernel of a deep linear network.

        Var(K_L) / (E K_L)² = (1 + 2/n)^L - 1

    **Arguments:**

    - `depth`: L, the number of hidden layers passed, an integer or an array.
    - `width`: n, the width of each of them.

    **Returns:** of the shape of `depth`: 2 L / n for L ≪ n, exponentially large for L ≫ n.

    **Raises:** `ValueError` for a width below 1 or a negative depth.

    **Source:** Roberts, Yaida and Hanin (2022), section 3.3.

    ```python
    jsci.ntk.linear_kernel_variance(64, 64)  # 6.17, not 2
    ```
    """
    check_width(width)
    _check_at_least(0, "depth", depth)
    return (1 + 2 / width) ** jnp.asarray(depth) - 1


def relu_vertex(layer: Int[Array, "..."] | int, width: int) -> Float[Array, "..."]:
    """The exact four-point vertex of a ReLU network at criticality (C_W = 2, C_b = 0).

        V_l / K² = n ((1 + 5/n)^(l-1) - 1)

    **Arguments:**

    - `layer`: l, an integer or an array, counted from 1, where the vertex is zero.
    - `width`: n, the width of every hidden layer.

    **Returns:** of the shape of `layer`; 5 (l - 1) for l ≪ n.

    **Raises:** `ValueError` for a width or a layer below 1.

    **Source:** each of n terms of a layer's kernel has E σ⁴ / (E σ²)² = 6 over Gaussians, so that E
    K² grows by 1 + 5/n per layer; leading order in Roberts, Yaida and Hanin (2022), eq. 5.118.

    ```python
    jsci.ntk.relu_vertex(8, 64)  # 44.4, of which 35 is the leading order
    ```
    """
    check_width(width)
    _check_at_least(1, "layer", layer)
    return width * ((1 + 5 / width) ** (jnp.asarray(layer) - 1) - 1)


def _check_at_least(least: int, name: str, value: Int[Array, "..."] | int) -> None:
    if not isinstance(value, Tracer) and jnp.any(jnp.asarray(value) < least):
        raise ValueError(f"{name} must be {least} or more, got {value}.")


def check_width(width: int) -> None:
    """Raise unless a layer has at least one channel."""
    if width < 1:
        raise ValueError(f"width must be 1 or more, got {width}.")
