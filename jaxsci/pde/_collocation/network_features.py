"""The hidden layers of a trained network as features."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree

from ...core import compiled_call
from ...nn import Dense


class NetworkFeatures(eqx.Module):
    """What a network combines in its last layer, made by `network_features`.

    - `f`: the network `f(params, x)`.
    - `hidden`: its parameters without the last layer; `train=` of `least_squares` trains them.
    - `place`: where the last layer belongs, as in `equinox.tree_at`.
    - `layer`: the shapes of the last layer.

    ```python
    features, coefficients = jsci.pde.network_features(f, params)
    features(jnp.array([0.3, 0.1]))  # the units of the last hidden layer, and 1
    ```
    """

    f: Callable
    hidden: PyTree
    place: Callable = eqx.field(static=True)
    layer: PyTree = eqx.field(static=True)

    def __call__(self, x: Float[Array, " dim"]) -> Float[Array, " n"]:
        self._require_linear(jnp.shape(x))
        return self._units(x)

    def _units(self, x: Float[Array, " dim"]) -> Float[Array, " n"]:
        zero = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), self.layer)
        # The output is linear in the last layer: its slopes there are what the layer combines.
        slopes = jax.grad(lambda layer: jnp.ravel(self._output(layer, x))[0])(zero)
        return _by_output(slopes).sum(axis=0)

    def _output(self, layer: PyTree, x: Float[Array, " dim"]) -> Array:
        params = eqx.tree_at(self.place, self.hidden, layer, is_leaf=lambda leaf: leaf is None)
        return self.f(params, x)

    def _require_linear(self, shape: tuple[int, ...]) -> None:
        """Refuse an f that is not its last layer times the units, at two points."""
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(self.hidden)):
            return  # as in training, which has been here before
        with jax.ensure_compile_time_eval():
            points = [jnp.linspace(0.3, 0.7, shape[0]), jnp.linspace(-0.4, 0.1, shape[0])]
            some = jax.tree.map(lambda a: jnp.cos(jnp.arange(a.size)).reshape(a.shape), self.layer)
            given = jnp.stack([jnp.ravel(compiled_call(self._output, some, x)) for x in points])
            units = jnp.stack([compiled_call(self._units, x) for x in points])
            sums = units @ _by_output(some).T
            left, size = (float(jnp.abs(y).max()) for y in (given - sums, given))
            linear = not left > jnp.finfo(given.dtype).eps ** 0.5 * size
        if not linear:
            raise TypeError(
                "network_features() needs a network that is linear in its last layer: this one is "
                f"{left:.2e} away from the layer times its hidden units. An activation, a "
                "transform or a summand after the layer, such as a boundary value, belongs to "
                "trial= of least_squares()."
            )


def network_features(
    f: Callable, params: PyTree
) -> tuple[NetworkFeatures, Float[Array, "*outputs n"]]:
    """The hidden layers of a trained network as features, and the weights of its last layer.

        f(params, x)ₖ = Σⱼ cₖⱼ φⱼ(x),   φ = (units of the last hidden layer, 1)

    `least_squares` then solves for the last layer what training has only approached. The same
    features serve another source or boundary value, without training.

    **Arguments:**

    - `f`, `params`: the network, as `pure` returns them: an `nn.MLP`, `nn.SIREN`, `nn.ModifiedMLP`,
        `nn.PirateNet`, or `eqx.nn.MLP` without a final activation.

    **Returns:** `(features, coefficients)`: φ, in float64 where this is on, and c, of shape `(n,)`
    for one output and `(outputs, n)` for several, which `least_squares` takes as `guess=`.

    **Raises:** `TypeError` unless `params.layers[-1]` or `params.last` is an affine layer, and on
    use unless f is linear in it; of another network give `least_squares` a function of your own.

    **Notes:** a trial function is that of the training, applied to the features' sum, as for any
    features. Of a network that second-order steps have trained little is left to gain.

    ```python
    features, coefficients = jsci.pde.network_features(f, params)
    same = lambda x: coefficients @ features(x)  # f(params, x)
    ```
    """
    place = _place_of_last_layer(params)
    layer = place(params)
    hidden = eqx.tree_at(place, params, replace=None)
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, jnp.result_type(float)), layer)
    coefficients = jnp.asarray(_by_output(layer), float)
    hidden = jax.tree.map(lambda a: jnp.asarray(a, float), hidden)
    features = NetworkFeatures(f, hidden, place, shapes)
    return features, coefficients[0] if len(coefficients) == 1 else coefficients


def _by_output(layer: Dense | eqx.nn.Linear) -> Float[Array, "outputs n"]:
    """The weights of an affine layer, and its biases as the last column."""
    weight = layer.weight if isinstance(layer, eqx.nn.Linear) else layer.weight.T
    return weight if layer.bias is None else jnp.column_stack([weight, layer.bias])


def _in_layers(params: PyTree) -> PyTree:
    return params.layers[-1]


def _in_last(params: PyTree) -> PyTree:
    return params.last


def _place_of_last_layer(params: PyTree) -> Callable:
    for place in (_in_layers, _in_last):
        try:
            layer = place(params)
        except (AttributeError, IndexError, TypeError):
            continue
        if isinstance(layer, Dense | eqx.nn.Linear):
            return place
    raise TypeError(
        "network_features() finds no affine last layer, params.layers[-1] or params.last, in a "
        f"{type(params).__name__}: give least_squares() a function phi(x) that returns what the "
        "last layer combines."
    )
