"""A kept report as Markdown, so that no number in README or the pages is copied by hand."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..runner import units
from ..runner.case import place
from ..runner.measure.timing import Ratio
from ..scaling.report import markdown
from ..scaling.study import SCHEMA, Study
from .terminal import WORDS, figure

EARLIER = "jaxsci/earlier-1"  # tables carried over from runs whose own reports were not kept
HEAD = ("case", "error", "run", "against", "times faster", "also found")


def table(report: Mapping[str, Any], only: Sequence[str] = ()) -> str:
    """Any kept report as Markdown, or of a report of cases those named in `only` and their pillars.

    **Raises:** `ValueError` if `only` names what the report does not have.
    """
    if report["schema"] == SCHEMA:
        return markdown(Study.of_json(report))
    if report["schema"] == EARLIER:
        return _of_earlier(report, only)
    return _of_cases(report, only)


def _of_cases(report: Mapping[str, Any], only: Sequence[str]) -> str:
    """Where the run was made, then the rows of each case, of a report by `Report.as_json`."""
    cases = sorted(report["cases"], key=lambda case: place(case["pillar"]))
    known = {case["name"] for case in cases} | {case["pillar"] for case in cases}
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"{unknown[0]} is neither a case nor a pillar of this report.")
    if only:
        cases = [case for case in cases if case["name"] in only or case["pillar"] in only]
    return f"{_where(report)}\n\n{_markdown(HEAD, (row for case in cases for row in _rows(case)))}"


def _of_earlier(report: Mapping[str, Any], only: Sequence[str]) -> str:
    known = {section["pillar"] for section in report["sections"]}
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"{unknown[0]} is not a part of this report. Parts: {sorted(known)}.")
    return "\n\n".join(
        f"### {section['title']}\n\n{section['settings']}\n\n"
        + _markdown(section["head"], section["rows"])
        for section in report["sections"]
        if not only or section["pillar"] in only
    )


def _markdown(head: Sequence[str], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _where(report: Mapping[str, Any]) -> str:
    env, cases = report["environment"], report["cases"]
    backend = env["devices"][0].partition(":")[0]
    return (
        f"`{env['command']}` on {env['processor']}, {units.cores(env['cores'])}, "
        f"jax {env['versions']['jax']} on {backend}, commit {env['commit']}, {env['time'][:10]}: "
        f"{len(cases)} cases in {report['seconds']:.0f} s. The run of a training or of a whole "
        "script, marked *, includes its compilation."
    )


def _rows(case: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The case, then each peer that ran: its own error and time, and how much faster we are."""
    yield _cells(case)
    for peer in case["peers"]:
        against = peer["against"]
        if against:
            error, ratio = units.error(against["error"]), units.ratio(Ratio(**against["ratio"]))
            yield "", error, units.seconds(against["seconds"]), peer["name"], ratio, ""
        elif peer["status"] in ("wrong", "failed"):
            yield "", peer["message"], WORDS[peer["status"]], peer["name"], "", ""


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
