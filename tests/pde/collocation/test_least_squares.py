"""What is linear is solved: errors near rounding, and clear words where they cannot be."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import jaxsci as jsci
from jaxsci import pde
from jaxsci.pde._collocation.truncated_svd import ReusedFactors, truncated_solve

LINE = pde.Interval(-1.0, 1.0)
SQUARE = pde.Box((0.0, 0.0), (1.0, 1.0))


def waves(domain, n, scale, seed=0):
    return pde.random_features(domain, n, key=jax.random.key(seed), scale=scale)


def error(result, exact, domain):
    points = pde.uniform(domain, 300)(jax.random.key(9))
    found = jax.vmap(lambda x: result.field(result.params, x))(points)
    expected = jax.vmap(exact)(points)
    return float(jnp.linalg.norm(found - expected) / jnp.linalg.norm(expected))


def on_the_line(op, n=40, scale=4.0, **options):
    trial = lambda f: pde.dirichlet(f, LINE)  # noqa: E731
    return pde.least_squares(op, trial, waves(LINE, n, scale), pde.sobol(LINE, 4 * n), **options)


def test_poisson_to_rounding():
    exact = lambda x: jnp.sin(jnp.pi * x[0])  # noqa: E731
    result = on_the_line(pde.poisson(lambda x: jnp.pi**2 * exact(x)))
    assert error(result, exact, LINE) < 1e-13
    assert result.relative_residual < 1e-13
    assert result.linear
    assert result.converged
    assert result.steps == 2
    assert result.rank < 40  # the rest is below rounding


def test_conditions_as_equations_beside_another_kind_of_wall():
    """-u'' = 1, u(-1) = 0, u'(1) = 2: u = -x²/2 + 3 x + 7/2."""
    left, right = jnp.array([[-1.0]]), jnp.array([[1.0]])
    ops = {
        "equation": pde.poisson(1.0),
        "left": lambda u, x: u(x),
        "right": lambda u, x: jax.grad(u)(x)[0] - 2.0,
    }
    points = {"equation": pde.sobol(LINE, 128), "left": left, "right": right}
    result = pde.least_squares(ops, lambda f: f, waves(LINE, 40, 2.0), points)
    assert error(result, lambda x: -(x[0] ** 2) / 2 + 3 * x[0] + 3.5, LINE) < 1e-10
    assert set(result.residuals) == set(ops)
    assert max(result.residuals.values()) < 1e-9


def test_a_system_has_coefficients_for_each_output():
    """u' = v, v' = -u with u(0) = 0, v(0) = 1: sine and cosine."""
    line = pde.Interval(0.0, 3.0)

    def op(u, x):
        value, slope = jax.jvp(u, (x,), (jnp.ones(1),))
        return jnp.stack([slope[0] - value[1], slope[1] + value[0]])

    def trial(f):
        return lambda params, x: jnp.array([0.0, 1.0]) + x[0] * f(params, x)

    features = waves(line, 40, 3.0)
    result = pde.least_squares(op, trial, features, pde.sobol(line, 128), outputs=2)
    assert result.params.shape == (2, 40)
    points = pde.uniform(line, 50)(jax.random.key(1))
    found = jax.vmap(lambda x: result.field(result.params, x))(points)
    np.testing.assert_allclose(found[:, 0], np.sin(points[:, 0]), atol=1e-11)
    np.testing.assert_allclose(found[:, 1], np.cos(points[:, 0]), atol=1e-11)


def test_what_is_not_linear_is_linearised_and_solved_again():
    exact = lambda x: jnp.sin(jnp.pi * x[0])  # noqa: E731
    cubic = lambda u, x: (  # noqa: E731
        jsci.laplacian(u)(x) - u(x) ** 3 + exact(x) ** 3 + jnp.pi**2 * exact(x)
    )
    result = on_the_line(cubic, 60, 6.0)
    assert error(result, exact, LINE) < 1e-11
    assert not result.linear
    assert result.converged
    assert result.steps > 2
    with pytest.raises(ValueError, match="not linear in u, and max_steps=1"):
        on_the_line(cubic, 60, 6.0, max_steps=1)
    again = on_the_line(cubic, 60, 6.0, guess=result.params)
    assert error(again, exact, LINE) < 1e-11
    assert again.steps <= 2


def test_a_step_that_overshoots_is_halved():
    """From far away, where an arctangent is flat, the first whole step raises the residual."""
    op = lambda u, x: jnp.arctan(u(x) - x[0])  # noqa: E731
    features = lambda x: jnp.stack([jnp.ones(()), x[0]])  # noqa: E731
    points = jnp.linspace(-1, 1, 20)[:, None]
    far = jnp.array([3.0, 1.0])
    result = pde.least_squares(op, lambda f: f, features, points, guess=far, max_steps=60)
    np.testing.assert_allclose(result.params, [0.0, 1.0], atol=1e-8)


def test_of_several_features_the_best_are_taken():
    exact = lambda x: jnp.sin(4 * jnp.pi * x[0])  # noqa: E731
    op = pde.poisson(lambda x: 16 * jnp.pi**2 * exact(x))
    trial = lambda f: pde.dirichlet(f, LINE)  # noqa: E731
    several = [waves(LINE, 40, scale) for scale in (0.5, 12.0)]
    result = pde.least_squares(op, trial, several, pde.sobol(LINE, 160))
    assert result.features is several[1]
    assert error(result, exact, LINE) < 1e-9


def test_singular_functions_resolve_a_corner():
    """Δu = 0 on an L with u = r^(2/3) sin(2φ/3): by itself among waves, to rounding."""

    def singular(x):
        angle = jnp.mod(jnp.arctan2(x[1], x[0]), 2 * jnp.pi)
        return jnp.sum(x**2) ** (1 / 3) * jnp.sin(2 * angle / 3)

    ell = pde.Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
    box = pde.Box((-1.0, -1.0), (1.0, 1.0))
    smooth = waves(box, 60, 2.0)
    walls = jnp.concatenate([pde.sobol(b, 32)(jax.random.key(3)) for b in ell.boundary.values()])
    ops = {"equation": lambda u, x: jsci.laplacian(u)(x), "walls": lambda u, x: u(x) - singular(x)}
    points = {"equation": pde.sobol(ell, 256), "walls": walls}
    enriched = lambda x: jnp.append(smooth(x), singular(x))  # noqa: E731
    result = pde.least_squares(ops, lambda f: f, enriched, points)
    assert error(result, singular, ell) < 1e-11
    with pytest.warns(UserWarning, match="above the tolerance of 1e-06"):
        plain = pde.least_squares(ops, lambda f: f, smooth, points)
    assert error(plain, singular, ell) > 1e-4


def test_steps_and_waves_of_one_domain():
    domain = pde.Box((0.0, -2.0), (1.0, 2.0))
    steps = pde.random_features(domain, 500, key=jax.random.key(0), scale=3.0, activation="tanh")
    centres = -steps.biases / jnp.linalg.norm(steps.weights, axis=1)
    assert steps(jnp.zeros(2)).shape == (500,)
    assert float(jnp.abs(steps.weights[:, 0]).max()) <= 6.0
    assert float(jnp.abs(steps.weights[:, 1]).max()) <= 1.5
    assert float(jnp.abs(centres).max()) < np.hypot(1, 2)  # each is steepest inside
    deviations = jnp.std(waves(domain, 4000, 3.0).weights, axis=0)
    np.testing.assert_allclose(deviations, [6.0, 1.5], rtol=0.05)


def test_a_warning_estimates_how_many_features_it_takes():
    """The estimate from half of them is within a factor of two of what reaches the tolerance."""
    exact = lambda x: jnp.sin(5 * jnp.pi * x[0])  # noqa: E731
    op = pde.poisson(lambda x: 25 * jnp.pi**2 * exact(x))
    with pytest.warns(UserWarning, match=r"about \d+ features") as caught:
        on_the_line(op, 24, 12.0, tolerance=1e-10)
    (number,) = [int(w) for w in str(caught[0].message).split() if w.isdigit()]
    assert 24 < number < 100
    assert on_the_line(op, 2 * number, 12.0, tolerance=1e-10).relative_residual < 1e-10


def test_points_that_are_too_few_are_said():
    op = pde.poisson(lambda x: jnp.exp(jnp.sin(9 * x[0])))
    points = pde.uniform(LINE, 62)
    with pytest.warns(UserWarning, match="times smaller: give more"):
        pde.least_squares(
            op, lambda f: pde.dirichlet(f, LINE), waves(LINE, 60, 30.0), points, tolerance=1e-9
        )


def test_bad_input():
    features, points = waves(LINE, 40, 4.0), pde.sobol(LINE, 64)
    op, trial = pde.poisson(1.0), lambda f: f

    def solve(op: Any = op, features: Any = features, points: Any = points, **options):
        return pde.least_squares(op, trial, features, points, **options)

    with pytest.raises(ValueError, match="20 equations for 40 coefficients"):
        solve(points=pde.sobol(LINE, 20))
    with pytest.raises(ValueError, match=r"the names of the equations, \['equation', 'wall'\]"):
        solve({"equation": op, "wall": op}, points={"equation": points})
    with pytest.raises(ValueError, match=r"weights has \['wal'\]"):
        solve(weights={"wal": 2.0})
    with pytest.raises(ValueError, match="weights must be positive"):
        solve(weights={"equation": 0.0})
    with pytest.raises(ValueError, match=r"points of 'equation' must have shape \(n, dim\)"):
        solve(points=jnp.zeros(64))
    with pytest.raises(ValueError, match=r"must have shape \(n,\) for one point x"):
        solve(features=lambda x: x[0])
    with pytest.raises(ValueError, match="residuals or their derivatives are not finite"):
        solve(lambda u, x: jnp.sqrt(x[0]) * u(x))
    with pytest.raises(ValueError, match="A residual is complex"):
        solve(lambda u, x: 1j * u(x))
    with pytest.raises(ValueError, match=r"guess has shape \(3,\); the coefficients have \(40,\)"):
        solve(guess=jnp.zeros(3))
    with pytest.raises(TypeError, match="needs a domain"):
        pde.random_features(1.0, 3, key=jax.random.key(0))  # pyright: ignore
    with pytest.raises(ValueError, match="must be positive, got n = 0"):
        waves(LINE, 0, 4.0)
    with pytest.raises(ValueError, match="'sine' or 'tanh'"):
        pde.random_features(LINE, 3, key=jax.random.key(0), activation="relu")  # pyright: ignore


def test_the_truncated_solution_is_that_of_lstsq_where_nothing_is_dependent():
    a, b = np.random.default_rng(0).normal(size=(30, 7)), np.arange(30.0)
    found = truncated_solve(a, b)
    np.testing.assert_allclose(found.solution, np.linalg.lstsq(a, b)[0], rtol=1e-12)
    assert found.rank == 7
    dependent = np.concatenate([a, a[:, :1] + 1e-17], axis=1)
    found = truncated_solve(dependent, b)
    assert found.rank == 7
    np.testing.assert_allclose(dependent @ found.solution, a @ np.linalg.lstsq(a, b)[0], rtol=1e-10)
    assert np.abs(found.solution).max() < 1e3
    assert truncated_solve(np.zeros((4, 2)), np.ones(4)).rank == 0


def test_another_right_hand_side_compiles_nothing(compilations):
    on_the_line(pde.poisson(lambda x: 0.3 * x[0]))
    with compilations() as count:
        on_the_line(pde.poisson(lambda x: 0.7 * x[0]), key=jax.random.key(4))
        assert count() == 0


def bar(n, **options):
    """-E u'' = 1e8 between walls at u = 1e-3: u = 1e-3 + (1 - x²)/4000 for E = 2e11."""
    bends = lambda u, x: 2e11 * jsci.laplacian(u)(x) + 1e8  # noqa: E731
    ops = {"bar": bends, "wall": lambda u, x: u(x) - 1e-3}
    points = {"bar": jnp.linspace(-1, 1, 120)[:, None], "wall": jnp.array([[-1.0], [1.0]])}
    result = pde.least_squares(ops, lambda f: f, waves(LINE, n, 2.0), points, **options)
    return error(result, lambda x: 1e-3 + (1 - x[0] ** 2) / 4000, LINE)


def test_an_equation_that_others_outweigh_is_named():
    """Beside 1e8 the whole of 1e-3 is below the tolerance."""
    with pytest.warns(UserWarning, match="equation 'wall' itself, which the others outweigh"):
        assert bar(12) > 1
    with pytest.warns(UserWarning, match="of the equation 'bar' itself"):
        assert bar(40, weights={"wall": 1e60}) > 0.1
    assert bar(40, weights={"wall": 1e22}) < 1e-12


def test_an_equation_that_only_rounding_leaves_is_not_named():
    """u does not depend on y: its slope there has no other size than the rounding of u = 300."""
    square = pde.Box((0.0, 0.0), (1.0, 1.0))
    op = {
        "pde": lambda u, x: jsci.laplacian(u)(x),
        "ends": lambda u, x: u(x) - 300 * (1 + x[0]),
        "sides": lambda u, x: jsci.grad(u)(x)[1],
    }
    points = {name: pde.sobol(square, 40) for name in op}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pde.least_squares(op, lambda f: f, pde.polynomial_features(square, [4, 4]), points)
    assert found.residuals["sides"] < 1e-10


def test_as_many_points_as_coefficients_are_said():
    step = lambda u, x: u(x) - jnp.sign(x[0] - 0.01)  # noqa: E731
    points = jnp.linspace(-1, 1, 12)[:, None]
    with pytest.warns(UserWarning, match="12 residuals for 12 independent coefficients"):
        pde.least_squares(step, lambda f: f, waves(LINE, 12, 2.0), points, tolerance=1e-2)


def test_a_residual_that_is_infinite_without_features_is_no_unit():
    """log u at u = 0: the guess, u = 1, is the reference; the solution is exp."""
    features = lambda x: x[0] ** jnp.arange(4)  # noqa: E731
    op = lambda u, x: jnp.log(u(x)) - x[0]  # noqa: E731
    points, guess = jnp.linspace(-1, 1, 24)[:, None], jnp.array([1.0, 0, 0, 0])
    with pytest.warns(UserWarning, match="of the residual without features"):
        result = pde.least_squares(op, lambda f: f, features, points, guess=guess)
    assert 1e-4 < result.relative_residual < 1e-1


@pytest.mark.parametrize("traced", ["points", "guess", "equation"])
def test_under_jit_it_says_that_it_cannot(traced):
    features, points = waves(LINE, 8, 2.0), jnp.linspace(-1, 1, 24)[:, None]

    def solve(x):
        op = lambda u, y: u(y) - (x * y[0] if traced == "equation" else y[0])  # noqa: E731
        at = x * points if traced == "points" else points
        guess = x * jnp.ones(8) if traced == "guess" else None
        return pde.least_squares(op, lambda f: f, features, at, guess=guess).params

    with pytest.raises(TypeError, match="that jit, vmap or grad is tracing"):
        jax.jit(solve)(1.0)


def test_more_bad_input():
    features, points = waves(LINE, 8, 2.0), jnp.linspace(-1, 1, 24)[:, None]

    def solve(op: Any = lambda u, x: u(x) - 1, features: Any = features, points=points, **options):
        return pde.least_squares(op, lambda f: f, features, points, **options)

    for op in (lambda u, x: x[0], lambda u, x: u(x) ** 2 - 1):
        with pytest.raises(ValueError, match="No equation changes with the coefficients"):
            solve(op)
    np.testing.assert_array_equal(solve(lambda u, x: 0 * x[0]).params, 0)
    with pytest.raises(TypeError, match="array of floats that depends on u; got tuple"):
        solve(lambda u, x: (u(x), u(x)))
    with pytest.raises(ValueError, match="max_steps must be at least 1, got 0"):
        solve(max_steps=0)
    for outputs in (0, "vector"):
        with pytest.raises(ValueError, match=f"outputs must be .* got {outputs!r}"):
            solve(outputs=outputs)
    with pytest.raises(ValueError, match="features has none"):
        solve(features=[])
    with pytest.raises(ValueError, match="op has no equations"):
        solve({})
    with pytest.raises(ValueError, match="points of 'equation' must be finite"):
        solve(points=points.at[3].set(jnp.nan))
    with pytest.raises(ValueError, match="guess must be finite"):
        solve(guess=jnp.full(8, jnp.nan))
    with pytest.raises(ValueError, match="residuals or their derivatives are not finite"):
        solve(lambda u, x: u(x) - jnp.sqrt(1 + x[0]), fresh=2 * points)
    flat = solve(lambda u, x: jax.grad(u)(x)[0], points=jnp.arange(24)[:, None])
    assert flat.relative_residual == 0  # points that are whole numbers


def test_factors_serve_until_the_matrix_changes(monkeypatch):
    """By more than rounding: slabs of a linear equation are factored once."""
    rng, counts, qr = np.random.default_rng(0), [], scipy.linalg.qr
    a, b, c = rng.normal(size=(20, 6)), rng.normal(size=20), rng.normal(size=20)
    monkeypatch.setattr(scipy.linalg, "qr", lambda *a, **b: counts.append(1) or qr(*a, **b))
    solve = ReusedFactors()
    for matrix, target, count in (
        (a, b, 1),
        (a * (1 + 1e-14), c, 1),
        (2 * a, c, 2),
        (a[:9], c[:9], 3),
    ):
        found, rank = solve(matrix, target)
        assert rank == 6 and len(counts) == count
        np.testing.assert_allclose(found, np.linalg.lstsq(matrix, target)[0], rtol=1e-10)
