"""A report.json as Markdown for README and the pages, so that no number is copied by hand."""

from collections.abc import Mapping
from typing import Any

from ..catalogue import place
from ..runner import units
from ..runner.measure.timing import Ratio
from ..scaling.report import markdown
from ..scaling.study import SCHEMA, Study
from .terminal import WORDS, figure

HEAD = ("case", "error", "run", "against", "times faster", "also found")


def table(report: Mapping[str, Any]) -> str:
    """Any kept report as Markdown."""
    if report["schema"] == SCHEMA:
        return markdown(Study.of_json(report))
    return of_cases(report)


def of_cases(report: Mapping[str, Any]) -> str:
    """Where the run was made, then one row a case, of a report as `Report.as_json` gives it."""
    cases = sorted(report["cases"], key=lambda case: place(case["pillar"]))
    rows = [HEAD, ("---",) * len(HEAD), *map(_cells, cases)]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{_where(report)}\n\n{lines}"


def _where(report: Mapping[str, Any]) -> str:
    env, cases = report["environment"], report["cases"]
    backend = env["devices"][0].partition(":")[0]
    return (
        f"`{env['command']}` on {env['processor']}, {env['cores']} cores, "
        f"jax {env['versions']['jax']} on {backend}, commit {env['commit']}, {env['time'][:10]}: "
        f"{len(cases)} cases in {report['seconds']:.0f} s. The run of a training or of a whole "
        "script, marked *, includes its compilation."
    )


def _cells(case: Mapping[str, Any]) -> tuple[str, ...]:
    base = case["baseline"]
    ok = case["status"] == "ok"
    cells = (
        f"`{case['name']}` {case['title']}",
        f"{units.error(case['error'])} {case['error_name']}",
        f"{units.seconds(case['seconds'])}{' *' * case['host']}" if ok else WORDS[case["status"]],
        base["label"] if base else "",
        units.ratio(Ratio(**base["ratio"])) if base else "",
        _figures(case["figures"]),
    )
    return tuple(cell.replace("|", r"\|") for cell in cells)


def _figures(figures: Mapping[str, Any]) -> str:
    """A case's own figures; those of a comparison are themselves a mapping."""
    return "; ".join(
        f"{name}: {_figures(value) if isinstance(value, Mapping) else figure(value)}"
        for name, value in figures.items()
    )
