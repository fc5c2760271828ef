"""The average of the parameters follows its definition, through interruptions too."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci


def loss(w, batch):
    return jnp.sum((w - batch) ** 2)


def test_average_is_the_recursion_and_resumes(tmp_path):
    start, data = jnp.array([1.0, -2.0]), jnp.array([3.0, 0.5])
    optimizer = jsci.averaged(optax.sgd(0.1), 0.7)
    w = average = start
    for _ in range(5):
        w = w - 0.2 * (w - data)
        average = 0.7 * average + 0.3 * w
    whole = jsci.fit(loss, start, data, optimizer, steps=5, progress=False)
    np.testing.assert_allclose(whole.params, w, rtol=1e-13)
    np.testing.assert_allclose(whole.state.params, average, rtol=1e-13)
    file = tmp_path / "run.jsci"
    for steps in (2, 5):
        resumed = jsci.fit(
            loss, start, data, optimizer, steps=steps, checkpoint=file, progress=False
        )
    assert (resumed.state.params == whole.state.params).all()


def test_bad_decay_is_explained():
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\), got 1.0"):
        jsci.averaged(optax.sgd(0.1), 1.0)


def test_a_decay_of_numpy_keeps_the_dtype():
    optimizer, params = jsci.averaged(optax.sgd(0.1), np.float64(0.9)), jnp.ones(2, jnp.float32)
    _, state = optimizer.update(params, optimizer.init(params), params)
    assert state.params.dtype == jnp.float32
