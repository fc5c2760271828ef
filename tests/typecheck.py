"""Run-time checks of the shape annotations alone.

Beartype would also check plain annotations such as `Callable`, and its message would then hide
the library's own, which is what users see and what the tests hold.
"""

from typing import Any

import beartype


def shapes(function):
    """Beartype on the jaxtyping annotations of `function`; usable as jaxtyping's typechecker."""
    annotations = getattr(function, "__annotations__", {})
    function.__annotations__ = {
        name: hint if "jaxtyping" in repr(hint) else Any for name, hint in annotations.items()
    }
    return beartype.beartype(function)
