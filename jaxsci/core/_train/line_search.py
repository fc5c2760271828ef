"""The best of the lengths 1, 1/2, 1/4, … of a step."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree


def best_halving(
    step: Float[Array, " p"],
    params: PyTree,
    value: Float[Array, ""],
    value_fn: Callable[[PyTree], Float[Array, ""]],
    count: int,
) -> Float[Array, " p"]:
    """The step at the length that lowers the loss most, zero if none lowers it.

        η δ,   η = argmin over 2⁻ᵏ, k < count, of L(θ + 2⁻ᵏ δ)

    **Arguments:**

    - `step`: δ, flat, in the order of `ravel_pytree(params)`.
    - `params`: θ.
    - `value`, `value_fn`: L(θ), and L as a function of parameters; NaN counts as infinite.
    - `count`: number of lengths tried, at one evaluation of the loss each.

    **Returns:** the flat step.

    **Source:** Müller & Zeinhofer, "Achieving high accuracy with PINNs via energy natural gradient
    descent" (2023).

    ```python
    from jaxsci.core import best_halving

    bowl = lambda w: jnp.sum(w**2)
    w = jnp.ones(2)
    best_halving(-4 * w, w, bowl(w), bowl, 20)  # -w: the length 1/4
    ```
    """
    flat, unravel = ravel_pytree(params)
    lengths = 0.5 ** jnp.arange(count, dtype=step.dtype)
    values = jax.lax.map(lambda eta: value_fn(unravel(flat + eta * step)), lengths)
    values = jnp.where(jnp.isnan(values), jnp.inf, values)
    best = jnp.argmin(values)
    return jnp.where(values[best] < value, lengths[best], 0.0) * step
