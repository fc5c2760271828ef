"""The Laplace approximation is exact for a linear model of more or fewer values than parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import jaxsci as jsci

PRIOR = {"slope": 2.0, "level": 0.5}
NOISE = 0.2


def model(w, a):
    return a @ w["slope"] + w["level"]


class Regression:
    """A linear model of random inputs, and its posterior and evidence by dense algebra."""

    def __init__(self, n, p):
        rng = np.random.default_rng(n)
        self.x, self.y = jnp.asarray(rng.normal(size=(n, p))), jnp.asarray(rng.normal(size=n))
        self.params = {"slope": jnp.asarray(rng.normal(size=p)), "level": jnp.array(0.3)}
        self.design = np.concatenate([np.ones((n, 1)), self.x], 1)  # in the order of the leaves
        self.precision = np.diag([0.5] + [2.0] * p)
        self.covariance = np.linalg.inv(self.design.T @ self.design / NOISE**2 + self.precision)

    def posterior(self, noise=NOISE, prior=PRIOR):
        return jsci.laplace(
            model, self.params, self.x, prior=prior, noise=noise, targets=self.y
        )  # fmt: skip

    def evidence(self):
        values = self.design @ np.linalg.inv(self.precision) @ self.design.T
        values += NOISE**2 * np.eye(len(self.y))
        square = self.y @ np.linalg.solve(values, self.y)
        return -0.5 * (square + np.linalg.slogdet(2 * np.pi * values)[1])


@pytest.fixture(scope="module", params=[(5, 12), (12, 5)], ids=["in samples", "in parameters"])
def regression(request):
    return Regression(*request.param)


def test_posterior_and_evidence_of_a_linear_model(regression):
    posterior, covariance = regression.posterior(), regression.covariance
    np.testing.assert_allclose(posterior.covariance, covariance, rtol=1e-10, atol=1e-12)
    at = regression.design[:3]
    variance = np.einsum("ij,jk,ik->i", at, covariance, at)
    np.testing.assert_allclose(posterior.variance(regression.x[:3]), variance, rtol=1e-10)
    slope = posterior.variance(regression.x[:1], of=lambda w, x: w["slope"][:2])[0]
    np.testing.assert_allclose(slope, np.diag(covariance)[1:3], rtol=1e-10)
    np.testing.assert_allclose(posterior.log_evidence, regression.evidence(), rtol=1e-10)
    effective = np.trace(covariance @ regression.design.T @ regression.design) / NOISE**2
    np.testing.assert_allclose(posterior.effective_parameters, effective, rtol=1e-10)


def test_evidence_is_differentiable_in_prior_and_noise(regression):
    def evidence(noise, prior):
        return regression.posterior(noise, prior).log_evidence

    gradient, of_prior = jax.jit(jax.grad(evidence, (0, 1)))(NOISE, PRIOR)
    h = 1e-5
    slope = (evidence(NOISE + h, PRIOR) - evidence(NOISE - h, PRIOR)) / (2 * h)
    np.testing.assert_allclose(gradient, slope, rtol=1e-6)
    up, down = (evidence(NOISE, PRIOR | {"level": 0.5 + s * h}) for s in (1, -1))
    np.testing.assert_allclose(of_prior["level"], (up - down) / (2 * h), rtol=1e-5)


def test_draws_have_the_mean_and_covariance_of_the_posterior(regression):
    posterior, x = regression.posterior(), regression.x[:2]
    keys = jax.random.split(jax.random.key(0), 20_000)
    draws = jax.jit(jax.vmap(lambda key: posterior.sample(key, x)))(keys)
    at = regression.design[:2]
    covariance = at @ regression.covariance @ at.T
    deviation = np.sqrt(np.diag(covariance))
    mean = jax.vmap(model, (None, 0))(regression.params, x)
    np.testing.assert_array_less(np.abs(draws.mean(0) - mean) / deviation, 4 / np.sqrt(20_000))
    gap = (np.cov(draws.T) - covariance) / np.outer(deviation, deviation)
    np.testing.assert_array_less(np.abs(gap), 4 * np.sqrt(2 / 20_000))


def test_a_flat_prior_gives_the_cramer_rao_bound_of_many_signals_at_once():
    """A pulse a exp(-(t - t₀)²/2): its Fisher information is a sum over the samples."""
    times, noise = jnp.linspace(-4, 4, 32), 0.01

    def pulse(p, t):
        return p[1] * jnp.exp(-((t - p[0]) ** 2) / 2)

    params = jnp.array([[0.1, 1.0], [-0.3, 0.7]])
    bounds = jax.jit(
        jax.vmap(lambda p: jsci.laplace(pulse, p, times, prior=0.0, noise=noise).covariance)
    )(params)
    for (start, height), bound in zip(np.asarray(params), bounds, strict=True):
        s = np.exp(-((times - start) ** 2) / 2)
        slopes = np.stack([height * (times - start) * s, s], 1)
        known = noise**2 * np.linalg.inv(slopes.T @ slopes)
        np.testing.assert_allclose(bound, known, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize(("dtype", "rtol"), [(jnp.float64, 1e-12), (jnp.float32, 1e-5)])
def test_evidence_of_data_that_are_large_against_their_noise(dtype, rtol):
    """Values of 1e5 with a noise of 0.01: differences of squares lost the digits of 1e14."""
    x = np.linspace(-1, 2, 12)
    values = 1e5 + 0.01 * np.random.default_rng(0).normal(size=12)
    found = jsci.laplace(
        lambda p, x: p[0] + p[1] * x,
        jnp.array([1e5, 0.0], dtype),
        jnp.asarray(x, dtype),
        prior=1e-10,
        noise=0.01,
        targets=jnp.asarray(values, dtype),
    )
    # By the least squares of [X / s; √P], in float64.
    y = np.asarray(values, dtype).astype(float) - 1e5
    design = np.concatenate([np.stack([np.ones(12), x], 1) / 0.01, 1e-5 * np.eye(2)])
    data = np.concatenate([y / 0.01, [-1.0, 0.0]])
    rest = data - design @ np.linalg.lstsq(design, data)[0]
    volume = np.linalg.slogdet(design.T @ design)[1] - 2 * np.log(1e-10)
    known = -0.5 * (rest @ rest + volume + 12 * np.log(2 * np.pi * 1e-4))
    np.testing.assert_allclose(found.log_evidence, known, rtol=rtol)


def test_no_variance_is_negative_in_float32():
    """A noise of 3e-4 under a unit prior: differences from the prior gave -4e-6 for 9e-8."""
    x = jnp.linspace(0, 1, 6)[1:]

    def variance(dtype):
        rates = jnp.arange(1, 30, dtype=dtype)
        waves = lambda w, x: jnp.sin(x * rates) @ w  # noqa: E731
        posterior = jsci.laplace(
            waves, jnp.zeros(29, dtype), x.astype(dtype), prior=1.0, noise=3e-4
        )
        return posterior.variance(x.astype(dtype)), jnp.diag(posterior.covariance)

    for found, known in zip(variance(jnp.float32), variance(jnp.float64), strict=True):
        np.testing.assert_allclose(found, known, rtol=2e-5)


def test_more_values_than_parameters_in_float32():
    """The normal matrix of this network had no Cholesky factor in float32."""
    network = jsci.nn.MLP(1, "scalar", width=4, depth=1, key=jax.random.key(0))

    def found(dtype):
        f, params = jsci.pure(network, dtype=dtype)
        x = jnp.linspace(-1, 1, 100, dtype=dtype)[:, None]
        posterior = jsci.laplace(f, params, x, prior=1.0, noise=0.003)
        return posterior.variance(x[::20]), posterior.effective_parameters

    for one, other in zip(found(jnp.float32), found(jnp.float64), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3)


# Weights of a network 2-5-1, and 12 inputs; variances by laplace-torch 0.3 (float64, regression,
# hessian_structure="full", sigma_noise=0.2, prior_precision=1.5).
NETWORK = {
    "w": [[0.126, -0.132], [0.64, 0.105], [-0.536, 0.362], [1.304, 0.947], [-0.704, -1.265]],
    "b": [-0.623, 0.041, -2.325, -0.219, -1.246],
    "last": [[-0.732, -0.544, -0.316, 0.412, 1.043], [-0.129]],
}
INPUTS = [
    [-0.751, 0.341], [0.294, 0.231], [-0.233, 0.994], [0.962, 0.371], [0.301, 0.377],
    [-0.222, -0.73], [0.443, 0.051], [-0.38, -0.028], [0.779, 0.868], [-0.284, 0.143],
    [-0.356, 0.189], [-0.324, -0.217],
]  # fmt: skip
OF_ALL = [0.01402553652620521, 0.6515399270359181, 0.010221152883471444]
OF_LAST_LAYER = [0.006251923063417045, 0.06212393134228124, 0.006761084305115803]


@pytest.mark.parametrize("subset", ["all", "last layer"])
def test_variances_are_those_of_laplace_torch(subset):
    def network(p, x):
        weights, bias = p["last"]
        return jnp.tanh(p["w"] @ x + p["b"]) @ weights + bias[0]

    params = {k: jnp.asarray(NETWORK[k]) for k in ("w", "b")}
    last = tuple(map(jnp.asarray, NETWORK["last"]))
    if subset == "all":
        f, params, known = network, params | {"last": last}, OF_ALL
    else:
        hidden = params
        f, params, known = lambda p, x: network(hidden | {"last": p}, x), last, OF_LAST_LAYER
    found = jsci.laplace(f, params, jnp.asarray(INPUTS), prior=1.5, noise=0.2)
    at = jnp.array([[0.0, 0.0], [2.0, -1.0], [0.5, 0.25]])
    np.testing.assert_allclose(found.variance(at), known, rtol=1e-12)


def test_many_variances_are_those_of_few():
    """From sixteen on, products with the Jacobian are those of a matrix."""
    regression = Regression(5, 12)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(20, 12)))
    posterior = regression.posterior()
    parts = [posterior.variance(x[:10]), posterior.variance(x[10:])]
    np.testing.assert_allclose(posterior.variance(x), jnp.concatenate(parts), rtol=1e-12)


def test_predictions_at_inputs_of_another_dtype():
    x = jnp.array([-1.0, 0.0, 1.0])
    posterior = jsci.laplace(lambda p, x: p[0] + p[1] * x, jnp.zeros(2), x, prior=0.0, noise=0.1)
    np.testing.assert_allclose(posterior.variance(jnp.array([2])), 0.07 / 3, rtol=1e-12)


def test_what_has_no_slope_or_is_no_array_is_refused():
    x = jnp.ones(3)
    posterior = jsci.laplace(lambda w, x: w * x, jnp.ones(()), x, prior=1.0, noise=0.5)
    with pytest.raises(TypeError, match="of must return real numbers, .* got bool"):
        posterior.variance(x, of=lambda w, x: w > x)
    with pytest.raises(TypeError, match="of must return one array for one input, got dict"):
        posterior.sample(jax.random.key(0), x, of=lambda w, x: {"y": w * x})
    with pytest.raises(TypeError, match="f must return real numbers, .* got int"):
        jsci.laplace(
            lambda w, x: jnp.round(w * x).astype(int), jnp.ones(()), x, prior=1.0, noise=0.5
        )


def test_a_positive_prior_is_not_called_flat():
    """In float32 a noise of 1e-4 leaves nothing of a unit prior beside what is measured."""
    x = jnp.linspace(0, 0.1, 6, dtype=jnp.float32)
    waves = lambda w, x: jnp.sin(x * jnp.arange(8, dtype=x.dtype)) @ w  # noqa: E731
    with pytest.raises(ValueError, match="8 parameters from 6 values has no .* in float32"):
        jsci.laplace(waves, jnp.ones(8, jnp.float32), x, prior=1.0, noise=1e-4)


def test_noise_of_each_value_and_several_outputs():
    x, noise = jnp.arange(1.0, 4.0), jnp.array([[0.1, 0.2]] * 3)
    posterior = jsci.laplace(lambda w, x: w * x, jnp.ones(2), x, prior=0.0, noise=noise)
    np.testing.assert_allclose(posterior.variance(x[:1])[0], [0.01 / 14, 0.04 / 14], rtol=1e-12)


def test_residuals_of_an_objective_are_data():
    x, y = jnp.linspace(-1, 2, 12), jnp.ones(12)
    loss = jsci.objective({"data": lambda w, s: w[0] + w[1] * s[0] - s[1]}, {"data": 3.0})
    posterior = jsci.laplace(loss, jnp.ones(2), {"data": (x, y)}, prior=0.0, noise=0.1)
    design = np.stack([np.ones(12), x], 1)
    # A scaled residual is √(3/12) of a value.
    expected = 0.01 * 4 * np.linalg.inv(design.T @ design)
    np.testing.assert_allclose(posterior.covariance, expected, rtol=1e-12)
    with pytest.raises(ValueError, match="no predictions of its own: say of what, of="):
        posterior.variance(x)


def test_a_network_has_the_same_posterior_in_float32_and_by_its_jacobian():
    network = jsci.nn.MLP(1, "scalar", width=6, depth=1, key=jax.random.key(0))
    f, params = jsci.pure(network, dtype=jnp.float32)
    x = jnp.linspace(-1, 1, 7, dtype=jnp.float32)[:, None]
    variance = jsci.laplace(f, params, x, prior=1.0, noise=0.1).variance(x)
    flat, unravel = ravel_pytree(params)
    rows = jax.vmap(jax.grad(lambda w, x: f(unravel(w), x)), (None, 0))(flat, x)
    rows = np.asarray(rows, float)
    known = rows @ np.linalg.inv(rows.T @ rows / 0.01 + np.eye(len(flat))) @ rows.T
    assert variance.dtype == jnp.float32
    np.testing.assert_allclose(variance, np.diag(known), rtol=2e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prior": -1.0}, "precision and must not be negative"),
        ({"prior": {"slope": 1.0}}, "a pytree like params"),
        ({"prior": {"slope": jnp.ones(2), "level": 1.0}}, r"prior has a leaf of shape \(2,\)"),
        ({"noise": 0.0}, "noise must be positive, got 0.0"),
        ({"noise": jnp.ones(4)}, r"noise of shape \(4,\) does not fit values of shape \(5,\)"),
        ({"targets": jnp.ones((5, 1))}, r"targets must have the shape \(5,\)"),
        ({"targets": jnp.ones(5).at[3].set(jnp.nan)}, r"targets must be finite, got nan at \(3,\)"),
        ({"prior": 0.0}, "5 values do not determine the posterior of 13 parameters"),
    ],
)
def test_bad_input(change, message):
    regression = Regression(5, 12)
    options = {"prior": PRIOR, "noise": NOISE} | change
    with pytest.raises(ValueError, match=message):
        jsci.laplace(model, regression.params, regression.x, **options)


@pytest.mark.parametrize(
    ("values", "numbers", "message"),
    [(400_000, 500_000, "kernel of 400000 values"), (6, 400_000, "covariance of 400000 param")],
)
def test_a_matrix_that_does_not_fit_is_refused(values, numbers, message):
    """A terabyte, before it is asked for: in samples, and in parameters under a flat prior."""
    f = lambda p, x: p[0] * x + p[-1]  # noqa: E731
    with pytest.raises(ValueError, match=message):
        prior = 1.0 if values > 6 else 0.0
        jsci.laplace(f, jnp.zeros(numbers), jnp.ones(values), prior=prior, noise=1.0)


def test_under_jit_what_is_not_determined_is_a_flag():
    x = jnp.ones((3, 2))  # the two slopes cannot be told apart
    bound = jax.jit(
        lambda x: jsci.laplace(lambda w, x: w @ x, jnp.ones(2), x, prior=0.0, noise=1.0).covariance
    )(x)
    assert jnp.isnan(bound).all()


@pytest.mark.parametrize("of", ["a model", "an objective"])
def test_under_jit_a_negative_noise_is_a_flag(of):
    """Its square gave the numbers of a positive one."""
    x, line = jnp.linspace(-1, 1, 5), lambda w, x: w * x
    f, batch = (line, x) if of == "a model" else (jsci.objective({"d": line}), {"d": x})

    def found(noise):
        return jsci.laplace(f, jnp.ones(()), batch, prior=1.0, noise=noise).covariance

    assert jnp.isnan(jax.jit(found)(-0.1)).all()
