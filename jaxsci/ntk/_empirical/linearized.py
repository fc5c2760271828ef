"""A model as a polynomial in its parameters."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import PyTree


def linearize(f: Callable, params: PyTree) -> Callable:
    """The model linearised in its parameters.

        f_lin(θ, x) = f(θ₀, x) + ∂f(θ₀, x)/∂θ · (θ - θ₀)

    Its tangent kernel is constant: that of `f` at θ₀. A wide network in training stays close to it.

    **Arguments:**

    - `f`: a function `f(params, x)` of one example, returning any pytree of arrays.
    - `params`: θ₀, a pytree of floating-point arrays.

    **Returns:** a function `f_lin(params, x)`.

    **Raises:** `ValueError` (on a call) if the parameters' structure or shapes are not those of θ₀.

    **Source:** Lee et al., "Wide neural networks of any depth evolve as linear models" (2019),
    equation 5.

    ```python
    f_lin = jsci.ntk.linearize(f, params)
    f_lin(trained, x[0])
    ```
    """
    return taylor(f, params, order=1)


def taylor(f: Callable, params: PyTree, *, order: int) -> Callable:
    """The Taylor polynomial of a model in its parameters around θ₀.

        f_k(θ, x) = Σⱼ₌₀ᵏ (1/j!) dʲ/dsʲ f(θ₀ + s (θ - θ₀), x) at s = 0

    **Arguments:**

    - `f`: a function `f(params, x)` of one example.
    - `params`: θ₀.
    - `order`: k; 1 is `linearize`. The cost grows as 2ᵏ forward passes.

    **Returns:** a function `f_k(params, x)`.

    **Raises:** `ValueError` for a negative order, or on a call if the parameters' structure or
    shapes are not those of θ₀.

    ```python
    quadratic = jsci.ntk.taylor(f, params, order=2)
    quadratic(trained, x[0])
    ```
    """
    if order < 0:
        raise ValueError(f"order must be 0 or more, got {order}.")
    tree = jax.tree.structure(params)

    def polynomial(theta, x):
        if jax.tree.structure(theta) != tree:
            raise ValueError(
                f"The parameters have structure {jax.tree.structure(theta)}, but the expansion "
                f"point has {tree}."
            )
        shapes, wanted = (jax.tree.map(jnp.shape, p) for p in (theta, params))
        if shapes != wanted:
            raise ValueError(f"The parameters have shapes {shapes}, the expansion point {wanted}.")
        step = jax.tree.map(lambda a, b: a - b, theta, params)

        def derivative(j):
            """f and its first j derivatives along the step, as a function of θ."""
            if j == 0:
                return lambda p: (f(p, x),)
            lower = derivative(j - 1)

            def extended(p):
                values, slopes = jax.jvp(lower, (p,), (step,))
                return (*values, slopes[-1])

            return extended

        terms = derivative(order)(params)
        return jax.tree.map(lambda *t: sum(d / math.factorial(j) for j, d in enumerate(t)), *terms)

    return polynomial
