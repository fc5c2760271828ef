"""Scales of a prior of parameters, such that functions look as they should."""

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray

from ...core import compiled_call
from .distances import energy_distance
from .prior import Prior
from .wasserstein_critic import Critic


class Matched(NamedTuple):
    """What `match_prior` returns.

    - `params`: the matched `Prior`.
    - `distances`: the distance at each step, (steps,).
    """

    params: Prior
    distances: Float[Array, " steps"]


def match_prior(
    key: PRNGKeyArray,
    f: Callable,
    prior: Prior,
    target: Callable,
    points: Float[Array, "n ..."] | Callable,
    *,
    distance: Callable | Critic = energy_distance,
    steps: int = 300,
    draws: int = 64,
    learning_rate: float = 0.03,
) -> Matched:
    """The scales of a prior under which the functions of a model look like those of a target.

        min over s of D(f(e^s z, X), target(X)),   z ~ N(0, 1)

    One often knows how smooth, large or rough a function is, and not what that means for the
    weights of a network. The energy distance has no inner optimisation: a single scan is enough.

    **Arguments:**

    - `key`: of all draws.
    - `f`: `f(params, x)` of ONE input, a scalar.
    - `prior`: where the scales start, from `prior(params)`.
    - `target`: `target(key, x)`, one function's values (n,) at points: `gaussian_process(kernel)`,
        or any sampler of functions, such as measured or simulated ones.
    - `points`: where functions are compared, (n, ...); or a function of a key that draws such
        points for each step.
    - `distance`: of two sets of draws, (m, n) each: `energy_distance`, `sinkhorn_distance`, or
        another that is differentiable; or `critic()`, which is trained on the way.
    - `steps`: steps of Adam, without its momentum where there is a critic.
    - `draws`: functions of each kind in a step.
    - `learning_rate`: at first, for log-scales; it falls to a hundredth by half a cosine.

    **Returns:** `Matched`: `.params`, the matched `Prior`, and `.distances`.

    **Raises:** `ValueError` for fewer than two draws, no steps, a learning rate that is not
    positive, no points, values of another shape, or a distance that is not finite (NaN under
    `jax.jit`); `TypeError` for what is no `Prior`.

    **Notes:** `.distances` ends above zero where no scales make the model as the target is: a
    bounded network does not grow like a straight line.

    **Good values:** the defaults, and 40 points of the data with some noise.

    **Source:** Tran et al., "All you need is a good functional prior for Bayesian deep learning"
    (2022), whose distance is that of `critic()`.

    ```python
    f = lambda p, x: p["a"] * x[0]
    line = lambda key, x: 3.0 * jax.random.normal(key) * x[:, 0]
    start = jsci.bayes.prior({"a": jnp.zeros(())})
    found = jsci.bayes.match_prior(key, f, start, line, jnp.ones((2, 1)))
    found.params.log_scales["a"]  # 1.1
    ```
    """
    _check(prior, draws, steps, learning_rate)
    sample = points if callable(points) else lambda key: points
    # As an array it is data, of which another value compiles nothing.
    schedule = optax.cosine_decay_schedule(jnp.asarray(learning_rate, float), steps, 0.01)
    # With momentum scales and critic would run after each other in circles.
    momentum = 0.0 if isinstance(distance, Critic) else 0.9
    optimizer = optax.adam(schedule, b1=momentum)

    def functions(scales, x, keys):
        """Draws of the model and of the target."""
        of_model, of_target = keys
        of_scales = Prior(scales, prior.shapes)
        one = lambda k: jax.vmap(f, (None, 0))(of_scales.sample(k), x)  # noqa: E731
        model = jax.vmap(one)(jax.random.split(of_model, draws))
        wanted = jax.vmap(lambda k: target(k, x))(jax.random.split(of_target, draws))
        _check_values(model, wanted, (draws, len(x)))
        return model, wanted

    def run(scales, key):
        def step(carry, key):
            scales, state, critic = carry
            at, *here = jax.random.split(key, 3)
            x = sample(at)
            if isinstance(distance, Critic):
                show = lambda key: functions(scales, x, jax.random.split(key))  # noqa: E731
                critic = distance.train(jax.random.fold_in(key, 1), critic, show)
                apart = partial(distance.distance, critic)
            else:
                apart = distance
            loss = lambda scales: apart(*functions(scales, x, here))  # noqa: E731
            value, gradient = jax.value_and_grad(loss)(scales)
            updates, state = optimizer.update(gradient, state)
            return (optax.apply_updates(scales, updates), state, critic), value

        keys = jax.random.split(key, steps)
        critic = None
        if isinstance(distance, Critic):
            critic = distance.init(key, functions(scales, sample(key), keys[:2])[0])
        start = scales, optimizer.init(scales), critic
        (scales, *_), values = jax.lax.scan(step, start, keys)
        return scales, values

    scales, values = compiled_call(run, prior.log_scales, key)
    if not isinstance(values, Tracer) and not bool(jnp.isfinite(values[-1])):
        raise ValueError(
            f"The distance is {values[0]} at first and {values[-1]} at last: the model, the target "
            "or a kernel that is not positive gives values that are not finite."
        )
    return Matched(Prior(scales, prior.shapes), values)


def _check(prior, draws, steps, learning_rate):
    if not isinstance(prior, Prior):
        raise TypeError(f"prior must be a Prior, as from prior(params), got {prior!r:.60}.")
    whole = isinstance(draws, Integral) and isinstance(steps, Integral)
    if not whole or draws < 2 or steps < 1:
        raise ValueError(f"draws must be at least 2 and steps 1, got {draws} and {steps}.")
    if not isinstance(learning_rate, Tracer) and not learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}.")


def _check_values(model, wanted, shape):
    if shape[1] == 0:
        raise ValueError("There are no points, and so nothing to compare functions at.")
    if model.shape != shape or wanted.shape != shape:
        raise ValueError(
            f"f must return a scalar for one input, and target(key, x) the shape ({shape[1]},), "
            f"got {model.shape[2:]} and {wanted.shape[1:]}."
        )
