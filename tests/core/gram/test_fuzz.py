"""The structured kernel of random networks of all operations, against the naive Jacobian."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxsci.core._gram.dense import gram


def convolution(kernel, h, **options):
    """A convolution over the four positions of h (4, 3) with a kernel (2, inputs, 3)."""
    numbers = ("NWC", "WIO", "NWC")
    return lax.conv_general_dilated(h[None], kernel, **options, dimension_numbers=numbers)[0]


def norm_layer(p, h, w):
    h = h - h.mean(1, keepdims=True)
    return h * p["b"][None] / jnp.sqrt(1 + h.var(1, keepdims=True))


def heads_layer(p, h, w):
    """Attention with a weight for each of two heads."""
    q, k = (jnp.einsum("td,hdk->htk", h, p["heads"][i]) for i in (0, 1))
    scores = jax.nn.softmax(jnp.einsum("htk,hsk->hts", q, k))
    return jnp.einsum("hts,sd,hdk->tk", scores, h, p["heads"][2])


def strided_layer(p, h, w):
    y = convolution(p["k"], h, window_strides=(2,), padding="SAME")
    return jnp.repeat(jnp.tanh(y), 2, axis=0)


def repeated_layer(p, h, w):
    """A loop whose number of turns depends on the data, around weights it does not touch."""
    start = (jnp.abs(lax.stop_gradient(h)).sum(), 1.0)
    _, scale = lax.while_loop(lambda s: s[0] > 1, lambda s: (s[0] / 2, s[1] * 0.9), start)
    return jnp.sin(h @ w(p)) * scale


@jax.custom_vjp
def clipped(h, w):
    return jnp.tanh(h @ w)


def _clipped_backward(saved, ct):
    h, w, y = saved
    ct = ct * (1 - y**2) + 0.1 * ct  # not the derivative of the forward pass
    return ct @ w.T, h.T @ ct


clipped.defvjp(lambda h, w: (clipped(h, w), (h, w, clipped(h, w))), _clipped_backward)

LAYERS = {
    "dense": lambda p, h, w: jnp.tanh(h @ w(p)),
    "attention": lambda p, h, w: jax.nn.softmax((h @ w(p)) @ h.T) @ h,
    "heads": heads_layer,
    "conv": lambda p, h, w: jax.nn.gelu(
        convolution(p["k"], h, window_strides=(1,), padding="SAME")
    ),
    "strided": strided_layer,
    "dilated": lambda p, h, w: convolution(
        p["k"], h, window_strides=(1,), padding=[(1, 1)], rhs_dilation=(2,)
    ),
    "grouped": lambda p, h, w: convolution(
        p["k"][:, :1], h, window_strides=(1,), padding="SAME", feature_group_count=3
    ),
    "norm": norm_layer,
    "shift": lambda p, h, w: jnp.sin(h + p["b"][None]),
    "tangent": lambda p, h, w: jax.jvp(lambda z: jnp.tanh(z @ w(p)), (h,), (jnp.ones_like(h),))[1],
    "pullback": lambda p, h, w: jax.grad(lambda z: jnp.sum(jnp.sin(z @ w(p))))(h),
    "stack": lambda p, h, w: lax.scan(lambda z, m: (jnp.tanh(z @ m), None), h, p["s"])[0],
    "loop": lambda p, h, w: lax.fori_loop(0, 2, lambda i, z: jnp.sin(z @ w(p) + p["b"][None]), h),
    "repeated": repeated_layer,
    "branch": lambda p, h, w: lax.cond(
        h[0, 0] > 0, lambda z: z @ w(p), lambda z: jnp.sin(z @ w(p)), h
    ),
    "custom": lambda p, h, w: clipped(h, w(p)),
    "residual": lambda p, h, w: h + jax.checkpoint(lambda z: jax.nn.relu(z @ w(p)))(h),
    "embed": lambda p, h, w: h + p["e"][jnp.argmax(h, axis=1)],
    "pooled": lambda p, h, w: jnp.broadcast_to(h.mean(0), h.shape) @ w(p) + h,
}
SHAPES = {"w0": (3, 3), "w1": (3, 3), "b": (3,), "k": (2, 3, 3), "s": (2, 3, 3), "e": (5, 3)}
SHAPES["heads"] = (3, 2, 3, 3)


def random_network(names, rng):
    """The named layers on (4, 3) examples, with weights shared, transposed and scaled at random."""
    chosen = []
    for name in names:
        leaf, transpose, factor = rng.choice(["w0", "w1"]), rng.integers(2), rng.choice([1.0, -0.5])

        def weight(p, leaf=leaf, transpose=transpose, factor=float(factor)):
            w = p[leaf].T if transpose else p[leaf]
            return w if factor == 1 else factor * w

        chosen.append((LAYERS[name], weight))

    def network(p, x):
        for layer, weight in chosen:
            x = layer(p, x, weight)
        return x.mean(0)

    return network


def draws(count, seed=0):
    """Random compositions in which every layer comes at least once."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(list(LAYERS))
    pieces = np.array_split(order, count)
    return [[*piece, *rng.choice(list(LAYERS), 2)] for piece in pieces]


@pytest.mark.parametrize("names", draws(12), ids="-".join)
def test_random_networks(names):
    rng = np.random.default_rng(len("".join(names)))
    network = random_network(names, rng)
    params = {name: jnp.asarray(rng.standard_normal(shape)) for name, shape in SHAPES.items()}
    x = jnp.asarray(rng.standard_normal((3, 4, 3)))

    @jax.jit
    def kernels(p, z):
        flat, unravel = ravel_pytree(p)
        j = jax.vmap(lambda y: jax.jacrev(lambda v: network(unravel(v), y))(flat))(z)
        expected = jnp.einsum("nap,mbp->nmab", j, j)
        return gram(network, p, z, implementation="structured"), gram(network, p, z), expected

    structured, auto, expected = kernels(params, x)
    scale = float(jnp.abs(expected).max())
    assert scale > 0
    np.testing.assert_allclose(structured, expected, rtol=0, atol=1e-10 * scale)
    np.testing.assert_allclose(auto, expected, rtol=0, atol=1e-10 * scale)
