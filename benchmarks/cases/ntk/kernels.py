"""Tangent kernels: structured contraction against a well-chunked Jacobian, in one run.

Cases 1 to 7 are those of the published comparison (Novak et al. 2022) in small; the "own" ones were
fixed before anything was tuned. Errors are against the naive Jacobian in float64 on eight examples.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jaxsci as jsci
from benchmarks.cases.ntk._problems import burgers, long_product, naive_in_float64, pinn
from benchmarks.remote import NEURAL_TANGENTS, remote_run
from benchmarks.remote.networks import MODELS, cnn, mlp, random_weight
from benchmarks.runner.case import Case, Run, Size


def _recurrent(width, steps):
    keys = jax.random.split(jax.random.key(3), 3)
    params = {n: random_weight(k, width, width) for n, k in zip("xhy", keys, strict=True)}

    def f(p, x):
        def step(h, z):
            return jnp.tanh(h @ p["h"] + z @ p["x"]), None

        h, _ = lax.scan(step, jnp.zeros_like(x[0]), x)
        return (h @ p["y"])[:4]

    return f, params, (steps, width)


def _autoencoder(width):
    """One weight used as W and as Wᵀ."""
    _, params = mlp([width, 64, 16])

    def tied(p, x):
        h = jnp.tanh(jnp.tanh(x @ p[0]["w"]) @ p[1]["w"])
        return jnp.sum((jnp.tanh(h @ p[1]["w"].T) @ p[0]["w"].T - x) ** 2)[None]

    return tied, [{"w": layer["w"]} for layer in params]


def _poisson_nested(u, x):
    return jsci.derivative(u, 0, 0)(x) + jsci.derivative(u, 1, 1)(x) + jnp.sin(x[0])


def _poisson_forward(u, x):
    return jsci.laplacian(u)(x) + jnp.sin(x[0])


def _burgers_forward(u, x):
    def along(y):
        return u(jnp.append(x[:1], y))

    u_t, u_x = jsci.derivative(u, 0), jsci.derivative(u, 1)
    return u_t(x) + u(x) * u_x(x) - 0.01 / math.pi * jsci.laplacian(along)(x[1:])


def _heat_in_ten_dimensions(u, x):
    return jsci.derivative(u, 0)(x) - jsci.laplacian(u)(x)


def _force(width):
    """The gradient of a scalar network, as in force fields: weights inside reverse mode."""
    f, params = mlp([12, width, width, 1])
    return lambda p, x: jax.grad(lambda y: f(p, y)[0])(x), params


def _chunked_jacobian(f, params, x, *, traced):
    """The contraction of full Jacobians, its long products in pieces: the best plain way."""

    def rows(z):
        y, pullback = jax.vjp(lambda p: f(p, z), params)
        return jax.vmap(pullback)(jnp.eye(y.size, dtype=y.dtype))[0]

    leaves = jax.tree.leaves(jax.vmap(rows)(x))
    n, outputs = leaves[0].shape[:2]
    count = n if traced else n * outputs
    kernel = functools.reduce(jnp.add, [long_product(j.reshape(count, -1)) for j in leaves])
    if traced:
        return kernel / outputs
    return kernel.reshape(n, outputs, n, outputs).transpose(0, 2, 1, 3)


def _inputs(shape, points, size):
    n = {"smoke": max(8, points // 8), "quick": points, "full": points}[size]
    return jax.random.normal(jax.random.key(5), (n, *shape), jnp.float32)


def _error(f, params, x, traced):
    reference = naive_in_float64(f, params, x[:8], traced)

    def error(kernel):
        difference = np.asarray(kernel, np.float64)[:8, :8] - reference
        return float(np.abs(difference).max() / np.abs(reference).max())

    return error


def _run(build, points, size, traced, note=""):
    f, params, shape = build()
    x = _inputs(shape, points, size)

    def step(params, x):
        return jsci.gram(f, params, x, trace_axes=-1 if traced else ())

    baseline = functools.partial(_chunked_jacobian, f, traced=traced)
    count = sum(a.size for a in jax.tree.leaves(params))
    return Run(
        step,
        (params, x),
        _error(f, params, x, traced),
        baseline=("chunked Jacobian", baseline, (params, x)),
        note=f"{len(x)} points, {count:,} parameters, float32. {note}".strip(),
    )


def _peer(model, implementation, points, traced):
    """One of the three ways in which neural-tangents computes the kernel of the same network."""

    def make(size):
        f, params, shape = _published(model)()
        x = _inputs(shape, points(size), size)
        leaves = {f"leaf{i}": leaf for i, leaf in enumerate(jax.tree.leaves(params))}
        return remote_run(
            NEURAL_TANGENTS.variable,
            "benchmarks.remote.peers.neural_tangents",
            f"empirical {model} {'traced' if traced else 'full'} {implementation}",
            {"x": x, **leaves},
            _error(f, params, x, traced),
        )

    return NEURAL_TANGENTS.peer(f"neural-tangents {implementation}", make)


def _case(
    name,
    title,
    build,
    points,
    *,
    traced=True,
    tier: Size = "quick",
    note="",
    sizes=None,
    peer="",
):
    def at(size):
        return (sizes or {}).get(size, points)

    def make(size):
        return _run(build, at(size), size, traced, note)

    return Case(
        name=f"ntk.{name}",
        pillar="ntk",
        title=title,
        make=make,
        tier=tier,
        reference="naive Jacobian in float64, 8 examples",
        tolerance=1e-4,
        error_name="relative, maximum over entries",
        peers=tuple(_peer(peer, i, at, traced) for i in _implementations(peer)),
    )


def _implementations(model):
    """All three, but products with vectors on a PINN: 23 s a call at 256 points, the others 0.5."""
    if not model:
        return ()
    return (1, 3) if model in ("poisson", "burgers") else (1, 2, 3)


def _with_shape(model, *shape):
    return lambda: (*model(), shape)


def _published(name):
    return lambda: (*MODELS[name].build(), MODELS[name].shape)


CASES = [
    _case(
        "mlp",
        "MLP 3 x 512, one output",
        _published("mlp"),
        64,
        tier="smoke",
        peer="mlp",
    ),
    _case(
        "mlp-10",
        "MLP 3 x 512, 10 outputs, traced",
        _published("mlp-10"),
        64,
        tier="full",
        peer="mlp-10",
    ),
    _case(
        "mlp-10-full",
        "MLP 3 x 512, 10 outputs, full",
        _published("mlp-10"),
        64,
        traced=False,
        tier="full",
        peer="mlp-10",
    ),
    _case(
        "cnn", "CNN 16 x 16 x 3, 4 layers, 10 outputs, traced", _published("cnn"), 32, peer="cnn"
    ),
    _case(
        "cnn-full",
        "CNN 16 x 16 x 3, 4 layers, full",
        _published("cnn"),
        32,
        traced=False,
        tier="full",
        peer="cnn",
    ),
    _case(
        "transformer",
        "transformer block 32 x 64, 10 outputs, traced",
        _published("transformer"),
        16,
        peer="transformer",
    ),
    _case(
        "transformer-full",
        "transformer block 32 x 64, full",
        _published("transformer"),
        16,
        traced=False,
        tier="full",
        peer="transformer",
    ),
    _case(
        "pinn-poisson-nested",
        "Poisson residual, MLP 4 x 128, nested forward",
        _with_shape(lambda: pinn(_poisson_nested), 2),
        256,
        tier="full",
        sizes={"full": 1000},
        peer="poisson",
    ),
    _case(
        "pinn-poisson-forward",
        "Poisson residual, MLP 4 x 128, forward Laplacian",
        _with_shape(lambda: pinn(_poisson_forward), 2),
        256,
        sizes={"full": 1000},
        peer="poisson",
    ),
    _case(
        "pinn-burgers",
        "Burgers residual, MLP 4 x 128, nested forward",
        _with_shape(lambda: pinn(burgers), 2),
        256,
        sizes={"full": 1000},
        peer="burgers",
    ),
    _case(
        "pinn-burgers-forward",
        "Burgers residual, MLP 4 x 128, forward Laplacian",
        _with_shape(lambda: pinn(_burgers_forward), 2),
        256,
        tier="full",
        sizes={"full": 1000},
        peer="burgers",
    ),
    _case(
        "own-heat-10d",
        "heat residual in 10 dimensions, forward Laplacian",
        _with_shape(lambda: pinn(_heat_in_ten_dimensions, 10, 64), 10),
        128,
        tier="full",
    ),
    _case("own-forces", "gradient of a scalar network", _with_shape(lambda: _force(128), 12), 64),
    _case(
        "own-recurrent", "recurrent network, 16 steps", lambda: _recurrent(64, 16), 32, tier="full"
    ),
    _case(
        "own-tied-autoencoder",
        "autoencoder with tied weights",
        _with_shape(lambda: _autoencoder(256), 256),
        128,
    ),
    _case(
        "own-depthwise-cnn",
        "depthwise separable CNN 16 x 16 x 3",
        _with_shape(lambda: cnn(32, (1, 2, 2), depthwise=True), 16, 16, 3),
        32,
        tier="full",
    ),
    _case(
        "own-deep-narrow",
        "MLP 12 x 64, 3 outputs, full",
        _with_shape(lambda: mlp([16, *[64] * 12, 3]), 16),
        128,
        traced=False,
        tier="full",
    ),
]
