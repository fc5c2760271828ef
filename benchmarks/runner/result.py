"""What a benchmark found, as plain data that JSON can hold."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .case import place
from .measure.timing import Ratio

SCHEMA = "jaxsci-benchmarks/1"

# wrong: the error is above the tolerance. failed: it raised. skipped: an optional package lacks.
Status = Literal["ok", "wrong", "failed", "skipped"]
BAD: tuple[Status, ...] = ("wrong", "failed")


@dataclass(frozen=True)
class Against:
    """A baseline or peer, timed in turn with the case: `ratio` above 1 means the case is faster.

    `part`: the baseline is a part of what the case does, so that 1 is the most there can be.
    """

    label: str
    seconds: float
    ratio: Ratio
    error: float | None
    part: bool = False

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> "Against":
        """A comparison as `Report.as_json` wrote it."""
        return cls(**{**plain, "ratio": Ratio(**plain["ratio"])})


@dataclass(frozen=True)
class BatchPoint:
    """One batch size: the median time of one call over the whole batch."""

    n: int
    seconds: float
    per_second: float
    compile_seconds: float
    temporary_bytes: int | None


@dataclass(frozen=True)
class Loop:
    """The same batch as a Python loop over one compiled item: `ratio` above 1 favours vmap.

    `difference` is the largest relative difference between the two results.
    """

    n: int
    ratio: Ratio
    difference: float


@dataclass(frozen=True)
class Throughput:
    """Throughput as the batch grows; `stopped` says what ended it."""

    points: tuple[BatchPoint, ...]
    stopped: str
    loop: Loop | None

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> "Throughput":
        """A throughput curve as `Report.as_json` wrote it."""
        points = tuple(BatchPoint(**point) for point in plain["points"])
        loop = plain["loop"] and Loop(**{**plain["loop"], "ratio": Ratio(**plain["loop"]["ratio"])})
        return cls(points, plain["stopped"], loop)


@dataclass(frozen=True)
class PeerResult:
    """What became of a peer: timed, wrong, failed, or not installed."""

    name: str
    status: Status
    message: str
    against: Against | None

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> "PeerResult":
        """A peer as `Report.as_json` wrote it."""
        return cls(**{**plain, "against": plain["against"] and Against.of_json(plain["against"])})


@dataclass
class CaseResult:
    """One row of the report. Times are absent unless the error is within the tolerance."""

    name: str
    pillar: str
    title: str
    status: Status = "failed"
    message: str = ""
    reference: str = ""
    error_name: str = "error"
    error: float | None = None
    tolerance: float = 0.0
    item: str = "items"
    host: bool = False
    compile_seconds: float | None = None
    seconds: float | None = None
    samples: int = 0
    baseline: Against | None = None
    scaling: Throughput | None = None
    peers: list[PeerResult] = field(default_factory=list)
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    temporary_bytes: int | None = None
    peak_resident_bytes: int | None = None
    peak_is_own: bool = True
    total_seconds: float = 0.0
    note: str = ""
    picture: str | None = None

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> "CaseResult":
        """A row as `Report.as_json` wrote it, without its picture."""
        nested = {
            "baseline": plain["baseline"] and Against.of_json(plain["baseline"]),
            "scaling": plain["scaling"] and Throughput.of_json(plain["scaling"]),
            "peers": [PeerResult.of_json(peer) for peer in plain["peers"]],
            "curves": {k: [(x, y) for x, y in curve] for k, curve in plain["curves"].items()},
        }
        return cls(**{**plain, **nested})


@dataclass
class Report:
    """A whole run."""

    size: str
    environment: dict[str, Any]
    cases: list[CaseResult] = field(default_factory=list)
    seconds: float = 0.0
    load_after: float | None = None

    @property
    def bad(self) -> list[CaseResult]:
        """Rows that make the run fail."""
        return [case for case in self.cases if case.status in BAD]

    @property
    def by_pillar(self) -> list[CaseResult]:
        """The rows pillar by pillar; the smoke cases of all pillars run before the others."""
        return sorted(self.cases, key=lambda case: place(case.pillar))

    def as_json(self) -> dict[str, Any]:
        """The report as JSON holds it: numbers that are not finite become `None`.

        Pictures are left to the page.
        """
        plain = _finite(asdict(self))
        for case in plain["cases"]:
            del case["picture"]
        return {"schema": SCHEMA, **plain}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
