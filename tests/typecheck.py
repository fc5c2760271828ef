"""Run-time checks of the shape annotations alone.

Beartype would also check plain annotations such as `Callable`, and its message would then hide
the library's own, which is what users see and what the tests hold.
"""

import functools
import operator
import types
from typing import Any, Literal, Union, get_args, get_origin

import beartype


def shapes(function):
    """Beartype on the jaxtyping annotations of `function`; usable as jaxtyping's typechecker."""
    annotations = getattr(function, "__annotations__", {})
    function.__annotations__ = {
        name: _any_name(hint) if "jaxtyping" in repr(hint) else Any
        for name, hint in annotations.items()
    }
    return beartype.beartype(function)


def _any_name(hint):
    """The hint, with any string where it allows some by name: the library says which."""
    if get_origin(hint) in (Union, types.UnionType):
        return functools.reduce(operator.or_, map(_any_name, get_args(hint)))
    return str if get_origin(hint) is Literal else hint
