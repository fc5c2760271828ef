"""Second-order optimisers: the three spaces agree, quadratic convergence, clear refusals."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import jaxsci as jsci
from jaxsci.core._fit.steps import one_step, start_of_training
from jaxsci.core._train.least_squares.damped import linear_model

# 15 residuals and 16 parameters: what happens between the samples is no matter here.
pytestmark = pytest.mark.filterwarnings("ignore:There are fewer residuals")

X = jax.random.normal(jax.random.key(0), (12, 2))
BATCH = {"fit": (X, jnp.sin(X[:, 0]) * X[:, 1]), "small": X[:3]}


def f(params, x):
    return jnp.tanh(params["w"] @ x + params["b"]) @ params["v"]


LOSS = jsci.objective({"fit": lambda p, xy: f(p, xy[0]) - xy[1], "small": f}, {"small": 1e-2})


def make_params(width=4):
    k = jax.random.split(jax.random.key(1), 3)
    return {
        "w": jax.random.normal(k[0], (width, 2)),
        "b": jax.random.normal(k[1], (width,)),
        "v": jax.random.normal(k[2], (width,)),
    }


@pytest.mark.parametrize("space", ["sample", "parameter", "matrix_free"])
def test_damped_solution_matches_numpy(space):
    params = make_params()
    at = LOSS.at(BATCH)
    flat, unravel = ravel_pytree(params)
    j = np.asarray(jax.jacrev(lambda w: at.vector(unravel(w)))(flat))
    b = np.arange(15.0)
    model = linear_model(at, params, space)
    expected = np.linalg.solve(j.T @ j + 0.1 * np.eye(j.shape[1]), j.T @ b)
    # Conjugate gradients stop at a relative 1e-6; the factorisations are exact to rounding.
    tolerance = 1e-4 if space == "matrix_free" else 1e-10
    np.testing.assert_allclose(
        model.damped(jnp.array(0.1))(jnp.asarray(b)), expected, rtol=tolerance, atol=tolerance
    )
    np.testing.assert_allclose(model.apply(flat), j @ flat, rtol=1e-11, atol=1e-12)
    if space != "matrix_free":
        np.testing.assert_allclose(model.trace, np.sum(j**2), rtol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 4, 50])
def test_a_jacobian_in_chunks_takes_the_same_steps(batch_size):
    """Of 12 and 3 samples in two terms, one weighted: JᵀJ and Jᵀb are sums over them."""
    weighted = {"fit": jsci.Weighted(BATCH["fit"], jnp.linspace(0.0, 0.1, 12)), "small": X[:3]}
    pair = jsci.objective(
        {"fit": lambda p, xy: jnp.stack([f(p, xy[0]) - xy[1], f(p, xy[0])]), "small": f},
        {"small": 1e-2},
        batch_size=batch_size,
    )
    whole = dataclasses.replace(pair, batch_size=None)
    optimizer = jsci.levenberg_marquardt(space="parameter")
    one, two = (
        jsci.fit(loss, make_params(), weighted, optimizer, steps=4) for loss in (pair, whole)
    )
    np.testing.assert_allclose(one.history["loss"], two.history["loss"], rtol=1e-9)


def test_a_jacobian_in_chunks_is_never_whole():
    """4,000 residuals of 1,185 parameters are 36 MiB; JᵀJ and its factor 11 each."""
    net, params = jsci.pure(jsci.nn.MLP(2, "scalar", width=32, depth=2, key=jax.random.key(0)))
    points = jax.random.normal(jax.random.key(1), (4000, 2))

    def memory(batch_size):
        loss = jsci.objective({"r": net}, batch_size=batch_size)
        step = lambda p, x: linear_model(loss.at({"r": x}), p, "parameter").damped(1.0)(x[:, 0])  # noqa: E731
        return jsci.peak_memory(step, params, points)

    assert memory(None) - memory(50) > 30 * 2**20


def test_linear_problem_is_solved_in_one_step():
    linear = jsci.objective({"line": lambda p, xy: p @ xy[0] - xy[1]})
    target = jnp.array([1.0, -3.0])
    batch = {"line": (X, X @ target)}
    result = jsci.fit(linear, jnp.zeros(2), batch, jsci.gauss_newton(1e-14), steps=1)
    np.testing.assert_allclose(result.params, target, rtol=1e-10)


@pytest.mark.parametrize(
    "optimizer",
    [
        jsci.levenberg_marquardt(),
        jsci.levenberg_marquardt(space="matrix_free"),
        jsci.gauss_newton(1e-4),
        jsci.natural_gradient(0.5, damping=1e-3, momentum=0.3),
    ],
    ids=["levenberg_marquardt", "matrix_free", "gauss_newton", "natural_gradient"],
)
def test_beats_a_hundred_adam_steps_in_thirty(optimizer):
    result = jsci.fit(LOSS, make_params(), BATCH, optimizer, steps=30)
    adam = jsci.fit(LOSS, make_params(), BATCH, optax.adam(1e-2), steps=100)
    assert result.history["loss"][-1] < 0.1 * adam.history["loss"][-1]


def test_levenberg_marquardt_never_raises_the_loss():
    result = jsci.fit(LOSS, make_params(), BATCH, jsci.levenberg_marquardt(), steps=25)
    assert np.all(np.diff(result.history["loss"]) <= 0)


def test_sample_and_parameter_space_take_the_same_path():
    runs = [
        jsci.fit(
            LOSS, make_params(), BATCH, jsci.levenberg_marquardt(1e-2, space=space), steps=5
        ).params
        for space in ("sample", "parameter")
    ]
    np.testing.assert_allclose(ravel_pytree(runs[0])[0], ravel_pytree(runs[1])[0], rtol=1e-6)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="LAPACK is a CPU's")
def test_a_batch_of_steps_factorises_once():
    """LAPACK on a batch waits for XLA's threads while it holds one: with as many such calls side by
    side as there are threads, all wait for ever. 16 solves at once on two cores did."""
    optimizer = jsci.levenberg_marquardt()

    def step(params):
        value = LOSS.value(params, BATCH)
        update, _ = optimizer.update(
            params,
            optimizer.init(params),
            params,
            value=value,
            value_fn=lambda p: LOSS.value(p, BATCH),
            residual_fn=LOSS.at(BATCH),
        )
        return update

    many = jax.vmap(lambda scale: jax.tree.map(lambda p: scale * p, make_params()))(jnp.ones(4))
    program = jax.jit(jax.vmap(step)).lower(many).compile().as_text()
    assert program.count('custom_call_target="lapack_dpotrf_ffi"') == 1


@pytest.mark.parametrize("space", ["sample", "parameter"])
def test_a_training_step_traces_the_residuals_thrice_at_most(space):
    """Once for the kernel, once for r with its transpose, once for all trials: what each further
    copy costs is seconds of compilation."""
    loss = jsci.objective({"r": f})
    optimizer = jsci.levenberg_marquardt(space=space)
    carry = start_of_training(make_params(), optimizer)
    program = jax.make_jaxpr(lambda carry: one_step(loss, optimizer, carry, {"r": X}))(carry)
    assert str(program).count("= tanh ") <= (3 if space == "sample" else 2)


@pytest.mark.parametrize("space", ["sample", "parameter", "matrix_free"])
def test_scaled_steps_do_not_depend_on_the_units_of_a_parameter(space):
    """Powers of two round nothing, so that the losses are the same but for rounding in a product.

    Damped by the identity the steps are other ones, as the loss of the last line says.
    """
    units = {"w": 2.0**10, "b": 1.0, "v": 2.0**-5}
    raw = {name: make_params()[name] / unit for name, unit in units.items()}

    def in_units(r):
        return lambda p, x: r({name: p[name] * unit for name, unit in units.items()}, x)

    named = zip(LOSS.names, LOSS.functions, strict=True)
    other = jsci.objective({name: in_units(r) for name, r in named}, {"small": 1e-2})
    scaled = jsci.levenberg_marquardt(scaled=True, space=space)
    one = jsci.fit(LOSS, make_params(), BATCH, scaled, steps=5).history["loss"]
    two = jsci.fit(other, raw, BATCH, scaled, steps=5).history["loss"]
    # Conjugate gradients stop at a relative 1e-6.
    np.testing.assert_allclose(two, one, rtol=1e-4 if space == "matrix_free" else 1e-9)
    plain = jsci.fit(other, raw, BATCH, jsci.levenberg_marquardt(space=space), steps=5)
    assert abs(plain.history["loss"][-1] / one[-1] - 1) > 1e-2


@pytest.mark.parametrize("batch_size", [None, pytest.param(3, marks=pytest.mark.slow)])
def test_steps_are_scaled_of_themselves_where_terms_are_very_unequal(batch_size):
    """A factor of 1e4 in a residual is one of 1e8 in the traces; at 1 nothing is scaled."""
    small, fitted = (
        dict(zip(LOSS.names, LOSS.functions, strict=True))[k] for k in ("small", "fit")
    )

    def losses(factor, scaled):
        terms = {"small": lambda p, x: factor * small(p, x), "fit": fitted}
        loss = jsci.objective(terms, batch_size=batch_size)
        optimizer = jsci.levenberg_marquardt(scaled=scaled, space="parameter")
        return jsci.fit(loss, make_params(), BATCH, optimizer, steps=4).history["loss"]

    with pytest.warns(UserWarning, match="terms are unequal"):
        np.testing.assert_allclose(losses(1e4, False), losses(1e4, True), rtol=1e-6)
    assert abs(losses(1.0, False)[-1] / losses(1.0, True)[-1] - 1) > 1e-3


def test_singular_kernel_gives_no_nan():
    """Twice the same point: J Jᵀ is singular, damping makes it solvable."""
    twice = {"fit": jax.tree.map(lambda x: jnp.repeat(x[:2], 4, axis=0), BATCH["fit"])}
    loss = jsci.objective({"fit": LOSS.functions[0]})
    result = jsci.fit(loss, make_params(), twice, jsci.levenberg_marquardt(1e-12), steps=10)
    assert result.status == "completed"
    assert np.isfinite(ravel_pytree(result.params)[0]).all()


def test_natural_gradient_carries_its_direction_on():
    """φ' = μ φ + Jᵀ (J Jᵀ + λ tr)⁻¹ (r - μ J φ): what φ has solved already is not solved again."""
    at, params = LOSS.at(BATCH), make_params()
    flat, _ = ravel_pytree(params)
    r, j = map(np.asarray, at.jacobian(params))
    carried = 0.5 * np.linspace(-1.0, 1.0, len(flat))
    kernel = j @ j.T
    damped = kernel + 1e-2 * np.trace(kernel) * np.eye(len(r))
    expected = carried + j.T @ np.linalg.solve(damped, r - j @ carried)

    optimizer = jsci.natural_gradient(0.1, damping=1e-2, momentum=0.5, space="sample")
    state = optimizer.init(params)._replace(direction=2.0 * jnp.asarray(carried))
    update, state = optimizer.update(params, state, params, residual_fn=at)
    np.testing.assert_allclose(state.direction, expected, rtol=1e-10)
    np.testing.assert_allclose(ravel_pytree(update)[0], -0.1 * expected, rtol=1e-10)


@pytest.mark.parametrize(("damping", "after"), [(4e-9, 1e-9), (2e-18, 1e-18), (4e5, 1e5)])
def test_a_step_that_lowers_the_loss_lowers_the_damping_down_to_a_floor(damping, after):
    """By the factor 4, to 1e-18: a floor of 1e-4 would make the last digits a long way off."""
    linear = jsci.objective({"line": lambda p, xy: p @ xy[0] - xy[1]})
    at = linear.at({"line": (X, X @ jnp.array([1.0, -3.0]))})
    optimizer, params = jsci.levenberg_marquardt(damping, acceleration=False), jnp.zeros(2)
    _, state = optimizer.update(
        params,
        optimizer.init(params),
        params,
        value=linear.value(params, at.batch),
        value_fn=lambda p: linear.value(p, at.batch),
        residual_fn=at,
    )
    np.testing.assert_allclose(state.damping, after, rtol=1e-14)


@pytest.mark.parametrize(
    "make", [jsci.levenberg_marquardt, jsci.gauss_newton, jsci.natural_gradient]
)
def test_bad_input(make):
    with pytest.raises(TypeError, match="needs the residuals, not only the loss"):
        jsci.fit(lambda p, b: jnp.sum(p**2), jnp.ones(2), None, make(), steps=1)
    mixed = {**make_params(), "b": make_params()["b"].astype(jnp.float32)}
    with pytest.raises(ValueError, match=r"'b'\W.*float32"):
        jsci.fit(LOSS, mixed, BATCH, make(), steps=1)
    with pytest.raises(ValueError, match="damping must be positive"):
        make(damping=0.0)
    with pytest.raises(ValueError, match="factor must be above 1, got 0.5"):
        jsci.levenberg_marquardt(factor=0.5)
    with pytest.raises(ValueError, match="space must be one of"):
        jsci.fit(LOSS, make_params(), BATCH, make(space="dual"), steps=1)


@pytest.mark.parametrize("space", ["sample", "parameter", "matrix_free"])
@pytest.mark.parametrize(
    ("dtype", "message"),
    [("float32", "residuals are float32 and the parameters float64"), ("int32", "no derivative")],
)
def test_residuals_of_another_precision_are_refused(space, dtype, message):
    loss = jsci.objective({"data": lambda p, x: (p * x).astype(dtype)})
    with pytest.raises(TypeError, match=message):
        jsci.fit(
            loss,
            jnp.ones(2),
            {"data": jnp.ones((3, 2))},
            jsci.levenberg_marquardt(space=space),
            steps=1,
        )


def test_weights_of_another_precision_are_blamed_and_not_the_residuals():
    fit = functools.partial(
        jsci.fit,
        params=jnp.ones(2, jnp.float32),
        data={"data": jnp.ones((3, 2), jnp.float32)},
        optimizer=jsci.levenberg_marquardt(),
        steps=1,
    )
    terms = {"data": lambda p, x: p * x}
    with pytest.raises(TypeError, match=r"Weights of the terms are float64.*jnp\.float32\(w\)"):
        fit(jsci.objective(terms, {"data": np.float64(2.0)}))
    for weight in (2.0, np.float32(2.0)):
        assert fit(jsci.objective(terms, {"data": weight})).history["loss"] == 4.0
