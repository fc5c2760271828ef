"""Tables of measurements that other packages ship, in units of their deviations."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

TABLES = ("diabetes", "boston", "auto-mpg")


class Split(NamedTuple):
    """A fifth of a table is held out; the mean and deviation are those of the rest."""

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    x_test: Float[Array, "m d"]
    y_test: Float[Array, " m"]


@functools.cache
def _table(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and values, of scikit-learn or of mlxtend."""
    if name == "diabetes":
        from sklearn.datasets import load_diabetes  # pyright: ignore[reportMissingImports]

        return load_diabetes(return_X_y=True)
    from mlxtend import data  # pyright: ignore[reportMissingImports] (optional)

    x, y = data.boston_housing_data() if name == "boston" else data.autompg_data()
    # The names of cars are no numbers, nor is a horsepower that is missing.
    x = x[:, ~np.isnan(x).all(axis=0)]
    whole = ~np.isnan(x).any(axis=1)
    return x[whole], y[whole]


def split(name: str, seed: int) -> Split:
    """One of the random splits of a table."""
    x, y = _table(name)
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = np.split(order, [int(0.8 * len(y))])

    def standard(a):
        return (a - a[train].mean(0)) / a[train].std(0)

    x, y = standard(x), standard(y)
    return Split(*(jnp.asarray(a) for a in (x[train], y[train], x[test], y[test])))


def rbf(x: Float[Array, "n d"], y: Float[Array, "m d"], length: Float[Array, ""]) -> Array:
    """exp(-|x - y|²/2l²) for a length l, (n, m)."""
    squares = jnp.sum((x[:, None] - y[None]) ** 2, axis=-1)
    return jnp.exp(-0.5 * squares / length**2)


@functools.partial(jax.jit, static_argnames="steps")
def likeliest_kernel(x: Float[Array, "n d"], y: Float[Array, " n"], *, steps: int = 80) -> Array:
    """Length, amplitude and noise that maximise the evidence of a Gaussian process."""

    def cost(logs):
        length, amplitude, noise = jnp.exp(logs)
        matrix = amplitude**2 * rbf(x, x, length) + (noise**2 + 1e-6) * jnp.eye(len(y))
        root = jnp.linalg.cholesky(matrix)
        white = jax.scipy.linalg.solve_triangular(root, y, lower=True)
        return 0.5 * white @ white + jnp.sum(jnp.log(jnp.diagonal(root)))

    optimiser = optax.adam(0.1)

    def step(carry, _):
        logs, state = carry
        updates, state = optimiser.update(jax.grad(cost)(logs), state)
        return (optax.apply_updates(logs, updates), state), None

    start = jnp.array([0.5 * jnp.log(x.shape[1]), 0.0, -0.7])
    (logs, _), _ = jax.lax.scan(step, (start, optimiser.init(start)), length=steps)
    return jax.tree.map(jnp.exp, logs)
