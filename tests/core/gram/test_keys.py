"""Kernels of functions that draw random numbers, from keys of either kind made anywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random
from jax.flatten_util import ravel_pytree

import jaxsci as jsci

POINTS = random.normal(random.key(0), (4, 3))
PARAMS = {"v": random.normal(random.key(1), (5,)), "w": random.normal(random.key(2), (3, 5))}
OUTSIDE = random.key(3)
LEGACY = random.PRNGKey(3)


def dropout(params, x, key):
    hidden = jnp.tanh(x @ params["w"])
    return jnp.where(random.bernoulli(key, 0.5, hidden.shape), 2 * hidden, 0) @ params["v"]


def over_steps(params, x):
    def step(carry, _):
        total, key = carry
        key, now = random.split(key)
        return (total + dropout(params, x, now), key), None

    (total, _), _ = jax.lax.scan(step, (0.0, random.key(5)), length=3)
    return total


def of_the_sample(params, sample):
    return dropout(params, *sample)


# name -> (f, x)
CASES = {
    "made inside": (lambda p, x: dropout(p, x, random.key(7)), POINTS),
    "made inside, legacy": (lambda p, x: dropout(p, x, random.PRNGKey(7)), POINTS),
    "made inside, rbg": (lambda p, x: dropout(p, x, random.key(7, impl="rbg")), POINTS),
    "made outside and split": (lambda p, x: dropout(p, x, random.split(OUTSIDE)[1]), POINTS),
    "made outside, legacy": (lambda p, x: dropout(p, x, LEGACY), POINTS),
    "carried by a loop": (over_steps, POINTS),
    "of the sample": (of_the_sample, (POINTS, random.split(random.key(8), 4))),
    "of the sample, legacy": (of_the_sample, (POINTS, random.split(random.PRNGKey(8), 4))),
}


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_is_that_of_the_plain_jacobian(name):
    """Users ask for kernels of networks with dropout, whose keys f often makes itself."""
    f, x = CASES[name]
    flat, unravel = ravel_pytree(PARAMS)
    at = jsci.objective({"drawn": f}).at({"drawn": x})

    @jax.jit
    def kernels(flat, x):
        j = jax.vmap(jax.jacrev(lambda w, x: f(unravel(w), x)), (None, 0))(flat, x)
        kernel = jsci.gram(f, unravel(flat), x)
        diagonal = jsci.gram_operator(f, unravel(flat), x).diagonal()
        _, of_the_step = at.gram(unravel(flat))  # what Levenberg-Marquardt solves with
        return j @ j.T, kernel, diagonal, of_the_step

    expected, kernel, diagonal, of_the_step = kernels(flat, x)
    assert not np.allclose(expected, 0)
    scale = float(jnp.abs(expected).max())
    np.testing.assert_allclose(kernel, expected, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(diagonal, jnp.diag(expected), rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(of_the_step, expected / 4, rtol=0, atol=1e-12 * scale)


def test_keys_whose_numbers_depend_on_the_batch_are_refused():
    """vmap draws for a batch of rbg keys at once: no example has numbers of its own."""
    keys = random.split(random.key(8, impl="rbg"), 4)
    for call in (jsci.gram, jsci.gram_operator):
        with pytest.raises(ValueError, match=r"x1?\[1\] has dtype key<rbg>.*threefry"):
            call(of_the_sample, PARAMS, (POINTS, keys))
