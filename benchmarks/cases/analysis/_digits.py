"""Networks trained on scikit-learn's images of digits."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsci as jsci

TRAIN, BATCH = 1200, 64
SINGLE = jnp.float32


@functools.cache
def digits():
    """`(x, y), (x_test, y_test)`."""
    from sklearn.datasets import load_digits  # pyright: ignore[reportMissingImports] (optional)

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = jnp.asarray(x[order] / 16, SINGLE), jnp.asarray(y[order])
    return (x[:TRAIN], y[:TRAIN]), (x[TRAIN:], y[TRAIN:])


def untrained(seed: int, width: int):
    """`(f, params)` of a network of two hidden layers."""
    key = jax.random.key(seed)
    f, params = jsci.pure(eqx.nn.MLP(64, 10, width, 2, key=key), dtype=SINGLE)
    keys = iter(jax.random.split(key, 3))
    he = lambda a: jax.random.normal(next(keys), a.shape, SINGLE) * (2 / a.shape[1]) ** 0.5  # noqa: E731
    return f, jax.tree.map(lambda a: he(a) if a.ndim == 2 else 0 * a, params)


@functools.partial(jax.jit, static_argnames=("f", "steps", "decay"))
def _descent(f, params, key, x, y, *, steps, decay):
    optimiser = optax.adamw(optax.cosine_decay_schedule(3e-3, steps), weight_decay=decay)

    def loss(params, chosen):
        logits = jax.vmap(f, (None, 0))(params, x[chosen])
        return optax.softmax_cross_entropy_with_integer_labels(logits, y[chosen]).mean()

    def step(carry, key):
        params, state = carry
        slope = jax.grad(loss)(params, jax.random.randint(key, (BATCH,), 0, len(y)))
        updates, state = optimiser.update(slope, state, params)
        return (optax.apply_updates(params, updates), state), None

    start = (params, optimiser.init(params))
    return jax.lax.scan(step, start, jax.random.split(key, steps))[0][0]


def trained(seed: int, width: int, *, steps: int = 800, decay: float = 0.0):
    """`(f, params)` after training on all digits."""
    f, params = untrained(seed, width)
    return f, further(f, params, seed, steps=steps, decay=decay)


def further(f, params, seed: int, *, steps: int, decay: float = 0.0, classes=range(10)):
    """Parameters after training on some classes."""
    x, y = digits()[0]
    some = np.isin(np.asarray(y), list(classes))
    key = jax.random.key(seed + 100)
    return _descent(f, params, key, x[some], y[some], steps=steps, decay=decay)


def accuracy(f, params) -> float:
    """On the digits held out."""
    x, y = digits()[1]
    return float(jnp.mean(jax.vmap(f, (None, 0))(params, x).argmax(-1) == y))
