"""FNO: its layers, its independence of the grid, and a training that beats every linear map."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.operators import (
    FNO,
    Basis,
    ChebyshevBasis,
    CosineBasis,
    FourierBasis,
    SineBasis,
    SphereBasis,
    basis_points,
    data,
    relative_l2,
    sphere_grid,
)
from jaxsci.operators._fields.pointwise import Pointwise, gelu


def test_gelu_is_exact():
    x = jnp.linspace(-6, 6, 101)
    np.testing.assert_allclose(gelu(x), jax.nn.gelu(x, approximate=False), atol=1e-15)
    assert gelu(x.astype(jnp.float32)).dtype == jnp.float32


def test_pointwise_is_an_affine_map_at_every_point(key):
    layer = Pointwise(3, 2, key=key)
    assert layer.bias is not None
    a = jax.random.normal(key, (5, 4, 3))
    np.testing.assert_allclose(layer(a), a @ layer.weight + layer.bias[None, None], atol=1e-15)
    np.testing.assert_allclose(jax.jit(jax.vmap(layer))(a), layer(a), atol=1e-15)


@pytest.mark.parametrize("grid", [(21,), (12, 9), (6, 7, 8)], ids=["1d", "2d", "3d"])
def test_one_sample_and_a_batch(key, grid):
    model = FNO(2, 3, width=4, modes=(2,) * len(grid), depth=2, padding=0.5, key=key)
    batch = jax.random.normal(key, (2, *grid, 2))
    f, params = jsci.pure(model)
    one = jax.jit(lambda a: f(params, a))
    out = jax.jit(jax.vmap(f, (None, 0)))(params, batch)
    assert out.shape == (2, *grid, 3)
    np.testing.assert_allclose(out, jnp.stack([one(a) for a in batch]), atol=1e-13)


@pytest.mark.parametrize("padding", [0.0, 0.5])
def test_the_operator_does_not_depend_on_the_grid(key, padding):
    """Same weights on N, 2N, 4N: equal up to aliasing (periodic), or to second order (padded)."""
    model = eqx.filter_jit(FNO(1, 1, width=4, modes=(3,), depth=2, padding=padding, key=key))

    def on(n):
        x = np.arange(n) / n
        return model(jnp.asarray(np.exp(x if padding else np.sin(2 * np.pi * x)))[:, None])

    coarse, middle, fine = on(128), on(256)[::2], on(512)[::4]
    first, second = jnp.max(jnp.abs(coarse - middle)), jnp.max(jnp.abs(middle - fine))
    scale = jnp.max(jnp.abs(fine))
    if padding:
        assert first < 1e-3 * scale
        assert jnp.log2(first / second) > 1.7
    else:
        assert first < 1e-10 * scale


@pytest.mark.parametrize("basis", ["sine", "cosine", "chebyshev", "sphere"])
def test_bases_for_boundaries_do_not_depend_on_the_grid(key, basis):
    """The same function on the points of two grids, odd ones: equal up to aliasing."""
    grid = "gauss" if basis == "sphere" else None
    model = eqx.filter_jit(FNO(1, 1, width=3, modes=4, depth=2, basis=basis, grid=grid, key=key))

    def on(n):
        if basis == "sphere":
            theta, phi, _ = sphere_grid(n, 2 * n)
            return model(jnp.asarray(np.cos(theta)[:, None] * np.ones_like(phi))[..., None])
        x = basis_points(basis, n)
        a = {"sine": np.sin(np.pi * x), "cosine": np.cos(np.pi * x), "chebyshev": np.exp(x)}[basis]
        return model(jnp.asarray(a)[:, None])

    # A third of the points of 3n are those of n: on the sphere compare the integrals instead.
    if basis == "sphere":
        weights = [sphere_grid(n, 2 * n)[2][..., None] for n in (31, 41)]
        first, second = (jnp.sum(w * on(n)) for w, n in zip(weights, (31, 41), strict=True))
        np.testing.assert_allclose(first, second, rtol=1e-8)
        return
    coarse, fine = on(81), on(243)
    shared = fine[::3] if basis == "sine" else fine[1::3]
    # Products of sines do not vanish with all their derivatives at the ends: second order.
    tolerance = 2e-3 if basis == "sine" else 1e-8
    assert jnp.max(jnp.abs(coarse - shared)) < tolerance * jnp.max(jnp.abs(fine))


@pytest.mark.parametrize(
    ("name", "basis", "options"),
    [
        ("fourier", FourierBasis(), {}),
        ("fourier", FourierBasis(padding=0.5), {"padding": 0.5}),
        ("fourier", FourierBasis(0.0, "cp", 0.3), {"factorisation": "cp", "rank": 0.3}),
        ("sine", SineBasis(), {}),
        ("cosine", CosineBasis(), {}),
        ("chebyshev", ChebyshevBasis(), {}),
        ("sphere", SphereBasis(grid="gauss"), {"grid": "gauss"}),
        ("sphere", SphereBasis(grid="cells"), {"grid": "cells"}),
    ],
)
def test_a_name_stands_for_an_object(key, name, basis, options):
    make = {"width": 3, "modes": 4, "depth": 1, "key": key}
    named = FNO(1, 1, **make, basis=name, **options)
    assert eqx.tree_equal(named, FNO(1, 1, **make, basis=basis))
    assert named.basis == basis
    assert hash(named.basis) == hash(basis)


def test_a_basis_of_ones_own(key):
    """A layer of means knows no order of the points, so the network has none either."""

    @dataclasses.dataclass(frozen=True)
    class Means(Basis):
        def conv(self, in_channels, out_channels, *, modes, key):
            layer = Pointwise(in_channels, out_channels, key=key)
            return lambda a: layer(jnp.broadcast_to(jnp.mean(a, 0, keepdims=True), a.shape))

        def position(self, grid, dtype):
            return jnp.zeros((*grid, 1), dtype)

    model = FNO(1, 1, width=3, modes=0, depth=2, basis=Means(), key=key)
    a = jnp.linspace(0, 1, 6)[:, None]
    np.testing.assert_allclose(model(a[::-1]), model(a)[::-1], rtol=1e-12)
    with pytest.raises(ValueError, match="takes one sample"):
        model(jnp.ones((6, 6, 1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"basis": "sine", "padding": 0.5}, "belong to basis='fourier'"),
        ({"basis": FourierBasis(), "padding": 0.5}, "give them to the object"),
        ({"basis": SphereBasis("gauss"), "grid": "cells"}, "give it to the object"),
        ({"basis": "sphere", "grid": "gauss", "modes": (3, 3)}, "one degree"),
        ({"basis": "sphere"}, "must be given"),
        ({"basis": "wavelet"}, "is unknown"),
    ],
)
def test_bases_refused(key, options, message):
    with pytest.raises(ValueError, match=message):
        FNO(1, 1, **({"width": 3, "modes": 4, "depth": 1, "key": key} | options))


def test_float32_stays_float32(key):
    f, params = jsci.pure(FNO(1, 1, width=4, modes=(3,), depth=2, key=key), dtype=jnp.float32)
    out = jax.eval_shape(f, params, jnp.ones((16, 1), jnp.float32))
    assert out.dtype == jnp.float32


def test_no_retrace_on_the_second_call(key):
    traces = []
    model = FNO(1, 1, width=4, modes=(3,), depth=1, key=key)

    @jax.jit
    def call(a):
        traces.append(None)
        return model(a)

    call(jnp.ones((16, 1)))
    call(jnp.zeros((16, 1)))
    assert len(traces) == 1


def ridge_error(a, u, test_a, test_u, strengths=tuple(10.0**k for k in range(-8, 3))):
    """The lowest test error of an affine ridge map, over a range of ridge strengths."""
    flat = lambda x: np.asarray(x, float).reshape(len(x), -1)  # noqa: E731
    x, y, test_x, test_y = map(flat, (a, u, test_a, test_u))
    mean_x, mean_y = x.mean(0), y.mean(0)
    gram = (x - mean_x) @ (x - mean_x).T
    errors = []
    for strength in strengths:
        shift = strength * np.trace(gram) / len(x) * np.eye(len(x))
        dual = np.linalg.solve(gram + shift, y - mean_y)
        prediction = (test_x - mean_x) @ (x - mean_x).T @ dual + mean_y
        errors.append(
            np.mean(np.linalg.norm(prediction - test_y, axis=1) / np.linalg.norm(test_y, axis=1))
        )
    return min(errors)


@pytest.mark.slow
def test_darcy_from_a_key_beats_the_best_linear_map():
    keys = jax.random.split(jax.random.key(0), 3)
    a, u = (x.astype(jnp.float32) for x in data.darcy(keys[0], 600, 32, fine=64))
    inputs, outputs = (a - 7.5) / 4.5, 100 * u
    train, test = slice(0, 500), slice(500, 600)
    model = FNO(1, 1, width=16, modes=(6, 6), depth=3, padding=0.25, key=keys[1])
    f, params = jsci.pure(model, dtype=jnp.float32)
    loss = jsci.objective({"data": lambda p, s: relative_l2(f(p, s[0]), s[1])})

    def batch(key):
        i = jax.random.choice(key, 500, (20,), replace=False)
        return {"data": (inputs[train][i], outputs[train][i])}

    steps = 600
    optimizer = optax.adam(optax.cosine_decay_schedule(5e-3, steps))
    fit = jsci.fit(loss, params, batch, optimizer, steps=steps, key=keys[2], progress=False)
    predicted = jax.jit(jax.vmap(lambda a: f(fit.params, a)))(inputs[test])
    error = np.mean(jax.vmap(relative_l2)(predicted, outputs[test]))
    linear = ridge_error(inputs[train], outputs[train], inputs[test], outputs[test])
    assert error < 0.045
    assert error < 0.65 * linear, (error, linear)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: FNO(1, 1, width=0, modes=4, depth=1, key=k), "width and depth >= 1"),
        (lambda k: FNO(1, 1, width=4, modes=(1, 1, 1, 1), depth=1, key=k), "one to three integers"),
        (lambda k: FNO(1, 1, width=4, modes=4, depth=1, padding=-0.1, key=k), "padding=-0.1"),
        (lambda k: FNO(1, 1, width=4, modes=8, depth=1, key=k)(jnp.ones((16, 1))), "up to"),
        (lambda k: FNO(2, 1, width=4, modes=4, depth=1, key=k)(jnp.ones((16, 1))), "in_channels=2"),
        (
            lambda k: FNO(1, 1, width=4, modes=4, depth=1, key=k)(jnp.ones((3, 16, 1))),
            "use jax.vmap",
        ),
    ],
)
def test_bad_input(key, call, message):
    with pytest.raises(ValueError, match=message):
        call(key)
