"""One split of a table, predicted by a Gaussian process and by networks under several priors."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

import jaxsci as jsci
from benchmarks.cases.bayes._tables import Split, likeliest_kernel, rbf

CHAINS, MEMBERS = 4, 5


class Setting(eqx.Module):
    """The width of the network, and how long chains, matching and trainings are."""

    width: int = 20
    adapt: int = 2000
    steps: int = 6000
    matching: int = 300
    training: int = 1500


@functools.cache
def network(inputs: int, width: int):
    """`(f, params)` of two hidden layers."""
    net = jsci.nn.MLP(
        inputs, "scalar", width=width, depth=2, key=jax.random.key(0), dtype=jnp.float32
    )
    return jsci.pure(net)


def priors(split: Split, kernel: Array, seed: int, setting: Setting):
    """N(0, 1), the one scaled by the number of inputs, and the one matched to the kernel."""
    f, params = network(split.x.shape[1], setting.width)
    scaled = jsci.bayes.prior(
        params, scales=jax.tree.map(lambda a: a.shape[0] ** -0.5 if a.ndim == 2 else 1.0, params)
    )
    matched = _matched(f, scaled, split.x, kernel, jax.random.key(seed), setting)
    return {"N(0, 1)": jsci.bayes.prior(params, scales=1.0), "scaled": scaled, "matched": matched}


@eqx.filter_jit
def _matched(f, start, x, kernel, key, setting):
    length, amplitude, _ = kernel

    def points(key):
        where, shift = jax.random.split(key)
        chosen = jax.random.choice(where, x, (40,))
        return chosen + 0.3 * jax.random.normal(shift, chosen.shape, chosen.dtype)

    target = jsci.bayes.gaussian_process(lambda a, b: amplitude**2 * rbf(a, b, length))
    return jsci.bayes.match_prior(key, f, start, target, points, steps=setting.matching).params


@eqx.filter_jit
def sampled(f, prior, split: Split, noise: Array, key: PRNGKeyArray, setting: Setting):
    """The prediction of four chains that start from draws of the prior, and its R̂.

    The friction is a tenth: networks are stiff, and their slow directions need long paths.
    """
    sampler = jsci.bayes.langevin(0.2, friction=0.1, adapt=setting.adapt)

    def log_density(z):
        errors = (jax.vmap(f, (None, 0))(prior.whiten(z), split.x) - split.y) / noise
        return -0.5 * (jnp.sum(errors**2) + _square(z))

    def chain(key):
        first, rest = jax.random.split(key)
        return jsci.bayes.draws(
            rest, sampler, log_density, prior.white(first), steps=setting.steps, keep_every=20
        )

    found = jax.vmap(chain)(jax.random.split(key, CHAINS))
    draws = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), found.params)
    prediction = jsci.bayes.predict(
        lambda z, x: f(prior.whiten(z), x), draws, split.x_test, noise=noise
    )
    values = prediction.draws.reshape(CHAINS, -1, len(split.y_test))
    return prediction, jsci.bayes.health(values)


@eqx.filter_jit
def trained(f, prior, split: Split, noise: Array, key: PRNGKeyArray, setting: Setting):
    """Five maxima of the posterior, from five draws of the prior."""
    optimiser = optax.adam(optax.cosine_decay_schedule(0.01, setting.training))

    def loss(params):
        errors = (jax.vmap(f, (None, 0))(params, split.x) - split.y) / noise
        return 0.5 * jnp.mean(errors**2) - prior.log_density(params) / len(split.y)

    def member(key):
        def step(carry, _):
            params, state = carry
            updates, state = optimiser.update(jax.grad(loss)(params), state)
            return (optax.apply_updates(params, updates), state), None

        start = prior.sample(key)
        return jax.lax.scan(step, (start, optimiser.init(start)), length=setting.training)[0][0]

    return jax.vmap(member)(jax.random.split(key, MEMBERS))


@eqx.filter_jit
def linearised(f, params, prior, split: Split, noise: Array):
    """The Laplace approximation around one maximum, in float64."""
    params, prior, split, noise = jax.tree.map(
        lambda a: a.astype(jnp.float64), (params, prior, split, noise)
    )
    posterior = jsci.laplace(f, params, split.x, prior=prior.precision, noise=noise)
    mean = jax.vmap(f, (None, 0))(params, split.x_test)
    return normal(mean, posterior.variance(split.x_test) + noise**2)


@jax.jit
def exact(split: Split, kernel: Float[Array, "3"]):
    """The Gaussian process of the kernel."""
    length, amplitude, noise = kernel
    between = amplitude**2 * rbf(split.x_test, split.x, length)
    matrix = amplitude**2 * rbf(split.x, split.x, length) + noise**2 * jnp.eye(len(split.y))
    weights = jnp.linalg.solve(matrix, between.T).T
    return normal(weights @ split.y, amplitude**2 - jnp.sum(weights * between, 1) + noise**2)


def normal(mean, variance):
    """A prediction of one normal distribution."""
    return jsci.bayes.Prediction(mean, variance, mean[None], jnp.sqrt(variance)[None])


def scores(prediction, y):
    """The mean log score, the root mean square error, and the coverage of 90 % intervals."""
    return {
        "log score": float(jnp.mean(prediction.log_score(y))),
        "RMSE": float(jnp.sqrt(jnp.mean((prediction.mean - y) ** 2))),
        "coverage": float(prediction.coverage(y, 0.9)),
    }


def compared(split: Split, seed: int, setting: Setting):
    """The scores of each method, and R̂ and effective draws of the chains' predictions."""
    kernel = likeliest_kernel(split.x, split.y)
    single = jax.tree.map(lambda a: a.astype(jnp.float32), (split, kernel))
    f, noise = network(split.x.shape[1], setting.width)[0], single[1][2]
    key = jax.random.key(seed)
    found = {"Gaussian process": scores(exact(split, kernel), split.y_test)}
    choices = priors(single[0], single[1], seed, setting)
    for name, prior in choices.items():
        prediction, health = sampled(f, prior, single[0], noise, key, setting)
        found[name] = scores(prediction, single[0].y_test) | {
            "R̂, median": float(jnp.median(health.r_hat)),
            "R̂": float(jnp.max(health.r_hat)),
            "effective": float(jnp.min(health.effective)),
        }
    members = trained(f, choices["scaled"], single[0], noise, key, setting)
    ensemble = jsci.bayes.predict(f, members, single[0].x_test, noise=float(noise))
    found["ensemble"] = scores(ensemble, single[0].y_test)
    one = jax.tree.map(lambda a: a[0], members)
    laplace = linearised(f, one, choices["scaled"], split, noise)
    found["Laplace"] = scores(laplace, split.y_test)
    return found


def _square(tree):
    return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree))
