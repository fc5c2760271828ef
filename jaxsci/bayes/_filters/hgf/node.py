"""The graph of a hierarchical Gaussian filter, checked when it is made."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, get_args

from .families import Family, check_family, family_of

Kind = Literal["continuous", "binary", "volatile", "normal", "bernoulli", "poisson", "exponential"]


class Node(NamedTuple):
    """A node of a hierarchical Gaussian filter; one that is nobody's parent is observed.

    - `kind`: `"continuous"`; `"binary"` for an observation of 0 or 1; `"volatile"`, a hidden value
        with a volatility of its own, which is what a continuous node with a volatility parent is.
        Of other observations the whole distribution is filtered, by its sufficient statistics:
        `"normal"`, by y and y²; `"bernoulli"`, `"poisson"` and `"exponential"`, by y; or a
        `Family`, such as `multivariate_normal(2)`.
    - `value_parents`: positions of the nodes that move its mean. Those of a family are one for each
        statistic, in their order; without parents the statistics move at a fixed rate.
    - `volatility_parents`: positions of the nodes that set how fast it moves.

    ```python
    jsci.bayes.Node("continuous", value_parents=(1,))
    ```
    """

    kind: Kind | Family
    value_parents: tuple[int, ...] = ()
    volatility_parents: tuple[int, ...] = ()


class Graph(Protocol):
    """What has parents."""

    @property
    def value_parents(self) -> tuple[int, ...]: ...

    @property
    def volatility_parents(self) -> tuple[int, ...]: ...


def inputs(nodes: Sequence[Graph]) -> tuple[int, ...]:
    """The observed nodes: those that are nobody's parent."""
    parents = {p for n in nodes for p in (*n.value_parents, *n.volatility_parents)}
    return tuple(i for i in range(len(nodes)) if i not in parents)


def from_children_to_parents(nodes: Sequence[Graph]) -> tuple[int, ...]:
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
        raise ValueError("hgf() needs nodes: at least one observed, and those that it informs.")
    for i, node in enumerate(nodes):
        if not isinstance(node, Node):
            raise TypeError(f"Node {i} is {node!r:.60}; write Node('continuous', ...).")
        if isinstance(node.kind, Family):
            check_family(node.kind)
        elif node.kind not in get_args(Kind):
            raise ValueError(
                f"Node {i} is of kind {node.kind!r}; choose one of {get_args(Kind)}, or a Family."
            )
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
        _check_place(i, node, i in observed)


def _check_place(i, node, observed):
    """Raise for a kind of node that cannot be where it is."""
    parents = f"got {node.value_parents} and {node.volatility_parents}."
    family = family_of(node.kind)
    name = family.name if family else node.kind
    if (family or node.kind == "binary") and not observed:
        raise ValueError(f"Node {i} is {name} and a parent; only observations are {name}.")
    if family:
        k = len(family.first)
        if len(node.value_parents) not in (0, k) or node.volatility_parents:
            raise ValueError(
                f"Node {i} is {name}: it takes value parents for its statistics, {k}, or none, and "
                f"no volatility parents; {parents}"
            )
        return
    if node.kind == "volatile" and (observed or node.volatility_parents):
        raise ValueError(
            f"Node {i} is volatile: it is hidden, the parent of another node, and takes no "
            f"volatility parents, since it has a volatility of its own; {parents}"
        )
    if observed and (not node.value_parents or node.volatility_parents):
        raise ValueError(
            f"Node {i} is observed, as nobody's parent: it needs a value parent, and takes no "
            f"volatility parents; {parents}"
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
