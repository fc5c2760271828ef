"""The order of an equation in time is read off the equation, whatever else is in it."""

import jax.numpy as jnp
import pytest

import jaxsci as jsci
from jaxsci.pde._equations.time_order import require_order, time_responses

D = jsci.derivative


def responses(op):
    """At u = sin x, which does not depend on the time."""
    points = {"equation": jnp.array([[0.1, 0.3], [0.7, 0.9]])}
    return time_responses({"equation": op}, lambda y: jnp.sin(y[0]), points)


@pytest.mark.parametrize(
    ("op", "order"),
    [
        (lambda u, x: u(x) * D(u, 0)(x) + D(u, 1)(x), 1),
        (lambda u, x: D(u, 1)(x) + D(u, 0, 0, 0)(x), 1),
        (lambda u, x: D(u, 1, 1)(x) - D(u, 0, 0, 1, 1)(x), 2),  # mixed ones do not cancel
        (lambda u, x: u(x) * D(u, 1, 1)(x) + D(u, 1)(x), 2),
        (lambda u, x: D(u, 1)(x) - u(x.at[0].set(0.0)), 1),  # another place, the same time
    ],
)
def test_the_highest_derivative_in_time(op, order):
    require_order(order, responses(op))
    with pytest.raises(ValueError, match=f"a derivative of order {order} in time"):
        require_order(3 - order, responses(op))


def test_what_sees_other_times_is_not_judged():
    op = lambda u, x: D(u, 1)(x) + u(x.at[1].set(0.0))  # noqa: E731
    for order in (1, 2):
        require_order(order, responses(op))
