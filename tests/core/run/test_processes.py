"""Two processes joined by jax.distributed give the numbers of one."""

import os
import socket
import subprocess
import sys

PROGRAM = """
import sys
import jax
jax.config.update("jax_enable_x64", True)
count, index, port, checkpoint = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
if count > 1:
    jax.distributed.initialize(f"localhost:{port}", count, index)
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental.multihost_utils import process_allgather
import jaxsci as jsci

mesh = jax.make_mesh((count,), ("rows",))
assert len(jax.devices()) == count and len(jax.local_devices()) == 1

def f(p, x):
    return jnp.tanh(x @ p["w"]) @ p["v"]

k = jax.random.split(jax.random.key(0), 3)
params = {"w": jax.random.normal(k[0], (3, 6)), "v": jax.random.normal(k[1], (6,))}
x = jax.random.normal(k[2], (13, 3))  # an odd number: one row is padding
kernel = process_allgather(jsci.gram(f, params, x, mesh=mesh), tiled=True)
loss = jsci.objective({"a": lambda p, x: f(p, x) - x[0]}, mesh=mesh)
adam = jsci.fit(loss, params, {"a": x}, optax.adam(1e-2), steps=5, checkpoint=checkpoint,
                report_every=2, progress=False)
second = jsci.fit(loss, params, {"a": x}, jsci.levenberg_marquardt(), steps=3, progress=False)
numbers = [np.asarray(kernel).ravel(), adam.history["loss"], second.history["loss"]]
print("numbers", *np.concatenate(numbers))
"""


def start(count, index, port, checkpoint):
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    # With programs from a cache, one process may wait in a collective for the other for ever.
    environment |= {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    arguments = map(str, (count, index, port, checkpoint))
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def numbers(run):
    out, err = run.communicate(timeout=120)
    lines = [line for line in out.splitlines() if line.startswith("numbers")]
    assert run.returncode == 0 and lines, err
    return [float(number) for number in lines[0].split()[1:]]


def test_two_processes_give_the_kernel_and_the_training_of_one(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    together = [start(2, index, port, tmp_path / "two.jsci") for index in range(2)]
    try:
        first, second = map(numbers, together)
    finally:
        for run in together:
            run.kill()
    alone = numbers(start(1, 0, port, tmp_path / "one.jsci"))
    assert first == second
    # Sums over samples are taken in another order: rounding, which three steps amplify little.
    assert len(first) == len(alone) == 13 * 13 + 5 + 3
    for got, want in zip(first, alone, strict=True):
        assert abs(got - want) <= 1e-10 * max(1.0, abs(want))
    assert {p.name for p in tmp_path.glob("two*")} == {"two.jsci", "two.jsci.previous"}
