"""Data sets: solvers against independent solutions, their order, and agreement of resolutions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from jaxsci.operators import data


def smooth_problem(cells):
    """a, f and the exact u of -div(a grad u) = f with u = sin(pi x) sin(2 pi y)."""
    x, y = np.meshgrid(*[np.arange(cells + 1) / cells] * 2, indexing="ij")
    sx, cx, s2, c2 = (
        np.sin(np.pi * x), np.cos(np.pi * x), np.sin(2 * np.pi * y), np.cos(2 * np.pi * y)
    )  # fmt: skip
    a = np.exp(x * y)
    u = sx * s2
    slopes = y * a * np.pi * cx * s2 + x * a * 2 * np.pi * sx * c2
    f = 5 * np.pi**2 * a * u - slopes
    inside = (slice(1, -1), slice(1, -1))
    return jnp.asarray(a), jnp.asarray(f[inside]), u[inside]


def sparse_matrix(a):
    """The five-point scheme with harmonic face means, assembled entry by entry."""
    cells = a.shape[0] - 1
    index = lambda i, j: (i - 1) * (cells - 1) + j - 1  # noqa: E731
    matrix = scipy.sparse.lil_matrix(((cells - 1) ** 2, (cells - 1) ** 2))
    for i in range(1, cells):
        for j in range(1, cells):
            for p, q in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                face = 2 / (1 / a[i, j] + 1 / a[p, q]) * cells**2
                matrix[index(i, j), index(i, j)] += face
                if 0 < p < cells and 0 < q < cells:
                    matrix[index(i, j), index(p, q)] -= face
    return matrix.tocsc()


def test_darcy_solver_equals_a_sparse_solve(key):
    a = np.where(jax.random.bernoulli(key, 0.5, (17, 17)), 12.0, 3.0)
    f = np.asarray(jax.random.normal(key, (15, 15)))
    u = data.solve_darcy(jnp.asarray(a), jnp.asarray(f), tolerance=1e-13)
    expected = np.asarray(scipy.sparse.linalg.spsolve(sparse_matrix(a), f.ravel()))
    np.testing.assert_allclose(u.ravel(), expected, rtol=1e-10, atol=1e-13)


def test_darcy_solver_is_second_order():
    errors = []
    for cells in (16, 32):
        a, f, exact = smooth_problem(cells)
        u = jax.jit(lambda a, f: data.solve_darcy(a, f, tolerance=1e-12))(a, f)
        errors.append(np.max(np.abs(u - exact)))
    assert 1.9 < np.log2(errors[0] / errors[1]) < 2.1


def test_darcy_solver_gradient(key):
    a, f, _ = smooth_problem(8)
    loss = jax.jit(lambda a: jnp.sum(data.solve_darcy(a, f, tolerance=1e-14) ** 2))
    numeric = (loss(a.at[3, 5].add(1e-5)) - loss(a.at[3, 5].add(-1e-5))) / 2e-5
    np.testing.assert_allclose(jax.grad(loss)(a)[3, 5], numeric, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
@pytest.mark.parametrize("node", [(0, 0), (3, 5)])
def test_a_coefficient_that_is_not_positive_and_finite_gives_nan(node, value):
    a, f, _ = smooth_problem(8)
    assert np.isnan(data.solve_darcy(a.at[node].set(value), f)).all()


def test_an_invalid_source_or_a_tolerance_out_of_reach_gives_nan():
    a, f, _ = smooth_problem(8)
    assert np.isnan(data.solve_darcy(a, f.at[2, 2].set(np.nan))).all()
    contrast = jnp.where(jax.random.bernoulli(jax.random.key(0), 0.5, (65, 65)), 1.0, 1e7)
    assert np.isnan(data.solve_darcy(contrast, jnp.ones((63, 63)), tolerance=1e-12)).all()


@pytest.mark.parametrize("size", [1e-170, 1e200])
def test_darcy_solver_is_linear_in_the_source_at_any_size(size):
    """The squares of 1e-170 are zero, and those of 1e200 infinite."""
    a, f, _ = smooth_problem(8)
    u = data.solve_darcy(a, f, tolerance=1e-12)
    np.testing.assert_allclose(data.solve_darcy(a, size * f, tolerance=1e-12) / size, u, rtol=1e-9)
    np.testing.assert_allclose(
        data.solve_darcy(1e-170 * a, 1e-170 * f, tolerance=1e-12), u, rtol=1e-9
    )


@pytest.mark.parametrize(("size", "dtype"), [(1e-300, None), (1e300, None), (1e-24, jnp.float32)])
def test_darcy_solver_takes_coefficients_of_any_size(size, dtype):
    """Of c·a the solution is that of a over c, and its slope in c·a, times c², that in a."""
    a, f, _ = smooth_problem(8)
    a, f = (jnp.asarray(given, dtype) for given in (a, f))
    rtol = 1e-9 if dtype is None else 1e-4
    solve = functools.partial(data.solve_darcy, tolerance=rtol / 10)
    np.testing.assert_allclose(solve(size * a, f) * size, solve(a, f), rtol=rtol)
    mean = lambda unit: lambda a: jnp.mean(unit * solve(unit * a, f))  # noqa: E731
    found, expected = jax.grad(mean(size))(a), jax.grad(mean(1.0))(a)
    np.testing.assert_allclose(found, expected, rtol=10 * rtol, atol=rtol)


def test_whole_numbers_and_mixed_precisions_are_fields():
    u = data.solve_darcy(jnp.ones((9, 9)), jnp.ones((7, 7)))
    for kind in (int, np.float32):
        found = data.solve_darcy(np.ones((9, 9), kind), np.ones((7, 7), np.float32))
        assert found.dtype == (jnp.float32 if kind is np.float32 else u.dtype)
        np.testing.assert_allclose(found, u, rtol=1e-4)
    start = np.arange(16) % 3
    solve = functools.partial(data.solve_burgers, viscosity=0.1, time=0.1, steps=20)
    found = solve(start)
    np.testing.assert_array_equal(found, solve(start.astype(float)))
    with pytest.raises(ValueError, match="u0 as real numbers.*complex128"):
        solve(1j * start)


def test_darcy_resolutions_agree_and_the_boundary_is_zero(key):
    a, u = data.darcy(key, 3, 32, fine=32)
    coarse = data.darcy(key, 3, 16, fine=32)
    assert a.shape == u.shape == (3, 32, 32, 1)
    np.testing.assert_array_equal(coarse[0], a[:, ::2, ::2])
    np.testing.assert_array_equal(coarse[1], u[:, ::2, ::2])
    assert set(np.unique(a)) == {3.0, 12.0}
    assert not np.any(u[:, 0]) and not np.any(u[:, :, 0])
    assert np.all(u[:, 1:, 1:] > 0)


def test_darcy_converges_across_the_jumps(key):
    """The coefficient is the same function on every fine grid, so solutions approach each other."""
    coarse, middle, fine = (data.darcy(key, 4, 16, fine=n)[1] for n in (32, 64, 128))
    distance = lambda p, q: np.linalg.norm(p - q) / np.linalg.norm(q)  # noqa: E731
    assert distance(middle, fine) < 0.7 * distance(coarse, fine)
    assert distance(middle, fine) < 0.03


def cole_hopf(x, viscosity, time):
    """Burgers from u0 = sin(2 pi x) by the Cole-Hopf integral, by the trapezoidal rule."""
    y = np.linspace(-4, 5, 18001)
    potential = (1 - np.cos(2 * np.pi * y)) / (2 * np.pi)
    exponent = -potential / (2 * viscosity) - (x[:, None] - y) ** 2 / (4 * viscosity * time)
    weight = np.exp(exponent - exponent.max(1, keepdims=True))
    return np.sum((x[:, None] - y) / time * weight, 1) / np.sum(weight, 1)


@pytest.mark.parametrize(("viscosity", "tolerance"), [(0.1, 1e-10), (0.01, 1e-7)])
def test_burgers_equals_cole_hopf(viscosity, tolerance):
    x = np.arange(256) / 256
    time = 0.25
    u = data.solve_burgers(
        jnp.asarray(np.sin(2 * np.pi * x)), viscosity=viscosity, time=time, steps=400
    )
    np.testing.assert_allclose(u, cole_hopf(x, viscosity, time), atol=tolerance)


def test_burgers_is_fourth_order_in_time():
    x = np.arange(128) / 128
    u0 = jnp.asarray(np.sin(2 * np.pi * x))
    exact = cole_hopf(x, 0.02, 0.2)
    errors = [
        np.max(np.abs(data.solve_burgers(u0, viscosity=0.02, time=0.2, steps=n) - exact))
        for n in (40, 80)
    ]
    assert 3.7 < np.log2(errors[0] / errors[1]) < 4.5


def test_burgers_data_are_nonlinear_and_resolutions_agree(key):
    u0, u = data.burgers(key, 64, 128, fine=256, viscosity=0.1, steps=100)
    coarse = data.burgers(key, 64, 32, fine=256, viscosity=0.1, steps=100)
    np.testing.assert_array_equal(coarse[0], u0[:, ::4])
    np.testing.assert_array_equal(coarse[1], u[:, ::4])
    np.testing.assert_allclose(jnp.sqrt(jnp.mean(u0**2)), 1, atol=0.15)
    np.testing.assert_allclose(jnp.mean(u, 1), 0, atol=1e-12)
    # Without advection each mode would only decay: the heat equation misses by far.
    k = np.arange(65)
    heat = np.fft.irfft(np.fft.rfft(u0[..., 0]) * np.exp(-0.1 * (2 * np.pi * k) ** 2))
    assert np.linalg.norm(heat - u[..., 0]) > 0.1 * np.linalg.norm(u)


def test_etdrk4_does_not_drop_the_imaginary_part_of_a_rotation():
    turn = lambda v: data.etdrk4(1j * np.arange(3.0), lambda v: 0 * v, v, time=1.0, steps=4)  # noqa: E731
    np.testing.assert_allclose(turn(jnp.ones(3) + 0j), np.exp(1j * np.arange(3.0)), rtol=1e-14)
    with pytest.raises(TypeError, match="give v0 \\+ 0j"):
        turn(jnp.ones(3))
    # (i k)² is of complex type, and a real number.
    decay = data.etdrk4((1j * np.arange(3.0)) ** 2, jnp.zeros_like, jnp.ones(3), time=1.0, steps=4)
    np.testing.assert_allclose(decay, np.exp(-(np.arange(3.0) ** 2)), rtol=1e-14)


def test_etdrk4_on_a_scalar_equation():
    """v' = -v - v², v(0) = 1: v = 1 / (2 exp(t) - 1)."""
    run = lambda n: data.etdrk4(np.array([-1.0]), lambda v: -(v**2), jnp.ones(1), time=1.0, steps=n)  # noqa: E731
    errors = [abs(run(n)[0] - 1 / (2 * np.e - 1)) for n in (40, 80)]
    assert 3.8 < np.log2(errors[0] / errors[1]) < 4.2


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
def test_grf_variance_and_grids(key, boundary):
    draw = jax.jit(jax.vmap(lambda k: data.grf(k, 64, boundary=boundary, modes=16)))
    g = draw(jax.random.split(key, 2000))
    np.testing.assert_allclose(jnp.mean(g**2), 1, atol=0.08)
    one = data.grf(jax.random.split(key, 2000)[0], 32, boundary=boundary, modes=16)
    np.testing.assert_allclose(one, g[0, ::2], atol=1e-12)
    if boundary == "dirichlet":
        assert not np.any(g[:, 0])


def test_grf_spectrum(key):
    """The variance of mode k falls as (4 pi² k² + tau²)^-alpha."""
    draw = jax.vmap(lambda k: data.grf(k, 32, alpha=2.0, tau=5.0, modes=12))
    g = draw(jax.random.split(key, 4000))
    power = np.mean(np.abs(np.fft.rfft(g)) ** 2, 0)
    expected = ((2 * np.pi * 3) ** 2 + 25.0) ** -2 / ((2 * np.pi) ** 2 + 25.0) ** -2
    np.testing.assert_allclose(power[3] / power[1], expected, rtol=0.1)
    assert power[0] < 1e-20


def test_antiderivative(key):
    """Its slope is v (central differences, second order) and it starts at zero."""
    v, u = data.antiderivative(key, 3, 512)
    slope = (u[:, 2:] - u[:, :-2]) * 256
    np.testing.assert_allclose(slope, v[:, 1:-1], atol=0.05)
    assert not np.any(u[:, 0])
    np.testing.assert_allclose(data.antiderivative(key, 3, 64)[1], u[:, ::8], atol=1e-13)


def test_advection_moves_without_change(key):
    u0, u = data.advection(key, 2, 60, speed=0.25, time=2.0)
    np.testing.assert_allclose(u, jnp.roll(u0, 30, axis=1), atol=1e-12)


def test_a_larger_set_begins_with_the_smaller_one(key):
    few, many = (data.burgers(key, n, 16, fine=32, steps=5)[1] for n in (3, 5))
    np.testing.assert_allclose(many[:3], few, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: data.darcy(k, 1, 48), "resolution must divide it"),
        (lambda k: data.darcy(k, 0, 32), "n >= 1"),
        (lambda k: data.darcy(k, 1, 32, low=-1.0), "0 < low <= high"),
        (lambda k: data.burgers(k, 1, 32, viscosity=0.0), "positive viscosity"),
        (lambda k: data.grf(k, 8, boundary="open"), "boundary='open' is unknown"),  # pyright: ignore
        (lambda k: data.solve_darcy(jnp.ones((9, 9)), jnp.ones((9, 9))), r"\(7, 7\), got \(9, 9\)"),
    ],
)
def test_bad_input(key, call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(key)


def test_counts_and_times_that_are_not_positive_are_refused():
    u0 = jnp.sin(2 * jnp.pi * jnp.arange(16) / 16)
    fine = {"length": 6.0, "time": 0.1, "steps": 2}
    for wrong in ({"length": -6.0}, {"time": -0.1}, {"steps": 0}):
        with pytest.raises(ValueError, match=f"got {next(iter(wrong))}="):
            data.solve_kuramoto_sivashinsky(u0, **fine | wrong)
    fine = {"viscosity": 0.1, "time": 0.1, "steps": 2}
    for wrong in ({"viscosity": -0.1}, {"time": -0.1}, {"steps": 1.5}):
        with pytest.raises(ValueError, match=f"got {next(iter(wrong))}="):
            data.solve_burgers(u0, **fine | wrong)
        with pytest.raises(ValueError, match=f"got {next(iter(wrong))}="):
            data.solve_navier_stokes(jnp.ones((4, 4)), jnp.ones((4, 4)), **fine | wrong)
        with pytest.raises(ValueError, match=f"got {next(iter(wrong))}="):
            data.solve_shallow_water(jnp.ones((4, 4, 3)), coriolis=1.0, **fine | wrong)
    with pytest.raises(ValueError, match=r"u0 of shape \(N,\), got \(16, 16\)"):
        data.solve_burgers(jnp.ones((16, 16)), **fine)
    with pytest.raises(ValueError, match="positive number of points"):
        data.grf(jax.random.key(0), -5)
