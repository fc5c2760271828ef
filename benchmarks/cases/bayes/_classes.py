"""Images of digits, classified by networks under several priors and by other methods."""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

import jaxsci as jsci
from benchmarks.cases.bayes._tables import rbf

CHAINS, MEMBERS, CURVES = 4, 5, 100
TRAIN = 400
# Precisions that the weight decay is chosen from, relative to the scaled prior's.
DECAYS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# Logits of the target functions: the largest of ten probabilities is then 0.74 on average.
AMPLITUDE = 4.0


class Setting(eqx.Module):
    """The width of the network, and how long chains, matching and trainings are."""

    width: int = 32
    adapt: int = 2000
    steps: int = 6000
    matching: int = 300
    training: int = 1000


class Digits(NamedTuple):
    """Images with classes to train on, those held out, and images that are none of digits."""

    x: Float[Array, "n 64"]
    y: Int[Array, " n"]
    x_test: Float[Array, "m 64"]
    y_test: Int[Array, " m"]
    rotated: Float[Array, "m 64"]
    shuffled: Float[Array, "m 64"]


def digits(seed: int) -> Digits:
    """A random split; those held out also turned by 90 degrees, and each with its pixels in a
    random order of its own."""
    from sklearn.datasets import load_digits  # pyright: ignore[reportMissingImports] (optional)

    x, y = load_digits(return_X_y=True)
    random = np.random.default_rng(seed)
    order = random.permutation(len(y))
    x, y = x[order].astype(np.float32), y[order]
    x = (x - x[:TRAIN].mean()) / x[:TRAIN].std()
    held = x[TRAIN:]
    rotated = np.rot90(held.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64)
    parts = x[:TRAIN], y[:TRAIN], held, y[TRAIN:], rotated, random.permuted(held, axis=1)
    return Digits(*(jnp.asarray(a) for a in parts))


@functools.cache
def network(width: int):
    """`(f, params)` of one hidden layer, from an image to ten logits."""
    net = jsci.nn.MLP(64, 10, width=width, depth=1, key=jax.random.key(0), dtype=jnp.float32)
    return jsci.pure(net)


def scaled_prior(params):
    """Each weight by one over the root of the number of its inputs; biases by one."""
    scales = jax.tree.map(lambda a: a.shape[0] ** -0.5 if a.ndim == 2 else 1.0, params)
    return jsci.bayes.prior(params, scales=scales)


@eqx.filter_jit
def matched_prior(f, start, x: Float[Array, "n 64"], key: PRNGKeyArray, setting: Setting):
    """Logits as of a Gaussian process as wide as the median distance of images."""
    distances = jnp.sqrt(jnp.sum((x[:, None] - x[None]) ** 2, axis=-1))
    length = jnp.median(distances[jnp.triu_indices(len(x), 1)])
    target = jsci.bayes.gaussian_process(lambda a, b: AMPLITUDE**2 * rbf(a, b, length))

    def points(key):
        where, shift = jax.random.split(key)
        chosen = jax.random.choice(where, x, (40,))
        return chosen + 0.3 * jax.random.normal(shift, chosen.shape, chosen.dtype)

    # All logits have one distribution.
    first = lambda params, x: f(params, x)[0]  # noqa: E731
    return jsci.bayes.match_prior(key, first, start, target, points, steps=setting.matching).params


@eqx.filter_jit
def sampled(f, prior, data: Digits, key: PRNGKeyArray, setting: Setting):
    """Draws of four chains that start from draws of the prior, (chains, draws, ...)."""
    sampler = jsci.bayes.langevin(0.15, friction=0.1, adapt=setting.adapt)

    def log_density(z):
        square = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(z))
        return -jnp.sum(_misfit(f, prior.whiten(z), data.x, data.y)) - 0.5 * square

    def chain(key):
        first, rest = jax.random.split(key)
        found = jsci.bayes.draws(
            rest, sampler, log_density, prior.white(first), steps=setting.steps, keep_every=20
        )
        return jax.vmap(prior.whiten)(found.params)

    return jax.vmap(chain)(jax.random.split(key, CHAINS))


@eqx.filter_jit
def trained(f, prior, x, y, key: PRNGKeyArray, factors: Float[Array, " k"], setting: Setting):
    """Maxima of the posterior, one for each factor on the precision of the prior."""
    optimiser = optax.adam(optax.cosine_decay_schedule(0.01, setting.training))

    def loss(params, factor):
        decay = factor * prior.log_density(params) / len(y)
        return jnp.mean(_misfit(f, params, x, y)) - decay

    def member(key, factor):
        def step(carry, _):
            params, state = carry
            updates, state = optimiser.update(jax.grad(loss)(params, factor), state)
            return (optax.apply_updates(params, updates), state), None

        start = prior.sample(key)
        return jax.lax.scan(step, (start, optimiser.init(start)), length=setting.training)[0][0]

    return jax.vmap(member)(jax.random.split(key, len(factors)), factors)


def best_decay(f, prior, data: Digits, key: PRNGKeyArray, setting: Setting) -> float:
    """The factor whose network predicts a quarter of the training set best from the rest."""
    some = 3 * TRAIN // 4
    found = trained(f, prior, data.x[:some], data.y[:some], key, jnp.array(DECAYS), setting)
    misfits = jax.vmap(lambda p: jnp.mean(_misfit(f, p, data.x[some:], data.y[some:])))(found)
    return DECAYS[int(jnp.argmin(misfits))]


def last_layer(f, params, precision, data: Digits, key: PRNGKeyArray):
    """Log-probabilities of draws of the last layer's Laplace approximation, in float64.

    The curvature of the loss in the logits, diag(p) - p pᵀ = L Lᵀ, makes the values Lᵀ f, of unit
    noise: their posterior is that of the generalised Gauss-Newton matrix.
    """
    params, precision, x = jax.tree.map(
        lambda a: a.astype(jnp.float64), (params, precision, data.x)
    )
    last = lambda tree: tree.layers[-1]  # noqa: E731
    model = lambda p, x: f(eqx.tree_at(last, params, p), x)  # noqa: E731

    def weighted(p, sample):
        x, probability = sample
        values, root = model(p, x), jnp.sqrt(probability)
        return root * (values - jnp.dot(probability, values))

    probabilities = jax.nn.softmax(jax.vmap(f, (None, 0))(params, x))
    posterior = jsci.laplace(
        weighted, last(params), (x, probabilities), prior=last(precision), noise=1.0
    )

    def at(images):
        draw = lambda key: posterior.sample(key, images.astype(jnp.float64), of=model)  # noqa: E731
        return jax.nn.log_softmax(jax.lax.map(draw, jax.random.split(key, CURVES)))

    return at


@eqx.filter_jit
def log_probabilities(f, params, x: Float[Array, "m 64"]) -> Float[Array, "k m 10"]:
    """Of each of k networks, for each class."""
    return jax.lax.map(lambda p: jax.nn.log_softmax(jax.vmap(f, (None, 0))(p, x)), params)


def _misfit(f, params, x, y):
    """-log p of each class."""
    logits = jax.vmap(f, (None, 0))(params, x)
    return optax.softmax_cross_entropy_with_integer_labels(logits, y)
