"""vmap: chunks and meshes change nothing but memory."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci


def f(scale, x):
    return {"norm": scale * jnp.sqrt(x["a"] @ x["a"]), "sum": x["b"] + x["a"]}


SCALE = jnp.array(2.0)
X = {"a": jax.random.normal(jax.random.key(0), (7, 3)), "b": jnp.arange(21.0).reshape(7, 3)}


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 50])
def test_chunked_equals_whole(batch_size):
    whole = jsci.vmap(f, (None, 0))(SCALE, X)
    chunked = jax.jit(jsci.vmap(f, (None, 0), batch_size=batch_size))(SCALE, X)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-14), whole, chunked)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="a CPU's caches decide")
def test_large_examples_are_looped_over_on_a_cpu():
    large = jnp.ones((2, 40_000))

    def program(batch):
        return str(jax.make_jaxpr(jsci.vmap(jnp.sin))(batch))

    assert "scan" in program(large)
    assert "scan" not in program(large[:, :10])
    np.testing.assert_array_equal(jsci.vmap(jnp.sum)(large), [40_000.0, 40_000.0])


def test_mapped_axis():
    y = jsci.vmap(lambda x: x.sum(), in_axes=-1)(jnp.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(y, [3.0, 5.0, 7.0])


def test_gradient_through_chunks():
    total = lambda s, n: jsci.vmap(f, (None, 0), batch_size=n)(s, X)["norm"].sum()  # noqa: E731
    np.testing.assert_allclose(jax.grad(total)(SCALE, 2), jax.grad(total)(SCALE, 7), rtol=1e-13)


def test_mesh_of_eight_devices_pads_and_agrees():
    """A batch of 7 on 8 virtual devices; a fresh process, since devices are fixed at start."""
    program = """
import jax, jax.numpy as jnp, jaxsci as jsci
x = jnp.arange(21.0).reshape(7, 3)
f = lambda s, x: s * jnp.sin(x).sum()
mesh = jax.make_mesh((8,), ("batch",))
for batch_size in (None, 1):
    sharded = jax.jit(jsci.vmap(f, (None, 0), mesh=mesh, batch_size=batch_size))(2.0, x)
    assert jnp.array_equal(sharded, jsci.vmap(f, (None, 0))(2.0, x)), sharded
"""
    env = os.environ | {"JAX_PLATFORMS": "cpu"}
    env |= {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    subprocess.run([sys.executable, "-c", program], check=True, env=env)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jsci.vmap(f, (None, 0), batch_size=0), "at least 1"),
        (lambda: jsci.vmap(f, (None, None))(SCALE, X), "nothing to map"),
        (lambda: jsci.vmap(f, (None, 0, 0))(SCALE, X), "names 3 arguments, but 2"),
        (
            lambda: jsci.vmap(f, (None, 0))(SCALE, X | {"b": jnp.zeros((3, 3))}),
            r"\['a'\]: 7, argument 1\['b'\]: 3",
        ),
        (lambda: jsci.vmap(jnp.sum)(jnp.zeros((0, 2))), "non-zero length"),
        (lambda: jsci.vmap(jnp.sum)(jnp.array(1.0)), "a scalar"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_axes_within_an_argument_are_refused():
    """As jax.vmap takes them."""
    with pytest.raises(TypeError, match="one integer or None for each argument"):
        jsci.vmap(f, (None, {"a": 0, "b": None}))(SCALE, X)
