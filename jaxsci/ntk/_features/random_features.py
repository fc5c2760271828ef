"""Random features of the kernels of infinitely wide networks."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ..infinite import AbstractLayer, Dense
from ..infinite._layers.activations import AbstractActivation


class Features(NamedTuple):
    """Features whose inner products estimate the kernels of a network.

    - `nngp`: u, with K(x, x') ≈ u · u'.
    - `ntk`: v, with Θ(x, x') ≈ v · v'."""

    nngp: Float[Array, " nngp_features"]
    ntk: Float[Array, " ntk_features"]


class RandomFeatures(eqx.Module):
    """The map that `random_features` draws, called with ONE input (in_size,)."""

    steps: tuple[Callable[[Features], Features], ...]

    def __call__(self, x: Num[Array, " in_size"]) -> Features:
        u = x / x.size**0.5
        features = Features(u, jnp.zeros(0, u.dtype))
        for step in self.steps:
            features = step(features)
        return features


def random_features(
    layer: AbstractLayer, in_size: int, count: int, *, key: PRNGKeyArray
) -> RandomFeatures:
    """Random features of an infinitely wide dense network, for kernels at a cost linear in n.

        u ← φ(G u) / √m,   v ← φ'(G u) ∘ (S v) / √m,   G ~ N(0, 1), S = ±1     (activation)
        u ← [σ_w u, σ_b],  v ← [σ_w v, u]                                       (dense)

    so that E u · u' → nngp and E v · v' → ntk. The mean squared error falls as 1 / m. With n
    inputs a kernel regression costs n m² instead of n³.

    **Arguments:**

    - `layer`: a `serial` network of `Dense` and activations.
    - `in_size`: d, the size of one input.
    - `count`: m, the number of features drawn per activation.
    - `key`: PRNG key of the features.

    **Returns:** a map from one input (d,) to `Features(nngp, ntk)`.

    **Raises:** `ValueError` for sizes below 1, for an activation that does not follow a `Dense`,
    and for any other layer.

    **Good values:** m = 1000 for a relative error of a few percent.

    **Source:** Rahimi and Recht (2007); Cho and Saul (2009); Zandieh et al., "Scaling neural
    tangent kernels via sketching and random features" (2021), with signs in place of their sketch.

    ```python
    net = infinite.serial(infinite.Dense(1), infinite.Relu(), infinite.Dense(1))
    features = jsci.ntk.random_features(net, x.shape[1], 1024, key=jax.random.key(0))
    v = jax.vmap(features)(x).ntk  # v @ v.T estimates net.kernel(x).ntk
    ```
    """
    if in_size < 1 or count < 1:
        raise ValueError(f"in_size and count must be 1 or more, got {in_size} and {count}.")
    layers = _in_order(layer)
    _check(layers)
    steps, sizes = [], (in_size, 0)
    for part, k in zip(layers, jax.random.split(key, len(layers)), strict=True):
        if isinstance(part, Dense):
            steps.append(_Affine(part.weight_std, part.bias_std))
            sizes = (sizes[0] + 1, sizes[0] + 1 + sizes[1])
        else:
            steps.append(_Drawn.draw(part, sizes, count, k))
            sizes = (count, count)
    return RandomFeatures(tuple(steps))


def _in_order(layer: AbstractLayer) -> list[AbstractLayer]:
    parts = getattr(layer, "layers", None)
    return [layer] if parts is None else [leaf for part in parts for leaf in _in_order(part)]


def _check(layers: list[AbstractLayer]) -> None:
    before = None
    for layer in layers:
        if not isinstance(layer, Dense | AbstractActivation):
            raise ValueError(
                f"random_features supports Dense and activations, not {type(layer).__name__}; "
                "`.kernel` computes the kernels of any layer."
            )
        if isinstance(layer, AbstractActivation) and not isinstance(before, Dense):
            raise ValueError(f"{type(layer).__name__} must follow a Dense.")
        before = layer


class _Affine(eqx.Module):
    weight_std: Array | float
    bias_std: Array | float

    def __call__(self, features: Features) -> Features:
        u, v = features
        bias = jnp.full((1,), self.bias_std, u.dtype)
        u_next = jnp.concatenate([self.weight_std * u, bias])
        return Features(u_next, jnp.concatenate([self.weight_std * v, u_next]))


class _Drawn(eqx.Module):
    """An activation at m random directions: the products need no pairs of features."""

    activation: AbstractActivation
    directions: Float[Array, "count nngp"]
    signs: Float[Array, "count ntk"]

    @classmethod
    def draw(cls, activation, sizes, count, key):
        first, second = jax.random.split(key)
        signs = jax.random.rademacher(second, (count, sizes[1]), jnp.result_type(float))
        return cls(activation, jax.random.normal(first, (count, sizes[0])), signs)

    def __call__(self, features: Features) -> Features:
        u, v = features
        directions, signs = (a.astype(u.dtype) for a in (self.directions, self.signs))
        h = directions @ u
        value, slope = jax.jvp(self.activation.function, (h,), (jnp.ones_like(h),))
        scale = len(directions) ** -0.5
        return Features(scale * value, scale * slope * (signs @ v))
