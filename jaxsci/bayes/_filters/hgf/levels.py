"""What a filter runs on: the levels of all nodes, and the couplings between them."""

from collections.abc import Sequence
from itertools import islice
from typing import Literal, NamedTuple

from .families import Family, family_of
from .node import Node

# A node of a family is an observed level for each statistic; without parents, also as many whose
# precision never changes.
LevelKind = Literal["continuous", "binary", "statistic", "counted"]


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
        elif family := family_of(kind):
            parents = values or [add(Level("counted")) for _ in family.first]
            first.append(Level("statistic", (parents[0],)))
            for parent in parents[1:]:
                add(Level("statistic", (parent,)))
        else:
            first.append(
                Level("binary" if kind == "binary" else "continuous", values, volatilities)
            )
    return (*first, *further)


def edges(found: Sequence[Level], kind: Literal["value", "volatility"]) -> tuple[Edge, ...]:
    """All couplings of one kind, level by level."""
    pairs = [(i, p) for i, level in enumerate(found) for p in getattr(level, f"{kind}_parents")]
    return tuple(Edge(child, parent, place) for place, (child, parent) in enumerate(pairs))


class Statistics(NamedTuple):
    """A node of a family, and the observed level of each of its statistics."""

    node: int
    family: Family
    levels: tuple[int, ...]


def statistics(nodes: Sequence[Node], found: Sequence[Level]) -> tuple[Statistics, ...]:
    """Those of all nodes that have a family; `found` are the levels of the nodes."""
    further = (i for i in range(len(nodes), len(found)) if found[i].kind == "statistic")
    families = ((i, family_of(node.kind)) for i, node in enumerate(nodes))
    return tuple(
        Statistics(i, family, (i, *islice(further, len(family.first) - 1)))
        for i, family in families
        if family
    )
