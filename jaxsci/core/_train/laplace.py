"""The Laplace approximation: the Gaussian posterior of a model linearised in its parameters."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._gram.checks import check_examples, check_params, example_of, output_of_one
from .._run.memory import machine_memory
from .._run.program import as_pytree, compiled_call, is_traced, program
from .._run.vmap import vmap
from .linear_posterior import LinearPosterior, solve, whiten
from .objective import BatchResiduals, Objective, objective


class Laplace(eqx.Module):
    """The Gaussian posterior of a linearised model; made by `laplace`.

    - `params`: the centre of the posterior.
    - `f`: the model, if it was given as one.
    - `log_evidence`: log p(y), of the linearised model; -∞ under a flat prior, which is improper.
    - `effective_parameters`: Σ λᵢ/(λᵢ + P) over the eigenvalues of JᵀJ/s²: how many parameters the
        data determine.
    - `posterior`: of the whitened parameters.
    """

    params: PyTree
    f: Callable | None
    log_evidence: Float[Array, ""]
    effective_parameters: Float[Array, ""]
    posterior: LinearPosterior

    @property
    def covariance(self) -> Float[Array, "p p"]:
        """(JᵀJ/s² + P)⁻¹, in the order of `ravel_pytree(params)`: under a flat prior the
        Cramér-Rao bound of any unbiased estimator."""

        def dense(posterior):
            scale = posterior.scale()
            roots = jax.vmap(posterior.for_many(scale.size).root)(jnp.diag(1 / scale))
            return roots @ roots.T

        return compiled_call(dense, self.posterior)

    def variance(
        self, x: PyTree, *, of: Callable | None = None, batch_size: int | None = None
    ) -> Float[Array, "m ..."]:
        """The variance of predictions, g (JᵀJ/s² + P)⁻¹ gᵀ with g = ∂f(params, x)/∂params.

        **Arguments:**

        - `x`: a batch of m inputs.
        - `of`: another quantity of the same parameters, `of(params, x)`; by default the model.
        - `batch_size`: inputs treated at once, which bounds memory; all by default.

        **Returns:** of the shape of the predictions, in the square of their unit. Noise is not
        part of it.
        """
        f = self._quantity(of)

        def batch(posterior, x):
            many = posterior.for_many(jax.tree.leaves(x)[0].shape[0])
            return vmap(lambda one: _variance(many, f, one), batch_size=batch_size)(x)

        return compiled_call(batch, self.posterior, check_examples("x", x))

    def sample(
        self, key: PRNGKeyArray, x: PyTree, *, of: Callable | None = None
    ) -> Float[Array, "m ..."]:
        """One draw of the linearised model at a batch of inputs.

        **Arguments:**

        - `key`: of the draw; equal keys draw the same function, whatever the inputs.
        - `x`: a batch of m inputs.
        - `of`: another quantity of the same parameters, `of(params, x)`; by default the model.

        **Returns:** predictions, without noise.
        """
        f = self._quantity(of)

        def draw(posterior, key, x):
            params, unflat = posterior.params, ravel_pytree(posterior.params)[1]
            step = unflat(posterior.draw(key) / posterior.scale())

            def changed(one):
                values, change = jax.jvp(lambda p: f(p, one), (params,), (step,))
                return values + change

            return jax.vmap(changed)(x)

        return compiled_call(draw, self.posterior, key, check_examples("x", x))

    def _quantity(self, of: Callable | None) -> Callable:
        quantity = self.f if of is None else of
        if quantity is None:
            raise ValueError(
                "The posterior of an objective has no predictions of its own: say of what, "
                "of=quantity, a function of (params, x) such as the field."
            )

        def array(params, x):
            y = quantity(params, x)
            _check_real("f" if of is None else "of", y)
            return y

        return array


def _variance(posterior, f, x):
    y, pull = jax.vjp(lambda p: f(p, x), posterior.params)
    slopes = jax.vmap(lambda t: ravel_pytree(pull(t.reshape(y.shape))[0])[0])
    rows = slopes(jnp.eye(y.size, dtype=y.dtype)) / posterior.scale()[None]
    return jnp.sum(jax.vmap(posterior.root)(rows) ** 2, axis=1).reshape(y.shape)


def laplace(
    f: Callable | Objective,
    params: PyTree,
    x: PyTree,
    *,
    prior: PyTree,
    noise: Float[Array, "..."] | float,
    targets: Float[Array, "n ..."] | None = None,
) -> Laplace:
    """Error bars for any trained model: the Gaussian posterior of its linearisation.

        y = f(θ₀, x) + J (θ - θ₀) + s ε,   θ ~ N(0, P⁻¹)
        covariance = (JᵀJ/s² + P)⁻¹,   log p(y) = log N(y - f + J θ₀ | 0, J P⁻¹ Jᵀ + s²)

    It is computed from J P⁻¹ Jᵀ by `gram` where there are fewer values than parameters, so that no
    matrix of the size of the parameters is formed.

    **Arguments:**

    - `f`: a function `f(params, x)` of ONE input, returning an array; or an `Objective`, whose
        scaled residuals √(wₖ/nₖ) rₖ are then the data, as those of a PINN.
    - `params`: θ₀, trained parameters, a pytree of real arrays. For a posterior of the last layer
        give its leaves alone and close over the rest.
    - `x`: a batch of n inputs with one leading axis; for an `Objective` its batch.
    - `prior`: P, the precision (one over the variance) of the parameters: a number, or a pytree
        like `params` with a number or an array for each leaf. 0 is a flat prior.
    - `noise`: s, the standard deviation of a value, in its unit: a number, or an array that
        broadcasts to the values (n, ...).
    - `targets`: measured values y, (n, ...), for the evidence; by default zero, as of residuals.

    **Returns:** a `Laplace`: `.variance(x)`, `.sample(key, x)`, `.log_evidence`, `.covariance`.

    **Raises:** `ValueError` for a precision that is negative, a noise that is not positive, targets
    that are not finite, shapes that do not fit, a matrix larger than the memory, or a flat prior on
    parameters that the values do not determine (under `jax.jit` all numbers are then NaN).

    **Notes:** a dense matrix of the values or of the parameters, whichever are fewer, is factored:
    there is no matrix-free form. Exact for a model that is linear in its parameters. Elsewhere the
    posterior around one minimum: it knows nothing of others, and the evidence is that of the linear
    model. Rounding leaves a relative error of a variance of about (1e-16 q)² (1e-7 q in float32),
    where q is the variance under the prior over the square of the noise.

    **Good values:** prior and noise that maximise `.log_evidence`, which is differentiable in both.

    **Source:** MacKay, "A practical Bayesian framework for backpropagation networks" (1992); Immer,
    Korzepa & Bauer, "Improving predictions of Bayesian neural nets via local linearization" (2021).

    ```python
    line = lambda p, x: p[0] + p[1] * x
    x = jnp.array([-1.0, 0.0, 1.0])
    posterior = jsci.laplace(line, jnp.zeros(2), x, prior=0.0, noise=0.1)
    posterior.covariance  # 3.333e-3, 0.0, 0.0, 5.000e-3
    posterior.variance(jnp.array([2.0]))  # 2.333e-2
    ```
    """
    check_params(params)
    params = jax.tree.map(jnp.asarray, params)
    precision = _precision(params, prior)
    flat = jax.tree.map(_has_zero, precision)
    precision = jax.tree.map(lambda p, w: jnp.asarray(p, w.dtype), precision, params)
    if isinstance(f, Objective):
        residuals, logs = _of_objective(f, params, x, noise, targets)
    else:
        x = check_examples("x", x)
        one = output_of_one(f, params, x, example_of(x))
        traced = as_pytree(program(f, params, example_of(x)))
        residuals, logs = _of_model(traced, one, x, noise, targets)
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    size = jax.eval_shape(residuals.vector, params).size
    in_samples = size <= count and not any(jax.tree.leaves(flat))
    _check_size(size, count, in_samples, params)

    bounded = jax.tree.map(lambda p, zero: (p > 0) | (not zero), precision, flat)
    roots = jax.tree.map(
        lambda p, positive: jnp.sqrt(jnp.where(positive, p, 1)), precision, bounded
    )
    whitened = whiten(residuals, roots)

    def solution(params, roots, bounded):
        return solve(whiten(residuals, roots), params, roots, bounded, in_samples)

    found = compiled_call(solution, params, roots, bounded)
    if not is_traced(found) and not bool(jnp.all(jnp.isfinite(found["factor"]))):
        raise ValueError(_undetermined(size, found["factor"], count, any(jax.tree.leaves(flat))))
    posterior = LinearPosterior(params, roots, whitened, found["factor"], in_samples)
    model = None if isinstance(f, Objective) else as_pytree(f)
    evidence = found["log_evidence"] - logs
    return Laplace(params, model, evidence, found["effective_parameters"], posterior)


def _undetermined(size, factor, count, flat) -> str:
    if flat:
        return (
            f"{size} values do not determine the posterior of {count} parameters: some direction "
            "changes no value, and its prior is flat, or the model is not finite. Give a positive "
            "prior, or more values."
        )
    return (
        f"The posterior of {count} parameters from {size} values has no Cholesky factor in "
        f"{factor.dtype}: what the values determine and what they do not differ by more than its "
        "digits hold, or the model is not finite. Use float64, a larger noise, or a larger prior."
    )


class _OverNoise(eqx.Module):
    """(f(params, x) - y) / s for a sample (x, y, s)."""

    f: Callable

    def __call__(self, params, sample):
        x, y, s = sample
        return (self.f(params, x) - y) / s


def _of_objective(f, params, batch, noise, targets) -> tuple[BatchResiduals, Any]:
    """Scaled residuals over their noise, and the sum of the logarithms of the noise."""
    noise = _positive("noise", noise)
    if targets is not None or jnp.ndim(noise):
        raise ValueError(
            "The residuals of an Objective are its data: leave out targets=, and give one noise "
            f"for all, got shape {jnp.shape(noise)}. Weights distinguish the terms."
        )
    weights = {k: w / noise**2 for k, w in zip(f.names, f.weights, strict=True)}
    residuals = f.reweighted(weights).traced(params, batch).at(batch)
    return residuals, jax.eval_shape(residuals.vector, params).size * jnp.log(noise)


def _of_model(f, one, x, noise, targets) -> tuple[BatchResiduals, Any]:
    """The same of the values of a model."""
    noise = _positive("noise", noise)
    _check_real("f", one)
    shape = (jax.tree.leaves(x)[0].shape[0], *one.shape)
    if targets is not None and jnp.shape(targets) != shape:
        raise ValueError(f"targets must have the shape {shape}, got {jnp.shape(targets)}.")
    if targets is not None and not is_traced(targets):
        _check_finite(np.asarray(targets))
    s = _as_values("noise", noise, shape, one.dtype)
    y = _as_values("targets", 0.0 if targets is None else targets, shape, one.dtype)
    loss = objective({"f": _OverNoise(f)}, {"f": shape[0]})
    return loss.at({"f": (x, y, s)}), jnp.sum(jnp.log(s))


def _check_finite(targets: np.ndarray) -> None:
    wrong = np.argwhere(~np.isfinite(targets))
    if len(wrong):
        at = tuple(map(int, wrong[0]))
        raise ValueError(f"targets must be finite, got {targets[at]} at {at}: leave it out.")


def _as_values(name, value, shape, dtype):
    try:
        return jnp.broadcast_to(jnp.asarray(value, dtype), shape)
    except ValueError as problem:
        raise ValueError(
            f"{name} of shape {jnp.shape(value)} does not fit values of shape {shape}."
        ) from problem


def _precision(params, prior) -> PyTree:
    """One number or array for each leaf of the parameters."""
    if jax.tree.structure(prior) == jax.tree.structure(0) and jnp.ndim(prior) == 0:
        prior = jax.tree.map(lambda _: prior, params)
    if jax.tree.structure(prior) != jax.tree.structure(params):
        raise ValueError(
            "prior must be a number, or a pytree like params with a number for each leaf; got "
            f"{jax.tree.structure(prior)} for {jax.tree.structure(params)}."
        )

    def leaf(p, w):
        if jnp.shape(p) not in ((), w.shape):
            raise ValueError(
                f"prior has a leaf of shape {jnp.shape(p)} for parameters of shape {w.shape}."
            )
        # By NumPy: under jit, JAX would make tracers of constants too.
        if not isinstance(p, Tracer) and not np.all(np.asarray(p) >= 0):
            raise ValueError(f"prior is a precision and must not be negative, got {p}.")

    jax.tree.map(leaf, prior, params)
    return prior


def _has_zero(p):
    return not isinstance(p, Tracer) and not np.all(np.asarray(p) > 0)


def _check_real(name, y):
    if not isinstance(y, jax.Array | jax.ShapeDtypeStruct):
        raise TypeError(f"{name} must return one array for one input, got {type(y).__name__}.")
    if not jnp.issubdtype(y.dtype, jnp.floating):
        raise TypeError(f"{name} must return real numbers, whose slopes are known, got {y.dtype}.")


def _positive(name, value):
    """The value; NaN, as a flag, where one that is traced is not positive."""
    if not isinstance(value, Tracer):
        if not np.all(np.asarray(value) > 0):
            raise ValueError(f"{name} must be positive, got {value}.")
        return value
    return jnp.where(value > 0, value, jnp.nan)


def _check_size(size, count, in_samples, params):
    """Refuse a matrix that does not fit: that of the values, or of the parameters."""
    number, what, how = (
        (size, f"kernel of {size} values", "Give fewer values")
        if in_samples
        else (
            count,
            f"covariance of {count} parameters",
            "Give a positive prior for every leaf and fewer values than parameters",
        )
    )
    need = number**2 * jnp.result_type(*jax.tree.leaves(params)).itemsize
    if need > machine_memory():
        raise ValueError(
            f"The {what} takes {need / 2**30:.3g} GiB, and this machine has "
            f"{machine_memory() / 2**30:.3g}. {how}, or close over all parameters but the last "
            "layer's."
        )
