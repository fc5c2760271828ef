"""A network whose parameters are a function of coefficients: one training run for a family."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from ._dense import check_sizes
from ._mlp import MLP


class Hypernetwork(eqx.Module):
    """Weights of a network as a function of coefficients, for parametric problems.

        u(x, μ) = f(θ₀ + h(e(μ)), x),   e(μ) = [cos(π μ/2), sin(π μ/2)]

    The encoding has the same length for every μ in [0, 1] and the output is added to trained
    weights θ₀, so neither the size of the weights nor that of their gradients is proportional to
    μ. h starts near zero: before training all coefficients share the network f(θ₀, ·).

    **Arguments:**

    - `network`: f, any Equinox network of one point; its arrays are θ₀.
    - `coefficients`: the number of coefficients μ. Scale each to [0, 1] first.
    - `width`, `depth`: units per hidden layer of h, and number of its hidden layers.
    - `key`: PRNG key of h.

    Called as `net(x, coefficients)`; returns what `network` returns.

    **Raises:** `ValueError` for sizes that are not positive.

    **Source:** Ha, Dai & Le, "HyperNetworks" (2017); Ortiz, Guttag & Dalca, "Magnitude invariant
    parametrizations improve hypernetwork learning" (2024), for encoding and additive output.

    ```python
    inner = jsci.nn.MLP(2, "scalar", width=16, depth=2, key=jax.random.key(0))
    net = jsci.nn.Hypernetwork(inner, 1, width=16, depth=1, key=jax.random.key(1))
    u = net(jnp.zeros(2), jnp.array([0.3]))
    one = net.at(jnp.array([0.3]))  # the network of one member of the family
    ```
    """

    network: Callable
    generator: MLP

    def __init__(
        self,
        network: Callable,
        coefficients: int,
        *,
        width: int,
        depth: int,
        key: PRNGKeyArray,
    ):
        check_sizes(coefficients=coefficients)
        flat, _ = ravel_pytree(eqx.filter(network, eqx.is_inexact_array))
        self.network = network
        generator = MLP(
            2 * coefficients, flat.size, width=width, depth=depth, key=key, dtype=flat.dtype
        )
        # With full Glorot weights the members would differ as much as independent networks.
        self.generator = eqx.tree_at(
            lambda g: g.layers[-1].weight, generator, replace_fn=lambda w: 0.1 * w
        )

    def at(self, coefficients: Float[Array, " coefficients"]) -> Callable:
        """The network of one member of the family.

        **Arguments:**

        - `coefficients`: μ, scaled to [0, 1].

        **Returns:** f(θ₀ + h(e(μ)), ·), a network like the one given.
        """
        angle = jnp.pi / 2 * coefficients
        shift = self.generator(jnp.concatenate([jnp.cos(angle), jnp.sin(angle)]))
        arrays, rest = eqx.partition(self.network, eqx.is_inexact_array)
        flat, unravel = ravel_pytree(arrays)
        return eqx.combine(unravel(flat + shift), rest)

    def __call__(
        self, x: Float[Array, " in_size"], coefficients: Float[Array, " coefficients"]
    ) -> Float[Array, "..."]:
        return self.at(coefficients)(x)
