"""An infinitely wide layer: a rule for kernels, and the finite layer of which it is the limit."""

import abc
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ....core import announced_jit, vmap
from .pair import Pair, input_pair


class Kernels(NamedTuple):
    """The kernels of all pairs, (n, m), or (n, m, *positions) if positions are left.

    - `nngp`: K, the covariance of outputs at initialisation.
    - `ntk`: Θ, the tangent kernel."""

    nngp: Float[Array, "n m *positions"]
    ntk: Float[Array, "n m *positions"]


FiniteLayer = tuple[Callable[..., Any], tuple[int, ...]]  # the layer, and the shape of its output


class AbstractLayer(eqx.Module):
    """A layer as a rule for kernels, and as the finite layer of which the rule is the limit.

    A new layer takes one file: `propagate` for the kernels, `init` for the finite layer. Layers
    hold no parameters, so the same one may be used many times in a network.

    ```python
    class Doubled(infinite.AbstractLayer):
        "x ↦ 2 x, so kernels are multiplied by 4."

        def propagate(self, pair):
            return pair.map(lambda k: 4 * k)

        def init(self, shape, key):
            return lambda x: 2 * x, shape

    net = infinite.serial(infinite.Dense(512), Doubled())
    ```
    """

    @abc.abstractmethod
    def propagate(self, pair: Pair) -> Pair:
        """The kernels after this layer, for one pair of inputs."""

    @abc.abstractmethod
    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        """A finite layer for inputs (*positions, channels), and the shape of its output."""

    def needs_crossed(self, after: bool) -> bool:
        """Whether covariances between positions are needed before it, given after it."""
        return after

    def independent(self, before: bool) -> bool:
        """Whether its output is uncorrelated with the network's input, given that its own is."""
        return before

    def kernel(
        self,
        x1: Num[Array, "n *shape"],
        x2: Num[Array, "m ..."] | None = None,
        *,
        batch_size: int | None = None,
        mesh: Mesh | None = None,
    ) -> Kernels:
        """The kernels of the infinitely wide network for all pairs of inputs.

            nngp = E f(x) f(x'),   ntk = E ∂f(x)/∂θ · ∂f(x')/∂θ     (θ standard normal)

        **Arguments:**

        - `x1`, `x2`: inputs (n, *positions, channels); without `x2` it is `x1`.
        - `batch_size`: number of rows at a time, to bound memory; by default as many as keep one
          array of signals within a few megabytes, which is also the fastest.
        - `mesh`: a device mesh over which the rows are sharded.

        **Returns:** `Kernels(nngp, ntk)`, each (n, m), followed by the positions that the network
        neither flattens nor pools.

        **Raises:** `ValueError` for inputs that do not fit each other, or for an activation that
        does not follow a layer of weights.

        **Notes:** zero inputs without a bias give zero kernels. Use float64 for kernels that are to
        be inverted.

        **Source:** Lee et al. (2018), eq. 5; Jacot, Gabriel and Hongler (2018), theorem 1.

        ```python
        net = infinite.serial(infinite.Dense(512), infinite.Relu(), infinite.Dense(1))
        nngp, ntk = net.kernel(x)
        mean = jsci.ntk.posterior(ntk, net.kernel(x_test, x).ntk, net.kernel(x_test).ntk, y).mean
        ```
        """
        x1, x2 = real_inputs(x1, x2)
        return _all_pairs(self, x1, x2, batch_size, mesh)

    def network(self, shape: tuple[int, ...], *, key: PRNGKeyArray) -> Callable:
        """A finite network of the widths given to its layers, in the same parametrisation.

            h = σ_w / √(fan in) W x + σ_b b,    W, b standard normal

        As the widths grow, its tangent kernel tends to `kernel`, at the rate width^(-1/2).

        **Arguments:**

        - `shape`: of one input, (*positions, channels).
        - `key`: PRNG key of the weights.

        **Returns:** an Equinox module, called with ONE input.

        **Raises:** `ValueError` if the shape does not fit the layers.

        ```python
        model = net.network(x.shape[1:], key=jax.random.key(0))
        f, params = jsci.pure(model)
        empirical = jsci.ntk.kernel(f, params, x, trace_axes=-1)
        ```
        """
        return self.init(tuple(shape), key)[0]


@announced_jit("compiling a kernel of infinite width")
def _all_pairs(layer, x1, x2, batch_size, mesh):
    crossed = layer.needs_crossed(False)
    if batch_size is None:
        batch_size = default_rows(x2.shape, crossed)

    def one(a, b):
        pair = layer.propagate(input_pair(a, b, crossed)).at_equal_positions()
        return Kernels(pair.nngp, pair.ntk)

    def row(a):
        return jax.vmap(lambda b: one(a, b))(x2)

    return vmap(row, batch_size=batch_size, mesh=mesh)(x1)


def default_rows(shape: tuple[int, ...], crossed: bool) -> int:
    """Rows whose pairs hold about a million numbers, but eight if shared work would dominate."""
    positions = math.prod(shape[1:-1])
    return max(8, 2**20 // (shape[0] * positions ** (2 if crossed else 1)))


def real_inputs(
    x1: Num[Array, "n *shape"], x2: Num[Array, "m ..."] | None
) -> tuple[Float[Array, "n *shape"], Float[Array, "m ..."]]:
    """Two sets of real inputs of equal shape, or one set twice, as floats."""
    x1, x2 = (jnp.asarray(x) for x in (x1, x1 if x2 is None else x2))
    if x1.ndim < 2 or x1.shape[1:] != x2.shape[1:] or x1.size == 0 or x2.size == 0:
        raise ValueError(
            f"Inputs of shapes {x1.shape} and {x2.shape} do not make pairs; give "
            "(n, *positions, channels) and (m, *positions, channels), equal but for n and m, and "
            "not empty."
        )
    if jnp.iscomplexobj(x1) or jnp.iscomplexobj(x2):
        raise TypeError("Inputs must be real; give real and imaginary parts as two channels.")
    return x1.astype(jnp.result_type(x1, float)), x2.astype(jnp.result_type(x2, float))
