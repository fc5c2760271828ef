"""Eigenvalues of linear operators by features: exact ones, and clear words where there are none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from numpy.polynomial import chebyshev

import jaxsci as jsci
from jaxsci import pde
from jaxsci.pde._collocation.pencil import eigenpairs_of, orthonormalised, refined

LINE = pde.Interval(0.0, 1.0)
SQUARE = pde.Box((0.0, 0.0), (1.0, 1.0))


def zero_at_ends(f):
    return pde.dirichlet(f, LINE)


def minus_second(u, x):
    return -jsci.laplacian(u)(x)


def times_place(u, x):
    """An operator that is quick to compile."""
    return x[0] * u(x)


def on_the_line(op, n=32, **options):
    features = options.pop("features", pde.polynomial_features(LINE, [n]))
    return pde.eigenpairs(op, zero_at_ends, features, pde.sobol(LINE, 96), **options)


def chebyshev_reference(p, w, n=48):
    """-(p u')' = λ w u with u = 0 at 0 and 1, by Galerkin with Legendre weights and eigh."""
    x, weights = np.polynomial.legendre.leggauss(2 * n)
    x, weights = (x + 1) / 2, weights / 2
    y = 2 * x - 1
    series = [chebyshev.Chebyshev([1, 0, -1]) * chebyshev.Chebyshev.basis(k) for k in range(n // 2)]
    u = np.stack([s(y) for s in series], axis=1)
    du = 2 * np.stack([s.deriv()(y) for s in series], axis=1)
    return scipy.linalg.eigh(
        du.T @ ((weights * p(x))[:, None] * du),
        u.T @ ((weights * w(x))[:, None] * u),
        eigvals_only=True,
    )


@pytest.fixture(scope="module")
def string():
    return on_the_line(minus_second, states=6)


def test_a_string_to_ten_digits(string):
    np.testing.assert_allclose(string.values, (np.pi * np.arange(1, 7)) ** 2, rtol=1e-10)
    assert string.values.dtype == jnp.float64
    assert string.params.shape == (6, 32)
    assert float(string.residuals.max()) < 1e-8


def test_eigenfunctions_have_mean_square_one(string):
    x = pde.uniform(LINE, 50)(jax.random.key(3))
    for k in range(6):
        u = jax.vmap(lambda x, k=k: string.field(string.params[k], x))(x)
        exact = np.sqrt(2) * np.sin((k + 1) * np.pi * np.asarray(x[:, 0]))
        sign = np.sign(u @ exact)
        np.testing.assert_allclose(sign * u, exact, atol=0.02)  # the mean is over 96 points
        shape = u / np.linalg.norm(u) - sign * exact / np.linalg.norm(exact)
        assert np.abs(shape).max() < 1e-9


def test_random_features_and_those_nearest_to_a_number():
    waves = pde.random_features(LINE, 64, key=jax.random.key(0), scale=8.0)
    result = on_the_line(minus_second, features=waves, states=3, near=100.0)
    np.testing.assert_allclose(result.values, (np.pi * np.array([3, 4, 2])) ** 2, rtol=1e-10)


def test_a_weight():
    """-u'' = λ (1 + x)² u."""
    reference = chebyshev_reference(lambda x: 1 + 0 * x, lambda x: (1 + x) ** 2)[:4]
    result = on_the_line(minus_second, weight=lambda u, x: (1 + x[0]) ** 2 * u(x))
    np.testing.assert_allclose(result.values, reference, rtol=1e-10)


def test_sturm_liouville():
    """-(eˣ u')' = λ u / (1 + x)."""

    def op(u, x):
        return jnp.exp(x[0]) * (minus_second(u, x) - jax.grad(u)(x)[0])

    reference = chebyshev_reference(np.exp, lambda x: 1 / (1 + x))[:4]
    result = on_the_line(op, weight=lambda u, x: u(x) / (1 + x[0]))
    np.testing.assert_allclose(result.values, reference, rtol=1e-9)


def test_convection_is_not_symmetric():
    """-u'' + 10 u' has the eigenvalues π² k² + 25."""
    op = lambda u, x: minus_second(u, x) + 10 * jax.grad(u)(x)[0]  # noqa: E731
    result = on_the_line(op)
    np.testing.assert_allclose(result.values, (np.pi * np.arange(1, 5)) ** 2 + 25, rtol=1e-10)


def test_a_generalised_problem_of_two_operators():
    """Buckling with hinged ends: u'''' = -λ u'', u = u'' = 0, λ = π² k²."""
    wide = lambda f: lambda p, x: jnp.sin(jnp.pi * x[0]) * f(p, jnp.cos(jnp.pi * x))  # noqa: E731
    features = lambda y: jnp.cos(jnp.arange(6) * jnp.arccos(y[0]))  # noqa: E731
    op = lambda u, x: jsci.derivative(u, 0, 0, 0, 0)(x)  # noqa: E731
    points = jnp.linspace(0.02, 0.97, 24)[:, None]
    result = pde.eigenpairs(op, wide, features, points, weight=minus_second, states=3)
    np.testing.assert_allclose(result.values, (np.pi * np.arange(1, 4)) ** 2, rtol=1e-9)


def test_a_zero_eigenvalue_has_a_residual_too():
    """-u'' on a circle: 0, then pairs."""
    waves = pde.polynomial_features(LINE, [9], periodic=[True])
    result = pde.eigenpairs(minus_second, lambda f: f, waves, pde.sobol(LINE, 32), states=5)
    exact = (2 * np.pi * np.array([0, 1, 1, 2, 2])) ** 2
    np.testing.assert_allclose(result.values, exact, rtol=1e-11, atol=1e-9)


def test_a_harmonic_oscillator():
    line = pde.Interval(-8.0, 8.0)
    trial = lambda f: lambda p, x: jnp.exp(-(x[0] ** 2) / 2) * f(p, x)  # noqa: E731
    op = pde.schroedinger(lambda x: x[0] ** 2)
    features = pde.polynomial_features(pde.Interval(-3.0, 3.0), [12])
    result = pde.eigenpairs(op, trial, features, pde.sobol(line, 128), states=5)
    np.testing.assert_allclose(result.values, [1, 3, 5, 7, 9], rtol=1e-10)


def test_multiple_eigenvalues_of_a_square():
    trial = lambda f: pde.dirichlet(f, SQUARE)  # noqa: E731
    features, points = pde.polynomial_features(SQUARE, [12, 12]), pde.sobol(SQUARE, 320)
    result = pde.eigenpairs(minus_second, trial, features, points, tolerance=1e-4)
    assert result.values.dtype == jnp.float64  # rounding makes no complex pair of them
    np.testing.assert_allclose(result.values / np.pi**2, [2, 5, 5, 8], rtol=1e-6)
    x = pde.uniform(SQUARE, 60)(jax.random.key(2))
    u, v = (jax.vmap(lambda x, k=k: result.field(result.params[k], x))(x) for k in (1, 2))
    assert abs(u @ v) < 0.5 * jnp.linalg.norm(u) * jnp.linalg.norm(v)  # two, not one twice


def test_coupled_components_have_complex_eigenvalues():
    """(-u'' - 3 v, -v'' + 3 u): π² k² ± 3 i."""

    def op(u, x):
        return minus_second(u, x) + 3 * jnp.array([-u(x)[1], u(x)[0]])

    features = pde.polynomial_features(LINE, [20])
    result = pde.eigenpairs(op, zero_at_ends, features, pde.sobol(LINE, 64), outputs=2)
    exact = np.array([np.pi**2, np.pi**2, 4 * np.pi**2, 4 * np.pi**2])
    np.testing.assert_allclose(result.values.real, exact, rtol=1e-9)
    np.testing.assert_allclose(np.abs(result.values.imag), 3.0, rtol=1e-8)
    np.testing.assert_allclose(result.values[:2].imag.sum(), 0.0, atol=1e-8)
    assert result.params.shape == (4, 2, 20)
    value = result.field(result.params[0], jnp.array([0.3]))
    ratio = value[1] / value[0]  # the eigenvectors of the rotation are (1, ± i)
    np.testing.assert_allclose(abs(ratio.imag), 1.0, atol=1e-8)


def test_states_that_are_not_resolved_are_left_out_and_counted():
    with pytest.warns(UserWarning, match=r"found \d of 12 states .* below 1e-06"):
        result = on_the_line(minus_second, n=16, states=12)
    found = len(result.values)
    assert 1 <= found < 12
    np.testing.assert_allclose(result.values, (np.pi * np.arange(1, found + 1)) ** 2, rtol=1e-6)


def test_an_eigenvalue_left_out_between_others_is_named():
    """Even functions to a high degree, odd ones to a low: the fourth state is coarse."""
    degrees = np.array([*range(0, 30, 2), 1, 3, 5])
    chosen = lambda x: pde.polynomial_features(LINE, [30])(x)[degrees]  # noqa: E731
    with pytest.warns(UserWarning, match=r"leaves out \d eigenvalues before .* more features"):
        result = on_the_line(minus_second, features=chosen, states=4)
    odd = (np.pi * np.arange(1, 9, 2)) ** 2
    np.testing.assert_allclose(result.values, odd, rtol=1e-6)


def test_refinement_lowers_the_residual_of_a_rough_projection():
    rng = np.random.default_rng(0)
    b = rng.standard_normal((60, 12))
    exact = np.linspace(1.0, 12.0, 12)
    basis = np.eye(12) + 0.1 * rng.standard_normal((12, 12))
    a = b @ basis @ np.diag(exact) @ np.linalg.inv(basis)
    pencil = orthonormalised(a, b)
    values, vectors = eigenpairs_of(pencil)
    i = np.argsort(np.real(values))[:1]
    rough = vectors[:, i] + 1e-4 * rng.standard_normal((12, 1))
    new, vector = refined(pencil, values[i] * (1 + 1e-6), rough)
    np.testing.assert_allclose(new, 1.0, rtol=1e-10)
    assert np.linalg.norm(pencil.operator @ vector - pencil.weight @ vector * new) < 1e-10


def test_bad_input():
    features, points = pde.polynomial_features(LINE, [6]), pde.sobol(LINE, 32)

    def call(op=times_place, trial=zero_at_ends, features=features, points=points, **options):
        return pde.eigenpairs(op, trial, features, points, **options)

    with pytest.raises(ValueError, match="operator is not linear in u: it differs by"):
        call(lambda u, x: times_place(u, x) + u(x) ** 3)
    with pytest.raises(ValueError, match="weight is not linear in u"):
        call(weight=lambda u, x: u(x) ** 3)
    with pytest.raises(ValueError, match="operator is 1 where all coefficients are zero"):
        call(pde.poisson(1.0))
    with pytest.raises(ValueError, match="trial function or the weight is 2 where all"):
        call(trial=lambda f: pde.dirichlet(f, LINE, values=2.0))
    with pytest.raises(ValueError, match=r"states must be in 1 … 6"):
        call(states=7)
    with pytest.raises(ValueError, match="states must be a number of at least 1"):
        call(states=0)
    with pytest.raises(ValueError, match="near must be finite"):
        call(near=float("nan"))
    with pytest.raises(ValueError, match="tolerance must be positive"):
        call(tolerance=0.0)
    with pytest.raises(ValueError, match="not finite"):
        call(lambda u, x: times_place(u, x) * jnp.nan)
    with pytest.raises(ValueError, match="points of 'op' must be finite"):
        call(points=jnp.full((20, 1), jnp.nan))
    with pytest.raises(ValueError, match="4 equations for 6 coefficients"):
        call(points=pde.sobol(LINE, 4))
    with pytest.raises(ValueError, match="2 components per point and weight 1"):
        call(lambda u, x: jnp.stack([u(x), u(x)]))
    with pytest.warns(UserWarning, match="7 residuals for 6 independent coefficients"):
        call(points=pde.sobol(LINE, 7)(jax.random.key(0)), states=1, tolerance=1e9)


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap])
def test_refused_under_a_transformation(transform):
    features = pde.polynomial_features(LINE, [6])

    def lowest(c):
        op = lambda u, x: c * times_place(u, x)  # noqa: E731
        return pde.eigenpairs(op, zero_at_ends, features, pde.sobol(LINE, 16), states=1).values

    with pytest.raises(TypeError, match=r"jit, vmap or grad is tracing.*eigenpairs\(\)"):
        transform(lowest)(jnp.ones(1 if transform is jax.vmap else ()))
