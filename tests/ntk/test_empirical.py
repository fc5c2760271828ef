"""One verb gives the kernel of every kind of model."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax.flatten_util import ravel_pytree

import jaxsci as jsci

X = jax.random.normal(jax.random.key(1), (6, 2))


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(2)(jnp.tanh(linen.Dense(16)(x)))


class NnxNet(nnx.Module):
    def __init__(self, rngs):
        self.inner = nnx.Linear(2, 16, rngs=rngs)
        self.outer = nnx.Linear(16, 2, rngs=rngs)

    def __call__(self, x):
        return self.outer(jnp.tanh(self.inner(x)))


def linen_model():
    return jsci.pure(LinenNet(), jax.random.key(0), X[0], dtype=jnp.float64)


def nnx_model():
    return jsci.pure(NnxNet(nnx.Rngs(0)), dtype=jnp.float64)


def equinox_model():
    return jsci.pure(eqx.nn.MLP(2, 2, 16, 2, jnp.tanh, key=jax.random.key(0)))


def burgers_residual():
    f, params = jsci.pure(eqx.nn.MLP(2, "scalar", 16, 2, jnp.tanh, key=jax.random.key(0)))

    def burgers(u, x):
        u_t, u_x, u_xx = (jsci.derivative(u, *axes)(x) for axes in ((0,), (1,), (1, 1)))
        return u_t + u(x) * u_x - 0.01 * u_xx

    return jsci.residual(burgers, f), params


@pytest.mark.parametrize("make", [linen_model, nnx_model, equinox_model, burgers_residual])
def test_kernel_is_the_product_of_jacobians(make):
    f, params = make()
    flat, unravel = ravel_pytree(params)
    jacobian = jax.jit(jax.vmap(jax.jacrev(lambda w, x: f(unravel(w), x)), (None, 0)))(flat, X)
    theta = jax.jit(lambda p, x: jsci.ntk.kernel(f, p, x))(params, X)
    expected = np.einsum("i...p,j...p->ij...", jacobian, jacobian)
    if theta.ndim == 4:
        expected = np.einsum("iap,jbp->ijab", jacobian, jacobian)
    np.testing.assert_allclose(theta, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


def test_trace_axes_average_the_outputs():
    f, params = equinox_model()
    full = jsci.ntk.kernel(f, params, X)
    traced = jsci.ntk.kernel(f, params, X, trace_axes=-1)
    np.testing.assert_allclose(traced, np.trace(full, axis1=2, axis2=3) / 2, rtol=1e-12)
