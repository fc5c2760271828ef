"""Strong and weak scaling: a process for each device count, its results beside those of one."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runner.case import Size
from benchmarks.scaling.problems import PROBLEMS, Problem, problem_of

COUNTS = (1, 2, 4, 8)
MOST = COUNTS[-1]
SCHEMA = "jaxsci-scaling/1"


@dataclass(frozen=True)
class Traffic:
    """What a device sends by one kind of operation: in a step, or in a pass of a loop inside it.

    `loops` is 0 for a step, 1 for a pass of a loop inside it, -1 for what happens once; `bytes`
    are those of the whole buffers, `sent` those that one device sends.
    """

    kind: str
    loops: int
    count: int
    bytes: int
    sent: float


@dataclass(frozen=True)
class Row:
    """One problem at one size on a number of devices.

    **Arguments:**

    - `items`: in total, not per device.
    - `seconds`: of one step.
    - `flops`: of one device, as XLA counts them: the body of a loop once.
    - `bytes`: that one device holds: arguments, results and temporaries.
    - `difference`: to the result of one device, relative to its largest entry; `None` where
      another size was computed there.
    """

    name: str
    devices: int
    items: int
    seconds: float
    flops: float | None
    bytes: int | None
    traffic: tuple[Traffic, ...]
    difference: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Study:
    """All rows, and where they were taken. `failed` has a message for a count without rows."""

    size: Size
    environment: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def bad(self) -> bool:
        """Whether a result differs by more than rounding, or a process failed."""
        return bool(self.failed) or any(row_is_wrong(row) for row in self.rows)

    def rows_by_problem(self) -> list[Row]:
        """Problem by problem, the strong study before the weak."""
        most = most_items(self.rows)
        names = list(most)
        return sorted(
            self.rows, key=lambda r: (names.index(r.name), r.items != most[r.name], r.devices)
        )

    def as_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> "Study":
        """A study as `as_json` wrote it."""
        rows = [row_of(row) for row in plain["rows"]]
        return cls(plain["size"], plain["environment"], rows, plain["failed"])


def sizes_of(per_device: int, devices: int) -> list[int]:
    """Items in all: of the weak study, then of the strong; on the most devices they are one."""
    return sorted({per_device * devices, per_device * MOST})


def rounding(row: Row) -> float:
    """The largest difference that another order of summation explains.

    N terms added in another order differ by at most N ε Σ|terms|, and a step may amplify it.
    """
    return problem_of(row.name).amplified * row.items * float(np.finfo(np.float64).eps)


def row_is_wrong(row: Row) -> bool:
    return row.difference is not None and not row.difference <= rounding(row)


def chosen(only: Sequence[str]) -> list[Problem]:
    """The problems of these pillars or names, all without any.

    **Raises:** `ValueError` for a name that is neither.
    """
    known = sorted({p.pillar for p in PROBLEMS}) + [p.name for p in PROBLEMS]
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"--only {unknown[0]}: neither a pillar nor a problem of {known}")
    return [p for p in PROBLEMS if not only or p.name in only or p.pillar in only]


def study(
    size: Size, problems: Sequence[Problem], environment: Mapping[str, Any], say=print
) -> Study:
    """Run every device count in a process of its own and compare its results with one device's."""
    found = Study(size, dict(environment))
    reference: dict[str, np.ndarray] = {}
    for count in COUNTS:
        say(f"{count} device{'s' * (count > 1)}")
        try:
            rows, results = _in_a_process(size, problems, count)
        except subprocess.CalledProcessError as problem:
            found.failed[count] = problem.stderr.strip().rpartition("\n")[2]
            continue
        reference = reference or results
        found.rows += _compared(rows, results, reference)
    return found


def _in_a_process(size: Size, problems: Sequence[Problem], count: int):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
    env = os.environ | {"XLA_FLAGS": flags.strip(), "JAX_PLATFORMS": "cpu"}
    with tempfile.TemporaryDirectory() as directory:
        names = [problem.name for problem in problems]
        command = [sys.executable, "-m", "benchmarks.scaling.worker", size, directory, *names]
        subprocess.run(command, env=env, check=True, stderr=subprocess.PIPE, text=True)
        rows = json.loads(Path(directory, "rows.json").read_text(encoding="utf-8"))
        with np.load(Path(directory, "results.npz")) as results:
            return [row_of(row) for row in rows], dict(results)


def row_of(row: Mapping[str, Any]) -> Row:
    """A row as `as_json` wrote it."""
    return Row(**{**row, "traffic": tuple(Traffic(**t) for t in row["traffic"])})


def most_items(rows: Sequence[Row]) -> dict[str, int]:
    """For each problem the size of its strong study."""
    return {row.name: max(r.items for r in rows if r.name == row.name) for row in rows}


def _compared(
    rows: Sequence[Row], results: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]
) -> Iterator[Row]:
    most = most_items(rows)
    for row in rows:
        difference = None
        if row.items == most[row.name] and row.name in reference:
            want = reference[row.name]
            difference = float(np.abs(results[row.name] - want).max() / np.abs(want).max())
        yield replace(row, difference=difference)
