"""The kernel over 2 and 8 devices equals that on one; devices exist from a process's start."""

import os
import subprocess
import sys

PROGRAM = """
import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

jax.config.update("jax_enable_x64", True)
from jaxsci.core import gram, gram_operator
from jaxsci.core._gram.dense import gram_of_terms

def f(p, x):
    return jnp.tanh(x @ p["w"]) @ p["v"]

k = jax.random.split(jax.random.key(0), 3)
params = {"w": jax.random.normal(k[0], (3, 6)), "v": jax.random.normal(k[1], (6, 2))}
x = jax.random.normal(k[2], (13, 3))
whole, rectangle = gram(f, params, x), gram(f, params, x, x[:5], trace_axes=-1)
for count in (1, 2, 8):
    mesh = Mesh(np.array(jax.devices()[:count]), ("rows",))
    for options in ({}, {"batch_size": 2}):
        sharded = gram(f, params, x, mesh=mesh, **options)
        np.testing.assert_allclose(sharded, whole, rtol=1e-13, atol=1e-13)
    part = gram(f, params, x, x[:5], trace_axes=-1, mesh=mesh)
    np.testing.assert_allclose(part, rectangle, rtol=1e-13, atol=1e-13)
    assert len(part.devices()) == count
# What lies on the devices already may come as it is.
places = [NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), ("rows",))]
placed = jax.device_put((params, x[:8]), tuple(places))
np.testing.assert_allclose(gram(f, *placed, mesh=mesh), whole[:8, :8], rtol=1e-13, atol=1e-13)
row = gram_operator(f, *placed).as_matrix()[0].reshape(8, 2)
np.testing.assert_allclose(row, whole[0, :8, 0], rtol=1e-13, atol=1e-13)
# Other values that lie there compile nothing, with a mesh and without.
compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda name, *_, **__: compiled.append(name) if name.endswith("backend_compile_duration") else 0
)
others = jax.device_put((params, 2 * x[:8]), tuple(places))
gram(f, *placed)
assert compiled
compiled.clear()
gram(f, *others), gram(f, *others, mesh=mesh)
assert not compiled, compiled
# Several terms, of 13 and 5 examples: whole on each device, where optimisers solve with it.
terms, batch = {"a": f, "b": lambda p, x: f(p, x)[0]}, {"a": x, "b": x[:5]}
scales = {"a": 0.5, "b": 2.0}
together = gram_of_terms(terms, params, batch, scales, mesh=mesh)
alone = gram_of_terms(terms, params, batch, scales)
np.testing.assert_allclose(together, alone, rtol=1e-13, atol=1e-13)
assert together.shape == (31, 31) and together.sharding.is_fully_replicated
print("same on 1, 2 and 8 devices")
"""


def test_same_kernel_on_one_two_and_eight_devices():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
    )
    assert "same on 1, 2 and 8 devices" in run.stdout, run.stderr
