"""The graph of a hierarchical Gaussian filter, checked when it is made."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

Kind = Literal["continuous", "binary"]


class Node(NamedTuple):
    """A node of a hierarchical Gaussian filter; one that is nobody's parent is observed.

    - `kind`: `"continuous"`, or `"binary"` for an observation of 0 or 1.
    - `value_parents`: positions of the nodes that move its mean.
    - `volatility_parents`: positions of the nodes that set how fast it moves.

    ```python
    jsci.bayes.Node("continuous", value_parents=(1,))
    ```
    """

    kind: Kind
    value_parents: tuple[int, ...] = ()
    volatility_parents: tuple[int, ...] = ()


class Edge(NamedTuple):
    """A coupling of a child to one of its parents, and its place in the array of couplings."""

    child: int
    parent: int
    place: int


def edges(nodes: Sequence[Node], kind: Literal["value", "volatility"]) -> tuple[Edge, ...]:
    """All couplings of one kind, node by node."""
    pairs = [(i, p) for i, n in enumerate(nodes) for p in getattr(n, f"{kind}_parents")]
    return tuple(Edge(child, parent, place) for place, (child, parent) in enumerate(pairs))


def inputs(nodes: Sequence[Node]) -> tuple[int, ...]:
    """The observed nodes: those that are nobody's parent."""
    parents = {p for n in nodes for p in (*n.value_parents, *n.volatility_parents)}
    return tuple(i for i in range(len(nodes)) if i not in parents)


def from_children_to_parents(nodes: Sequence[Node]) -> tuple[int, ...]:
    """An order in which each node comes after its children; raise for a circle."""
    parents = [{*n.value_parents, *n.volatility_parents} for n in nodes]
    order: list[int] = []
    rest = set(range(len(nodes)))
    while rest:
        free = sorted(i for i in rest if not any(i in parents[j] for j in rest))
        if not free:
            raise ValueError(
                f"Nodes {sorted(rest)} depend on each other in a circle, {_circle(parents, rest)}: "
                "parents must lie above their children."
            )
        order += free
        rest -= set(free)
    return tuple(order)


def check(nodes: Sequence[Node]) -> None:
    """Raise for a graph that is no hierarchical Gaussian filter."""
    if not nodes:
        raise ValueError("hgf() needs at least two nodes: one observed, and one that it informs.")
    for i, node in enumerate(nodes):
        if not isinstance(node, Node):
            raise TypeError(f"Node {i} is {node!r:.60}; write Node('continuous', ...).")
        if node.kind not in get_args(Kind):
            raise ValueError(f"Node {i} is of kind {node.kind!r}; choose one of {get_args(Kind)}.")
        for kind in ("value", "volatility"):
            _check_parents(i, kind, getattr(node, f"{kind}_parents"))
        for p in (*node.value_parents, *node.volatility_parents):
            if p not in range(len(nodes)):
                raise ValueError(
                    f"Node {i} has the parent {p}, but there are {len(nodes)} nodes, counted from "
                    "0."
                )
    from_children_to_parents(nodes)
    observed = inputs(nodes)
    for i, node in enumerate(nodes):
        if node.kind == "binary" and i not in observed:
            raise ValueError(f"Node {i} is binary and a parent; only observations are binary.")
        if i in observed and (not node.value_parents or node.volatility_parents):
            raise ValueError(
                f"Node {i} is observed, as nobody's parent: it needs a value parent, and takes no "
                f"volatility parents; got {node.value_parents} and {node.volatility_parents}."
            )


def _check_parents(i, kind, parents):
    if not isinstance(parents, tuple | list):
        raise TypeError(f"{kind}_parents of node {i} must be a tuple such as (1,), got {parents}.")
    if len(set(parents)) < len(parents):
        raise ValueError(
            f"Node {i} has the {kind} parents {parents}: one of them is there twice. Two couplings "
            "to one parent are one, their sum."
        )


def _circle(parents, rest):
    """A walk from parent to parent that comes back."""
    walk = [min(rest)]
    while walk[-1] not in walk[:-1]:
        walk.append(min(parents[walk[-1]] & rest))
    return " -> ".join(map(str, walk[walk.index(walk[-1]) :]))
