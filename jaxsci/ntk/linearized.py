"""A model expanded in its parameters: what the tangent kernel describes exactly."""

from collections.abc import Callable

import jax
from jaxtyping import PyTree


def linearize(f: Callable, params: PyTree) -> Callable:
    """The model linear in its parameters that agrees with `f` to first order.

        f_lin(θ, x) = f(θ₀, x) + ∂f(θ₀, x)/∂θ · (θ - θ₀)

    **Arguments:**

    - `f`: `f(params, *x)` of one example.
    - `params`: the expansion point θ₀.

    **Returns:** `f_lin(params, *x)`, with the outputs of `f`.

    Source: Lee et al., "Wide neural networks of any depth evolve as linear models" (2019).

    ```python
    f_lin = jsci.ntk.linearize(f, params)
    ```
    """
    return taylor_expand(f, params, 1)


def taylor_expand(f: Callable, params: PyTree, degree: int) -> Callable:
    """The Taylor polynomial of a model in its parameters.

        f_k(θ, x) = Σⱼ₌₀ᵏ Dʲf(θ₀, x)[θ - θ₀, …, θ - θ₀] / j!

    **Arguments:**

    - `f`: `f(params, *x)` of one example.
    - `params`: the expansion point θ₀.
    - `degree`: k, from 0; each order costs one nested forward pass.

    **Returns:** `f_k(params, *x)`.

    **Raises:** `ValueError` for a negative degree.

    ```python
    quadratic = jsci.ntk.taylor_expand(f, params, 2)
    ```
    """
    if degree < 0:
        raise ValueError(f"degree must not be negative, got {degree}.")

    def expanded(new_params, *x):
        direction = jax.tree.map(lambda new, old: new - old, new_params, params)

        def along(order):
            def g(p):
                return f(p, *x)

            for _ in range(order):
                g = _directional(g, direction)
            return g(params)

        result, factorial = along(0), 1
        for order in range(1, degree + 1):
            factorial *= order
            result = jax.tree.map(lambda y, d, k=factorial: y + d / k, result, along(order))
        return result

    return expanded


def _directional(g, direction):
    return lambda p: jax.jvp(g, (p,), (direction,))[1]
