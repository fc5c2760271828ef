"""Small networks of several kinds, with random parameters and an input each."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci

KEY = jax.random.key(0)


def filled(shapes, seed=0):
    """Random numbers in place of every array; positive, so that they may be variances."""
    rng = np.random.default_rng(seed)

    def leaf(a):
        values = rng.normal(size=a.shape) / np.sqrt(max(1, a.size / max(a.shape, default=1)))
        return jnp.asarray(np.abs(values) + 0.1 if a.ndim == 1 else values)

    is_array = lambda a: isinstance(a, jax.ShapeDtypeStruct | jax.Array)  # noqa: E731
    return jax.tree.map(lambda a: leaf(a) if is_array(a) else a, shapes)


def equinox(make, seed=0):
    """`(f, params)` of an Equinox module, whose initialisation is not compiled."""
    return jsci.pure(filled(eqx.filter_eval_shape(make), seed))


def linen(model, x, seed=0):
    """`(f, variables)` of a Linen module."""
    return model.apply, filled(jax.eval_shape(model.init, KEY, x), seed)


def inputs(*shape):
    return np.random.default_rng(1).normal(size=shape)


def mlp(width=8, activation=jax.nn.relu, seed=0):
    make = lambda: eqx.nn.MLP(3, 2, width, 2, activation, key=KEY)  # noqa: E731
    return *equinox(make, seed), inputs(3)


def residual():
    """An Equinox network of images: normalisation in groups, residual connection, pooling."""

    class Net(eqx.Module):
        first: eqx.nn.Conv2d
        second: eqx.nn.Conv2d
        norm: eqx.nn.GroupNorm
        last: eqx.nn.Linear

        def __init__(self):
            self.first = eqx.nn.Conv2d(1, 6, 3, padding=1, key=KEY)
            self.second = eqx.nn.Conv2d(6, 6, 3, padding=1, key=KEY)
            self.norm = eqx.nn.GroupNorm(3, 6)
            self.last = eqx.nn.Linear(6, 2, key=KEY)

        def __call__(self, x):
            x = self.first(x)
            x = x + jax.nn.relu(self.norm(self.second(x)))
            return self.last(eqx.nn.AvgPool2d(2, 2)(x).mean((1, 2)))

    return *equinox(Net), inputs(1, 4, 4)


def depthwise():
    """Channels in groups of their own, flattened with space."""

    class Net(eqx.Module):
        first: eqx.nn.Conv2d
        second: eqx.nn.Conv2d
        last: eqx.nn.Linear

        def __init__(self):
            self.first = eqx.nn.Conv2d(1, 4, 3, key=KEY)
            self.second = eqx.nn.Conv2d(4, 8, 3, groups=4, key=KEY)
            self.last = eqx.nn.Linear(8 * 4, 2, key=KEY)

        def __call__(self, x):
            return self.last(jax.nn.relu(self.second(jnp.tanh(self.first(x)))).reshape(-1))

    return *equinox(Net), inputs(1, 6, 6)


def block():
    """An Equinox transformer block."""

    class Net(eqx.Module):
        into: eqx.nn.Linear
        norms: list
        attention: eqx.nn.MultiheadAttention
        hidden: eqx.nn.MLP
        out: eqx.nn.Linear

        def __init__(self):
            self.into = eqx.nn.Linear(3, 12, key=KEY)
            self.norms = [eqx.nn.LayerNorm(12), eqx.nn.RMSNorm(12)]
            self.attention = eqx.nn.MultiheadAttention(3, 12, key=KEY)
            self.hidden = eqx.nn.MLP(12, 12, 10, 1, jax.nn.gelu, key=KEY)
            self.out = eqx.nn.Linear(12, 2, key=KEY)

        def __call__(self, x):
            x = jax.vmap(self.into)(x)
            h = jax.vmap(self.norms[0])(x)
            x = x + self.attention(h, h, h)
            x = x + jax.vmap(lambda row: self.hidden(self.norms[1](row)))(x)
            return jax.vmap(self.out)(x)

    return *equinox(Net), inputs(5, 3)


def plain():
    """Gates, skip connections, two layers in a loop, recomputation, a branch and an embedding."""

    def f(p, x):
        tokens = (x > 0).astype(int)
        h = p["table"][tokens].mean(0)
        a, b = jnp.split(p["gate"] @ h, 2)
        h = jnp.concatenate([jax.nn.silu(a) * b, jax.checkpoint(jnp.tanh)(h)])
        h = p["joined"] @ h
        step = lambda h, w: (h + jax.jit(jax.nn.relu)(w["up"] @ h) @ w["down"], h.sum())  # noqa: E731
        h, sums = jax.lax.scan(step, h, p["layers"])
        h = jax.lax.cond(sums[0] > 0, lambda: h * p["scale"], lambda: -h)
        return jnp.sort(jax.lax.top_k(p["out"] @ h, 2)[0]) + jnp.max(h)

    shapes = {
        "table": (2, 6), "gate": (10, 6), "joined": (7, 11), "scale": (7,), "out": (4, 7),
        "layers": {"up": (2, 9, 7), "down": (2, 9, 7)},
    }  # fmt: skip
    structs = jax.tree.map(
        lambda s: jax.ShapeDtypeStruct(s, float), shapes, is_leaf=lambda s: isinstance(s, tuple)
    )
    return f, filled(structs), inputs(4)


def flax_images():
    nn = pytest.importorskip("flax.linen")

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.BatchNorm(use_running_average=True)(nn.Conv(6, (3, 3))(x)))
            x = x + nn.relu(nn.GroupNorm(num_groups=3)(nn.Conv(6, (3, 3))(x)))
            x = nn.max_pool(x, (2, 2), strides=(2, 2)).reshape(x.shape[0], -1)
            return nn.Dense(4)(nn.relu(nn.Dense(7)(x)))

    x = inputs(2, 4, 4, 1)
    return *linen(Net(), x), x


def flax_block():
    nn = pytest.importorskip("flax.linen")

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.Dense(12)(x) + self.param("place", nn.initializers.normal(1.0), (5, 12))
            h = nn.LayerNorm()(x)
            x = x + nn.MultiHeadDotProductAttention(num_heads=3)(h, h)
            x = x + nn.Dense(12)(nn.gelu(nn.Dense(20)(nn.LayerNorm()(x))))
            return nn.Dense(2)(nn.LayerNorm()(x).mean(-2))

    x = inputs(5, 3)
    return *linen(Net(), x), x


def flax_nnx():
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.first, self.last = nnx.Linear(3, 8, rngs=rngs), nnx.Linear(8, 2, rngs=rngs)

        def __call__(self, x):
            return self.last(nnx.relu(self.first(x)))

    f, params = jsci.pure(Net(nnx.Rngs(0)))
    return f, filled(params), inputs(3)


NETWORKS = {
    "Equinox MLP": mlp,
    "Equinox images": residual,
    "Equinox depthwise": depthwise,
    "Equinox block": block,
    "plain": plain,
    "Linen images": flax_images,
    "Linen block": flax_block,
    "NNX": flax_nnx,
}


@functools.cache
def network(name):
    """`(f, params, x, units)` of one of the networks."""
    f, params, x = NETWORKS[name]()
    f = jax.jit(f)
    return f, params, x, jsci.analysis.units(f, params, x)
