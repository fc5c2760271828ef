"""Find the cases: every module of `benchmarks/cases` that defines `CASES`."""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass

from . import cases as cases_package
from .case import Case, Run, Size

ORDER = ("pde", "dft", "operators", "ntk")


def place(pillar: str) -> int:
    """Where a pillar stands in lists of cases."""
    return ORDER.index(pillar) if pillar in ORDER else len(ORDER)


@dataclass(frozen=True)
class Broken:
    """Stands in for a module of cases that cannot be imported: raises its error when run."""

    error: Exception

    def __call__(self, size: Size) -> Run:
        raise self.error


def load_cases() -> list[Case]:
    """All cases, the four pillars first; a module that does not import becomes one failing case.

    **Raises:** `ValueError` if two cases share a name.
    """
    found: list[Case] = []
    names = [module.name for module in pkgutil.iter_modules(cases_package.__path__)]
    for name in sorted(names, key=lambda name: (place(name), name)):
        try:
            module = importlib.import_module(f"{cases_package.__name__}.{name}")
        except Exception as problem:
            title = f"benchmarks/cases/{name}.py does not import"
            found.append(Case(name, name, title, Broken(problem), "smoke", tolerance=1.0))
            continue
        found += module.CASES
    twice = sorted({c.name for c in found if sum(c.name == d.name for d in found) > 1})
    if twice:
        raise ValueError(f"case names must be unique, found twice: {', '.join(twice)}")
    return found


def choose(cases: Sequence[Case], size: Size, only: Sequence[str]) -> list[Case]:
    """The cases of this tier, restricted to pillars or case names.

    **Raises:** `ValueError` if a name in `only` is neither a pillar nor a case.
    """
    known = sorted({case.pillar for case in cases}) + sorted(case.name for case in cases)
    if unknown := [name for name in only if name not in known]:
        raise ValueError(
            f"--only {unknown[0]}: neither a pillar nor a case. Known: {', '.join(known)}"
        )
    return [
        case
        for case in cases
        # A case asked for by its own name runs at any size.
        if case.name in only or (case.runs_in(size) and (not only or case.pillar in only))
    ]
