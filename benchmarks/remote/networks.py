"""Networks of the tangent-kernel cases, in plain JAX: peers run them on theirs, which is older.

Each function returns a network of one example, `f(params, x)`, and its parameters in float32.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


def random_weight(key, *shape):
    """A weight of variance 1 / fan in."""
    return jax.random.normal(key, shape, jnp.float32) / math.sqrt(math.prod(shape[:-1]))


def mlp(sizes, activation=jnp.tanh):
    keys = jax.random.split(jax.random.key(0), len(sizes) - 1)
    params = [
        {"w": random_weight(k, a, b), "b": jnp.zeros(b, jnp.float32)}
        for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]

    def f(params, x):
        for layer in params[:-1]:
            x = activation(x @ layer["w"] + layer["b"])
        return x @ params[-1]["w"] + params[-1]["b"]

    return f, params


def cnn(channels, strides, *, depthwise=False):
    keys = jax.random.split(jax.random.key(1), 2 * len(strides) + 1)
    params, width = [], 3
    for i in range(len(strides)):
        layer = {"k": random_weight(keys[2 * i], 3, 3, width, channels)}
        if depthwise and i:
            layer = {
                "d": random_weight(keys[2 * i], 3, 3, 1, channels),
                "k": random_weight(keys[2 * i + 1], 1, 1, channels, channels),
            }
        params.append(layer | {"b": jnp.zeros(channels, jnp.float32)})
        width = channels
    params.append({"w": random_weight(keys[-1], channels, 10)})
    numbers = ("NHWC", "HWIO", "NHWC")

    def f(params, x):
        x = x[None]
        for layer, s in zip(params[:-1], strides, strict=True):
            if "d" in layer:
                x = lax.conv_general_dilated(
                    x,
                    layer["d"],
                    (s, s),
                    "SAME",
                    dimension_numbers=numbers,
                    feature_group_count=channels,
                )
                s = 1
            x = lax.conv_general_dilated(x, layer["k"], (s, s), "SAME", dimension_numbers=numbers)
            x = jax.nn.relu(x + layer["b"])
        return x.mean((0, 1, 2)) @ params[-1]["w"]

    return f, params


def _normalised(x, scale):
    centred = x - x.mean(-1, keepdims=True)
    return centred / jnp.sqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-5) * scale


def transformer(width, heads):
    keys = jax.random.split(jax.random.key(2), 7)
    shapes = {name: (width, width) for name in "qkvo"}
    shapes |= {"up": (width, 4 * width), "down": (4 * width, width), "head": (width, 10)}
    params = {n: random_weight(k, *s) for k, (n, s) in zip(keys, shapes.items(), strict=True)}
    params |= {"g1": jnp.ones(width, jnp.float32), "g2": jnp.ones(width, jnp.float32)}

    def f(p, x):
        z = _normalised(x, p["g1"])
        q, k, v = ((z @ p[n]).reshape(len(z), heads, -1) for n in "qkv")
        scores = jnp.einsum("thd,shd->hts", q, k) / math.sqrt(width // heads)
        mixed = jnp.einsum("hts,shd->thd", jax.nn.softmax(scores), v).reshape(x.shape)
        x = x + mixed @ p["o"]
        x = x + jax.nn.gelu(_normalised(x, p["g2"]) @ p["up"]) @ p["down"]
        return x.mean(0) @ p["head"]

    return f, params


def derivative(u, axis):
    """∂u/∂x_axis by forward mode, nested for higher ones."""

    def along(x):
        return jax.jvp(u, (x,), (jnp.zeros_like(x).at[axis].set(1),))[1]

    return along


def poisson(u, x):
    second = [derivative(derivative(u, axis), axis) for axis in (0, 1)]
    return second[0](x) + second[1](x) + jnp.sin(x[0])


def burgers(u, x):
    u_t, u_x = derivative(u, 0), derivative(u, 1)
    return u_t(x) + u(x) * u_x(x) - 0.01 / math.pi * derivative(u_x, 1)(x)


def pinn(equation, dimension=2, width=128):
    """The residual of an equation `equation(u, x)`, u an MLP of four layers."""
    f, params = mlp([dimension, width, width, width, width, 1])

    def residual(params, x):
        return equation(lambda y: f(params, y)[0], x)[None]

    return residual, params


class Model(NamedTuple):
    """A network of the published comparison, and the shape of an example."""

    build: Callable
    shape: tuple[int, ...]


MODELS = {
    "mlp": Model(lambda: mlp([784, 512, 512, 512, 1]), (784,)),
    "mlp-10": Model(lambda: mlp([784, 512, 512, 512, 10]), (784,)),
    "cnn": Model(lambda: cnn(32, (1, 2, 1, 2)), (16, 16, 3)),
    "transformer": Model(lambda: transformer(64, 4), (32, 64)),
    "poisson": Model(lambda: pinn(poisson), (2,)),
    "burgers": Model(lambda: pinn(burgers), (2,)),
}
