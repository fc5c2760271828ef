"""Features: products of polynomials and waves, pieces whose windows sum to one, and training."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci import nn, pde
from jaxsci.pde._geometry.partition import partition

KEY = jax.random.key(0)
LINE = pde.Interval(0.0, 1.0)
SLAB = LINE.during(0.0, 1.0)
WRONG: dict[str, Any] = {"sizes": [3.7], "number": 2, "flat": [0.5], "train": (-1, 1.5, "2")}


def test_polynomials_are_those_of_chebyshev_with_their_derivatives():
    features = pde.polynomial_features(pde.Interval(-1.0, 3.0), [12])
    for x in (-1.0, 0.3, 3.0):
        t = (x - 1.0) / 2
        found = features(jnp.array([x]))
        slopes = jax.jacfwd(features)(jnp.array([x]))[:, 0]
        for k in range(12):
            own = np.polynomial.Chebyshev.basis(k)
            np.testing.assert_allclose(found[k], own(t), atol=1e-13)
            np.testing.assert_allclose(slopes[k], own.deriv()(t) / 2, atol=1e-10)


def test_products_span_all_pairs_and_waves_are_periodic():
    features = pde.polynomial_features(SLAB, [5, 3], periodic=(True, False))
    found = features(jnp.array([0.2, 0.7]))
    angle, t = np.pi * (0.4 - 1), 0.4
    waves = [1, np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]
    np.testing.assert_allclose(found, np.outer(waves, [1, t, 2 * t**2 - 1]).ravel(), atol=1e-14)
    ends = [features(jnp.array([x, 0.7])) for x in (0.0, 1.0)]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-14)


def test_windows_sum_to_one_and_fade_over_their_neighbours():
    windows, lower, upper = partition(np.zeros(2), np.ones(2), [[0.1, 0.4], 2])
    assert lower.shape == upper.shape == (6, 2)
    x = jax.random.uniform(jax.random.key(0), (50, 2))
    found = jax.vmap(windows)(x)
    assert found.shape == (50, 6)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-15)
    middles = jax.vmap(windows)(jnp.asarray((lower + upper) / 2))
    assert jnp.all(jnp.diagonal(middles) > 0.95)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["polynomials", "waves"])
def test_a_layer_in_a_short_piece_is_resolved(kind):
    """-u'' = f with u = tanh(100 (x - 0.02)), by far fewer features than one piece needs."""
    exact = lambda x: jnp.tanh(100 * (x[0] - 0.02))  # noqa: E731
    op = pde.poisson(pde.reference.manufactured(pde.poisson(0.0), exact))
    left, right = exact(jnp.zeros(1)), exact(jnp.ones(1))
    trial = lambda f: pde.dirichlet(  # noqa: E731
        f, LINE, values=lambda x: left + (right - left) * x[0]
    )

    def error(breaks, size):
        if kind == "polynomials":
            features = pde.polynomial_features(LINE, [size], breaks=breaks)
        else:
            features = pde.random_features(
                LINE, size, key=jax.random.key(1), scale=3.0, breaks=breaks
            )
        points = pde.graded(LINE, 300, breaks)
        found = pde.least_squares(op, trial, features, points, tolerance=np.inf)
        x = jnp.linspace(0, 1, 400)[:, None]
        return jnp.max(jnp.abs(jax.vmap(lambda x: found.field(found.params, x) - exact(x))(x)))

    pieces = [[0.01, 0.03, 0.06, 0.15, 0.4]]
    assert error(pieces, 16) < 1e-6
    assert error(None, 96) > 1e-3


def test_graded_points_are_equally_many_in_each_piece_and_dense_at_its_sides():
    points = pde.graded(SLAB, 512, [[0.1], 1])(jax.random.key(0))
    assert points.shape == (512, 2)
    assert jnp.sum(points[:, 0] < 0.1) == 256
    inside = np.sort(np.asarray(points[points[:, 0] < 0.1, 0])) / 0.1
    law = (1 - np.cos(np.pi * (np.arange(256) + 0.5) / 256)) / 2
    np.testing.assert_allclose(inside, law, atol=0.01)


def test_training_features_resolves_a_boundary_layer_by_twenty_of_them():
    """-0.01 u'' + u' = 1, with a layer of width 0.01 at x = 1."""
    layer = lambda x: (jnp.exp((x[0] - 1) / 0.01) - np.exp(-100)) / (1 - np.exp(-100))  # noqa: E731
    exact = lambda x: x[0] - layer(x)  # noqa: E731

    def op(u, x):
        return jsci.derivative(u, 0)(x) - 0.01 * jsci.laplacian(u)(x) - 1

    def error(train):
        features = pde.random_features(
            LINE, 20, key=jax.random.key(0), scale=10.0, activation="tanh"
        )
        found = pde.least_squares(
            op,
            lambda f: pde.dirichlet(f, LINE),
            features,
            pde.graded(LINE, 400),
            train=train,
            tolerance=np.inf,
        )
        x = jnp.linspace(0, 1, 500)[:, None]
        gap = jax.vmap(lambda x: found.field(found.params, x) - exact(x))(x)
        return float(jnp.sqrt(jnp.mean(gap**2)))

    assert error(60) < 1e-2 * error(0)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: pde.polynomial_features(SLAB, [5]), "one entry for each of 2"),
        (lambda: pde.polynomial_features(SLAB, [0, 2]), "at least 1"),
        (lambda: pde.polynomial_features(SLAB, [4, 2], periodic=(True, False)), "odd size"),
        (lambda: pde.polynomial_features(LINE, [5], periodic=[True], breaks=[2]), "one piece"),
        (lambda: pde.polynomial_features(LINE, [5], breaks=[[0.5, 0.2]]), "ascend"),
        (lambda: pde.polynomial_features(LINE, [5], breaks=[[1.5]]), "between 0 and 1"),
        (lambda: pde.polynomial_features(LINE, [5], breaks=[0]), "at least 1 per coordinate"),
        (lambda: pde.random_features(SLAB, 5, key=jax.random.key(0), breaks=[2]), "each of 2"),
        (lambda: pde.graded(LINE, 0), "n must be positive"),
        (lambda: pde.polynomial_features(LINE, WRONG["sizes"]), "whole numbers"),
        (lambda: pde.polynomial_features(LINE, [5], breaks=WRONG["number"]), "each of 1"),
        (lambda: pde.graded(LINE, 9, WRONG["flat"]), "such as"),
        (lambda: pde.polynomial_features(SLAB, [2, 3])(jnp.ones(1)), r"shape \(2,\), got \(1,\)"),
    ],
)
def test_what_cannot_be_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_domains_of_other_kinds_are_refused():
    with pytest.raises(TypeError, match="needs a domain"):
        pde.polynomial_features((0, 1), [4])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="needs a box"):
        pde.graded(pde.Ball((0.0, 0.0), 1.0), 10)


def test_features_without_arrays_cannot_be_trained():
    features = lambda x: jnp.concatenate([x, x**2])  # noqa: E731
    with pytest.raises(ValueError, match="hold none"):
        pde.least_squares(
            pde.poisson(1.0),
            lambda f: pde.dirichlet(f, LINE),
            features,
            pde.sobol(LINE, 16),
            train=3,
        )


class Roots(eqx.Module):
    """sin(√w x): without a value where w is negative."""

    w: jax.Array

    def __call__(self, x):
        return jnp.sin(jnp.sqrt(self.w) * x)


def trained(features, train=20):
    """u = x, which sin(√w x) approaches as w goes to zero."""
    return pde.least_squares(
        lambda u, x: u(x) - x[0],
        lambda f: f,
        features,
        pde.graded(LINE, 16),
        train=train,
        tolerance=np.inf,
    )


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_steps_to_where_features_have_no_value_are_shortened(dtype):
    """Parameters in single precision are trained in double precision."""
    found = trained(Roots(jnp.array([4.0], dtype)))
    assert found.relative_residual < 1e-5 and 0 < found.features.w[0] < 1e-3
    assert found.features.w.dtype == jnp.float64


def test_what_cannot_be_trained_is_refused():
    for train in WRONG["train"]:
        with pytest.raises(ValueError, match="train must be a number of steps"):
            trained(Roots(jnp.array([4.0])), train)
    with pytest.raises(ValueError, match="real arrays"):
        trained(Roots(jnp.array([4.0 + 1j])))


@pytest.mark.parametrize(
    "net",
    [
        nn.MLP(2, "scalar", width=5, depth=2, key=KEY),
        nn.MLP(2, 3, width=4, depth=1, key=KEY),
        nn.SIREN(2, "scalar", width=4, depth=2, key=KEY),
        nn.ModifiedMLP(2, 2, width=4, depth=2, key=KEY),
        nn.PirateNet(2, "scalar", depth=1, embedding=nn.FourierFeatures(2, 2, key=KEY), key=KEY),
        eqx.nn.MLP(2, 3, 4, 2, jnp.tanh, key=KEY),
        eqx.nn.MLP(2, "scalar", 4, 2, jnp.tanh, use_final_bias=False, key=KEY),
    ],
    ids=["MLP", "several outputs", "SIREN", "ModifiedMLP", "PirateNet", "Equinox", "no bias"],
)
def test_a_network_is_a_sum_of_its_own_features(net):
    f, params = jsci.pure(net)
    features, coefficients = pde.network_features(f, params)
    x = jnp.array([0.3, -0.8])
    np.testing.assert_allclose(coefficients @ features(x), f(params, x), rtol=1e-13)


def test_the_last_layer_of_a_trained_network_is_solved():
    """Of all last layers, least squares takes the best: the residual of training is no smaller."""
    square = pde.Box((0.0, 0.0), (1.0, 1.0))
    op = pde.poisson(lambda x: 2 * jnp.pi**2 * jnp.prod(jnp.sin(jnp.pi * x)))
    f, params = jsci.pure(nn.MLP(2, "scalar", width=16, depth=1, key=KEY))
    loss = jsci.objective({"pde": jsci.residual(op, pde.dirichlet(f, square))})
    points = pde.sobol(square, 200)(KEY)
    trained = jsci.fit(loss, params, {"pde": points}, optax.adam(1e-2), steps=50, progress=False)
    features, start = pde.network_features(f, trained.params)
    trial = lambda g: pde.dirichlet(g, square)  # noqa: E731
    solved = pde.least_squares(op, trial, features, points, fresh=points, tolerance=np.inf)
    before = float(loss.value(trained.params, {"pde": points}))
    assert solved.residuals["equation"] ** 2 < 0.1 * before
    further = pde.least_squares(
        op, trial, features, points, fresh=points, guess=start, train=3, tolerance=np.inf
    )
    assert further.residuals["equation"] < solved.residuals["equation"]


@pytest.mark.parametrize(
    "params", [{"w": jnp.ones(2)}, jsci.pure(nn.KAN(2, "scalar", width=3, depth=1, key=KEY))[1]]
)
def test_a_network_without_an_affine_last_layer(params):
    with pytest.raises(TypeError, match="no affine last layer.*give least_squares"):
        pde.network_features(lambda p, x: x[0], params)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(jnp.tanh, id="an activation"),
        pytest.param(lambda y: 1.0 + y, id="a boundary value"),
        pytest.param(lambda y: y + y**2, id="a square"),
        pytest.param(lambda y: jnp.stack([y, 2 * y])[::-1], id="outputs in another order"),
    ],
)
def test_a_network_that_does_something_after_its_last_layer(after):
    f, params = jsci.pure(nn.MLP(2, "scalar", width=4, depth=1, key=KEY))
    features, _ = pde.network_features(lambda p, x: after(f(p, x)), params)
    x = jnp.array([0.2, 0.9])
    for call in (features, jax.jit(lambda x: features(x)), lambda x: jax.vmap(features)(x[None])):
        with pytest.raises(TypeError, match="linear in its last layer.*trial="):
            call(x)
    # A factor that does not depend on the layer is part of the features.
    factor, coefficients = pde.network_features(lambda p, x: x[0] * f(p, x), params)
    np.testing.assert_allclose(coefficients @ factor(x), x[0] * f(params, x), rtol=1e-14)
