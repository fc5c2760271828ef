"""Solutions over time slabs that continue each other exactly, from the coefficients alone.

In slab k, from t_k on for h_k, the local time is τ = (t - t_k) / h_k. With features φ(x, τ),

    first order:   F = Σ_{j<k} h_j c_j·φ(x, 1) + (t - t_k) c_k·φ(x, τ)
    second order:  F = P_k(x) + (t - t_k) V_k(x) + (t - t_k)² c_k·φ(x, τ)

where P and V, the value and the slope at t_k, are again φ(x, 1) and its slope ∂φ/∂τ(x, 1) times
sums of earlier coefficients. So nothing is fitted when a state is handed over, and a slab costs as
much after a thousand others as at the beginning.

Each component has the order of its own highest derivative in time. One without any, such as a
pressure, is no state: it is c_k·φ(x, τ) alone.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Orders = int | Int[np.ndarray, " outputs"]  # in time: 0, 1 or 2, of all components or of each


class State(eqx.Module):
    """Where a slab begins: the sums of earlier coefficients.

    - `time`, `length`: t_k and h_k.
    - `value`: multiplies φ(x, 1), and `slope_value` φ_τ(x, 1), in the value at t_k.
    - `rate`: multiplies φ(x, 1), and `slope_rate` φ_τ(x, 1), in the slope at t_k, which only
        equations of second order hand over.
    """

    time: Float[Array, ""]
    length: Float[Array, ""]
    value: Float[Array, "*outputs n"]
    slope_value: Float[Array, "*outputs n"]
    rate: Float[Array, "*outputs n"]
    slope_rate: Float[Array, "*outputs n"]


def initial_state(time: float, length: float, shape: tuple[int, ...]) -> State:
    """Nothing before the first slab."""
    zero = jnp.zeros(shape)
    return State(jnp.asarray(time), jnp.asarray(length), zero, zero, zero, zero)


def next_state(state: State, coefficients: Array, length: float, orders: Orders) -> State:
    """The state after a slab of these coefficients."""
    h, c = state.length, coefficients
    value, slope_value = state.value + h * state.rate, state.slope_value + h * state.slope_rate
    rate, slope_rate = state.rate, state.slope_rate
    # (t - t_k) c·φ has at τ = 1 the value h c·φ. (t - t_k)² c·φ has the value h² c·φ and the slope
    # h (2 c·φ + c·φ_τ).
    value = value + _of_order(orders, 0.0, h, h**2) * c
    rate = rate + _of_order(orders, 0.0, 0.0, 2 * h) * c
    slope_rate = slope_rate + _of_order(orders, 0.0, 0.0, h) * c
    new_length = jnp.asarray(length)
    return State(state.time + h, new_length, value, slope_value, rate, slope_rate)


def slab_function(features: Callable, orders: Orders) -> Callable:
    """F(state, coefficients, (x, t)) of one slab."""

    def free(state: State, coefficients: Array, point: Float[Array, " dim"]) -> Array:
        x, since = point[:-1], point[-1] - state.time
        at_end = lambda tau: features(jnp.append(x, tau))  # noqa: E731
        own = coefficients @ features(jnp.append(x, since / state.length))
        own = _of_order(orders, 1.0, since, since**2)[..., 0] * own
        one = jnp.ones((), point.dtype)
        if np.max(orders) < 2:
            return state.value @ at_end(one) + own
        phi, slope = jax.jvp(at_end, (one,), (one,))
        begin = state.value @ phi + state.slope_value @ slope
        rate = state.rate @ phi + state.slope_rate @ slope
        return begin + since * rate + own

    return free


def _of_order(orders: Orders, *choices: Any) -> Float[Array, "*outputs 1"]:
    """The choice of each component's order, to multiply its coefficients."""
    return jnp.stack(list(map(jnp.asarray, choices)))[np.asarray(orders)][..., None]
