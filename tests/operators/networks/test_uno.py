"""UNO: any grid, one operator; batches; bad input."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.operators import UNO


@pytest.mark.parametrize("grid", [(21,), (12, 15)], ids=["1d", "2d"])
def test_one_sample_and_a_batch(key, grid):
    model = UNO(2, 3, width=4, modes=(4,) * len(grid), levels=2, padding=0.5, key=key)
    f, params = jsci.pure(model, dtype=jnp.float32)
    batch = jax.random.normal(key, (2, *grid, 2), jnp.float32)
    out = jax.jit(jax.vmap(f, (None, 0)))(params, batch)
    assert out.shape == (2, *grid, 3)
    assert out.dtype == jnp.float32
    one = jax.jit(f)
    np.testing.assert_allclose(out, jnp.stack([one(params, a) for a in batch]), atol=1e-5)


@pytest.mark.parametrize("padding", [0.0, 0.5])
def test_the_operator_does_not_depend_on_the_grid(key, padding):
    model = eqx.filter_jit(UNO(1, 1, width=4, modes=(4,), levels=2, padding=padding, key=key))

    def on(n):
        x = np.arange(n) / n
        return model(jnp.asarray(np.exp(x if padding else np.sin(2 * np.pi * x)))[:, None])

    coarse, middle, fine = on(128), on(256)[::2], on(512)[::4]
    first, second = jnp.max(jnp.abs(coarse - middle)), jnp.max(jnp.abs(middle - fine))
    scale = jnp.max(jnp.abs(fine))
    if padding:
        assert first < 2e-3 * scale
        assert jnp.log2(first / second) > 1.6
    else:
        assert first < 1e-7 * scale


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: UNO(1, 1, width=4, modes=4, levels=0, key=k), "levels >= 1"),
        (lambda k: UNO(1, 1, width=4, modes=8, levels=1, key=k)(jnp.ones((16, 1))), "up to"),
        (
            lambda k: UNO(2, 1, width=4, modes=4, levels=1, key=k)(jnp.ones((16, 1))),
            "in_channels=2",
        ),
    ],
)
def test_bad_input(key, call, message):
    with pytest.raises(ValueError, match=message):
        call(key)
