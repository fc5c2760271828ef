"""What the weights of a network's edges are, given the blocks of both ends.

Each family is an exponential family of one pair's (1, w, w²), so a mean field is the same four
products for all of them.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

Weights = Literal["bernoulli", "poisson", "normal", "exponential"]


class Blocks(NamedTuple):
    """What is known of the pairs between two blocks.

    - `edges`: the probability of an edge.
    - `mean`, `variance`: of the weight of an edge; of all pairs for Poisson weights.
    """

    edges: Float[Array, "k k"]
    mean: Float[Array, "k k"]
    variance: Float[Array, "k k"]


class LogDensity(NamedTuple):
    """log p(pair) = `absent`, or `present` + `linear` w + `square` w² where there is an edge."""

    absent: Float[Array, "k k"]
    present: Float[Array, "k k"]
    linear: Float[Array, "k k"]
    square: Float[Array, "k k"]


def log_density(weights: Weights, blocks: Blocks, has_gaps: Float[Array, ""]) -> LogDensity:
    """The coefficients of a family.

    **Arguments:**

    - `weights`: the family.
    - `blocks`: its parameters.
    - `has_gaps`: 0 where all pairs have edges, so that their existence says nothing.

    **Returns:** `LogDensity`.
    """
    p, mu, v = blocks
    none = jnp.zeros_like(p)
    absent, present = has_gaps * jnp.log1p(-p), has_gaps * jnp.log(p)
    if weights == "bernoulli":
        return LogDensity(jnp.log1p(-p), jnp.log(p), none, none)
    if weights == "poisson":
        return LogDensity(-mu, -mu, jnp.log(mu), none)
    if weights == "exponential":
        return LogDensity(absent, present - jnp.log(mu), -1 / mu, none)
    normal = -0.5 * (jnp.log(2 * jnp.pi * v) + mu**2 / v)
    return LogDensity(absent, present + normal, mu / v, -0.5 / v)


def constant(weights: Weights, w: Float[Array, "n n"]) -> Float[Array, ""]:
    """The part of the log density of all pairs on which no block depends."""
    return -0.5 * jnp.sum(gammaln(w + 1)) if weights == "poisson" else jnp.zeros((), w.dtype)


def parameters_per_pair(weights: Weights, has_gaps: Float[Array, ""]) -> Float[Array, ""]:
    """How many numbers a pair of blocks has."""
    own = {"bernoulli": 1, "poisson": 1, "exponential": 1, "normal": 2}[weights]
    return own + (has_gaps if weights in ("exponential", "normal") else jnp.zeros_like(has_gaps))


def _at_least_zero(w):
    return (w >= 0).all()


def _whole(w):
    return _at_least_zero(w) and (w == w.round()).all()


ALLOWED: dict[Weights, tuple[str, Callable]] = {
    "bernoulli": ("0 or 1", lambda w: ((w == 0) | (w == 1)).all()),
    "poisson": ("counts: 0, 1, 2, ...", _whole),
    "exponential": ("not negative", _at_least_zero),
    "normal": ("numbers", lambda w: True),
}
