"""Kalman's filter, linear, in square roots and extended, beside dynamax."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.runner.case import Baseline, Case, Peer, Run

_RATE, _Q, _R = np.array([[1.0, 1.0], [0.0, 1.0]]), np.diag([0.01, 0.02]), 0.5
_STEPS = {"smoke": 50, "quick": 400, "full": 1000}
# Of the pendulum: the time of a step, and the variances of its state and of what is seen.
_DT, _SWING, _SEEN = 0.05, np.diag([1e-5, 1e-4]), 0.01


def _walk(size):
    return np.cumsum(np.random.default_rng(0).normal(size=_STEPS[size]))


def _dense(y):
    """The covariance of the whole series, and its Cholesky factor."""
    n = len(y)
    p, covariance = np.eye(2), np.zeros((n, n))
    for k in range(n):
        p = later = _RATE @ p @ _RATE.T + _Q
        for j in range(k, n):
            covariance[j, k] = covariance[k, j] = later[0, 0]
            later = _RATE @ later
    factor = np.linalg.cholesky(covariance + _R * np.eye(n))
    square = np.sum(np.linalg.solve(factor, y) ** 2)
    return -0.5 * (square + n * np.log(2 * np.pi)) - np.sum(np.log(np.diag(factor)))


def _known(y):
    """The same in long doubles: the covariance of a long series has a condition of 1e7."""
    n, rate, q = len(y), _RATE.astype(np.longdouble), _Q.astype(np.longdouble)
    p, covariance = np.eye(2, dtype=np.longdouble), np.zeros((n, n), np.longdouble)
    for k in range(n):
        p = later = rate @ p @ rate.T + q
        for j in range(k, n):
            covariance[j, k] = later[0, 0]
            later = rate @ later
    # The last row of the factor of a matrix that has y below it is L⁻¹ y.
    below = np.concatenate([covariance + _R * np.eye(n), y[None]])
    factor = np.zeros_like(below)
    for k in range(n):
        column = below[k:, k] - factor[k:, :k] @ factor[k, :k]
        factor[k:, k] = column / np.sqrt(column[0])
    volume = 2 * np.sum(np.log(np.diag(factor))) + n * np.log(2 * np.pi)
    return -0.5 * float(np.sum(factor[-1] ** 2) + volume)


def _linear(form):
    """The log density of a value and its drift, seen with noise."""
    q, r = (_Q, _R) if form == "covariance" else (np.sqrt(_Q), np.sqrt([[_R]]))
    kalman = jsci.bayes.kalman(
        lambda p, x, dt: jnp.asarray(_RATE) @ x,
        lambda p, x: x[0],
        process_noise=lambda p, dt: p * jnp.asarray(q),
        observation_noise=lambda p: jnp.asarray(r),
        form=form,
    )

    def density(scale, y):
        first = kalman.init(jnp.zeros(2), jnp.eye(2))
        return jsci.bayes.filter(kalman.step, scale, first, y).log_density

    return density


def _dynamax_linear():
    from dynamax.linear_gaussian_ssm.inference import (  # pyright: ignore
        lgssm_filter,
        make_lgssm_params,
    )

    def density(scale, y):
        q = scale * jnp.asarray(_Q)
        # Its first state is that of the first observation, ours is one transition before.
        first = jnp.asarray(_RATE @ _RATE.T) + q
        params = make_lgssm_params(
            jnp.zeros(2), first, jnp.asarray(_RATE), q, jnp.eye(2)[:1], jnp.array([[_R]])
        )
        return lgssm_filter(params, y[:, None]).marginal_loglik

    return density


def _value(make, *args):
    def run(size):
        y = _walk(size)
        known = _known(y)
        step = make(*args)
        return Run(
            step,
            (jnp.array(1.0), jnp.asarray(y)),
            error=lambda out: abs(float(out) / known - 1),
            baseline=Baseline("dense normal, NumPy", _dense, (y,), host=True, error=lambda _: 0.0),
            note=f"{len(y)} observations of two hidden values",
        )

    return run


def _gradient(make, *args):
    def run(size):
        one = _value(make, *args)(size)
        step = jax.value_and_grad(one.step)
        return Run(step, one.args, error=lambda out: one.error(out[0]), note=one.note)

    return run


def _swing(x):
    return jnp.stack([x[0] + _DT * x[1], x[1] - 9.8 * _DT * jnp.sin(x[0])])


def _angles(size):
    """The sine of a swinging pendulum's angle, with noise."""
    rng, x, seen = np.random.default_rng(0), np.array([1.5, 0.0]), []
    for _ in range(_STEPS[size]):
        x = np.array([x[0] + _DT * x[1], x[1] - 9.8 * _DT * np.sin(x[0])])
        x = x + rng.normal(size=2) * np.sqrt(np.diag(_SWING))
        seen.append(np.sin(x[0]) + np.sqrt(_SEEN) * rng.normal())
    return np.array(seen)


def _textbook(y):
    """The extended filter's density, step by step with derivatives by hand."""
    x, p, total = np.array([1.5, 0.0]), 0.1 * np.eye(2), 0.0
    for value in y:
        rate = np.array([[1.0, _DT], [-9.8 * _DT * np.cos(x[0]), 1.0]])
        x = np.array([x[0] + _DT * x[1], x[1] - 9.8 * _DT * np.sin(x[0])])
        p = rate @ p @ rate.T + _SWING
        slope = np.array([np.cos(x[0]), 0.0])
        variance, error = slope @ p @ slope + _SEEN, value - np.sin(x[0])
        total -= 0.5 * (error**2 / variance + np.log(2 * np.pi * variance))
        gain = p @ slope / variance
        x, p = x + gain * error, p - np.outer(gain, gain) * variance
    return total


def _extended(size):
    kalman = jsci.bayes.kalman(
        lambda p, x, dt: _swing(x),
        lambda p, x: jnp.sin(x[0]),
        process_noise=lambda p, dt: p * jnp.asarray(_SWING),
        observation_noise=lambda p: jnp.asarray(_SEEN),
    )
    y = _angles(size)
    known = _textbook(y)

    def step(scale, y):
        first = kalman.init(jnp.array([1.5, 0.0]), 0.1 * jnp.eye(2))
        return jsci.bayes.filter(kalman.step, scale, first, y).log_density

    return Run(
        step,
        (jnp.array(1.0), jnp.asarray(y)),
        error=lambda out: abs(float(out) / known - 1),
        baseline=Baseline("loop, NumPy", _textbook, (y,), host=True, error=lambda _: 0.0),
        note=f"{len(y)} observations of a pendulum's sine",
    )


def _dynamax_extended(size):
    from dynamax.nonlinear_gaussian_ssm.inference_ekf import (  # pyright: ignore
        extended_kalman_filter,
    )
    from dynamax.nonlinear_gaussian_ssm.models import ParamsNLGSSM  # pyright: ignore

    y = _angles(size)
    known = _textbook(y)
    start, rate = np.array([1.5, 0.0]), np.array([[1, _DT], [-9.8 * _DT * np.cos(1.5), 1]])

    def step(scale, y):
        q = scale * jnp.asarray(_SWING)
        params = ParamsNLGSSM(
            initial_mean=_swing(jnp.asarray(start)),
            initial_covariance=jnp.asarray(0.1 * rate @ rate.T) + q,
            dynamics_function=_swing,
            dynamics_covariance=q,
            emission_function=lambda x: jnp.sin(x[:1]),
            emission_covariance=jnp.array([[_SEEN]]),
        )
        return extended_kalman_filter(params, y[:, None]).marginal_loglik

    return Run(
        step,
        (jnp.array(1.0), jnp.asarray(y)),
        error=lambda out: abs(float(out) / known - 1),
    )


def _dynamax(make):
    return (Peer("dynamax", "dynamax==1.0.3", make),)


# dynamax adds 1e-9 to the diagonals that it solves with, and so is right to some 1e-9.
CASES = [
    Case(
        "bayes.kalman", "bayes", "Kalman's filter: the log density of a series",
        _value(_linear, "covariance"), "smoke",
        reference="dense normal distribution", tolerance=1e-10, error_name="relative",
    ),
    Case(
        "bayes.kalman_gradient", "bayes", "Kalman's filter: the density and its gradient",
        _gradient(_linear, "covariance"), "smoke",
        reference="dense normal distribution", tolerance=1e-8, error_name="relative",
        peers=_dynamax(_gradient(_dynamax_linear)),
    ),
    Case(
        "bayes.kalman_root", "bayes", "Kalman's filter in square roots",
        _value(_linear, "square root"), "smoke",
        reference="dense normal distribution", tolerance=1e-8, error_name="relative",
        peers=_dynamax(_value(_dynamax_linear)),
    ),
    Case(
        "bayes.kalman_extended", "bayes", "The extended filter of a pendulum", _extended, "smoke",
        reference="textbook loop, NumPy", tolerance=1e-8, error_name="relative",
        peers=_dynamax(_dynamax_extended),
    ),
]  # fmt: skip
