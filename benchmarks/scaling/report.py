"""The study as a table: for a terminal, and as Markdown for the page on scaling."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from benchmarks.runner import units
from benchmarks.scaling.extrapolate import DEVICES, Machine, fewest_items
from benchmarks.scaling.problems import problem_of
from benchmarks.scaling.study import Row, Study, Traffic, most_items, rounding, row_is_wrong

HEAD = (
    "devices",
    "items",
    "a step",
    "flops per device",
    "memory per device",
    "operations",
    "sent per device",
    "and per pass of its loops",
    "difference",
)
NOTE = (
    "Times of virtual devices that share the cores of a machine say nothing about real ones. What "
    "counts is how much each device sends, computes and holds, in programs that the same "
    "partitioner writes for GPUs. Sent: by ring algorithms, counted from the compiled program. "
    "Flops: XLA's count, the body of a loop once. A step of fit is one pass of its loop; what is "
    "sent once, before the first, is only in report.json. "
    "Difference: to one device, relative, beside the bound of another order of summation."
)
SHORT = {
    "all-reduce": "reduce",
    "all-gather": "gather",
    "reduce-scatter": "scatter",
    "all-to-all": "exchange",
    "collective-permute": "shift",
}


def text(study: Study) -> str:
    """The whole study."""
    env = study.environment
    lines = [
        f"scaling, {study.size}: {env['command']}",
        f"{env['processor']}, {units.cores(env['cores'])}, load {env['load']}; jax "
        f"{env['versions']['jax']}, commit {env['commit']}, {env['time'][:10]}; float64",
        NOTE,
    ]
    for name, rows in groupby(study.rows_by_problem(), key=lambda row: row.name):
        lines += ["", _heading(name)]
        lines += _aligned([HEAD, *map(_cells, rows)])
    lines += [f"{count} devices: {message}" for count, message in study.failed.items()]
    return "\n".join(lines)


def markdown(study: Study) -> str:
    """The study as Markdown, without times, which would be those of shared cores.

    The last table is what the counts mean for many devices.
    """
    lines = []
    for name, rows in groupby(study.rows_by_problem(), key=lambda row: row.name):
        cells = [_without_time(row) for row in (HEAD, *map(_cells, rows))]
        lines += [f"**`{name}`** {_heading(name).partition(': ')[2]}", ""]
        lines += [_bar(cells[0]), _bar(["---"] * len(cells[0])), *map(_bar, cells[1:]), ""]
    return "\n".join([*lines, *_needed(study)])


def _needed(study: Study) -> Iterator[str]:
    """How many items per device are enough at each number of devices."""
    counted = [
        (problem, problem.order, items)
        for problem, items in ((problem_of(n), m) for n, m in most_items(study.rows).items())
        if problem.order is not None
    ]
    if not counted:
        return
    head = ["items per device for half of the speed", *(f"{n} devices" for n in DEVICES)]
    yield _bar(head)
    yield _bar(["---"] * len(head))
    for problem, order, items in counted:
        rows = [row for row in study.rows if (row.name, row.items) == (problem.name, items)]
        needed = (fewest_items(order, rows, n, Machine()) for n in DEVICES)
        cells = (units.ABSENT if n is None else f"{n:,}" for n in needed)
        yield _bar([f"`{problem.name}`, {problem.item}", *cells])


def _heading(name: str) -> str:
    problem = problem_of(name)
    return f"{name}: {problem.title}; items are {problem.item}"


def _cells(row: Row) -> tuple[str, ...]:
    step = [t for t in row.traffic if t.loops == 0]
    turn = [t for t in row.traffic if t.loops > 0]
    return (
        str(row.devices),
        str(row.items),
        units.seconds(row.seconds),
        units.ABSENT if row.flops is None else units.per_second(row.flops),
        units.bytes_(row.bytes),
        ", ".join(f"{t.count} {SHORT[t.kind]}" for t in step) or units.ABSENT,
        _sent(step),
        _sent(turn),
        _difference(row),
    )


def _sent(traffic: Sequence[Traffic]) -> str:
    return units.bytes_(round(sum(t.sent for t in traffic))) if traffic else units.ABSENT


def _difference(row: Row) -> str:
    if row.difference is None:
        return units.ABSENT
    word = "WRONG: " if row_is_wrong(row) else ""
    return f"{word}{units.error(row.difference)} < {units.error(rounding(row))}"


def _without_time(cells: Sequence[str]) -> list[str]:
    return [cell for head, cell in zip(HEAD, cells, strict=True) if head != "a step"]


def _bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}"
