"""Memory: predicted before a run, bounded by batch_size, and refused with the size that fits."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.core._fit import checks as _fit_checks
from jaxsci.core._gram import dense as _gram
from jaxsci.core._run import memory as _memory

F, PARAMS = jsci.pure(jsci.nn.MLP(2, "scalar", width=128, depth=1, key=jax.random.key(0)))
RESIDUAL = jsci.residual(lambda u, x: jsci.derivative(u, 0)(x), F)
POINTS = jax.random.uniform(jax.random.key(1), (512, 2))


def test_the_peak_of_a_product_is_known_and_needs_no_arrays():
    n = 50_000  # 20 GB, more than this machine need have
    shape = jax.ShapeDtypeStruct((n, 3), jnp.float64)
    exact = 8 * (n * n + 3 * n)
    assert exact <= jsci.peak_memory(lambda x: x @ x.T, shape) <= 1.01 * exact


def test_a_jitted_function_is_traced_once():
    traces = []

    @jax.jit
    def f(x):
        traces.append(1)
        return jnp.sum(x**2)

    peak = jsci.peak_memory(f, POINTS)
    f(POINTS)
    assert len(traces) == 1 and peak >= POINTS.nbytes


def test_what_is_donated_counts_once():
    """The result takes the place of the argument."""
    n = 1 << 20
    shape = jax.ShapeDtypeStruct((n,), jnp.float64)
    donating = jax.jit(lambda x: x + 1.0, donate_argnums=0)
    assert jsci.peak_memory(donating, jnp.zeros(n)) == 8 * n
    assert jsci.peak_memory(lambda x: x + 1.0, shape) == 16 * n


def test_batch_size_bounds_a_gradient_whatever_the_number_of_samples():
    def peak(n, batch_size):
        loss = jsci.objective({"pde": RESIDUAL}, batch_size=batch_size)
        x = jax.ShapeDtypeStruct((n, 2), jnp.float64)
        return jsci.peak_memory(lambda p, x: loss.value_and_grad(p, {"pde": x}), PARAMS, x)

    points = 2 * 8 * (4096 - 1024)
    assert peak(4096, 64) - peak(1024, 64) <= 2 * points
    assert peak(4096, None) > 10 * peak(4096, 64)


def suggested(problem, pattern):
    """The size in a message, and the bytes that it is said to take."""
    size, gibibytes = re.search(pattern + r" it takes (\S+)\.$", str(problem.value)).groups()
    return int(size), float(gibibytes) * 2**30


def test_a_kernel_that_does_not_fit_is_refused_with_the_batch_size_that_does(monkeypatch):
    whole = jsci.gram(F, PARAMS, POINTS, implementation="jacobian")
    have = 7.5 * 2**20
    monkeypatch.setattr(_gram, "device_memory", lambda mesh: have)
    with pytest.raises(ValueError, match=r"gram\(\) takes .* GiB at its peak") as problem:
        jsci.gram(F, PARAMS, POINTS, implementation="jacobian")
    size, need = suggested(problem, r"With batch_size=(\d+)")
    assert need <= have
    blocks = jsci.gram(F, PARAMS, POINTS, implementation="jacobian", batch_size=size)
    np.testing.assert_allclose(blocks, whole, rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore:There are fewer residuals")
@pytest.mark.parametrize(
    ("optimizer", "have", "pattern"),
    [
        (optax.adam(1e-3), 2**20, r"With objective\(\.\.\., batch_size=(\d+)\)"),
        (jsci.gauss_newton(), 3 * 2**20, r"With (\d+) samples"),
    ],
    ids=["first order", "second order"],
)
def test_a_training_that_does_not_fit_is_refused(monkeypatch, optimizer, have, pattern):
    monkeypatch.setattr(_fit_checks, "device_memory", lambda mesh: have)
    loss = jsci.objective({"pde": RESIDUAL})
    with pytest.raises(ValueError, match="A step of this training takes") as problem:
        jsci.fit(loss, PARAMS, {"pde": POINTS}, optimizer, steps=2)
    size, need = suggested(problem, pattern)
    assert need <= have
    fewer = "samples" in pattern
    loss = jsci.objective({"pde": RESIDUAL}, batch_size=None if fewer else size)
    jsci.fit(loss, PARAMS, {"pde": POINTS[: size if fewer else None]}, optimizer, steps=2)


def test_a_model_too_large_for_any_batch_is_said(monkeypatch):
    monkeypatch.setattr(_fit_checks, "device_memory", lambda mesh: 1000)
    with pytest.raises(ValueError, match="No smaller batch fits"):
        jsci.fit(lambda p, _: jnp.sum(p**2), jnp.ones(1000), None, optax.sgd(0.1), steps=1)


def test_the_limit_of_a_container_counts(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(_memory, "_LIMITS", (str(limit),))
    machine = _memory.host_memory()
    limit.write_text("1048576\n")
    assert _memory.host_memory() == 2**20 < machine
    limit.write_text("max\n")
    assert _memory.host_memory() == machine
