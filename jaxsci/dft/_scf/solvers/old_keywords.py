"""The spelling of an SCF's solver before 0.2: a name, and its options as keywords of the call."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ....core import warn_deprecated
from .options import DIIS, Newton

F = TypeVar("F", bound=Callable)
_OPTIONS = ("level_shift", "damping", "temperature")


def accepts_old_keywords(function: F) -> F:
    """The function, which also takes `solver="newton"` and DIIS's options, with a warning."""

    @functools.wraps(function)
    def renewed(*args: Any, **keywords: Any) -> Any:
        old = [f"{name}=" for name in _OPTIONS if name in keywords]
        if isinstance(keywords.get("solver"), str):
            old.append(f"solver={keywords['solver']!r}")
        if old:
            keywords["solver"] = solver = _new_spelling(keywords)
            warn_deprecated(
                f"{function.__name__}({', '.join(old)})",
                instead=f"solver=jsci.dft.{solver!r}",
                since="0.2",
            )
        return function(*args, **keywords)

    return cast(F, renewed)


def _new_spelling(keywords: dict[str, Any]) -> DIIS | Newton:
    """The solver that the old keywords, which are removed, ask for."""
    options = {name: keywords.pop(name) for name in _OPTIONS if name in keywords}
    name = keywords.get("solver", "diis")
    if not isinstance(name, str):
        raise TypeError(f"{', '.join(options)}: give them to the solver, which is {name!r}.")
    if name not in ("diis", "newton"):
        raise ValueError(
            f"solver is {name!r}; allowed are jsci.dft.DIIS(...) and jsci.dft.Newton(...)."
        )
    diis = DIIS(**options)
    return diis if name == "diis" else Newton(first=diis)
