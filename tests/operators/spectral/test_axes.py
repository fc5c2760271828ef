"""A basis, padding and points for each axis: identities, derivatives and orders of convergence."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import (
    FNO,
    UNO,
    SpectralConv,
    basis_points,
    resample,
    spectral_derivative,
)
from jaxsci.operators._fields.axis_points import axis_points

PLACES = [
    (basis, points)
    for basis in ("fourier", "sine", "cosine", "chebyshev")
    for points in ("left", "ends", "cells")
    if basis in ("fourier", "sine") or points != "left"
]


def places(basis, points, n):
    if basis == "fourier":
        return axis_points(n, points)
    return basis_points(basis, n, points=points)


def function(basis, x):
    """A function in the span of k <= 3, and its slope."""
    if basis == "fourier":
        return np.sin(2 * np.pi * x) + np.cos(4 * np.pi * x), 2 * np.pi * (
            np.cos(2 * np.pi * x) - 2 * np.sin(4 * np.pi * x)
        )
    if basis == "chebyshev":
        return 1 + x - 2 * x**3, 1 - 6 * x**2
    if basis == "sine":
        return np.sin(np.pi * x) - np.sin(3 * np.pi * x), np.pi * (
            np.cos(np.pi * x) - 3 * np.cos(3 * np.pi * x)
        )
    return 1 + np.cos(3 * np.pi * x), -3 * np.pi * np.sin(3 * np.pi * x)


def field(bases, points, grid, slope_along=None):
    """A product of one function per axis, or its derivative along one of them."""
    lines = [
        function(basis, places(basis, where, n))[int(axis == slope_along)]
        for axis, (basis, where, n) in enumerate(zip(bases, points, grid, strict=True))
    ]
    return jnp.asarray(np.multiply.outer(*lines)[..., None])


def identity(layer):
    """The layer with R_k = 1."""
    weight = np.zeros(layer.weight.shape)
    weight[..., 0, :] = 1
    return eqx.tree_at(lambda l: l.weight, layer, jnp.asarray(weight))


MIXED = [
    (("fourier", "chebyshev"), ("left", "cells")),
    (("chebyshev", "fourier"), ("ends", "ends")),
    (("fourier", "fourier"), ("cells", "ends")),
    (("cosine", "sine"), ("ends", "cells")),
]


@pytest.mark.parametrize(("bases", "points"), MIXED)
@pytest.mark.parametrize("out_grid", [(9, 10), (14, 23)])
def test_mixed_layers_are_the_identity_on_their_span(key, bases, points, out_grid):
    layer = identity(SpectralConv(1, 1, modes=(3, 3), basis=bases, points=points, key=key))
    a = field(bases, points, (9, 10))
    np.testing.assert_allclose(layer(a, out_grid), field(bases, points, out_grid), atol=1e-12)
    fine = resample(a, out_grid, basis=bases, points=points)
    np.testing.assert_allclose(fine, field(bases, points, out_grid), atol=1e-12)


@pytest.mark.parametrize(("basis", "points"), PLACES)
def test_derivatives_on_a_domain_of_four_to_one(basis, points):
    bases, where, grid = ("fourier", basis), ("left", points), (12, 11)
    a, slope = field(bases, where, grid), field(bases, where, grid, slope_along=1)
    options = {"lengths": (4.0, 0.5), "basis": bases, "points": where}
    computed = spectral_derivative(a, 1, **options)
    np.testing.assert_allclose(computed, slope / 0.5, atol=1e-10)
    along = field(bases, where, grid, slope_along=0)
    np.testing.assert_allclose(spectral_derivative(a, 0, **options), along / 4, atol=1e-10)


@pytest.mark.parametrize("points", ["cells", "ends"])
def test_a_function_without_boundary_conditions(points):
    """The exponential on 32 Chebyshev points, whose Fourier derivative is wrong by 76."""
    x, fine = (basis_points("chebyshev", n, points=points) for n in (32, 64))
    a = jnp.exp(jnp.asarray(x))[:, None]
    options = {"basis": "chebyshev", "points": points}
    np.testing.assert_allclose(spectral_derivative(a, **options), a, atol=1e-10)
    np.testing.assert_allclose(resample(a, (64,), **options)[:, 0], np.exp(fine), atol=1e-12)


@pytest.mark.parametrize("order", [0, 2, 3, 5])
def test_higher_derivatives_of_polynomials(order):
    p = np.polynomial.Polynomial([1.0, 2, 0, -1, 3, 1])
    x = basis_points("chebyshev", 8)
    computed = spectral_derivative(jnp.asarray(p(x))[:, None], order=order, basis="chebyshev")
    right = p.deriv(order)(x) if order else p(x)
    np.testing.assert_allclose(computed[:, 0], right, atol=1e-8 * max(1, np.max(np.abs(right))))


@pytest.mark.parametrize("points", ["left", "ends", "cells"])
def test_padded_layers_are_of_second_order_on_all_points(key, points):
    """Towards the integral, at points that are on all three grids."""
    layer = SpectralConv(1, 1, modes=(3,), padding=0.5, points=points, key=key)
    factor = 3 if points == "cells" else 2
    sizes = [n + (points == "ends") for n in ((27, 81, 243) if factor == 3 else (512, 1024, 2048))]
    results = [layer(jnp.asarray(np.exp(axis_points(n, points)))[:, None]) for n in sizes]
    first, middle, last = (
        r[(factor**level) // 2 if points == "cells" else 0 :: factor**level]
        for level, r in enumerate(results)
    )
    ratio = jnp.max(jnp.abs(first - middle)) / jnp.max(jnp.abs(middle - last))
    assert 1.9 < np.log(ratio) / np.log(factor) < 2.1


def test_a_channel_network_is_one_operator_on_all_grids(key):
    model = eqx.filter_jit(
        FNO(1, 1, width=3, modes=(2, 3), depth=2, basis=("fourier", "chebyshev"), key=key)
    )

    def on(n, m):
        x, y = np.arange(n) / n, basis_points("chebyshev", m)
        return model(jnp.asarray(np.outer(np.exp(np.sin(2 * np.pi * x)), np.exp(y)))[..., None])

    coarse, fine = on(32, 21), on(64, 63)[::2, 1::3]
    assert jnp.max(jnp.abs(coarse - fine)) < 1e-8 * jnp.max(jnp.abs(fine))


def test_both_ends_are_no_first_order_error(key):
    """The same padded network on 33 and 65 points with both ends; read as i/N it was 20 % off."""
    make = {"width": 3, "modes": (3,), "depth": 2, "padding": 0.25, "key": key}
    model = eqx.filter_jit(FNO(1, 1, **make, points="ends"))
    on = lambda n: model(jnp.exp(jnp.linspace(0, 1, n))[:, None])  # noqa: E731
    results = [on(n)[:: (n - 1) // 32] for n in (33, 65, 129)]
    first, second = (jnp.max(jnp.abs(p - q)) for p, q in itertools.pairwise(results))
    assert 1.9 < jnp.log2(first / second) < 2.1


def test_u_shaped_networks_take_every_option(key):
    make = {"width": 2, "modes": (2, 3), "levels": 1, "key": key}
    model = UNO(1, 1, **make, basis=("fourier", "cosine"), points=("left", "ends"))
    assert jax.eval_shape(model, jnp.ones((9, 8, 1))).shape == (9, 8, 1)
    with pytest.raises(ValueError, match="no basis='sphere'"):
        UNO(1, 1, **make, basis="sphere")  # pyright: ignore[reportArgumentType]


def _layer(**options):
    return SpectralConv(1, 1, modes=(2, 2), key=jax.random.key(0), **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _layer(basis=("fourier", "wavelet")), "'wavelet' is unknown for a grid axis"),
        (lambda: _layer(basis=("fourier",) * 3), "one for each of the 2 grid axes"),
        (lambda: _layer(basis=("fourier", "sine"), padding=0.25), "one padding per axis"),
        (lambda: _layer(padding=(0.0, -1.0)), "padding=-1.0 must be"),
        (lambda: _layer(points=("left", "right")), "points='right' is unknown"),
        (lambda: _layer(basis="cosine", points="left"), "does not suit basis='cosine'"),
        (lambda: _layer(points="ends")(jnp.ones((5, 6, 1))), r"wave numbers up to \(1, 2\)"),
        (
            lambda: _layer(basis=("fourier", "sine"), points=("left", "ends"))(jnp.ones((5, 4, 1))),
            r"k up to \(2, 1\) in the fourier x sine basis",
        ),
        (lambda: _layer(points="ends")(jnp.ones((6, 6, 1)), (6, 1)), "two where both ends"),
        (lambda: basis_points("chebyshev", 1, points="ends"), "2 with both ends; got 1"),
        (
            lambda: _layer(basis="sine").at_points(
                jnp.ones((3, 1)), jnp.full((3, 2), 0.5), jnp.ones(3)
            ),
            "On scattered points",
        ),
        (
            lambda: FNO(1, 1, width=1, modes=2, depth=1, basis=3, key=jax.random.key(0)),
            "one name per axis",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_ends_that_do_not_meet_are_flagged():
    """Periodic with both ends among the points: the last value repeats the first."""
    x = jnp.linspace(0, 1, 17)[:, None]
    with pytest.warns(UserWarning, match="does not have its first value once more"):
        spectral_derivative(jnp.exp(x), points="ends")
    with pytest.warns(UserWarning, match="first point once more at its end"):
        spectral_derivative(jnp.sin(2 * jnp.pi * x))
