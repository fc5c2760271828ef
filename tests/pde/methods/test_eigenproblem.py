import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import jaxsci as jsci
from jaxsci import nn, pde
from jaxsci.pde._points.quadrature import points_and_weights

WELL = ((-1.0, -0.5, 0.5, 1.0), (20.0, 0.0, 20.0))
BARRIER = ((-1.0, -0.25, 0.25, 1.0), (0.0, 20.0, 0.0))
LINE = pde.Interval(-1.0, 1.0)


def _potential(edges, values):
    return lambda x: jnp.asarray(values)[jnp.sum(x[0] > jnp.asarray(edges[1:-1]))]


def _solve(shape, state, key, *, kinks=True, steps=120):
    edges, values = shape
    inner = edges[1:-1]
    embedding = nn.KinkFeatures(inner) if kinks else None
    net = nn.MLP(1, "scalar", width=16, depth=1, embedding=embedding, key=key)
    f, params = jsci.pure(net)
    psi, op = pde.dirichlet(f, LINE), pde.schroedinger(_potential(edges, values))
    points = pde.gauss_legendre(LINE, 16, breaks=(inner,))
    problem = pde.eigenproblem(op, psi, params, points, state=state)
    fit = jsci.fit(
        problem.objective, problem.params, problem.data, jsci.levenberg_marquardt(),
        steps=steps, progress=False,
    )  # fmt: skip
    return problem, fit.params, psi, points


def test_well_energies_are_the_transcendental_roots():
    k = lambda e, v: np.sqrt(abs(e - v))  # noqa: E731
    even = float(
        brentq(  # pyright: ignore[reportArgumentType]
            lambda e: k(e, 0) * np.tan(k(e, 0) * 0.5) - k(e, 20) / np.tanh(k(e, 20) * 0.5),
            1.0,
            9.0,
            xtol=1e-14,
        )
    )
    np.testing.assert_allclose(pde.reference.well_energies(*WELL)[0], even, rtol=1e-13)
    np.testing.assert_allclose(even, 4.685457431966, rtol=1e-12)
    barrier = pde.reference.well_energies(*BARRIER, states=2)
    np.testing.assert_allclose(barrier, [8.816782677962, 11.296889018340], rtol=1e-12)
    box = pde.reference.well_energies((0.0, 0.3, 2.0), (0.0, 0.0), states=4)
    np.testing.assert_allclose(box, (np.arange(1, 5) * np.pi / 2) ** 2, rtol=1e-13)
    # A wall of 1e6, into which a wave decays by e every 1/1000: the box is longer by that.
    wall = pde.reference.well_energies((0.0, 1.0, 2.0), (1e6, 0.0))
    np.testing.assert_allclose(wall, (np.pi / 1.001) ** 2, rtol=1e-7)


@pytest.mark.parametrize("shape", [WELL, BARRIER], ids=["well", "barrier"])
@pytest.mark.parametrize("state", [0, 1, 2])
def test_wells_to_eight_digits_in_the_state_asked_for(shape, state, key):
    exact = pde.reference.well_energies(*shape, states=3)[state]
    _, params, psi, points = _solve(shape, state, key)
    op = pde.schroedinger(_potential(*shape))
    energy = pde.rayleigh_quotient(op, psi, params["field"], points)
    np.testing.assert_allclose(energy, exact, rtol=1e-8)
    np.testing.assert_allclose(params["eigenvalue"], exact, rtol=1e-8)


def test_ritz_values_are_upper_bounds_and_states_are_orthogonal(key):
    exact = pde.reference.well_energies(*WELL, states=3)
    solutions = [_solve(WELL, state, key, steps=40) for state in (0, 1)]
    ritz = solutions[0][0].ritz_values[:3]
    assert (ritz > exact - 1e-10).all() and (ritz < exact * 1.1).all()
    (_, a, psi, (x, w)), (_, b, _, _) = solutions
    u, v = (jax.vmap(psi, (None, 0))(p["field"], x) for p in (a, b))
    np.testing.assert_allclose([w @ u**2, w @ v**2], 1.0, atol=1e-2)
    assert abs(w @ (u * v)) < 1e-3
    op = pde.schroedinger(_potential(*WELL))
    np.testing.assert_allclose(
        pde.rayleigh_quotient(op, psi, a["field"], (x, w)), exact[0], rtol=1e-6
    )


def test_kinks_are_what_makes_the_difference(key):
    exact = pde.reference.well_energies(*WELL)[0]
    _, params, psi, points = _solve(WELL, 0, key, kinks=False)
    op = pde.schroedinger(_potential(*WELL))
    energy = pde.rayleigh_quotient(op, psi, params["field"], points)
    assert abs(energy / exact - 1) > 1e-7


def test_harmonic_oscillator_in_two_dimensions(key):
    """E = 2(n + m + 1) for V = |x|² on a box wide enough."""
    box = pde.Box((-5.0, -5.0), (5.0, 5.0))
    f, params = jsci.pure(nn.MLP(2, "scalar", width=80, depth=1, key=key))

    def psi(p, x):
        return jnp.exp(-0.3 * jnp.sum(x**2)) * f(p, 0.5 * x)

    op = pde.schroedinger(lambda x: jnp.sum(x**2))
    problem = pde.eigenproblem(op, psi, params, pde.gauss_legendre(box, 24), state=0)
    np.testing.assert_allclose(problem.ritz_values[:3], [2.0, 4.0, 4.0], rtol=3e-3)


def test_gauss_legendre_is_exact_for_polynomials():
    box = pde.Box((0.0, -1.0), (2.0, 1.0))
    x, w = pde.gauss_legendre(box, 3, breaks=((0.5,), ()))
    assert x.shape == (18, 2)
    np.testing.assert_allclose(w @ (x[:, 0] ** 5 * x[:, 1] ** 4), 64 / 6 * 2 / 5, rtol=1e-13)
    kink = lambda y: jnp.maximum(y - 0.5, 0) ** 2  # noqa: E731
    either_order = [pde.gauss_legendre(LINE, 2, breaks=(b,))[0] for b in ((-0.5, 0.5), (0.5, -0.5))]
    np.testing.assert_array_equal(*either_order)
    np.testing.assert_allclose(w @ kink(x[:, 0]), 2 * 1.5**3 / 3, rtol=1e-13)


def test_bad_input(key):
    f, params = jsci.pure(nn.MLP(1, "scalar", width=4, depth=1, key=key))
    psi, op, points = pde.dirichlet(f, LINE), pde.schroedinger(0.0), pde.gauss_legendre(LINE, 8)
    with pytest.raises(ValueError, match="state must be in 0 … 4"):
        pde.eigenproblem(op, psi, params, points, state=9)
    with pytest.raises(ValueError, match="not linear in the parameters"):
        first = lambda p: p.layers[0].weight  # noqa: E731
        pde.eigenproblem(op, psi, params, points, linear=first)
    with pytest.raises(TypeError, match="cannot find the last layer"):
        pde.eigenproblem(op, lambda p, x: p["a"] * x[0], {"a": jnp.ones(())}, points)
    with pytest.raises(ValueError, match="ascending edges"):
        pde.reference.well_energies((0.0, 1.0), (1.0, 2.0))
    with pytest.raises(ValueError, match=r"breaks must lie inside \(-1.0, 1.0\)"):
        pde.gauss_legendre(LINE, 4, breaks=((2.0,),))
    with pytest.raises(ValueError, match="n >= 1"):
        pde.gauss_legendre(LINE, 0)


UNIT = pde.Interval(0.0, 1.0)


def _start(op, key, *, points=24, line=UNIT, embedding=None, state=0):
    f, params = jsci.pure(nn.MLP(1, "scalar", width=16, depth=1, embedding=embedding, key=key))
    quadrature = pde.gauss_legendre(line, points)
    return pde.eigenproblem(op, pde.dirichlet(f, line), params, quadrature, state=state)


def _convection(speed):
    return lambda u, x: -jsci.laplacian(u)(x) + speed * jsci.grad(u)(x)[0]


@pytest.mark.parametrize("speed", [-10.0, 1.0, 0.01])
def test_an_operator_that_is_not_symmetric_is_refused(speed, key):
    """Symmetrised, all of them would have the eigenvalues of -u″, off by (speed/2)²."""
    with pytest.raises(ValueError, match=r"symmetric operator.*differ by .* of their range"):
        _start(_convection(speed), key)


def test_sturm_liouville_form_is_accepted_and_the_product_alone_refused(key):
    """-((1 + x)² u′)′ has u = sin(nπ log(1 + x)/log 2)/√(1 + x), E = ¼ + (nπ/log 2)²."""

    def symmetric(u, x):
        return -jsci.grad(lambda y: (1 + y[0]) ** 2 * jsci.grad(u)(y)[0])(x)[0]

    problem = _start(symmetric, key, points=40)
    exact = 0.25 + (np.pi * np.arange(1, 3) / np.log(2)) ** 2
    assert (problem.ritz_values[:2] > exact).all()  # upper bounds, in a basis of 16
    np.testing.assert_allclose(problem.ritz_values[:2], exact, rtol=5e-3)
    with pytest.raises(ValueError, match="symmetric operator"):
        _start(lambda u, x: -((1 + x[0]) ** 2) * jsci.laplacian(u)(x), key)


def test_rotation_in_two_dimensions_is_refused(key):
    """x ∂u/∂y - y ∂u/∂x is antisymmetric; with it off the harmonic oscillator passes."""
    box = pde.Box((-5.0, -5.0), (5.0, 5.0))
    f, params = jsci.pure(nn.MLP(2, "scalar", width=40, depth=1, key=key))
    psi = lambda p, x: jnp.exp(-0.3 * jnp.sum(x**2)) * f(p, 0.5 * x)  # noqa: E731
    oscillator = pde.schroedinger(lambda x: jnp.sum(x**2))

    def turning(u, x):
        slope = jsci.grad(u)(x)
        return oscillator(u, x) + 0.1 * (x[0] * slope[1] - x[1] * slope[0])

    with pytest.raises(ValueError, match="symmetric operator"):
        pde.eigenproblem(turning, psi, params, pde.gauss_legendre(box, 24))


def test_a_quadrature_too_coarse_is_said_and_not_taken_for_asymmetry(key):
    """Kinks of the basis without breaks: Ritz values are not even bounds, yet H is symmetric."""
    kinks = nn.KinkFeatures((-0.5, 0.5))
    op = pde.schroedinger(_potential(*WELL))
    with pytest.warns(UserWarning, match=r"does not resolve.*breaks"):
        _start(op, key, points=16, line=LINE, embedding=kinks)


@pytest.mark.parametrize("points", [5, 6])
def test_coefficients_that_vary_are_taken_for_a_coarse_quadrature(points, key):
    """-((1 + 50x²) u′)′ is symmetric, and takes more points than -u″."""

    def steep(u, x):
        return -jsci.grad(lambda y: (1 + 50 * y[0] ** 2) * jsci.grad(u)(y)[0])(x)[0]

    with pytest.warns(UserWarning, match=r"does not resolve.*the operator is not symmetric"):
        _start(steep, key, points=points)


def test_an_operator_that_is_nearly_constant_is_no_less_symmetric(key):
    """Rounding of 1e6 is not small next to the range of the energies, 1 to 100."""
    shifted = _start(lambda u, x: -jsci.laplacian(u)(x) - 1e6 * u(x), key)
    np.testing.assert_allclose(shifted.ritz_values[0] + 1e6, np.pi**2, rtol=1e-3)
    np.testing.assert_allclose(_start(lambda u, x: u(x), key).ritz_values, 1.0, rtol=1e-5)


def test_nonlinear_operators_and_sources_are_refused(key):
    for op in (
        lambda u, x: -jsci.laplacian(u)(x) + u(x) ** 3,
        pde.poisson(lambda x: 5 * jnp.sin(x[0])),
    ):
        with pytest.raises(ValueError, match="linear operator, but Hψ differs"):
            _start(op, key)


def test_what_is_no_quadrature():
    points, weights = pde.gauss_legendre(LINE, 8)
    assert points_and_weights((points, weights)) == (points, weights)
    with pytest.raises(TypeError, match="got a function. Points of a sampler have no weights"):
        points_and_weights(pde.uniform(LINE, 8))
    with pytest.raises(TypeError, match="pair of points"):
        points_and_weights(points)
    with pytest.raises(ValueError, match=r"shapes \(8,\) and \(8, 1\)"):
        points_and_weights((weights, points))
