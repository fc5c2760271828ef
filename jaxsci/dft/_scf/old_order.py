"""The order of arguments before 0.2: a density or a result stood between functional and params."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ...core import warn_deprecated

F = TypeVar("F", bound=Callable)


def accepts_old_order(name: str) -> Callable[[F], F]:
    """For functions of (molecule, functional, params, *, name): also `name` before params.

    As `name` is required and keyword-only, a third argument without it is in the old order.
    """

    def decorate(function: F) -> F:
        verb = function.__name__

        @functools.wraps(function)
        def renewed(molecule: Any, functional: Any, *args: Any, **keywords: Any) -> Any:
            if args and name not in keywords:
                keywords[name], args = args[0], args[1:]
                warn_deprecated(
                    f"{verb}(molecule, functional, {name}, params)",
                    instead=f"{verb}(molecule, functional, params, {name}=...)",
                    since="0.2",
                )
            return function(molecule, functional, *args, **keywords)

        return cast(F, renewed)

    return decorate
