"""The order of evolution equations in time, from the equations themselves."""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ...core import compiled_call, vmap

Equations = Mapping[str, Callable]
Points = Mapping[str, Float[Array, "_ dim"]]

_HIGHEST = 4
_AT_ONCE = 1024  # points; all are looked at, as a coefficient may vanish in most of the domain


def require_order(order: int, responses: Sequence[Float[Array, "..."]]) -> None:
    """`ValueError` unless the highest derivative in time is of this order.

    An equation of second order that is solved as one of first has no initial slope: any solution
    fulfils it. One that sees other times than its own, such as an integral, is not judged.
    """
    found = max(map(_order, responses))
    if found in (0, order, _HIGHEST):
        return
    remedy = f"give order={found}" if found < 3 else "write them as a system of first order"
    raise ValueError(
        f"march(order={order}) has equations with a derivative of order {found} in time: {remedy}. "
        "If it is not meant to be there, differentiate by the coordinates of space alone."
    )


def _order(responses: Float[Array, "..."]) -> int:
    orders = np.flatnonzero((np.asarray(responses) != 0).reshape(-1, _HIGHEST).any(axis=0))
    return int(orders[-1]) + 1 if len(orders) else 0


def time_responses(equations: Equations, u: Callable, points: Points) -> list[Float[Array, "..."]]:
    """∂op/∂a_m for u + Σ_m a_m (s - t)^m / m! at time t: zero unless op has a derivative ∂^m/∂t^m.

    The powers vanish at s = t with all other derivatives, and exactly, in any precision.
    """

    def response(op: Callable, x: Float[Array, " dim"]) -> Array:
        def residual(a: Float[Array, " orders"]) -> Array:
            def changed(y: Float[Array, " dim"]) -> Array:
                value, since = u(y), y - x
                slopes = jnp.sin(1.0 + jnp.arange(len(since) - 1))  # no two waves cancel
                powers = jnp.cumprod(since[-1] / jnp.arange(1, _HIGHEST + 1))
                change = jnp.exp(slopes @ since[:-1]) * (a @ powers)
                return value + change * (1.0 + jnp.arange(value.size)).reshape(value.shape)

            return jnp.ravel(op(changed, x))

        return jax.jacrev(residual)(jnp.zeros(_HIGHEST, x.dtype))

    def all_of(points: Points) -> list[Array]:
        return [
            vmap(lambda x, op=op: response(op, x), batch_size=_AT_ONCE)(points[name])
            for name, op in equations.items()
        ]

    return compiled_call(all_of, dict(points))


def orders_in_time(
    equations: Equations, trial: Callable, params: Float[Array, "outputs n"], points: Points
) -> Int[np.ndarray, " outputs"]:
    """The highest derivative in time of each component of F(params, x), in equations for trial(F).

    Seen as in `time_responses`, at zero and at another F, since a coefficient may vanish at one.
    """
    shape = params.shape[:-1]

    def response(op: Callable, x: Float[Array, " dim"], size: float) -> Array:
        def residual(a: Float[Array, "*outputs orders"]) -> Array:
            def free(_, y: Float[Array, " dim"]) -> Array:
                since = y - x
                slopes = jnp.sin(1.0 + jnp.arange(len(since) - 1))
                powers = jnp.cumprod(since[-1] / jnp.arange(1, _HIGHEST + 1))
                other = jnp.sin(jnp.sum(y) + jnp.arange(1.0, 1 + np.prod(shape))).reshape(shape)
                return size * other + jnp.exp(slopes @ since[:-1]) * (a @ powers)

            return jnp.ravel(op(lambda y: trial(free)(params, y), x))

        return jax.jacrev(residual)(jnp.zeros((*shape, _HIGHEST), x.dtype))

    def seen(points: Points) -> Array:
        found = [
            vmap(lambda x, op=op, s=size: response(op, x, s), batch_size=_AT_ONCE)(points[name])
            for name, op in equations.items()
            for size in (0.0, 1.0)
        ]
        return jnp.any(jnp.stack([jnp.any(r != 0, (0, 1)) for r in found]), 0)

    present = np.asarray(compiled_call(seen, dict(points)))
    return np.max(present * np.arange(1, _HIGHEST + 1), axis=-1)
