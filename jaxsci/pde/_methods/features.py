"""Features: the fixed functions that a linear solver combines."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._geometry.domains import Domain

Activation = Literal["sine", "tanh"]


class RandomFeatures(eqx.Module):
    """Waves or steps of random directions, made by `random_features`: `features(x)` for one point.

    - `weights`: `(n, d)`.
    - `biases`: `(n,)`.
    - `activation`: "sine" or "tanh".

    ```python
    features = jsci.pde.random_features(jsci.pde.Interval(0.0, 1.0), 60, key=jax.random.key(0))
    features(jnp.array([0.3]))  # shape (60,)
    ```
    """

    weights: Float[Array, "n dim"]
    biases: Float[Array, " n"]
    activation: Activation = eqx.field(static=True)

    def __call__(self, x: Float[Array, " dim"]) -> Float[Array, " n"]:
        shape = jnp.sin if self.activation == "sine" else jnp.tanh
        return shape(self.weights @ x + self.biases)


def random_features(
    domain: Domain,
    n: int,
    *,
    key: PRNGKeyArray,
    scale: float = 4.0,
    activation: Activation = "sine",
) -> RandomFeatures:
    """The hidden layer of a network that is drawn once and not trained.

        φ_j(x) = a(w_j · x + b_j)

    Waves ("sine") have w ~ N(0, scale²) per half-width of the domain and any phase. Steps ("tanh")
    have w uniform in ± scale per half-width, and are steepest somewhere in the domain.

    **Arguments:**

    - `domain`: a domain, of which `bounds` are used.
    - `n`: the number of features.
    - `key`: the random key.
    - `scale`: of the weights, per half-width of the domain along each axis. A wave of this weight
        has scale/π periods over the domain.
    - `activation`: "sine" for smooth solutions, "tanh" where they change quickly in places.

    **Returns:** a `RandomFeatures`, `features(x) -> (n,)`.

    **Raises:** `TypeError` if `domain` is not a domain; `ValueError` if n or scale is not positive
    or the activation is unknown.

    **Good values:** 60 in one dimension, 300 to 1,000 in two, 2,000 in three; a scale near π times
    the periods of the solution. Where these are unknown, give `least_squares` several.

    **Source:** Rahimi & Recht, "Random features for large-scale kernel machines" (2007); Dwivedi &
    Srinivasan, "Physics informed extreme learning machine (PIELM)" (2020).

    ```python
    square = jsci.pde.Box((0.0, 0.0), (1.0, 1.0))
    features = jsci.pde.random_features(square, 300, key=jax.random.key(0))
    ```
    """
    if not isinstance(domain, Domain):
        raise TypeError(f"random_features() needs a domain, got a {type(domain).__name__}.")
    if n < 1 or not scale > 0:
        raise ValueError(f"n and scale must be positive, got n = {n} and scale = {scale}.")
    if activation not in ("sine", "tanh"):
        raise ValueError(f"activation must be 'sine' or 'tanh', got {activation!r}.")
    low, high = (jnp.asarray(bound, dtype=float) for bound in domain.bounds)
    half = ((high - low) / 2)[None]
    of_weights, of_biases = jax.random.split(key)
    if activation == "sine":
        weights = scale * jax.random.normal(of_weights, (n, domain.dim)) / half
        biases = 2 * np.pi * jax.random.uniform(of_biases, (n,))
    else:
        weights = scale * jax.random.uniform(of_weights, (n, domain.dim), minval=-1.0) / half
        centres = low[None] + 2 * half * jax.random.uniform(of_biases, (n, domain.dim))
        biases = -jnp.sum(weights * centres, axis=1)
    return RandomFeatures(weights, biases, activation)
