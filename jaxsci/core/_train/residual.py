"""An operator on functions as a kernel f(params, x)."""

from collections.abc import Callable


def residual(op: Callable, f: Callable) -> Callable:
    """Lift an equation written on fields to a residual of the parameters.

        r(params, x) = op(u, x)   with   u(y) = f(params, y)

    **Arguments:**

    - `op`: the equation as on paper, `op(u, x)`, where `u` is a function of one point and
        `x` is one point of shape `(d,)`.
    - `f`: the ansatz, `f(params, x)`, for one point.

    **Returns:** `r(params, x)`, zero where the equation holds, of the shape that `op` returns: a
    scalar for one equation, a vector for a system, whose entries are equations of equal weight.
    `jax.eval_shape(r, params, x).shape` shows which it is.

    **Raises:** `TypeError` if either is not callable.

    ```python
    burgers = lambda u, x: D(u, 0)(x) + u(x) * D(u, 1)(x) - nu * D(u, 1, 1)(x)
    r = jsci.residual(burgers, f)
    r(params, jnp.array([0.1, 0.3]))
    ```
    """
    for name, value in (("op", op), ("f", f)):
        if not callable(value):
            raise TypeError(
                f"residual(op, f) takes two functions; {name} is a {type(value).__name__}. "
                "op(u, x) is the equation and f(params, x) the ansatz."
            )
    return lambda params, x: op(lambda y: f(params, y), x)
