"""Sine, cosine and Chebyshev layers: exact in their span, on any number of points."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.operators import BasisConv, basis_points


def functions(basis, x, k):
    return {
        "sine": lambda: np.sin(np.pi * (k + 1) * x),
        "cosine": lambda: np.cos(np.pi * k * x),
        "chebyshev": lambda: np.polynomial.chebyshev.chebval(1 - 2 * x, np.eye(k + 1)[k]),
    }[basis]()


BASES = pytest.mark.parametrize("basis", ["sine", "cosine", "chebyshev"])


@BASES
@pytest.mark.parametrize("out", [(9, 20), (16, 11)])
def test_multiplies_coefficients_on_any_grid(basis, key, out):
    """In two dimensions: a product of basis functions comes back times its weight."""
    layer = BasisConv(1, 2, modes=(4, 3), basis=basis, key=key)

    def field(grid):
        x, y = (basis_points(basis, n) for n in grid)
        return np.outer(functions(basis, x, 4), functions(basis, y, 2))[..., None]

    result = eqx.filter_jit(layer)(jnp.asarray(field((10, 8))), out)
    np.testing.assert_allclose(result, field(out) * np.asarray(layer.weight[4, 2]), atol=1e-13)


@pytest.mark.parametrize("basis", ["sine", "cosine"])
def test_heat_equation_with_boundaries(basis, key):
    """With R_k = exp(-λ_k t) the layer solves u_t = u_xx under the basis's boundary condition."""
    modes, time = 30, 0.01
    k = np.arange(modes + 1) + (basis == "sine")
    decay = np.exp(-((np.pi * k) ** 2) * time)
    layer = BasisConv(1, 1, modes=modes, basis=basis, key=key)
    layer = eqx.tree_at(lambda c: c.weight, layer, jnp.asarray(decay)[:, None, None])
    grid = basis_points(basis, 64)
    # A narrow pulse far from the boundary at 1, mirrored (odd or even) at 0.
    heat = lambda s, at: np.exp(-((grid - at) ** 2) / (4 * s)) / np.sqrt(s)  # noqa: E731
    sign = -1 if basis == "sine" else 1
    pulse = lambda s: heat(s, 0.3) + sign * heat(s, -0.3)  # noqa: E731
    start = 0.003
    out = eqx.filter_jit(layer)(jnp.asarray(pulse(start))[:, None])[:, 0]
    np.testing.assert_allclose(out, pulse(start + time), atol=2e-3 * np.max(pulse(start)))


def test_chebyshev_is_exact_for_polynomials(key):
    layer = BasisConv(1, 1, modes=5, basis="chebyshev", key=key)
    layer = eqx.tree_at(lambda c: c.weight, layer, jnp.ones_like(layer.weight))
    p = np.polynomial.Polynomial([1.0, -2, 0.5, 3, 0, 1])
    on = lambda n: p(basis_points("chebyshev", n))[:, None]  # noqa: E731
    np.testing.assert_allclose(layer(jnp.asarray(on(6)), (23,)), on(23), atol=1e-13)


@BASES
def test_batch_and_dtype(basis, key):
    f, params = jsci.pure(BasisConv(2, 3, modes=(3, 2), basis=basis, key=key), dtype=jnp.float32)
    a = jax.random.normal(key, (4, 7, 6, 2), jnp.float32)
    out = jax.jit(jax.vmap(f, (None, 0)))(params, a)
    assert out.dtype == jnp.float32
    one = jax.jit(f)
    np.testing.assert_allclose(out, jnp.stack([one(params, b) for b in a]), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: basis_points("fourier", 4), "Periodic fields go through SpectralConv"),  # pyright: ignore[reportArgumentType]
        (
            lambda k: BasisConv(1, 1, modes=8, basis="sine", key=k)(jnp.ones((9, 1))),
            r"k up to \(7,\) in the sine basis",
        ),
        (
            lambda k: BasisConv(1, 1, modes=8, basis="cosine", key=k)(jnp.ones((8, 1))),
            r"k up to \(7,\)",
        ),
        (lambda k: BasisConv(0, 1, modes=8, basis="cosine", key=k), "in_channels >= 1 and out"),
        (
            lambda k: BasisConv(1, 1, modes=2, basis="cosine", key=k)(jnp.ones((8, 1)), (4, 4)),
            "out_grid",
        ),
    ],
)
def test_bad_input(key, call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(key)
