"""What a compiled program sends between devices, read from its optimised HLO text.

Volumes are those of ring algorithms, which none beats for large buffers: a device that takes part
in an operation over g devices sends, for a whole buffer of b bytes,

    all-reduce 2 b (g - 1) / g;   all-gather, reduce-scatter, all-to-all b (g - 1) / g;
    collective-permute b.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")

_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_CALLS = re.compile(
    r"\b(body|condition|to_apply|calls|branch_computations|true_computation|false_computation|"
    r"called_computations)=\{?(%[\w.\-]+(?:, %[\w.\-]+)*)"
)
_OPERATION = re.compile(rf" = (.*?) ({'|'.join(KINDS)})(-start)?\(")
_ARRAY = re.compile(r"\b([a-z]+)(\d*)\w*\[([\d,]*)\]")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclass(frozen=True)
class Collective:
    """One operation between devices.

    **Arguments:**

    - `kind`: one of `KINDS`.
    - `bytes`: the whole buffer: what an all-gather ends with, what a reduce-scatter starts from.
    - `devices`: how many take part together.
    - `loops`: how many loops of a length unknown to the compiler enclose it.
    - `times`: how often it runs in one turn of the innermost of those loops.
    """

    kind: str
    bytes: int
    devices: int
    loops: int
    times: int

    @property
    def sent(self) -> float:
        """Bytes that one device sends in one turn."""
        if self.kind == "collective-permute":
            return float(self.bytes * self.times)
        passes = 2 if self.kind == "all-reduce" else 1
        return passes * self.bytes * self.times * (self.devices - 1) / self.devices


def collectives(text: str) -> list[Collective]:
    """The operations between devices of `jax.jit(f).lower(*args).compile().as_text()`.

    Of a conditional all branches are counted. Operations among one device are left out.

    **Raises:** `ValueError` for asynchronous operations, which programs for a CPU do not have.
    """
    partitions = re.search(r"num_partitions=(\d+)", text.partition("\n")[0])
    everyone = int(partitions[1]) if partitions else 1
    computations, entry = _computations(text)
    found = _within(computations, entry, everyone, loops=0, times=1)
    return [operation for operation in found if operation.devices > 1]


def _computations(text: str) -> tuple[dict[str, list[str]], str]:
    """The lines of each computation by name, and the name of the entry."""
    computations: dict[str, list[str]] = {}
    entry, current = "", []
    for line in text.splitlines():
        if head := _COMPUTATION.match(line):
            current = computations.setdefault(head[2], [])
            entry = head[2] if head[1] else entry
        else:
            current.append(line)
    return computations, entry


def _within(
    computations: Mapping[str, list[str]], name: str, everyone: int, loops: int, times: int
) -> Iterator[Collective]:
    for line in computations[name]:
        if operation := _OPERATION.search(line):
            yield _collective(operation, line, everyone, loops, times)
            continue  # what it calls adds two numbers
        for role, called in _CALLS.findall(line):
            inner_loops, inner_times = loops, times
            if role in ("body", "condition"):
                trips = _TRIPS.search(line)
                inner_loops, inner_times = (
                    (loops, times * int(trips[1])) if trips else (loops + 1, 1)
                )
            for other in called.split(", "):
                yield from _within(
                    computations, other.lstrip("%"), everyone, inner_loops, inner_times
                )


def _collective(
    operation: re.Match[str], line: str, everyone: int, loops: int, times: int
) -> Collective:
    result, kind, asynchronous = operation.groups()
    if asynchronous:
        raise ValueError(f"{kind}-start: asynchronous operations are not counted.")
    devices = everyone if kind == "collective-permute" else _group(line, everyone)
    size = sum(_bytes(*array) for array in _ARRAY.findall(result))
    if kind == "reduce-scatter":
        size *= devices
    return Collective(kind, size, devices, loops, times)


def _bytes(kind: str, bits: str, shape: str) -> int:
    width = int(bits) if bits else 8  # pred has no number
    return math.prod(int(n) for n in shape.split(",") if n) * max(width // 8, 1)


def _group(line: str, everyone: int) -> int:
    """How many devices one group holds; XLA writes groups in four ways."""
    if groups := re.search(r"replica_groups=mesh\[(.*?)\] \{(.*?)\}", line):
        sizes = dict(re.findall(r"'([^']+)'=(\d+)", groups[1]))
        return math.prod(int(sizes[axis]) for axis in re.findall(r"'([^']+)'", groups[2]))
    if groups := re.search(r"replica_groups=\[\d+,(\d+)\]<=", line):
        return int(groups[1])
    if groups := re.search(r"replica_groups=\{\{([\d,]+)\}", line):
        return len(groups[1].split(","))
    return everyone
