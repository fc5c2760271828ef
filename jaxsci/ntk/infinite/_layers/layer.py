"""An infinitely wide layer: a rule for kernels, and the finite layer of which it is the limit."""

import abc
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
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
        - `batch_size`: number of rows at a time, and without a mesh of columns, to bound memory; by
          default as many as stay in cache, which is also the fastest.
        - `mesh`: a device mesh over which the rows are sharded.

        **Returns:** `Kernels(nngp, ntk)`, each (n, m), followed by the positions that the network
        neither flattens nor pools.

        **Raises:** `ValueError` for inputs that do not fit each other, or for an activation that
        does not follow a layer of weights.

        **Notes:** kernels are symmetric, so that without `x2` about half of the pairs are computed,
        but all of them over a mesh. Zero inputs without a bias give zero kernels. Use float64 for
        kernels that are to be inverted.

        **Source:** Lee et al. (2018), eq. 5; Jacot, Gabriel and Hongler (2018), theorem 1.

        ```python
        net = infinite.serial(infinite.Dense(512), infinite.Relu(), infinite.Dense(1))
        nngp, ntk = net.kernel(x)
        mean = jsci.ntk.posterior(ntk, net.kernel(x_test, x).ntk, net.kernel(x_test).ntk, y).mean
        ```
        """
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        alone = x2 is None
        x1, x2 = real_inputs(x1, x2)
        if mesh is not None:
            return _by_rows(self, x1, x2, batch_size, mesh)
        return _by_tiles(self, x1, None if alone else x2, batch_size)

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
def _by_rows(layer, x1, x2, batch_size, mesh):
    crossed = layer.needs_crossed(False)
    if batch_size is None:
        batch_size = max(_FEWEST, _SIGNALS // (len(x2) * _signals_of_a_pair(x2, crossed)))
    row = jax.vmap(_of_pair(layer, crossed), (None, 0))
    return vmap(row, (0, None), batch_size=batch_size, mesh=mesh)(x1, x2)


@announced_jit("compiling a kernel of infinite width")
def _by_tiles(layer, x1, x2, batch_size):
    """Tile by tile; of one set with itself those on and above the diagonal, which are mirrored."""
    crossed, alone = layer.needs_crossed(False), x2 is None
    rows = _tiled(x1, batch_size or _tile(x1, crossed))
    columns = rows if alone else _tiled(x2, batch_size or _tile(x2, crossed))
    shape = len(rows), len(columns)
    i, j = np.triu_indices(len(rows)) if alone else np.indices(shape).reshape(2, -1)
    tile = jax.vmap(jax.vmap(_of_pair(layer, crossed), (None, 0)), (0, None))
    found = jax.lax.map(lambda at: tile(rows[at[0]], columns[at[1]]), (i, j))

    def whole(found):
        tiles = jnp.zeros((*shape, *found.shape[1:]), found.dtype)
        if alone:
            tiles = tiles.at[j, i].set(jnp.swapaxes(found, 1, 2))
        tiles = jnp.swapaxes(tiles.at[i, j].set(found), 1, 2)
        padded = tiles.reshape(-1, shape[1] * tiles.shape[3], *tiles.shape[4:])
        return padded[: len(x1), : len(x1 if alone else x2)]

    return jax.tree.map(whole, found)


def _tiled(x, size: int):
    """(tiles, size, ...), filled up with the last input."""
    size = min(size, len(x))
    tiles = -(-len(x) // size)
    padding = jnp.broadcast_to(x[-1:], (tiles * size - len(x), *x.shape[1:]))
    return jnp.concatenate([x, padding]).reshape(tiles, size, *x.shape[1:])


def _of_pair(layer, crossed):
    def kernels(a, b):
        pair = layer.propagate(input_pair(a, b, crossed)).at_equal_positions()
        return Kernels(pair.nngp, pair.ntk)

    return kernels


# Numbers that stay in cache: of the signals of all pairs at a time, and of the inputs of a tile.
_SIGNALS, _INPUTS = 2**20, 2**14
# Eight rows share what depends on one input alone. Eight tiles in a row leave 9/16 of the pairs.
_FEWEST, _TILES = 8, 8


def _tile(x, crossed: bool) -> int:
    """Rows, and columns, of a tile."""
    fitting = math.isqrt(_SIGNALS // _signals_of_a_pair(x, crossed))
    return max(_FEWEST, min(fitting, _INPUTS // math.prod(x.shape[1:]), -(-len(x) // _TILES)))


def _signals_of_a_pair(x, crossed: bool) -> int:
    return math.prod(x.shape[1:-1]) ** (2 if crossed else 1)


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
