"""The report as plain text: aligned columns, colour only on a terminal."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from ..runner import units
from ..runner.result import CaseResult, Report, Status

RED, YELLOW, GREEN, BOLD, DIM, RESET = (
    f"\x1b[{code}m" for code in ("31;1", "33", "32", "1", "2", "0")
)
COLOURS: dict[Status, str] = {"ok": GREEN, "wrong": RED, "failed": RED, "skipped": YELLOW}
WORDS: dict[Status, str] = {"ok": "ok", "wrong": "WRONG", "failed": "FAILED", "skipped": "skipped"}
HEAD = (
    "case",
    "status",
    "error",
    "limit",
    "compile",
    "run",
    "against",
    "times faster",
    "peak RSS",
    "XLA temp",
)
LEFT = ("case", "status", "against")


def terminal(report: Report, *, colour: bool = False) -> str:
    """The whole report as text."""
    paint = _paint if colour else _plain
    parts = [header(report), ""]
    cases = report.by_pillar
    parts += _rows(cases, paint)
    parts += _throughput(cases, paint)
    parts += _peers(cases, paint)
    parts.append(_verdict(report, paint))
    return "\n".join(parts)


def header(report: Report) -> str:
    """Where and how the numbers were taken, in four lines."""
    env = report.environment
    versions = ", ".join(
        f"{name} {env['versions'].get(name)}" for name in ("jaxsci", "jax", "jaxlib", "numpy")
    )
    precision = "float64" if env["x64"] else "float32"
    flags = " ".join(f"{name}={value}" for name, value in env["flags"].items()) or "no flags"
    return "\n".join(
        (
            f"{len(report.cases)} cases, {report.size}, {report.seconds:.0f} s: {env['command']}",
            f"{versions}, Python {env['python']}, commit {env['commit'] or 'unknown'}",
            f"{precision} on {', '.join(env['devices'])} "
            f"({env.get('check_platform', 'not checked')}); {env['processor']}, "
            f"{units.cores(env['cores'])}, load {env['load']} -> {report.load_after}; {flags}",
            "Times are medians; compilation is timed apart, without a persistent cache. "
            "Ratios: interleaved pairs, median [95 % interval].",
        )
    )


def _rows(cases: Sequence[CaseResult], paint) -> list[str]:
    cells = [_cells(case) for case in cases]
    widths = [max(map(len, column)) for column in zip(HEAD, *cells, strict=True)]
    lines = [paint(_line(HEAD, widths), BOLD)]
    for pillar, group in groupby(zip(cases, cells, strict=True), key=lambda pair: pair[0].pillar):
        lines += ["", paint(pillar, BOLD)]
        for case, row in group:
            text = _line(row, widths)
            word = WORDS[case.status]
            lines.append(text.replace(f"  {word} ", f"  {paint(word, COLOURS[case.status])} ", 1))
            lines.append(paint(f"    {_about(case)}", DIM))
            if case.message:
                lines.append(paint(f"    {case.message}", COLOURS[case.status]))
    return lines


def _cells(case: CaseResult) -> tuple[str, ...]:
    base = case.baseline
    peak = units.bytes_(case.peak_resident_bytes)
    return (
        f"  {case.name}",
        WORDS[case.status],
        units.error(case.error),
        units.error(case.tolerance),
        units.seconds(case.compile_seconds),
        units.seconds(case.seconds),
        base.label if base else units.ABSENT,
        units.ratio(base.ratio if base else None),
        peak if case.peak_is_own or peak == units.ABSENT else f"<{peak}",
        units.bytes_(case.temporary_bytes),
    )


def _about(case: CaseResult) -> str:
    parts = [case.title]
    parts += [f"{case.error_name} against {case.reference}"] if case.reference else []
    parts += [case.note] if case.note else []
    parts += [f"{name} {figure(value)}" for name, value in case.figures.items()]
    if case.baseline and case.baseline.error is not None:
        parts.append(f"{case.baseline.label}: error {units.error(case.baseline.error)}")
    return "; ".join(parts)


def figure(value: Any) -> str:
    """One of a case's own figures."""
    return units.three_digits(value) if isinstance(value, float) else str(value)


def _throughput(cases: Sequence[CaseResult], paint) -> list[str]:
    scaled = [case for case in cases if case.scaling]
    if not scaled:
        return []
    sizes = sorted({point.n for case in scaled for point in case.scaling.points})  # type: ignore[union-attr]
    head = ("per second, batch of", *map(str, sizes), "loop/vmap", "stopped by")
    cells = [_throughput_cells(case, sizes) for case in scaled]
    return ["", *columns(head, cells, paint, left=(0, len(head) - 1))]


def _throughput_cells(case: CaseResult, sizes: Iterable[int]) -> tuple[str, ...]:
    assert case.scaling is not None
    at = {point.n: units.per_second(point.per_second) for point in case.scaling.points}
    loop = case.scaling.loop
    against = f"{units.ratio(loop.ratio)} at {loop.n}" if loop else units.ABSENT
    return (
        f"  {case.name} ({case.item})",
        *(at.get(n, "") for n in sizes),
        against,
        case.scaling.stopped,
    )


def _peers(cases: Sequence[CaseResult], paint) -> list[str]:
    rows = [
        (
            f"  {case.name}",
            peer.name,
            WORDS[peer.status],
            units.error(peer.against.error) if peer.against else units.ABSENT,
            units.seconds(peer.against.seconds) if peer.against else units.ABSENT,
            units.ratio(peer.against.ratio) if peer.against else units.ABSENT,
            peer.message,
        )
        for case in cases
        for peer in case.peers
    ]
    head = ("peers of", "peer", "status", "error", "run", "times faster", "")
    return ["", *columns(head, rows, paint, left=(0, 1, 2, 6))] if rows else []


def _plain(text: str, colour: str) -> str:
    return text


def columns(head, rows, paint=_plain, *, left: Sequence[int]) -> list[str]:
    """Aligned rows under a head; the columns named in `left` are left-aligned."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [_join(row, widths, left) for row in (head, *rows)]
    return [paint(lines[0], BOLD), *lines[1:]]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return _join(row, widths, [HEAD.index(name) for name in LEFT])


def _join(row: Sequence[str], widths: Sequence[int], left: Sequence[int]) -> str:
    padded = (
        cell.ljust(width) if index in left else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def counts(report: Report) -> list[tuple[str, int]]:
    """How many rows have each status, those that occur."""
    found = [(word, sum(c.status == s for c in report.cases)) for s, word in WORDS.items()]
    return [(word, n) for word, n in found if n]


def _verdict(report: Report, paint) -> str:
    text = ", ".join(f"{n} {word}" for word, n in counts(report)) or "no case was run"
    return "\n" + paint(text, RED if report.bad else GREEN)


def _paint(text: str, colour: str) -> str:
    return f"{colour}{text}{RESET}"
