"""SpectralConv and resample: against exact Fourier sums, the FFT, and other grids."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.operators import SpectralConv, resample
from jaxsci.operators._fields.axis_points import axis_weights
from jaxsci.operators._spectral import fourier
from jaxsci.operators._spectral.axes import Axis

CASES = [((31,), (7,)), ((32,), (15,)), ((20, 17), (4, 6)), ((9, 12, 8), (3, 2, 3))]
IDS = ["1d-odd", "1d-all-modes", "2d", "3d"]


def band_limited(key, grid, modes, channels=1):
    """A random real trigonometric polynomial, summed term by term in NumPy."""
    rng = np.random.default_rng(jax.random.randint(key, (), 0, 10**6).item())
    x = np.stack(np.meshgrid(*[np.arange(n) / n for n in grid], indexing="ij"), -1)
    field = np.zeros((*grid, channels))
    for _ in range(12):
        k = np.array([rng.integers(-m, m + 1) for m in modes])
        phase = 2 * np.pi * x @ k
        field += np.cos(phase + rng.uniform(0, 6))[..., None] * rng.standard_normal(channels)
    return jnp.asarray(field)


def direct(layer, a, x):
    """The layer's formula as a sum over wave numbers, at the points x."""
    (period,) = {axis.period for axis in layer.axes}
    grid = a.shape[:-1]
    y = np.stack(np.meshgrid(*[np.arange(n) / n for n in grid], indexing="ij"), -1)
    weight = np.asarray(layer.weight)
    multiplier = weight[..., 0, :] + 1j * weight[..., 1, :]
    numbers = [np.r_[0 : m + 1, -m:0] for m in layer.modes[:-1]] + [np.arange(layer.modes[-1] + 1)]
    # The layer stores k = 0, 1..m, -1..-m; np.r_[-m:0] is ascending, so reverse it.
    numbers = [
        np.r_[k[: m + 1], k[m + 1 :][::-1]] for k, m in zip(numbers, layer.modes, strict=True)
    ]
    out = 0
    for index in np.ndindex(*multiplier.shape[:-2]):
        k = np.array([n[i] for n, i in zip(numbers, index, strict=True)])
        wave = np.exp(-2j * np.pi * y @ k / period)
        for axis, n in enumerate(grid):
            w = axis_weights(n, "left", periodic=period == 1) / period
            wave = wave * w.reshape([-1 if i == axis else 1 for i in range(len(grid))])
        ak = np.tensordot(wave, np.asarray(a), len(grid))
        term = np.exp(2j * np.pi * x @ k / period)[..., None] * (ak @ multiplier[index])
        out = out + term * (2 if k[-1] else 1)
    return out.real


@pytest.mark.parametrize(("grid", "modes"), CASES, ids=IDS)
@pytest.mark.parametrize("padding", [0.0, 0.7])
def test_is_the_fourier_multiplier(key, grid, modes, padding):
    layer = SpectralConv(2, 3, modes=modes, padding=padding, key=key)
    a = jax.random.normal(key, (*grid, 2))
    out_grid = tuple(n + 3 for n in grid)
    x = np.stack(np.meshgrid(*[np.arange(n) / n for n in out_grid], indexing="ij"), -1)
    np.testing.assert_allclose(layer(a, out_grid), direct(layer, a, x), atol=1e-12)


@pytest.mark.parametrize(("grid", "modes"), CASES, ids=IDS)
def test_products_equal_fft(key, grid, modes):
    a = jax.random.normal(key, (*grid, 2))
    axes = (Axis(),) * len(grid)
    exact, fast = fourier.analysis(a, modes, axes), fourier.fft_analysis(a, modes)
    np.testing.assert_allclose(exact, fast, atol=1e-13)
    out_grid = tuple(n + 5 for n in grid)
    b = fourier.synthesis(exact, out_grid, modes, axes)
    np.testing.assert_allclose(b, fourier.fft_synthesis(exact, out_grid, modes), atol=1e-12)


def test_fft_path_of_the_layer(key, monkeypatch):
    layer = SpectralConv(2, 2, modes=(5, 4), key=key)
    a = jax.random.normal(key, (12, 11, 2))
    product = layer(a, (16, 9))
    monkeypatch.setattr(
        "jaxsci.operators._spectral.spectral_conv.prefer_fft", lambda grid, modes: True
    )
    np.testing.assert_allclose(layer(a, (16, 9)), product, atol=1e-12)


def test_cost_model():
    assert not fourier.prefer_fft((64, 64), (12, 12))
    assert not fourier.prefer_fft((256, 256), (32, 32))
    assert fourier.prefer_fft((8192,), (4000,))


@pytest.mark.parametrize("out_grid", [(48, 48), (16, 17), (33, 20)], ids=["up", "down", "odd"])
def test_change_of_grid_is_exact_in_float32(key, out_grid):
    layer = SpectralConv(1, 1, modes=(7, 7), key=key)
    layer = eqx.tree_at(
        lambda s: s.weight, layer, jnp.zeros_like(layer.weight).at[..., 0, :].set(1), is_leaf=None
    )
    layer = jax.tree.map(lambda w: w.astype(jnp.float32), layer)
    a = band_limited(key, (32, 32), (7, 7)).astype(jnp.float32)
    expected = band_limited(key, out_grid, (7, 7))
    out = layer(a, out_grid)
    assert out.dtype == jnp.float32
    scale = jnp.max(jnp.abs(expected))
    assert jnp.max(jnp.abs(out - expected)) < 2e-6 * scale
    assert jnp.max(jnp.abs(resample(a, out_grid) - expected)) < 2e-6 * scale


def test_same_function_on_finer_grids(key):
    """The same weights on N, an odd and a doubled grid agree where the grids meet."""
    layer = SpectralConv(1, 2, modes=(5,), key=key)
    on = {n: layer(band_limited(key, (n,), (9,))) for n in (20, 40, 60)}
    np.testing.assert_allclose(on[40][::2], on[20], atol=1e-12)
    np.testing.assert_allclose(on[60][::3], on[20], atol=1e-12)


def test_padded_layer_converges_at_second_order(key):
    """On a field that is not periodic, towards the integral over the domain."""
    layer = SpectralConv(1, 1, modes=(4,), padding=0.5, key=key)
    on = [layer(jnp.exp(jnp.arange(n) / n)[:, None])[:: n // 64] for n in (64, 128, 256)]
    first, second = (jnp.max(jnp.abs(p - q)) for p, q in itertools.pairwise(on))
    assert jnp.log2(first / second) > 1.8


def test_resample_leaves_out_what_a_coarse_grid_cannot_hold():
    x = np.arange(32) / 32
    a = jnp.asarray(np.cos(2 * np.pi * 3 * x) + np.cos(2 * np.pi * 9 * x))[:, None]
    expected = np.cos(2 * np.pi * 3 * np.arange(12) / 12)[:, None]
    np.testing.assert_allclose(resample(a, (12,)), expected, atol=1e-13)
    # Nor the shortest wave of an even grid, of which half is not seen there.
    shortest = jnp.asarray(np.cos(16 * 2 * np.pi * x))[:, None]
    np.testing.assert_allclose(resample(shortest, (64,)), 0, atol=1e-13)


def test_transforms_agree(key):
    """jit == eager, vmap == loop, forward == reverse == finite differences."""
    layer = SpectralConv(2, 2, modes=(3, 2), key=key)
    batch = jax.random.normal(key, (3, 8, 7, 2))
    f, params = jsci.pure(layer)
    one = jax.jit(f)
    loop = jnp.stack([one(params, a) for a in batch])
    np.testing.assert_allclose(loop[0], layer(batch[0]), atol=1e-13)
    np.testing.assert_allclose(jax.jit(jax.vmap(f, (None, 0)))(params, batch), loop, atol=1e-13)

    @jax.jit
    def loss(params):
        return jnp.sum(jax.vmap(lambda a: f(params, a))(batch) ** 3)

    direction = jax.tree.map(lambda w: jax.random.normal(key, w.shape), params)
    _, forward = jax.jit(lambda p, d: jax.jvp(loss, (p,), (d,)))(params, direction)
    gradient = jax.jit(jax.grad(loss))(params)
    reverse = sum(
        jnp.vdot(g, d)
        for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True)
    )
    step = lambda s: loss(jax.tree.map(lambda w, d: w + s * d, params, direction))  # noqa: E731
    np.testing.assert_allclose(forward, reverse, rtol=1e-12)
    np.testing.assert_allclose(forward, (step(1e-5) - step(-1e-5)) / 2e-5, rtol=1e-7)
    single = jax.grad(lambda w, a: jnp.sum(f(w, a) ** 3))
    per_sample = jax.jit(jax.vmap(single, (None, 0)))(params, batch)
    np.testing.assert_allclose(
        jax.tree.leaves(per_sample)[0].sum(0), jax.tree.leaves(gradient)[0], atol=1e-11
    )


def test_the_period_is_deprecated(key):
    with pytest.warns(DeprecationWarning, match="padding="):
        layer = SpectralConv(1, 1, modes=4, period=1.5, key=key)
    assert eqx.tree_equal(layer, SpectralConv(1, 1, modes=4, padding=0.5, key=key))


def test_parameters_are_real(key):
    layer = SpectralConv(1, 1, modes=4, key=key)
    assert all(jnp.isrealobj(w) for w in jax.tree.leaves(layer))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: SpectralConv(1, 1, modes=(), key=k), "one to three integers"),
        (lambda k: SpectralConv(1, 1, modes=(4, -1), key=k), r"got \(4, -1\)"),
        (lambda k: SpectralConv(0, 1, modes=4, key=k), "in_channels >= 1"),
        (lambda k: SpectralConv(1, 1, modes=4, padding=-0.5, key=k), "padding=-0.5 must be"),
        (
            lambda k: SpectralConv(1, 1, modes=(8, 8), key=k)(jnp.ones((16, 20, 1))),
            r"resolve wave numbers up to \(7, 9\)",
        ),
        (lambda k: SpectralConv(1, 1, modes=4, key=k)(jnp.ones((16, 16, 1))), "use jax.vmap"),
        (lambda k: SpectralConv(2, 1, modes=4, key=k)(jnp.ones((16, 3))), "in_channels=2"),
        (
            lambda k: SpectralConv(1, 1, modes=4, key=k)(jnp.ones((16, 1)), (8, 8)),
            r"out_grid=\(8, 8\)",
        ),
        (lambda k: resample(jnp.ones((16, 1)), (8, 8)), "1 grid axes"),
    ],
)
def test_bad_input(key, call, message):
    with pytest.raises(ValueError, match=message):
        call(key)
