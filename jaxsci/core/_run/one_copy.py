"""Functions that a compiled program holds once, however often it calls them."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
from jax.experimental.xla_metadata import set_xla_metadata

F = TypeVar("F", bound=Callable[..., Any])


def one_copy(f: F) -> F:
    """`f` as a function of the compiled program, where otherwise every call would be inlined.

    Compiling costs as much as the program is long. XLA inlines what it calls, so that a function
    called in five places is compiled five times; this one once for all calls whose arguments have
    the same shapes.

    **Arguments:**

    - `f`: a function of pytrees whose leaves are arrays or static and hashable. Static leaves are
        compared by type and value: 1 and 1.0 have copies of their own. Static fields of modules are
        compared by value alone, so that there both share the copy of whichever came first.

    **Returns:** the same function. Nothing is fused across its border, so that it should do more
    than a few operations on large arrays.

    ```python
    from jaxsci.core import one_copy

    heavy = one_copy(lambda x: jnp.tanh(x) @ x)
    jax.jit(lambda x: heavy(heavy(x)))(jnp.ones((3, 3)))
    ```
    """

    def body(arrays, rest):
        # The attribute is meant for the call, not for what is inside.
        with set_xla_metadata(inlineable=None):
            return f(*eqx.combine(arrays, rest.tree))

    body.__name__ = f.__name__
    jitted = jax.jit(body, static_argnums=1)

    @functools.wraps(f)
    def call(*args):
        arrays, rest = eqx.partition(args, eqx.is_array)
        inlineable = None if jax.default_backend() != "cpu" else "false"
        with set_xla_metadata(inlineable=inlineable):
            return jitted(arrays, _Static(rest))

    return call  # pyright: ignore[reportReturnType]


def _told_apart(leaf: Any) -> tuple[type, Any]:
    """1 from 1.0 and True, and -0.0 from 0.0."""
    return type(leaf), repr(leaf) if isinstance(leaf, float | complex) else leaf


class _Static:
    """A pytree without arrays, equal to others by the types and values of its leaves."""

    def __init__(self, tree: Any):
        leaves, structure = jax.tree.flatten(tree)
        self.tree = tree
        self.key = structure, tuple(map(_told_apart, leaves))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and self.key == other.key
