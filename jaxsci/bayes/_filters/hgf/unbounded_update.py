"""The unbounded update of a belief about log volatility, whose precision is always positive."""

import jax
import jax.numpy as jnp


def unbounded(mean, precision, *, volatility, coupling, before, after):
    """A normal belief about x after one child, matched to the energy of x that the child gives.

        I(x) = -½ log(α + Ω(x)) - ½ β / (α + Ω(x)) - ½ π (x - μ)²,   Ω(x) = Ω exp(κ (x - μ))

    I is expanded to second order at μ, and where it is largest for α → 0. The two normal
    distributions are mixed by exp(I) of their means, and the mixture's moments are matched.

    - `mean`, `precision`: μ and π, of x before the child.
    - `volatility`, `coupling`: Ω, of the child at μ, and κ.
    - `before`: α, the child's variance after the observation before.
    - `after`: β, its variance around its prediction now, 1/π + (μ - μ̂)².

    Returns the new mean and precision; those before where Ω or κ is 0.
    """
    moves, coupled = volatility > 0, coupling != 0
    kappa = jnp.where(coupled, coupling, 1)
    log_volatility, log_before = jnp.log(jnp.where(moves, volatility, 1)), jnp.log(before)

    def at(x):
        """The weight w = Ω / (α + Ω), the surprise δ = β / (α + Ω) - 1, and the energy."""
        exponent = log_volatility + kappa * (x - mean)
        total = jnp.logaddexp(log_before, exponent)
        ratio = after * jnp.exp(-total)
        energy = -0.5 * (total + ratio + precision * (x - mean) ** 2)
        return jax.nn.sigmoid(exponent - log_before), ratio - 1, energy

    w, surprise, _ = at(mean)
    near_precision = precision + 0.5 * coupling**2 * w * (1 - w)
    near = mean + 0.5 * coupling * w * surprise / near_precision

    # For α = 0 the maximum of I is where π (x - μ) = ½ κ (β / Ω(x) - 1).
    rate = 0.5 * kappa**2 / precision
    mode = mean + (wright_omega(jnp.log(after * rate) + rate - log_volatility) - rate) / kappa
    w, surprise, _ = at(mode)
    curved = precision + 0.5 * kappa**2 * w * (w + (2 * w - 1) * surprise)
    far_precision = jnp.where(curved > 0, curved, precision + 0.5 * kappa**2 * w * (1 - w))
    push = 0.5 * kappa * w * surprise - precision * (mode - mean)
    far = mode + push / far_precision

    share = jax.nn.sigmoid(at(far)[2] - at(near)[2])
    new = (1 - share) * near + share * far
    variances = (1 - share) / near_precision + share / far_precision
    spread = variances + share * (1 - share) * (near - far) ** 2
    # At κ = 0 both expansions have the value and the derivative of the first.
    new = jnp.where(coupled, new, near)
    new_precision = jnp.where(coupled, 1 / spread, near_precision)
    return jnp.where(moves, new, mean), jnp.where(moves, new_precision, precision)


@jax.custom_jvp
def wright_omega(a):
    """ω with ω + log ω = a: Lambert's W of exp(a), which may be too large to be written."""
    # Newton's steps for w + log w - a, from a start above 0 that is right at both ends.
    tiny = jnp.finfo(a.dtype).tiny
    w = jnp.maximum(jnp.where(a > 1, a - jnp.log(jnp.maximum(a, 1)), jnp.exp(a)), tiny)
    for _ in range(6):
        w = jnp.maximum(w * (1 + a - jnp.log(w)) / (1 + w), tiny)
    return w


@wright_omega.defjvp
def _(primals, tangents):
    w = wright_omega(*primals)
    return w, w / (1 + w) * tangents[0]
