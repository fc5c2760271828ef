"""Training through the field over eight devices gives the numbers of one."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("pyscf")

PROGRAM = """
import jax
import jax.numpy as jnp
import numpy as np
import optax

jax.config.update("jax_enable_x64", True)
import jaxsci as jsci

functional = jsci.dft.neural_exchange(lambda w, d: 1 + w[0] + w[1] * d[0], level="lda")
molecules = [
    jsci.dft.molecule([("H", (0, 0, 0)), ("H", (0, 0, r))], "sto-3g", grid=0)
    for r in np.linspace(0.6, 1.0, 10)
]
data = {"energy": jsci.dft.training_batch(molecules, [-1.1] * len(molecules))}
found = []
for options in ({}, {"mesh": jax.make_mesh((8,), ("molecules",))}):
    loss = jsci.objective({"energy": jsci.dft.energy_error(functional)}, **options)
    fit = jsci.fit(loss, jnp.zeros(2), data, optax.adam(1e-2), steps=5, progress=False)
    found.append(np.concatenate([fit.params, fit.history["loss"]]))
np.testing.assert_allclose(found[1], found[0], rtol=1e-10)
print("same on 8 devices")
"""


@pytest.mark.slow
def test_eight_devices_train_as_one():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
    )
    assert "same on 8 devices" in run.stdout, run.stderr
