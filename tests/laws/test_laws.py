"""What every kernel f(params, x) must obey, whichever pillar it comes from.

One row a kernel in `KERNELS`; a new public kernel gets its laws tested by adding its row.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import kernels
import layers
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import jaxsci as jsci


class Case(NamedTuple):
    f: Callable
    params: Any
    batch: Any


@pytest.fixture(scope="module", params=kernels.KERNELS, ids=lambda make: make.__name__)
def case(request):
    return Case(*request.param())


def example(batch, i):
    return jax.tree.map(lambda leaf: leaf[i], batch)


def assert_close(got, want, rtol):
    def check(a, b):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape and a.dtype == b.dtype
        scale = max(np.abs(b).max(initial=0.0), 1e-30)
        np.testing.assert_allclose(a / scale, b / scale, atol=rtol, rtol=0)

    jax.tree.map(check, got, want)


def test_jit_equals_eager(case):
    x = example(case.batch, 0)
    assert_close(jax.jit(case.f)(case.params, x), case.f(case.params, x), 1e-11)


def test_vmap_equals_loop_and_chunks_equal_whole(case):
    size = len(jax.tree.leaves(case.batch)[0])
    f = jax.jit(case.f)
    loop = [f(case.params, example(case.batch, i)) for i in range(size)]
    loop = jax.tree.map(lambda *y: jnp.stack(y), *loop)
    for batch_size in (None, 1, 2):
        mapped = jax.jit(jsci.vmap(case.f, (None, 0), batch_size=batch_size))
        assert_close(mapped(case.params, case.batch), loop, 1e-10)


def test_derivative_equals_finite_differences(case):
    """Along a random direction in the parameters, for a random projection of the output."""
    x = example(case.batch, 0)
    flat, unravel = ravel_pytree(case.params)
    keys = jax.random.split(jax.random.key(3))
    direction = jax.random.normal(keys[0], flat.shape)
    direction = direction / jnp.linalg.norm(direction)
    structure = jax.eval_shape(case.f, case.params, x)
    weights = jax.tree.map(lambda y: jax.random.normal(keys[1], y.shape), structure)

    @jax.jit
    def along(t):
        y = case.f(unravel(flat + t * direction), x)
        return sum(jnp.vdot(w, v) for w, v in zip(*map(jax.tree.leaves, (weights, y)), strict=True))

    # Fourth-order differences: truncation h⁴ and rounding ε/h meet near 1e-11 for h = 1e-3.
    h = 1e-3
    difference = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    np.testing.assert_allclose(jax.grad(along)(0.0), difference, rtol=1e-6, atol=1e-9)


def test_dtype_in_is_dtype_out(case):
    """float64 stays float64; kernels that refuse float32 say so."""
    y = jax.eval_shape(case.f, case.params, example(case.batch, 0))
    assert {leaf.dtype for leaf in jax.tree.leaves(y)} == {jnp.dtype("float64")}


def test_second_call_does_not_trace(case):
    traces = []

    @jax.jit
    def counted(params, x):
        traces.append(1)
        return case.f(params, x)

    for i in range(2):
        counted.trace(case.params, example(case.batch, i))  # what a call does before it compiles
    assert len(traces) == 1


# All their primitives are in other rows too, and what a weight does in each of these is compared in
# tests/core/gram/test_structured.py: their own kernels are left to the slow tests.
REPEATED = (
    layers.factorised_spectral_convolution,
    layers.sine_convolution,
    layers.spherical_convolution,
    layers.forecaster,
    layers.differential_convolution,
    layers.multigrid_operator,
    layers.u_shaped_operator,
    layers.u_net,
    layers.graph_operator,
    layers.geometry_informed_operator,
    layers.multiple_input_operator,
    layers.pod_deep_operator_network,
    layers.modified_mlp,
    layers.siren,
    layers.piratenet,
    layers.separable,
    layers.hypernetwork,
    layers.spline_kan,
)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(make, marks=pytest.mark.slow if make in REPEATED else (), id=make.__name__)
        for make in kernels.KERNELS
    ],
    indirect=True,
)
def test_every_implementation_gives_one_kernel(case):
    def kernel(**options):
        return jax.jit(lambda p, x: jsci.gram(case.f, p, x, **options))(case.params, case.batch)

    naive = kernel(implementation="jacobian")
    assert_close(kernel(), naive, 1e-10)
    assert_close(kernel(batch_size=2), naive, 1e-10)


def test_every_public_network_has_a_row():
    public = {
        thing
        for module in (jsci.operators, jsci.nn)
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, eqx.Module) and "__call__" in dir(thing)
    }
    seen = set()

    def note(node):
        seen.add(type(node))
        return False  # not a leaf: go on to what it holds

    elsewhere = (kernels.fourier_neural_operator, kernels.deep_operator_network)
    for make in (*layers.LAYERS, *elsewhere):
        params = eqx.filter_eval_shape(lambda make=make: make()[1])
        jax.tree.leaves(params, is_leaf=note)
    assert not public - seen
