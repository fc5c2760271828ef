"""The prediction of a normal distribution that is known by its sufficient statistics."""

import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Float


def log_predictive(
    y: Float[Array, ""], mean: Float[Array, ""], square: Float[Array, ""], count: Float[Array, ""]
) -> Float[Array, ""]:
    """The log density of y, of which `count` observations had these means of y and y².

        Γ(ν/2 + 1) / Γ(ν/2 + ½) (π (ν + 1) S)^(-½) (1 + (y - ȳ)² / ((ν + 1) S))^(-ν/2 - 1)

    with S the mean square less ȳ²: Student's distribution of ν + 1 degrees of freedom. NaN where S
    is not positive, since no distribution has such moments.

    **Source:** Mathys & Weber, Active Inference (2020), pages 52 to 58.
    """
    variance = square - mean**2
    scale = (count + 1) * jnp.where(variance > 0, variance, jnp.nan)
    volume = gammaln(count / 2 + 1) - gammaln((count + 1) / 2) - 0.5 * jnp.log(jnp.pi * scale)
    return volume - (count / 2 + 1) * jnp.log1p((y - mean) ** 2 / scale)
