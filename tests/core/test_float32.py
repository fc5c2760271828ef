"""Float32 in, float32 out, with float64 on or off (`JSCI_TEST_X64=0 pytest -m f32`)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from entries import ENTRIES

import jaxsci as jsci

pytestmark = pytest.mark.f32


@pytest.fixture(scope="module")
def field():
    return jsci.pure(
        eqx.nn.MLP(2, "scalar", 8, 1, jnp.tanh, key=jax.random.key(0)), dtype="float32"
    )


POINTS = np.random.default_rng(0).uniform(-1, 1, (4, 2)).astype("float32")


@pytest.mark.parametrize(
    "op",
    [
        lambda u, x: jsci.derivative(u, 0, 1)(x),
        lambda u, x: jsci.laplacian(u)(x),
        lambda u, x: jsci.biharmonic(u)(x),
        lambda u, x: jsci.grad(u)(x),
        lambda u, x: jsci.divergence(jsci.grad(u))(x),
    ],
    ids=["derivative", "laplacian", "biharmonic", "grad", "divergence"],
)
def test_derivatives(field, op):
    f, params = field
    y = jax.jit(jsci.vmap(jsci.residual(op, f), (None, 0)))(params, POINTS)
    assert y.dtype == jnp.float32
    assert np.isfinite(y).all()


def test_gram(field):
    f, params = field
    kernel = jsci.gram(f, params, POINTS)
    assert kernel.dtype == jnp.float32
    rows = jax.vmap(lambda x: jax.flatten_util.ravel_pytree(jax.grad(f)(params, x))[0])(POINTS)
    np.testing.assert_allclose(kernel, rows @ rows.T, rtol=1e-4)


def test_fixed_point():
    step = lambda p, y: jnp.cos(p * y)  # noqa: E731
    value, gradient = jax.value_and_grad(
        lambda p: jsci.fixed_point(step, p, np.float32(0.5)).value
    )(np.float32(1))
    assert value.dtype == gradient.dtype == jnp.float32
    np.testing.assert_allclose([value, gradient], [0.7390851, -0.2974743], rtol=1e-4)


def test_fit_and_save(field, tmp_path):
    f, params = field
    loss = jsci.objective({"data": lambda p, x: f(p, x) - x[0]})
    result = jsci.fit(loss, params, {"data": POINTS}, optax.adam(1e-2), steps=20)
    assert {leaf.dtype for leaf in jax.tree.leaves(result.params)} == {jnp.dtype("float32")}
    assert result.history["loss"].dtype == jnp.float32
    assert result.history["loss"][-1] < result.history["loss"][0]
    jsci.save(tmp_path / "p", result.params)
    assert eqx.tree_equal(jsci.load(tmp_path / "p", params), result.params)


@pytest.mark.parametrize("make", [jsci.gauss_newton, jsci.natural_gradient])
def test_steps_of_fixed_damping_ask_for_float64(field, make):
    f, params = field
    loss = jsci.objective({"data": f})
    with pytest.raises(ValueError, match="float64"):
        jsci.fit(loss, params, {"data": POINTS}, make(), steps=1)


@pytest.mark.parametrize("space", ["sample", "parameter", "matrix_free"])
def test_levenberg_marquardt_reaches_the_rounding_of_its_residuals(field, space):
    """From a damping far below the rounding of J Jᵀ, which is singular: 33 parameters, 60 samples.

    The loss is a mean of squares of numbers near one, each rounded to 6e-8. Conjugate gradients end
    after 200 iterations, far from the solution of systems as singular as these.
    """
    f, params = field
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2)).astype("float32")
    true = jax.tree.map(lambda leaf: leaf + jnp.float32(0.1), params)
    loss = jsci.objective({"data": lambda p, x: f(p, x) - f(true, x)})
    optimizer = jsci.levenberg_marquardt(1e-30, space=space)
    result = jsci.fit(loss, params, {"data": x}, optimizer, steps=60)
    assert {leaf.dtype for leaf in jax.tree.leaves(result.params)} == {jnp.dtype("float32")}
    assert result.history["loss"].dtype == jnp.float32
    assert result.history["loss"][-1] < (1e-6 if space == "matrix_free" else 1e-10)


# As users have it who set nothing.
@pytest.mark.parametrize(
    "entry", [] if jax.config.jax_enable_x64 else ENTRIES, ids=lambda entry: entry.name
)
def test_public_entries_compute_in_single_precision(entry):
    out = jax.tree.leaves(jax.jit(entry.call)(jnp.asarray(entry.x)))
    assert {leaf.dtype for leaf in out} == {jnp.dtype("float32")}
    assert all(np.isfinite(leaf).all() for leaf in out)
    if entry.answer:
        for got, want in zip(out, jax.tree.leaves(entry.answer(entry.x)), strict=True):
            scale = max(1.0, float(np.abs(want).max()))
            np.testing.assert_allclose(np.asarray(got), np.float64(want), atol=1e-5 * scale)
