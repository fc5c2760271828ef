"""Rollouts and unrolled losses of a linear map, whose states and slopes are known."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.operators import Window, relative_l2, rollout, unrolled_loss

PARAMS = {"g": jnp.array(1.5, float)}
U0 = jnp.array([[1.0], [2.0]])


def f(params, u):
    return params["g"] * u


def forced(params, u, inputs):
    return params["g"] * u + inputs["force"]


def growing(rate, times):
    """The states of a window, `rate`ⁿ u₀."""
    return rate ** jnp.arange(times).reshape(-1, 1, 1) * U0[None]


def test_a_rollout_is_a_loop():
    np.testing.assert_allclose(rollout(f, PARAMS, U0, 4), growing(1.5, 5)[1:], rtol=1e-14)
    states, u = rollout(forced, PARAMS, U0, 3, inputs={"force": jnp.array(0.5)}), U0
    for state in states:
        u = 1.5 * u + 0.5
        np.testing.assert_allclose(state, u, rtol=1e-14)


def test_errors_of_each_step():
    """The truth doubles: the relative error of step n is |1.5ⁿ/2ⁿ - 1|."""
    r = unrolled_loss(f, 3)(PARAMS, growing(2.0, 5))
    np.testing.assert_allclose(r, 1 - 0.75 ** np.arange(1, 4), rtol=1e-13)


def test_slopes_are_those_of_the_formula():
    """Of one error |gⁿ/2ⁿ - 1|: through all steps n gⁿ⁻¹/2ⁿ, of the last step alone 1/n of it."""
    window = growing(2.0, 4)
    slopes = jax.jacobian(lambda p: unrolled_loss(f, 3)(p, window))(PARAMS)["g"]
    n = np.arange(1, 4)
    np.testing.assert_allclose(slopes, -n * 1.5 ** (n - 1) / 2**n, rtol=1e-13)
    last = unrolled_loss(f, 3, pushforward=True)
    np.testing.assert_allclose(last(PARAMS, window), [1 - 0.75**3], rtol=1e-13)
    slope = jax.jacobian(lambda p: last(p, window))(PARAMS)["g"]
    np.testing.assert_allclose(slope, [-(1.5**2) / 2**3], rtol=1e-13)
    one = unrolled_loss(f, 1)(PARAMS, window)
    np.testing.assert_array_equal(unrolled_loss(f, 1, pushforward=True)(PARAMS, window), one)


def test_noise_is_drawn_from_the_key_of_the_window(key):
    window = Window(growing(2.0, 2), key=key)
    noisy = U0 + 0.1 * jax.random.normal(key, U0.shape)
    r = unrolled_loss(f, 1, noise=0.1)(PARAMS, window)
    np.testing.assert_allclose(r, relative_l2(1.5 * noisy, 2 * U0)[None], rtol=1e-13)


@pytest.mark.parametrize("pushforward", [False, True])
def test_training_finds_the_map(pushforward, key):
    """Batches of windows with inputs and keys, drawn by `fit` from a key of its own."""

    def batch(key):
        keys = jax.random.split(key, 4)
        force = jax.random.normal(key, (4,))
        states = [jnp.broadcast_to(U0, (4, 2, 1))]
        for _ in range(2):
            states.append(2 * states[-1] + force[:, None, None])
        return {"data": Window(jnp.stack(states, 1), {"force": force}, keys)}

    r = unrolled_loss(forced, 2, pushforward=pushforward, noise=1e-6)
    loss = jsci.objective({"data": r})
    result = jsci.fit(loss, PARAMS, batch, optax.adam(0.1), steps=150, key=key, progress=False)
    np.testing.assert_allclose(result.params["g"], 2, atol=0.02)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="rollout.. needs steps >= 1"):
        rollout(f, PARAMS, U0, 0)
    with pytest.raises(ValueError, match="returns what it takes"):
        rollout(lambda p, u: u[:1], PARAMS, U0, 2)
    with pytest.raises(ValueError, match="one dtype"):
        rollout(f, PARAMS, U0.astype(jnp.float32), 2)
    with pytest.raises(ValueError, match="rollout.. needs steps >= 1.*got 1.5"):
        rollout(f, PARAMS, U0, 1.5)  # pyright: ignore
    short = unrolled_loss(lambda p, u: u[:1], 1, pushforward=True, error=lambda p, u: abs(p - u))
    with pytest.raises(ValueError, match="unrolled_loss.. needs a step that returns what it takes"):
        short(PARAMS, growing(2.0, 2))
    with pytest.raises(ValueError, match="noise >= 0"):
        unrolled_loss(f, 1, noise=-1.0)
    with pytest.raises(ValueError, match="needs windows of 4 states.*has 3"):
        unrolled_loss(f, 3)(PARAMS, growing(2.0, 3))
    with pytest.raises(ValueError, match="needs a PRNG key"):
        unrolled_loss(f, 1, noise=0.1)(PARAMS, growing(2.0, 2))
