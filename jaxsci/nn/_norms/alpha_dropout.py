"""Dropout that keeps mean and variance of self-normalising networks."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

# The limit of SELU at -∞ is -λα, with λ and α of its fixed point (0, 1).
_LIMIT = -1.0507009873554805 * 1.6732632423543772


def alpha_dropout(
    key: PRNGKeyArray, x: Float[Array, "*shape"], rate: float
) -> Float[Array, "*shape"]:
    """Sets a random share of the units of a SELU network to the activation's limit, -λα.

        y = A (x d + α′ (1 - d)) + B,   d ~ Bernoulli(1 - rate),   α′ = -λα

    A and B restore mean 0 and variance 1, where x has them: A = ((1 - q)(1 + q α′²))^(-1/2) and
    B = -A q α′ with the rate q.

    **Arguments:**

    - `key`: PRNG key; another one for each sample and step. In `fit` it is data: give one key per
        sample, `{"data": (x, y, keys)}`.
    - `x`: activations of any shape, with mean 0 and variance 1.
    - `rate`: share of the units that are dropped, in [0, 1). Good values: 0.05 to 0.1.

    **Returns:** an array of the same shape and dtype; `x` itself for a rate of zero. For
    predictions leave the function out.

    **Raises:** `ValueError` for a rate outside [0, 1).

    **Source:** Klambauer et al., "Self-Normalizing Neural Networks", NeurIPS 2017, section 3, "New
    dropout technique".

    ```python
    y = jsci.nn.alpha_dropout(key, jax.nn.selu(jnp.ones(8)), 0.1)
    ```
    """
    if not 0 <= rate < 1:
        raise ValueError(f"alpha_dropout() needs a rate in [0, 1), got {rate}.")
    if rate == 0:
        return x
    keep = jax.random.bernoulli(key, 1 - rate, x.shape)
    a = ((1 - rate) * (1 + rate * _LIMIT**2)) ** -0.5
    dropped = _LIMIT + 0 * x  # so that a unit that is not a number is none when dropped either
    return a * jnp.where(keep, x, dropped) - a * rate * _LIMIT
