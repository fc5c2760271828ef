"""What a filter runs on: the levels of all nodes, and the couplings between them."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from .node import Node

# A normal node is two observed levels; without parents, also two whose precision never changes.
LevelKind = Literal["continuous", "binary", "first moment", "second moment", "counted"]


class Level(NamedTuple):
    """One belief; one that is nobody's parent is observed."""

    kind: LevelKind
    value_parents: tuple[int, ...] = ()
    volatility_parents: tuple[int, ...] = ()


class Edge(NamedTuple):
    """A coupling of a child to one of its parents, and its place in the array of couplings."""

    child: int
    parent: int
    place: int


def levels(nodes: Sequence[Node]) -> tuple[Level, ...]:
    """One level for each node in its place, and behind them what nodes have besides."""
    first: list[Level] = []
    further: list[Level] = []

    def add(level):
        further.append(level)
        return len(nodes) + len(further) - 1

    for node in nodes:
        kind, values, volatilities = node
        if kind == "volatile":
            first.append(Level("continuous", values, (add(Level("continuous")),)))
        elif kind == "normal":
            mean, square = values or (add(Level("counted")), add(Level("counted")))
            first.append(Level("first moment", (mean,)))
            add(Level("second moment", (square,)))
        else:
            first.append(Level(kind, values, volatilities))
    return (*first, *further)


def edges(found: Sequence[Level], kind: Literal["value", "volatility"]) -> tuple[Edge, ...]:
    """All couplings of one kind, level by level."""
    pairs = [(i, p) for i, level in enumerate(found) for p in getattr(level, f"{kind}_parents")]
    return tuple(Edge(child, parent, place) for place, (child, parent) in enumerate(pairs))


def moments(found: Sequence[Level]) -> tuple[tuple[int, int], ...]:
    """The two observed levels of each normal node."""
    both = [
        [i for i, level in enumerate(found) if level.kind == kind]
        for kind in ("first moment", "second moment")
    ]
    return tuple(zip(*both, strict=True))
