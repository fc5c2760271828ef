"""The posterior of a linear model with white noise, in the smaller of two spaces."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .objective import BatchResiduals

# With at least this number of vectors A is formed as a matrix, if it fits in the bytes below.
_MANY, _LARGEST = 16, 2**28


class LinearPosterior(eqx.Module):
    """N(0, C) of the steps u - u₀ of whitened parameters u = √P θ, with A = ∂r/∂u.

        C = (1 + AᵀA)⁻¹ = 1 - Aᵀ (1 + A Aᵀ)⁻¹ A

    - `params`: θ₀.
    - `roots`: √P of each leaf, 1 where the prior is flat.
    - `residuals`: over their noise, as functions of u.
    - `factor`: of 1 + A Aᵀ; or, where parameters are fewer, of AᵀA + 1, without 1 where P = 0.
    - `in_samples`: which of the two.
    - `jacobian`: A, of `for_many`; by default products with it are derivatives of the residuals.
    """

    params: PyTree
    roots: PyTree
    residuals: BatchResiduals
    factor: Float[Array, "k k"]
    in_samples: bool = eqx.field(static=True)
    jacobian: Float[Array, "n p"] | None = None

    def scale(self) -> Float[Array, " p"]:
        """√P of each parameter."""
        return ravel_pytree(spread(self.params, self.roots))[0]

    def for_many(self, vectors: int) -> "LinearPosterior":
        """With A as a matrix, where it is small and used often: its products are ten times as fast
        as derivatives."""
        u = self._centre()
        size = len(self.factor) * u.size * u.dtype.itemsize
        if not self.in_samples or vectors < _MANY or size > _LARGEST:
            return self
        _, jacobian = self.residuals.jacobian(ravel_pytree(self.params)[1](u))
        return dataclasses.replace(self, jacobian=jacobian)

    def root(self, g: Float[Array, " p"]) -> Float[Array, " q"]:
        """A vector for each g, linear in it, whose inner products are g C gᵀ.

        In sample space those of g - Aᵀ w and of w = (1 + A Aᵀ)⁻¹ A g. As g C gᵀ is the least of
        |g - Aᵀ w|² + |w|² over w, an error of w enters squared, and no variance is negative.
        """
        if not self.in_samples:
            return solve_triangular(self.factor, g, lower=True)
        w = cho_solve((self.factor, True), self._push(g))
        return jnp.concatenate([g - self._pull(w), w])

    def draw(self, key: PRNGKeyArray) -> Float[Array, " p"]:
        """From N(0, C): in sample space a draw from the prior, corrected by the data."""
        first, second = jax.random.split(key)
        u = self.scale()
        normal = jax.random.normal(first, u.shape, u.dtype)
        if not self.in_samples:
            return solve_triangular(self.factor, normal, lower=True, trans="T")
        noise = jax.random.normal(second, self.factor.shape[:1], u.dtype)
        seen = self._push(normal) + noise
        return normal - self._pull(cho_solve((self.factor, True), seen))

    def _vector(self, u):
        return self.residuals.vector(ravel_pytree(self.params)[1](u))

    def _centre(self):
        return ravel_pytree(self.params)[0] * self.scale()

    def _push(self, step):
        if self.jacobian is not None:
            return self.jacobian @ step
        return jax.jvp(self._vector, (self._centre(),), (step,))[1]

    def _pull(self, v):
        if self.jacobian is not None:
            return v @ self.jacobian
        return jax.vjp(self._vector, self._centre())[1](v)[0]


def solve(
    residuals: BatchResiduals, params: PyTree, roots: PyTree, bounded: PyTree, in_samples: bool
) -> dict[str, Array]:
    """The factor of a `LinearPosterior`, with the evidence and the effective parameters.

    **Arguments:**

    - `residuals`: of u, over their noise.
    - `params`: θ₀.
    - `roots`: √P of each leaf, 1 where the prior is flat.
    - `bounded`: whether P > 0, for each leaf or its entries.
    - `in_samples`: of which matrix.

    **Returns:** `factor`; `effective_parameters`; `log_evidence`, for noise of unit variance.
    """
    u, unflat = ravel_pytree(jax.tree.map(jnp.multiply, params, spread(params, roots)))
    r, push = jax.linearize(lambda v: residuals.vector(unflat(v)), u)
    ridge = ravel_pytree(spread(params, bounded))[0].astype(u.dtype)
    if in_samples:
        factor = _kernel_factor(residuals.kernel(unflat(u)))
        pull = jax.linear_transpose(push, u)
        step = pull(cho_solve((factor, True), push(u) - r))[0] - u
        effective = r.size - jnp.sum(_inverse(factor) ** 2)
    else:
        _, jacobian = residuals.jacobian(unflat(u))
        factor = _jacobian_factor(jacobian, ridge)
        step = -cho_solve((factor, True), jacobian.T @ r + ridge * u)
        effective = u.size - jnp.sum(_inverse(factor) ** 2 * ridge[None])
    # The least of |r + A step|² + |u + step|²: an error of the step enters squared, and data that
    # are large against their noise cancel in r.
    square = jnp.sum((r + push(step)) ** 2) + jnp.sum(ridge * (u + step) ** 2)
    square = jnp.where(jnp.all(ridge > 0), square, jnp.inf)  # a flat prior has no evidence
    volume = 2 * jnp.sum(jnp.log(jnp.diagonal(factor)))
    evidence = -0.5 * (square + volume + r.size * jnp.log(2 * jnp.pi))
    return {"factor": factor, "effective_parameters": effective, "log_evidence": evidence}


def whiten(residuals: BatchResiduals, roots: PyTree) -> BatchResiduals:
    """The residuals as functions of u = √P θ."""
    functions = tuple(_Rescaled(r, roots) for r in residuals.objective.functions)
    return eqx.tree_at(lambda b: b.objective.functions, residuals, functions)


def spread(params: PyTree, numbers: PyTree) -> PyTree:
    """Each number as an array of the shape of its leaf."""
    return jax.tree.map(lambda w, p: jnp.broadcast_to(p, w.shape), params, numbers)


class _Rescaled(eqx.Module):
    """A residual of u. The structured kernel sees a weight over a number as a weight."""

    r: Callable
    roots: PyTree

    def __call__(self, u, x):
        return self.r(jax.tree.map(jnp.divide, u, self.roots), x)


def _inverse(factor):
    return solve_triangular(factor, jnp.eye(len(factor), dtype=factor.dtype), lower=True)


def _kernel_factor(kernel):
    """The Cholesky factor of 1 + A Aᵀ, NaN where rounding hides the 1."""
    matrix = kernel + jnp.eye(len(kernel), dtype=kernel.dtype)
    factor = jnp.linalg.cholesky(matrix)
    rest = jnp.diagonal(factor) ** 2 / jnp.diagonal(matrix)
    hidden = jnp.min(rest) < 10 * jnp.finfo(matrix.dtype).eps
    return jnp.where(hidden, jnp.nan, factor)


def _jacobian_factor(jacobian, ridge):
    """The Cholesky factor of AᵀA + P, NaN where that is singular to rounding.

    By a QR decomposition of A, whose digits squares would halve. Where a prior is flat, half of
    them must be there all the same: a Jacobian is rarely known to the last one.
    """
    r = jnp.linalg.qr(jnp.concatenate([jacobian, jnp.diag(ridge)]), mode="r")
    diagonal = jnp.diagonal(r)
    rest = jnp.abs(diagonal) / jnp.linalg.norm(r, axis=0)
    least = 10 * len(r) * jnp.finfo(r.dtype).eps
    singular = jnp.any(rest < jnp.where(ridge > 0, least, jnp.sqrt(least)))
    return jnp.where(singular, jnp.nan, r.T * jnp.sign(diagonal)[None])
