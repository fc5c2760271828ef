"""Kernels of an infinitely wide network, estimated from finite ones."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Num, PRNGKeyArray

from ...core import announced_jit, gram, pure
from ._layers.layer import AbstractLayer, Kernels, real_inputs


def monte_carlo(
    layer: AbstractLayer,
    x1: Num[Array, "n *shape"],
    x2: Num[Array, "m ..."] | None = None,
    *,
    key: PRNGKeyArray,
    samples: int,
) -> Kernels:
    """The mean kernels of finite networks with the widths given to the layers.

        nngp ≈ mean over networks and outputs of f(x) f(x'),   ntk ≈ mean of ∂f(x)/∂θ · ∂f(x')/∂θ

    **Arguments:**

    - `layer`: a network whose output has no positions.
    - `x1`, `x2`: inputs (n, *positions, channels); without `x2` it is `x1`.
    - `key`: PRNG key of the weights.
    - `samples`: the number of networks. The error falls as samples^(-1/2), down to a bias of
      order 1 / width; that of a single network's ntk is of order width^(-1/2).

    **Returns:** `Kernels(nngp, ntk)`, each (n, m).

    **Raises:** `ValueError` for fewer than one sample, for inputs that do not fit each other, or
    for a network that keeps positions.

    **Source:** Lee et al., "Wide neural networks of any depth evolve as linear models" (2019).

    ```python
    estimate = infinite.monte_carlo(net, x, key=jax.random.key(0), samples=100)
    exact = net.kernel(x)
    ```
    """
    x1, x2 = real_inputs(x1, x2)
    if samples < 1:
        raise ValueError(f"samples must be 1 or more, got {samples}.")
    output = eqx.filter_eval_shape(lambda k: layer.network(x1.shape[1:], key=k)(x1[0]), key)
    if output.ndim != 1:
        raise ValueError(
            f"The network's output has shape {output.shape}; flatten or pool its positions first."
        )
    return _mean_kernels(layer, x1, x2, jax.random.split(key, samples))


@announced_jit("compiling networks of a finite width")
def _mean_kernels(layer: AbstractLayer, x1: Array, x2: Array, keys: Array) -> Kernels:
    def one(key):
        f, params = pure(layer.network(x1.shape[1:], key=key), dtype=x1.dtype)
        first, second = (jax.vmap(lambda x: f(params, x))(xs) for xs in (x1, x2))
        nngp = first @ second.T / first.shape[1]
        return Kernels(nngp, gram(f, params, x1, x2, trace_axes=-1))

    return jax.tree.map(lambda k: jnp.mean(k, axis=0), jax.lax.map(one, keys))
