"""Second-order steps on a count sketch: the sums, the step, what it may not do, what is refused."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import jaxsci as jsci
from jaxsci.core._fit.steps import one_step, start_of_training
from jaxsci.core._train.least_squares.damped import linear_model
from jaxsci.core._train.least_squares.imbalance import rows_of_terms
from jaxsci.core._train.least_squares.sketch import _groups_of_terms, _summed, sketched_model

# What happens between the samples is no matter here.
pytestmark = pytest.mark.filterwarnings("ignore:There are fewer residuals")

X = jax.random.normal(jax.random.key(0), (60, 2))
BATCH = {
    "fit": (X, jnp.sin(X[:, 0]) * X[:, 1]),
    "few": X[:3],
    "integral": jsci.Weighted(X[:20], jnp.linspace(0.0, 0.1, 20)),
}


def f(params, x):
    return jnp.tanh(params["w"] @ x + params["b"]) @ params["v"]


def fitted(params, xy):
    value = f(params, xy[0])
    return jnp.stack([value - xy[1], 0.1 * value])


LOSS = jsci.objective({"fit": fitted, "few": f, "integral": f}, {"few": 1e-2, "fit": 3.0})


def make_params(width):
    k = jax.random.split(jax.random.key(1), 3)
    return {
        "w": jax.random.normal(k[0], (width, 2)),
        "b": jax.random.normal(k[1], (width,)),
        "v": jax.random.normal(k[2], (width,)),
    }


PARAMS, WIDE = make_params(8), make_params(60)  # 32 and 240 parameters for 143 residuals
KEY = jax.random.key(4)


def sketch_matrix(at, rows):
    groups = _groups_of_terms(at, PARAMS, rows, KEY)
    parts = [
        np.asarray(jax.vmap(g.sums, 1, 1)(jnp.eye(k.stop - k.start)))
        for g, k in zip(groups.values(), rows_of_terms(at, PARAMS), strict=True)
    ]
    return groups, scipy.linalg.block_diag(*parts)


@pytest.mark.parametrize("batch_size", [None, 7])
def test_a_row_adds_residuals_of_one_term_with_signs(batch_size):
    """With weights, weighted samples and two residuals a sample: 120, 3 and 20 in 30 rows."""
    terms = dict(zip(LOSS.names, LOSS.functions, strict=True))
    weights = dict(zip(LOSS.names, LOSS.weights, strict=True))
    at = jsci.objective(terms, weights, batch_size=batch_size).at(BATCH)
    groups, s = sketch_matrix(at, 30)
    assert {name: g.index.shape for name, g in groups.items()} == {
        "few": (3, 1),
        "fit": (7, 9),
        "integral": (13, 2),
    }
    np.testing.assert_array_equal(abs(s).sum(axis=0), np.ones(143))
    summed = _summed(at, groups)
    np.testing.assert_allclose(summed.vector(PARAMS), s @ at.vector(PARAMS), rtol=1e-12, atol=1e-14)
    jacobian = s @ at.jacobian(PARAMS)[1]
    np.testing.assert_allclose(summed.jacobian(PARAMS)[1], jacobian, rtol=1e-11, atol=1e-13)
    kernel = summed.kernel(PARAMS)
    np.testing.assert_allclose(kernel, jacobian @ jacobian.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 59, 119, 120])
def test_there_are_as_many_rows_as_asked_for_of_sizes_that_differ_by_one(rows):
    at = jsci.objective({"all": lambda p, i: p * i}).at({"all": jnp.arange(120.0)})
    (group,) = _groups_of_terms(at, jnp.ones(()), rows, KEY).values()
    sizes = np.sum(abs(group.signs), axis=1)
    assert sizes.shape == (rows,) and sizes.sum() == 120 and np.ptp(sizes) <= 1


def test_a_sketch_is_the_identity_on_average():
    at = jsci.objective({"all": lambda p, i: p[i]}).at({"all": jnp.arange(6)})

    def square(key):
        (group,) = _groups_of_terms(at, jnp.ones(6), 3, key).values()
        s = jax.vmap(group.sums, 1, 1)(jnp.eye(6))
        return s.T @ s

    squares = jax.vmap(square)(jax.random.split(KEY, 4000))
    # An entry off the diagonal is ±1 with probability 1/5: standard error 0.007.
    np.testing.assert_allclose(squares.mean(axis=0), np.eye(6), atol=0.035)


@pytest.mark.parametrize("space", ["sample", "parameter", "matrix_free"])
def test_a_step_is_the_damped_solution_of_the_sums(space):
    at = LOSS.at(BATCH)
    jacobian = np.asarray(at.jacobian(PARAMS)[1])
    _, s = sketch_matrix(at, 30)
    sketched, b = s @ jacobian, np.linspace(-1.0, 2.0, 143)
    normal = sketched.T @ sketched + 0.1 * np.eye(32)
    expected = np.linalg.solve(normal, sketched.T @ (s @ b))
    model = sketched_model(at, PARAMS, space, 30, KEY)
    # Conjugate gradients stop at a relative 1e-6.
    tolerance = 1e-4 if space == "matrix_free" else 1e-9
    step = model.damped(jnp.array(0.1))(jnp.asarray(b))
    np.testing.assert_allclose(step, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(model.residual, at.vector(PARAMS), rtol=1e-12)
    np.testing.assert_allclose(model.apply(step), jacobian @ step, rtol=1e-10, atol=1e-12)
    if space != "matrix_free":
        np.testing.assert_allclose(model.trace, np.sum(sketched**2), rtol=1e-10)


def test_as_many_rows_as_residuals_are_the_exact_step():
    at, b = LOSS.at(BATCH), jnp.linspace(-1.0, 2.0, 143)
    exact = linear_model(at, PARAMS, "sample").damped(jnp.array(0.1))(b)
    sketched = sketched_model(at, PARAMS, "sample", 1000, KEY).damped(jnp.array(0.1))(b)
    np.testing.assert_allclose(sketched, exact, rtol=1e-8, atol=1e-10)


def test_steps_on_sketches_never_raise_the_loss_and_lower_it_far():
    """Of 60 residuals that 240 parameters can make vanish: others than those would stall it."""
    only = jsci.objective({"fit": lambda p, xy: f(p, xy[0]) - xy[1]})
    optimizer = jsci.levenberg_marquardt(sketch=20, scaled=True)
    loss = jsci.fit(only, WIDE, {"fit": BATCH["fit"]}, optimizer, steps=40).history["loss"]
    assert np.all(np.diff(loss) <= 0)
    assert loss[-1] < 1e-2 * loss[0]


def test_a_failed_sketch_raises_the_damping_once():
    """At the minimum every step raises the loss, and the residuals do not vanish there."""
    loss, batch = jsci.objective({"all": lambda p, y: p - y}), {"all": jnp.arange(6.0)}
    optimizer, best = jsci.levenberg_marquardt(sketch=2), jnp.array(2.5)
    result = jsci.fit(loss, best, batch, optimizer, steps=3)
    assert result.params == best
    np.testing.assert_allclose(result.state.damping, 4.0**3 * optimizer.init(best).damping)


def test_a_damping_that_is_too_small_grows_until_steps_on_sketches_succeed():
    """The full step on arctan p x from 3 overshoots, and so does that of 12 raised dampings."""
    loss = jsci.objective({"all": lambda p, x: jnp.arctan(p * x)})
    optimizer = jsci.levenberg_marquardt(damping=1e-12, acceleration=False, sketch=8)
    result = jsci.fit(loss, jnp.array(3.0), {"all": jnp.linspace(1, 2, 16)}, optimizer, steps=60)
    assert abs(result.params) < 1e-6


def test_a_seed_decides_and_a_checkpoint_goes_on_bit_for_bit(tmp_path):
    def run(steps, seed=0, **options):
        optimizer = jsci.levenberg_marquardt(sketch=40, seed=seed)
        return jsci.fit(LOSS, WIDE, BATCH, optimizer, steps=steps, **options)

    whole = run(6)
    run(3, checkpoint=tmp_path / "run")
    resumed = run(6, checkpoint=tmp_path / "run")
    np.testing.assert_array_equal(resumed.history["loss"], whole.history["loss"])
    assert not np.array_equal(run(6, seed=1).history["loss"], whole.history["loss"])
    with pytest.raises(ValueError, match="Different: the optimiser"):
        other = jsci.levenberg_marquardt(sketch=41)
        jsci.fit(LOSS, WIDE, BATCH, other, steps=7, checkpoint=tmp_path / "run")


@pytest.mark.slow
def test_a_batch_of_float32_steps_is_each_of_them():
    small = functools.partial(jax.tree.map, lambda a: a.astype(jnp.float32))
    optimizer, params = jsci.levenberg_marquardt(sketch=40, acceleration=False), small(WIDE)
    stack = jax.tree.map(lambda a: jnp.stack([a, 1.1 * a]), params)

    @jax.jit
    def step(params):
        return one_step(LOSS, optimizer, start_of_training(params, optimizer), small(BATCH))[0]

    both = jax.vmap(lambda params: step(params).params)(stack)
    assert {a.dtype for a in jax.tree.leaves(both)} == {jnp.dtype("float32")}
    for i in range(2):
        start = jax.tree.map(lambda a, i=i: a[i], stack)
        one = step(start).params
        assert not np.array_equal(one["w"], start["w"])
        for name, leaf in one.items():
            np.testing.assert_allclose(both[name][i], leaf, rtol=1e-3, atol=1e-3)


def test_the_memory_of_a_step_is_that_of_the_rows():
    """1,000 residuals: J Jᵀ takes 7.6 MiB, its factor as much."""
    net, params = jsci.pure(jsci.nn.MLP(2, "scalar", width=400, depth=1, key=KEY))
    at = jsci.objective({"r": net}).at({"r": jax.random.normal(KEY, (1000, 2))})

    def memory(linearised):
        return jsci.peak_memory(lambda p: linearised(p).damped(1.0)(jnp.ones(1000)), params)

    exact = memory(lambda p: linear_model(at, p, "sample"))
    sketched = memory(lambda p: sketched_model(at, p, "sample", 100, KEY))
    assert exact - sketched > 14 * 2**20


def test_bad_input():
    with pytest.raises(ValueError, match="sketch=2 rows for 3 terms"):
        jsci.fit(LOSS, PARAMS, BATCH, jsci.levenberg_marquardt(sketch=2), steps=1)
    for wrong in (0, -5, 0.5, True):
        with pytest.raises(ValueError, match="sketch must be a number of rows"):
            jsci.levenberg_marquardt(sketch=wrong)
    jsci.levenberg_marquardt(sketch=np.int64(4))
