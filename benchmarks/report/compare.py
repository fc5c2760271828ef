"""A new run beside a kept one: has a case become slower against its own baseline?

Seconds of two runs cannot be compared, since the machine and its load differ. Each case's ratio to
a baseline timed in the same pairs can: what is judged is the ratio of the two ratios.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..runner import units
from ..runner.measure.timing import Ratio
from ..runner.result import SCHEMA
from .terminal import columns

# How many times slower a case may become. An interval of five pairs is short, so not close to 1.
BOUND = 1.15


@dataclass(frozen=True)
class Change:
    """One case in both runs; `slower` is above 1 where the new run is slower.

    `reason` says why the two are not compared, and is empty where they are.
    """

    name: str
    kept: Ratio | None
    new: Ratio | None
    slower: Ratio | None
    reason: str = ""

    @property
    def bad(self) -> bool:
        """Whether even the lower end of the interval is above the bound."""
        return self.slower is not None and (self.slower.low or 0.0) > BOUND

    @property
    def verdict(self) -> str:
        if self.slower is None:
            return self.reason
        if self.slower.low is None:
            return "too few pairs to judge"
        return "SLOWER" if self.bad else "ok"


def slower(kept: Ratio, new: Ratio) -> Ratio:
    """kept / new, with the interval that follows from those of the two independent estimates.

    On the logarithmic scale the distances of the ends from the medians add in square.

    Source: Zou & Donner, Statistics in Medicine 27 (2008) 1693.
    """
    median, pairs = kept.median / new.median, min(kept.pairs, new.pairs)
    if kept.low is None or kept.high is None or new.low is None or new.high is None:
        return Ratio(median, None, None, pairs)
    down = math.hypot(math.log(kept.median / kept.low), math.log(new.high / new.median))
    up = math.hypot(math.log(kept.high / kept.median), math.log(new.median / new.low))
    return Ratio(median, median * math.exp(-down), median * math.exp(up), pairs)


def check_kept(report: Mapping[str, Any], size: str) -> None:
    """Refuse a file that a run of this size cannot be compared with.

    **Raises:** `ValueError` if it is no report of cases, or one of another tier.
    """
    if report.get("schema") != SCHEMA:
        raise ValueError(f"--compare needs a report.json of cases, got {report.get('schema')!r}")
    if report["size"] != size:
        raise ValueError(f"--compare: the kept run is --{report['size']}, this one is --{size}")


def compare(kept: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """The cases of the new report whose kept row has a baseline, both as `Report.as_json` gives."""
    before = {case["name"]: case for case in kept["cases"]}
    pairs = ((before.get(case["name"]), case) for case in new["cases"])
    return [_change(old, case) for old, case in pairs if old and old["baseline"]]


def _change(old: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
    was, now = old["baseline"], new["baseline"]
    ratio = Ratio(**was["ratio"])
    if not now:
        return Change(new["name"], ratio, None, None, f"not timed: {new['status']}")
    if was["label"] != now["label"]:
        reason = f"another baseline: {now['label']}, was {was['label']}"
        return Change(new["name"], ratio, Ratio(**now["ratio"]), None, reason)
    found = Ratio(**now["ratio"])
    return Change(new["name"], ratio, found, slower(ratio, found))


def text(kept: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The comparison as a table, and what it amounts to."""
    changes = compare(kept, new)
    rows = [
        (c.name, units.ratio(c.kept), units.ratio(c.new), units.ratio(c.slower), c.verdict)
        for c in changes
    ]
    head = ("times faster than its baseline", "kept", "now", "times slower", "")
    bad = [change.name for change in changes if change.bad]
    lines = [*_where(kept, new), *columns(head, rows, left=(0, 4)), ""]
    lines.append(
        f"SLOWER than {BOUND} times the kept run: {', '.join(bad)}"
        if bad
        else f"{len(rows)} cases compared, none slower by more than {BOUND} times"
    )
    return "\n".join(lines)


def _where(kept: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    was, now = kept["environment"], new["environment"]
    lines = [f"Beside the run of commit {was['commit']}, {was['time'][:10]}"]
    if (was["processor"], was["cores"]) != (now["processor"], now["cores"]):
        lines.append(
            f"Another machine: {now['processor']}, {now['cores']} cores here, then "
            f"{was['processor']}, {was['cores']} cores. Ratios may differ for that reason alone."
        )
    return lines
