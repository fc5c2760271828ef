"""One step of a model after the other, and the losses that train it for that."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ...core import compiled_call
from .._fields.losses import relative_l2


class Window(NamedTuple):
    """Consecutive states of one trajectory, and what a model is told beside them.

    A batch of windows has a leading axis on every array, as `Trajectories.batch` makes it.

    **Arguments:**

    - `fields`: the states `(times, *grid, channels)`.
    - `inputs`: what does not change along a trajectory, such as coefficients: the third argument of
        a model `f(params, u, inputs)`. `None` for a model `f(params, u)`.
    - `key`: PRNG key of the noise of `unrolled_loss`; `None` without noise.

    ```python
    windows = jsci.operators.Window(jnp.stack([batch, batch]))  # two windows of three states
    ```
    """

    fields: Float[Array, "times *grid channels"]
    inputs: PyTree = None
    key: PRNGKeyArray | None = None


def rollout(
    f: Callable[..., Any],
    params: PyTree,
    u0: Float[Array, "*grid channels"],
    steps: int,
    *,
    inputs: PyTree = None,
) -> Float[Array, "steps *grid channels"]:
    """A model applied to its own output, again and again.

        uₙ₊₁ = f(params, uₙ)   or   f(params, uₙ, inputs),   n = 0 ... steps - 1

    **Arguments:**

    - `f`: one time step, `f(params, u) -> u`, from `pure`.
    - `params`: its parameters.
    - `u0`: the initial state of one trajectory, `(*grid, channels)`. Batches by `jax.vmap`.
    - `steps`: number of steps.
    - `inputs`: what every step is told besides, as in `Window`.

    **Returns:** the states u₁ to u_steps, without u₀, `(steps, *grid, channels)`. A model that
    blows up gives states that are not finite.

    **Raises:** `ValueError` for fewer steps than one, or a step that returns another shape or dtype
    than it takes.

    **Notes:** a compiled loop. Of a model with convolutions it is slow on a CPU; call `f` in a loop
    of Python instead.

    ```python
    forecast = jsci.operators.rollout(f, params, a, 10)  # (10, 64, 1)
    ```
    """
    _check_steps(steps, "rollout")
    u0 = jnp.asarray(u0)
    _check_same(jax.eval_shape(_step(f, inputs), params, u0), u0, "rollout")

    def states(params, u0, inputs):
        step = _step(f, inputs)

        def advance(u, _):
            u = step(params, u)
            return u, u

        return jax.lax.scan(advance, u0, length=steps)[1]

    return compiled_call(states, params, u0, inputs)


def unrolled_loss(
    f: Callable[..., Any],
    steps: int,
    *,
    pushforward: bool = False,
    noise: float = 0.0,
    error: Callable[..., Any] = relative_l2,
) -> Callable[..., Any]:
    """The errors of a model that starts from its own output, as a term of an objective.

        rₙ = error(uₙ, truthₙ),   uₙ = f(params, uₙ₋₁),   u₀ = truth₀ + noise ξ,   n = 1 ... steps

    With `pushforward` the errors are those of single steps from perturbed states, the model's own:
    only the last step is compared and differentiated, which costs the memory of one step.

    **Arguments:**

    - `f`: one time step, `f(params, u)` or `f(params, u, inputs)`, as in `rollout`.
    - `steps`: number of steps. Good values: 1 to begin with, then 2 to 5, in one `fit` after the
        other.
    - `pushforward`: whether to differentiate the last step alone, with the state before it held
        fixed.
    - `noise`: standard deviation of the noise added to the initial state, in the unit of the
        fields. Good values: 0.001 to 0.01 of normalised fields.
    - `error`: `error(prediction, truth) -> scalar` of one state, such as `h1`.

    **Returns:** `r(params, window)`, for `objective`: the errors of the steps, `(steps,)`, of one
    `Window`, or of an array of states `(times, *grid, channels)`. States beyond `steps` are not
    read, so the same data serve every horizon.

    **Raises:** `ValueError` for fewer steps than one or negative noise; when called, for a window
    that is too short, or has no key and `noise` needs one.

    **Notes:** unrolled steps multiply the derivative of a chaotic system: beyond a few of them,
    gradients explode. There `pushforward` or noise is the remedy.

    **Source:** Brandstetter, Worrall and Welling, "Message Passing Neural PDE Solvers", ICLR 2022,
    section 3.1 (pushforward); Sanchez-Gonzalez et al., ICML 2020, section 4.3 (noise).

    ```python
    r = jsci.operators.unrolled_loss(f, 2, pushforward=True)
    loss = jsci.objective({"data": r})
    loss.value(params, {"data": jnp.stack([batch, batch])})  # two windows of three states
    ```
    """
    _check_steps(steps, "unrolled_loss")
    if not noise >= 0:
        raise ValueError(f"unrolled_loss() needs noise >= 0, a standard deviation; got {noise}.")

    def residual(params, window):
        window = window if isinstance(window, Window) else Window(window)
        _check_times(window, steps)
        step, targets = _step(f, window.inputs), window.fields[1 : steps + 1]
        u = _perturbed(window, noise) if noise else window.fields[0]
        if not pushforward:
            states = rollout(f, params, u, steps, inputs=window.inputs)
            return jax.vmap(error)(states, targets)
        if steps > 1:
            u = rollout(f, params, u, steps - 1, inputs=window.inputs)[-1]
        out = step(params, jax.lax.stop_gradient(u))
        _check_same(out, u, "unrolled_loss")
        return error(out, targets[-1])[None]

    return residual


def _step(f, inputs):
    return f if inputs is None else lambda params, u: f(params, u, inputs)


def _check_same(out, u, name):
    """Another shape than that of the state may broadcast against the truth, with no meaning."""
    if (out.shape, out.dtype) != (u.shape, u.dtype):
        raise ValueError(
            f"{name}() needs a step that returns what it takes, {u.dtype}{list(u.shape)}; "
            f"f returned {out.dtype}{list(out.shape)}. Parameters and states have one dtype "
            "(jsci.pure(model, dtype=u0.dtype)); constant channels are given as inputs."
        )


def _check_steps(steps, name):
    if steps < 1 or steps % 1:
        raise ValueError(f"{name}() needs steps >= 1, a number of time steps; got {steps}.")


def _check_times(window, steps):
    times = len(window.fields)
    if times < steps + 1:
        raise ValueError(
            f"unrolled_loss(steps={steps}) needs windows of {steps + 1} states, the initial one "
            f"included; this one has {times}, of shape {window.fields.shape}. Take longer windows, "
            "such as batch(..., steps=), or fewer steps."
        )


def _perturbed(window, noise):
    """The initial state with noise."""
    if window.key is None:
        raise ValueError(
            "unrolled_loss(noise=) needs a PRNG key in each window: Window(fields, key=key), with "
            "jax.random.split(key, len(fields)) for a batch."
        )
    u = window.fields[0]
    return u + noise * jax.random.normal(window.key, u.shape, u.dtype)
