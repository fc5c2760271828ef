"""One function for equal arguments, so that what is made of it is compiled once."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")
# Functions from here are constant: those of a user may read a global that changes.
_CONSTANT = ("jaxsci", "jax")
# Factories are called with a few functions each; more are forgotten, the oldest first.
_KEPT = 32


def memoised(factory: Callable[_P, _R]) -> Callable[_P, _R]:
    """A factory of pure functions that returns the same one when it is called alike.

    `jax.jit` knows a function by its identity: a functional that is made twice of one network
    would be compiled twice.

    **Arguments:**

    - `factory`: a function of functions, numbers and words. Called with anything that has no hash,
        such as an array, or with a function that was not made by jaxsci or JAX, it runs as it is.

    **Returns:** the factory, with its name and signature.

    ```python
    from jaxsci.core import memoised


    @memoised
    def scaled(f, factor):
        return lambda x: factor * f(x)

    assert scaled(jnp.sin, 2.0) is scaled(jnp.sin, 2.0)
    ```
    """
    kept = functools.lru_cache(maxsize=_KEPT, typed=True)(factory)

    @functools.wraps(factory)
    def remembering(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        values = (*args, *kwargs.values())
        try:
            hash(values)
        except TypeError:
            return factory(*args, **kwargs)
        return (kept if all(map(_is_constant, values)) else factory)(*args, **kwargs)

    return remembering


def _is_constant(value: object) -> bool:
    if not callable(value):
        return True
    module = value.__module__ if hasattr(value, "__name__") else type(value).__module__
    return str(module).partition(".")[0] in _CONSTANT
