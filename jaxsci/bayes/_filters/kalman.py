"""Kalman's filter: linear, extended to models that are not, and in square roots."""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, PyTree

from .filter import Observation

Form = Literal["covariance", "square root"]


class Gaussian(NamedTuple):
    """A normal distribution.

    - `mean`: (n,).
    - `covariance`: (n, n).
    """

    mean: Float[Array, "*b n"]
    covariance: Float[Array, "*b n n"]


class GaussianRoot(NamedTuple):
    """A normal distribution by a square root of its covariance.

    - `mean`: (n,).
    - `factor`: L, (n, n), lower triangular with L Lᵀ = covariance.
    """

    mean: Float[Array, "*b n"]
    factor: Float[Array, "*b n n"]

    @property
    def covariance(self) -> Float[Array, "*b n n"]:
        """L Lᵀ."""
        return self.factor @ jnp.swapaxes(self.factor, -1, -2)


class Kalman(eqx.Module):
    """A Kalman filter; made by `kalman`.

    - `transition`, `observe`, `process_noise`, `observation_noise`, `form`: as in `kalman`.
    """

    transition: Callable
    observe: Callable
    process_noise: Callable
    observation_noise: Callable
    form: Form = eqx.field(static=True)

    def init(
        self, mean: Float[Array, "..."], covariance: Float[Array, "..."]
    ) -> Gaussian | GaussianRoot:
        """The state before the first transition.

        **Arguments:**

        - `mean`: (n,).
        - `covariance`: (n, n), symmetric, without negative eigenvalues; positive definite in
            square roots.

        **Returns:** the state that `step` takes.

        **Raises:** `ValueError` for shapes that do not fit, or a matrix that is no covariance
        (under `jax.jit` one with a negative variance becomes NaN).
        """
        dtype = jnp.result_type(mean, covariance, 0.0)
        mean, covariance = jnp.asarray(mean, dtype), jnp.asarray(covariance, dtype)
        if mean.ndim != 1 or covariance.shape != 2 * mean.shape:
            raise ValueError(
                f"mean and covariance must be (n,) and (n, n), got {mean.shape} and "
                f"{covariance.shape}."
            )
        _check_covariance(covariance, self.form)
        if self.form == "covariance":
            variances = jnp.diagonal(covariance)
            return Gaussian(mean, jnp.where(jnp.all(variances >= 0), covariance, jnp.nan))
        return GaussianRoot(mean, jnp.linalg.cholesky(covariance))

    def step(
        self, params: PyTree, state: Gaussian | GaussianRoot, observation: Observation
    ) -> tuple[Gaussian | GaussianRoot, Gaussian, Float[Array, ""]]:
        """Transition, prediction and update: the step that `filter` takes.

        **Arguments:**

        - `params`: of the functions of the model.
        - `state`: after the observation before.
        - `observation`: the next one.

        **Returns:** the new state; the predicted observation, a `Gaussian` whose covariance has the
        noise in it; the log density of what was seen.
        """
        # A model may be in more digits, as jnp.eye(n) is where float64 is on: the state keeps its.
        forward = lambda x: jnp.asarray(  # noqa: E731
            self.transition(params, x, observation.dt), x.dtype
        )
        moved, rate = forward(state.mean), jax.jacfwd(forward)(state.mean)
        look = lambda x: jnp.ravel(jnp.asarray(self.observe(params, x), x.dtype))  # noqa: E731
        if moved.shape != state.mean.shape:
            raise ValueError(
                f"transition() must return a state of shape {state.mean.shape}, got {moved.shape}."
            )
        expected, slope = look(moved), jax.jacfwd(look)(moved)
        _check_length(observation.value, expected)
        noises = self._noises(params, observation.dt, state.mean, len(expected))
        seen = jnp.ravel(observation.seen).astype(expected.dtype)
        surprise = seen * (jnp.ravel(observation.value) - expected)
        update = _by_covariance if isinstance(state, Gaussian) else _by_root
        state, predicted, root = update(state, moved, rate, slope, noises, surprise, seen)
        # A value that is not seen has unit variance and no surprise.
        scaled = _solve(root, surprise)
        volume = jnp.sum(jnp.log(jnp.abs(jnp.diagonal(root))))
        log_density = -0.5 * (scaled @ scaled + jnp.sum(seen) * jnp.log(2 * jnp.pi)) - volume
        return state, Gaussian(expected, predicted), log_density

    def _noises(self, params, dt, mean, m):
        """Both as matrices; anything else would be broadcast to one that was not meant."""
        found = []
        noises = self.process_noise(params, dt), self.observation_noise(params)
        for name, noise, size in zip(
            ("process", "observation"), noises, (len(mean), m), strict=True
        ):
            matrix = jnp.asarray(noise, mean.dtype)
            matrix = jnp.reshape(matrix, (1, 1)) if matrix.shape == () else matrix
            fits = matrix.ndim == 2 and matrix.shape[0] == size
            if not fits or (self.form == "covariance" and matrix.shape[1] != size):
                wanted = (size, size) if self.form == "covariance" else (size, "k")
                raise ValueError(
                    f"{name}_noise() must return a matrix {wanted}, got the shape "
                    f"{jnp.shape(noise)}. Write variances on a diagonal by jnp.diag."
                )
            if self.form == "covariance":
                matrix = jnp.where(_may_be_covariance(matrix), matrix, jnp.nan)
            found.append(matrix)
        return tuple(found)


def kalman(
    transition: Callable,
    observe: Callable,
    *,
    process_noise: Callable,
    observation_noise: Callable,
    form: Form = "covariance",
) -> Kalman:
    """Kalman's filter of a state-space model, for `filter`.

        xₖ = transition(θ, xₖ₋₁, dt) + N(0, Q(θ, dt)),   yₖ = observe(θ, xₖ) + N(0, R(θ))

    Exact for linear functions. Others are linearised at the mean: the extended filter.

    **Arguments:**

    - `transition`: `transition(params, x, dt)`, the state (n,) after the time dt.
    - `observe`: `observe(params, x)`, the observation, () or (m,).
    - `process_noise`: `process_noise(params, dt)`, Q, (n, n), or () for a state of one value.
    - `observation_noise`: `observation_noise(params)`, R, (m, m), or () for one value.
    - `form`: `"covariance"` keeps covariances, in Joseph's form. `"square root"` keeps their
        factors by QR decompositions, which float32 needs; both noises are then factors too, G
        with Q = G Gᵀ, (n, k), and the state's covariance must not be singular.

    **Returns:** `Kalman`: `.init(mean, covariance)` and `.step` for `filter`.

    **Raises:** `ValueError` for an unknown form, or, from its methods, shapes that do not fit.

    **Notes:** an observation of which some values are missing uses the others. A variance of noise
    that is negative, or a covariance of noise that is not symmetric, makes everything NaN. The
    extended filter is wrong where functions bend within a standard deviation of the state.

    **Source:** Anderson & Moore, "Optimal filtering" (1979), chapters 6 and 8.

    ```python
    walk = jsci.bayes.kalman(
        lambda p, x, dt: x,
        lambda p, x: x[0],
        process_noise=lambda p, dt: p["walk"] * dt * jnp.eye(1),
        observation_noise=lambda p: p["noise"],
    )
    params = {"walk": jnp.array(1.0), "noise": jnp.array(1.0)}
    y = jnp.array([1.0, 2.0, jnp.nan])
    out = jsci.bayes.filter(walk.step, params, walk.init(jnp.zeros(1), jnp.eye(1)), y)
    out.state.mean[:, 0]  # 0.667, 1.500, 1.500
    ```
    """
    if form not in get_args(Form):
        raise ValueError(f"form must be one of {get_args(Form)}, got {form!r}.")
    return Kalman(transition, observe, process_noise, observation_noise, form)


def _check_covariance(covariance, form):
    if isinstance(covariance, Tracer):
        return
    matrix = np.asarray(covariance, float)
    if not np.all(np.isfinite(matrix)):
        raise ValueError(f"covariance must be finite, got {matrix.tolist()}.")
    rounding = 1e-5 * np.max(np.abs(matrix), initial=0)
    if np.max(np.abs(matrix - matrix.T), initial=0) > rounding:
        raise ValueError(f"covariance must be symmetric, got {matrix.tolist()}.")
    least = np.min(np.linalg.eigvalsh(matrix), initial=0)
    if least < -rounding:
        raise ValueError(f"covariance must not have negative eigenvalues, got {least:.3g}.")
    if form == "square root" and not _has_root(matrix):
        raise ValueError(
            "covariance must be positive definite in square roots, got the eigenvalue "
            f"{least:.3g}: give what is known exactly a small variance, or use form='covariance'."
        )


def _has_root(matrix):
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def _may_be_covariance(matrix):
    """A negative variance may leave all others positive; a factor of one is not symmetric."""
    rounding = 1e-5 * jnp.max(jnp.abs(matrix))
    symmetric = jnp.all(jnp.abs(matrix - matrix.T) <= rounding)
    return symmetric & jnp.all(jnp.diagonal(matrix) >= 0)


def _check_length(value, expected):
    if value.size != expected.size:
        raise ValueError(
            f"An observation has {value.size} values, but observe() returns {expected.size}."
        )


def _by_covariance(state, mean, rate, slope, noises, surprise, seen):
    """The update of covariances, in Joseph's form, which keeps them positive."""
    process, noise = noises
    p = rate @ state.covariance @ rate.T + process
    predicted = slope @ p @ slope.T + noise
    both = seen[:, None] * seen[None]
    root = _cholesky(both * predicted + jnp.diag(1 - seen))
    gain = _solve(root.T, _solve(root, seen[:, None] * (slope @ p)), lower=False).T
    rest = jnp.eye(len(p), dtype=p.dtype) - gain @ (seen[:, None] * slope)
    p = rest @ p @ rest.T + gain @ (both * noise) @ gain.T
    return Gaussian(mean + gain @ surprise, p), predicted, root


def _by_root(state, mean, rate, slope, noises, surprise, seen):
    """The same of their factors: prediction and update by one triangular factor."""
    process, noise = noises
    # Any factor of the predicted covariance will do; a triangular one would cost as much again.
    p = jnp.concatenate([rate @ state.factor, process], 1)
    look = slope @ p
    predicted = look @ look.T + noise @ noise.T
    m, rows = len(seen), seen[:, None]
    above = [rows * look, rows * noise, jnp.diag(1 - seen)]
    below = [p, jnp.zeros((len(p), noise.shape[1] + m), p.dtype)]
    both = jnp.concatenate([jnp.concatenate(above, 1), jnp.concatenate(below, 1)])
    both = jnp.linalg.qr(both.T, mode="r").T
    root, gain, p = both[:m, :m], both[m:, :m], both[m:, m:]
    mean = mean + gain @ _solve(root, surprise)
    return GaussianRoot(mean, p), predicted, root


# For the matrix of one observed value, a call of LAPACK takes longer than all the rest of a step.
def _cholesky(matrix):
    return jnp.sqrt(matrix) if matrix.shape == (1, 1) else jnp.linalg.cholesky(matrix)


def _solve(root, b, *, lower=True):
    return b / root[0, 0] if root.shape == (1, 1) else solve_triangular(root, b, lower=lower)
