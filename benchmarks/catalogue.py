"""Find the cases: every module of `benchmarks/cases` that defines `CASES`."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import cases as cases_package
from .runner.case import Case, Run, Size, place


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
    for pillar, name in _modules():
        try:
            module = importlib.import_module(name)
        except Exception as problem:
            title = f"{name.replace('.', '/')}.py does not import"
            found.append(Case(name, pillar, title, Broken(problem), "smoke", tolerance=1.0))
            continue
        found += module.CASES
    twice = sorted({c.name for c in found if sum(c.name == d.name for d in found) > 1})
    if twice:
        raise ValueError(f"case names must be unique, found twice: {', '.join(twice)}")
    return found


def _modules() -> list[tuple[str, str]]:
    """Pillar and dotted name of every module of cases, pillar by pillar."""
    folder = Path(cases_package.__path__[0])
    paths = [p.relative_to(folder).with_suffix("") for p in sorted(folder.glob("*/**/[!_]*.py"))]
    found = [(p.parts[0], ".".join((cases_package.__name__, *p.parts))) for p in paths]
    return sorted(found, key=lambda module: place(module[0]))


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
