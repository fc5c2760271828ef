"""The layout of The Well: groups t0_fields, t1_fields, t2_fields, dimensions, scalars."""

import math

import numpy as np

from .container import Container, check_numeric
from .layout import GRID, Layout, Variable, common, components, sizes

_RANKS = ("t0_fields", "t1_fields", "t2_fields")


def is_well(container: Container) -> bool:
    """Whether the file has the groups of The Well."""
    return "dimensions" in container.groups and any(r in container.groups for r in _RANKS)


def well_layout(container: Container) -> Layout:
    """Trajectories as the specification of The Well describes them.

    Scalars that vary in time are left out.
    """
    dimensions = container.groups["dimensions"]
    names = list(dimensions.get("spatial_dims", []))
    if not names or any(f"dimensions/{d}" not in container.arrays for d in ("time", *names)):
        raise ValueError(
            f"{container.path} is laid out as The Well, but its group 'dimensions' lacks the "
            f"coordinates of 'time' and of its spatial_dims, {names}. {container.list()}"
        )
    check_numeric(container, [n for n in container.others if n.startswith(_RANKS)])
    fields, constants = [], []
    for rank, group in enumerate(_RANKS):
        for name, leaf in container.arrays.items():
            if name.startswith(f"{group}/"):
                variable = _variable(name.partition("/")[2], leaf, rank, names)
                (fields if "t" in variable.axes else constants).append(variable)
    extent = sizes(container.path, [*fields, *constants])
    count = extent.get("n", int(container.groups[""].get("n_trajectories", 1)))
    times, *coordinates = (
        common(container.path, name, container.arrays[f"dimensions/{name}"].array[()])
        for name in ("time", *names)
    )
    return Layout(
        container.path, tuple(fields), tuple(constants), _parameters(container, count), count,
        times.astype(float), tuple(coordinates),
        tuple(_boundary(container, d) for d in names),
    )  # fmt: skip


def _variable(name, leaf, rank, dimensions):
    flags = leaf.attributes
    varying = np.atleast_1d(flags.get("dim_varying", np.ones(len(dimensions), bool)))
    letters = "n" * bool(flags.get("sample_varying", True))
    letters += "t" * bool(flags.get("time_varying", True))
    letters += "".join(a for a, varies in zip(GRID, varying, strict=False) if varies)
    letters += "cd"[: len(leaf.array.shape) - len(letters)]
    count = math.prod(n for a, n in zip(letters, leaf.array.shape, strict=True) if a in "cd")
    suffixes = dimensions if rank == 1 else [a + b for a in dimensions for b in dimensions]
    return Variable(name, leaf.array, letters, components(name, count, suffixes))


def _parameters(container, count):
    """Scalars that do not vary in time, one for each trajectory."""
    found = {}
    for name, leaf in container.arrays.items():
        if name.startswith("scalars/") and not leaf.attributes.get("time_varying", False):
            values = np.ravel(leaf.array[()])
            if len(values) in (1, count):
                found[name.partition("/")[2]] = np.broadcast_to(values, (count,))
    return found


def _boundary(container, dimension):
    kinds = {
        str(attributes.get("bc_type", "unknown")).lower()
        for name, attributes in container.groups.items()
        if name.startswith("boundary_conditions/")
        and dimension in np.atleast_1d(attributes.get("associated_dims", []))
    }
    return " and ".join(sorted(kinds)) or "unknown"
