"""The axes of parameters that permute together, as data."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, PyTree

Role = Literal["made", "consumed", "both", "bent"]


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """Where units lie along an axis of a leaf.

    - `leaf`: the number of the leaf, in the order of `jax.tree.leaves`.
    - `path`: its name.
    - `axis`: the axis.
    - `positions`: unit i lies at `positions[i]`, (units, places for each).
    - `role`: "made" where the parameters make a unit, "consumed" where they multiply it, "both", or
        "bent" where they multiply it as a function that is not linear in them, or meet it through
        other parameters.
    """

    leaf: int
    path: str
    axis: int
    positions: Int[np.ndarray, "units places"]
    role: Role


class Activation(NamedTuple):
    """An input of an equation of the program that parameters multiply along an axis.

    - `equation`, `operand`, `axis`: which one.
    - `positions`: unit i lies at `positions[i]` of the axis.
    - `shared`: units of other groups lie along it too.
    """

    equation: int
    operand: int
    axis: int
    positions: Int[np.ndarray, "units _"]
    shared: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """Units that any permutation leaves a network's function unchanged in.

    - `name`: the first of its places, such as ".layers[0].weight:0".
    - `size`: the number of units.
    - `places`: the axes on which they lie.
    - `bound`: why units may be permuted but not merged or added: the primitive in which they meet,
        such as the mean of a normalisation; None where they may.
    - `activations`: those that parameters multiply, in the order of the program.
    """

    name: str
    size: int
    places: tuple[Place, ...]
    bound: str | None
    activations: tuple[Activation, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Unproved:
    """An axis that is left alone.

    - `path`: the name of the leaf.
    - `axis`: the axis.
    - `primitive`: the primitive through which no permutation was proved to pass.
    """

    path: str
    axis: int
    primitive: str


@dataclasses.dataclass(frozen=True, eq=False)
class Units:
    """The units of a network, made by `units`.

    - `groups`: by name, in the order in which the network consumes them.
    - `unproved`: the axes left alone, each with the primitive that was not understood.
    - `structure`: the tree of the parameters.
    - `shapes`: the shape of each leaf, by its name.
    - `program`: the traced function of the leaves of the parameters and of x.
    - `x`: the input with which it was traced.
    """

    groups: dict[str, Group]
    unproved: tuple[Unproved, ...]
    structure: Any
    shapes: dict[str, tuple[int, ...]]
    program: Any
    x: PyTree

    def __repr__(self) -> str:
        lines = [f"Units of {len(self.groups)} groups:"]
        for group in self.groups.values():
            note = f" (meet in {group.bound})" if group.bound else ""
            lines.append(f"  {group.size} units{note}:")
            lines += [f"    {p.path} axis {p.axis}, {p.role}" for p in group.places]
        if self.unproved:
            lines.append("Left alone:")
            lines += [f"  {u.path} axis {u.axis}: {u.primitive}" for u in self.unproved]
        return "\n".join(lines)

    def leaves(self, params: PyTree, name: str = "params") -> list[Any]:
        """The leaves of parameters, which must be those of the network."""
        paths = jax.tree_util.tree_leaves_with_path(params)
        if [jax.tree_util.keystr(path) for path, _ in paths] != list(self.shapes):
            raise ValueError(
                f"{name} has {len(paths)} leaves in another tree than the parameters that units() "
                f"was given, which have {len(self.shapes)}: pass parameters of the same network."
            )
        for (path, leaf), shape in zip(paths, self.shapes.values(), strict=True):
            if np.shape(leaf) != shape:
                raise ValueError(
                    f"{name}{jax.tree_util.keystr(path)} has shape {np.shape(leaf)}, where units() "
                    f"was given {shape}: call units() for a network of these widths."
                )
        return [leaf for _, leaf in paths]

    def typed(self, leaves: Sequence[Any]) -> list[jax.Array]:
        """Leaves of parameters, and of inputs behind them, in the dtypes that the program takes."""
        dtypes = [variable.aval.dtype for variable in self.program.jaxpr.invars]
        return [jnp.asarray(a, dtype) for a, dtype in zip(leaves, dtypes, strict=False)]

    def tree(self, leaves: list[Any]) -> PyTree:
        """The parameters of these leaves."""
        return jax.tree.unflatten(self.structure, leaves)

    def group(self, name: str) -> Group:
        """A group by its name."""
        if name not in self.groups:
            raise ValueError(f"No group {name!r}: there are {', '.join(map(repr, self.groups))}.")
        return self.groups[name]
