"""Layers of weights: dense and convolutional."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .layer import AbstractLayer, FiniteLayer
from .pair import Pair
from .windows import Padding, padded, paired_window_mean, per_axis


class Dense(AbstractLayer):
    """A dense layer of infinite width, the same at every position.

        h = σ_w / √(fan in) W x + σ_b b,   K ← σ_w² K + σ_b²,   Θ ← K + σ_w² Θ

    **Arguments:**

    - `features`: the width of the finite network; the kernels do not depend on it.
    - `weight_std`, `bias_std`: σ_w and σ_b, floats or traced scalars, in which the kernels can be
      differentiated.

    **Good values:** σ_w = √2 before ReLU, 1 before tanh and erf (`jsci.ntk.criticality` gives
    them).

    **Source:** Lee et al. (2018), eq. 5; Jacot, Gabriel and Hongler (2018), theorem 1.

    ```python
    hidden = infinite.Dense(512, weight_std=2**0.5)
    net = infinite.serial(hidden, infinite.Relu(), infinite.Dense(1))
    ```
    """

    features: int = eqx.field(static=True)
    weight_std: Array | float = eqx.field(default=1.0, kw_only=True)
    bias_std: Array | float = eqx.field(default=0.0, kw_only=True)

    def propagate(self, pair: Pair) -> Pair:
        return pair.weighted(self.weight_std, self.bias_std)

    def independent(self, before: bool) -> bool:
        return True

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        return _FiniteDense(_Weights(self, shape[-1:], key)), (*shape[:-1], self.features)


class Conv(AbstractLayer):
    """A convolution of infinitely many channels, over one or more position axes.

        K(s, s') ← σ_w² / |window| Σ_δ K(s + δ, s' + δ) + σ_b²,   Θ ← K + σ_w² / |window| Σ_δ Θ

    **Arguments:**

    - `features`: the number of channels of the finite network; the kernels do not depend on it.
    - `window`: the size of the filter along each position axis, such as `(3, 3)`.
    - `strides`: the step along each axis, or one for all.
    - `padding`: `"same"` (zeros), `"valid"` or `"circular"`.
    - `weight_std`, `bias_std`: σ_w and σ_b.

    **Raises:** `ValueError` for a window whose number of axes differs from that of the input, or
    that is larger than the input.

    **Source:** Novak et al., "Bayesian deep convolutional networks with many channels are Gaussian
    processes" (2019); Arora et al., "On exact computation with an infinitely wide net" (2019).

    ```python
    features = infinite.serial(infinite.Conv(64, (3, 3), strides=2), infinite.Relu())
    net = infinite.serial(features, infinite.Flatten(), infinite.Dense(10))
    ```
    """

    features: int = eqx.field(static=True)
    window: tuple[int, ...] = eqx.field(static=True, converter=tuple)
    strides: int | Sequence[int] = eqx.field(static=True, default=1, kw_only=True)
    padding: Padding = eqx.field(static=True, default="same", kw_only=True)
    weight_std: Array | float = eqx.field(default=1.0, kw_only=True)
    bias_std: Array | float = eqx.field(default=0.0, kw_only=True)

    def propagate(self, pair: Pair) -> Pair:
        strides = per_axis(self.window, self.strides, pair.rank)
        averaged = pair.map(lambda k: paired_window_mean(k, self.window, strides, self.padding))
        return averaged.weighted(self.weight_std, self.bias_std)

    def independent(self, before: bool) -> bool:
        return True

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        strides = per_axis(self.window, self.strides, len(shape) - 1)
        weights = _Weights(self, (*self.window, shape[-1]), key)
        module = _FiniteConv(weights, strides, self.padding)
        output = jax.eval_shape(module, jax.ShapeDtypeStruct(shape, weights.weight.dtype))
        return module, output.shape


class _Weights(eqx.Module):
    """Standard normal parameters, and the factors by which they are multiplied."""

    weight: Float[Array, "*window inputs outputs"]
    bias: Float[Array, " outputs"] | None
    weight_scale: float = eqx.field(static=True)
    bias_scale: float = eqx.field(static=True)

    def __init__(self, layer: Dense | Conv, shape: tuple[int, ...], key: PRNGKeyArray):
        inputs = math.prod(shape)
        self.weight_scale = float(layer.weight_std) / math.sqrt(inputs)
        self.bias_scale = float(layer.bias_std)
        # In one draw: a generator in the graph takes a quarter of a second to compile.
        drawn = jax.random.normal(key, (inputs + bool(self.bias_scale), layer.features))
        self.weight = drawn[:inputs].reshape(*shape, layer.features)
        self.bias = drawn[inputs] if self.bias_scale else None

    def scaled(
        self, linear: Float[Array, "*positions outputs"]
    ) -> Float[Array, "*positions outputs"]:
        scaled = self.weight_scale * linear
        if self.bias is None:
            return scaled
        return scaled + self.bias_scale * jnp.broadcast_to(self.bias, scaled.shape)


class _FiniteDense(eqx.Module):
    weights: _Weights

    def __call__(self, x: Float[Array, "*positions inputs"]) -> Float[Array, "*positions outputs"]:
        return self.weights.scaled(x @ self.weights.weight)


class _FiniteConv(eqx.Module):
    weights: _Weights
    strides: tuple[int, ...] = eqx.field(static=True)
    padding: Padding = eqx.field(static=True)

    def __call__(self, x: Float[Array, "*positions inputs"]) -> Float[Array, "*strided outputs"]:
        rank = len(self.strides)
        window = self.weights.weight.shape[:rank]
        axes = "".join("DHW"[-rank:])
        x = padded(x, range(rank), window, self.strides, self.padding)
        convolved = jax.lax.conv_general_dilated(
            x[None],
            self.weights.weight,
            self.strides,
            "VALID",
            dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        )
        return self.weights.scaled(convolved[0])
