"""How operator networks are described, compared with a reference and with the best linear map."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsci.operators import relative_l2

SINGLE = jnp.float32


def count(params):
    return sum(w.size for w in jax.tree.leaves(params))


def describe(model):
    return f"{len(model.skips)} layers, modes {model.modes}, {count(model):,} parameters"


def tree_error(reference):
    """Largest relative L2 distance of a leaf from the reference's."""
    # Waits for it: nothing else may run while the case is compiled and timed.
    reference = jax.tree.map(np.asarray, reference)

    def distance(p, q):
        return np.linalg.norm(np.asarray(p) - q) / np.linalg.norm(q)

    return lambda out: float(max(jax.tree.leaves(jax.tree.map(distance, out, reference))))


def mean_error(f):
    """(params, a, u) -> mean relative L2 error over the samples, compiled."""
    return jax.jit(
        lambda params, a, u: jnp.mean(jax.vmap(lambda a, u: relative_l2(f(params, a), u))(a, u))
    )


def ridge_error(x, y, test_x, test_y):
    """The lowest test error of an affine ridge map over a range of strengths: the linear limit."""
    x, y, test_x, test_y = (
        np.asarray(v, float).reshape(len(v), -1) for v in (x, y, test_x, test_y)
    )
    mean_x, mean_y = x.mean(0), y.mean(0)
    left, spread, right = np.linalg.svd(x - mean_x, full_matrices=False)
    seen, wanted = (test_x - mean_x) @ right.T, left.T @ (y - mean_y)
    errors = []
    for strength in 10.0 ** np.arange(-9, 3):
        shift = strength * np.sum(spread**2) / len(x)
        miss = seen @ ((spread / (spread**2 + shift))[:, None] * wanted) + mean_y - test_y
        errors.append(np.mean(np.linalg.norm(miss, axis=1) / np.linalg.norm(test_y, axis=1)))
    return float(min(errors))
