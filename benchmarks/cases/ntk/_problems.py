"""Residuals and reference kernels that several cases share."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

import jaxsci as jsci
from benchmarks.remote.networks import mlp

_PIECE = 8192


def burgers(u, x):
    u_t, u_x, u_xx = jsci.derivative(u, 0), jsci.derivative(u, 1), jsci.derivative(u, 1, 1)
    return u_t(x) + u(x) * u_x(x) - 0.01 / math.pi * u_xx(x)


def pinn(equation, dimension=2, width=128):
    f, params = mlp([dimension, width, width, width, width, 1])
    residual = jsci.residual(equation, lambda p, x: f(p, x)[0])
    return lambda p, x: residual(p, x)[None], params


def long_product(j):
    pieces = j.shape[1] // _PIECE
    if pieces < 2:
        return j @ j.T

    def add(i, total):
        piece = lax.dynamic_slice_in_dim(j, i * _PIECE, _PIECE, axis=1)
        return total + piece @ piece.T

    total = lax.fori_loop(0, pieces, add, jnp.zeros((len(j), len(j)), j.dtype))
    rest = j[:, pieces * _PIECE :]
    return total + rest @ rest.T


def naive_in_float64(f, params, x, traced):
    """J Jᵀ in float64 on the host, from Jacobians taken in float64 where it is switched on."""
    cast = functools.partial(jax.tree.map, lambda a: jnp.asarray(a, jnp.float64))
    with jax.enable_x64(True):
        flat, unravel = ravel_pytree(cast(params))

        def row(z):
            return jax.jacrev(lambda w: f(unravel(w), z))(flat)

        j = np.stack([np.asarray(row(z), np.float64) for z in cast(x)])
    kernel = np.einsum("nap,mbp->nmab", j, j)
    return np.einsum("nmaa->nm", kernel) / j.shape[1] if traced else kernel
