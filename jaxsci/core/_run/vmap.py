"""Batching in bounded memory and over devices."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, PartitionSpec

from .program import compiled_call, has_primitive, is_traced, program, shape_of


def vmap(
    f: Callable,
    in_axes: int | None | Sequence[int | None] = 0,
    *,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
) -> Callable:
    """Map a function of one example over a batch, in chunks and over devices.

        vmap(f)(x)ᵢ = f(xᵢ)

    **Arguments:**

    - `f`: a function of one example.
    - `in_axes`: for each argument the axis to map, or `None` to share it, as in `jax.vmap`.
    - `batch_size`: examples computed at once, which bounds memory; `batch_size=1` is a compiled
        loop. By default all at once, except that a CPU loops over examples larger than 256 KiB:
        each then stays in cache, and none waits for the slowest.
    - `mesh`: a device mesh; the batch is split over all of its axes. A batch that does not
        divide evenly is padded with its last example, and the padding dropped.

    **Returns:** the batched function; its outputs carry the batch on axis 0.

    **Raises:** `ValueError` if nothing is mapped, the mapped axes have different lengths, or the
    batch is empty.

    ```python
    outputs = jsci.vmap(f, in_axes=(None, 0), batch_size=16)(params, x)
    ```
    """
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")

    def batched(*args):
        axes = _axes(in_axes, args)
        args = tuple(
            a if axis in (None, 0) else jax.tree.map(lambda x, i=axis: jnp.moveaxis(x, i, 0), a)
            for a, axis in zip(args, axes, strict=True)
        )
        mapped = tuple(axis is not None for axis in axes)
        size = _batch_size_of(args, mapped)
        if mesh is None:
            return _in_chunks(f, mapped, batch_size)(*args)
        return _over_mesh(_in_chunks(f, mapped, batch_size), mapped, mesh, size)(*args)

    return batched


# Bytes per example above which a CPU is faster looping over the examples.
_LOOPED_BYTES = 1 << 18


def _in_chunks(f, mapped, batch_size):
    def chunked(*args):
        at_once = batch_size is None and not _better_looped(f, args, mapped)
        if at_once:
            return jax.vmap(f, in_axes=tuple(0 if m else None for m in mapped))(*args)

        if is_traced(args):
            return _loop(f, mapped, batch_size)(*args)
        return compiled_call(_loop(program(f, *_one(args, mapped)), mapped, batch_size), *args)

    return chunked


def _loop(f, mapped, batch_size):
    def loop(*args):
        def one(examples):
            remaining = iter(examples)
            return f(*(next(remaining) if m else a for a, m in zip(args, mapped, strict=True)))

        examples = tuple(a for a, m in zip(args, mapped, strict=True) if m)
        # lax.map with batch_size=1 would vmap over one example; without it, it is a plain loop.
        return jax.lax.map(one, examples, batch_size=None if batch_size == 1 else batch_size)

    return loop


def _better_looped(f, args, mapped) -> bool:
    leaves = [x for a, m in zip(args, mapped, strict=True) if m for x in jax.tree.leaves(a)]
    bytes_of_all = sum(x.size * x.dtype.itemsize for x in map(jnp.asarray, leaves))
    large = bytes_of_all > _LOOPED_BYTES * jnp.shape(leaves[0])[0]
    if not large or jax.default_backend() != "cpu":
        return False
    # A CPU runs a convolution inside a loop by plain loops, some twenty times slower.
    return not has_primitive(jax.make_jaxpr(f)(*_one(args, mapped)).jaxpr, "conv_general_dilated")


def _one(args, mapped):
    """The shapes of one example."""
    pairs = zip(args, mapped, strict=True)
    return [jax.tree.map(lambda x, m=m: shape_of(x, mapped=m), a) for a, m in pairs]


def automatic(mesh: Mesh) -> Mesh:
    """The mesh with automatic axes: explicit ones would need shardings for the padding."""
    return Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * len(mesh.axis_names))


def fill_up(x, mesh: Mesh):
    """Pad to a multiple of the number of devices by repeating the last example."""

    def filled(a):
        padding = -a.shape[0] % mesh.size
        return jnp.concatenate([a, jnp.repeat(a[-1:], padding, axis=0)]) if padding else a

    return jax.tree.map(filled, x)


def _over_mesh(f, mapped, mesh, size):
    mesh = automatic(mesh)
    spec = PartitionSpec(mesh.axis_names)
    sharded = jax.shard_map(
        f,
        mesh=mesh,
        in_specs=tuple(spec if m else PartitionSpec() for m in mapped),
        out_specs=spec,
        check_vma=False,
    )

    def padded(*args):
        args = (fill_up(a, mesh) if m else a for a, m in zip(args, mapped, strict=True))
        return jax.tree.map(lambda y: y[:size], sharded(*args))

    return padded


def _axes(in_axes: Any, args: tuple) -> tuple[int | None, ...]:
    several = hasattr(in_axes, "__iter__")
    axes = tuple(in_axes) if several else (in_axes,) * len(args)
    if len(axes) != len(args):
        raise ValueError(
            f"in_axes names {len(axes)} arguments, but {len(args)} were given: "
            f"in_axes={in_axes!r} needs one entry per argument."
        )
    if not all(axis is None or hasattr(axis, "__index__") for axis in axes):
        raise TypeError(
            f"in_axes must hold one integer or None for each argument, got {in_axes!r}: arguments "
            "are mapped or shared as a whole. Give shared values as separate arguments."
        )
    if all(axis is None for axis in axes):
        raise ValueError(
            "vmap() has nothing to map: at least one entry of in_axes must be an axis."
        )
    return tuple(None if axis is None else operator.index(axis) for axis in axes)


_SHOWN = 4  # lengths in the message


def _batch_size_of(args, mapped):
    sizes = {
        f"argument {i}{jax.tree_util.keystr(path)}": jnp.shape(leaf)[:1]
        for i, (a, m) in enumerate(zip(args, mapped, strict=True))
        if m
        for path, leaf in jax.tree_util.tree_leaves_with_path(a)
    }
    distinct = set(sizes.values())
    if len(distinct) != 1 or distinct <= {(), (0,)}:
        lists = [a for a, m in zip(args, mapped, strict=True) if m and isinstance(a, list | tuple)]
        first_of_each: dict[tuple, str] = {}
        for name, size in sizes.items():
            first_of_each.setdefault(size, name)
        raise ValueError(
            "vmap() needs mapped axes of one common, non-zero length; got "
            + ", ".join(
                f"{name}: {size[0] if size else 'a scalar'}"
                for size, name in list(first_of_each.items())[:_SHOWN]
            )
            + (", ..." if len(first_of_each) > _SHOWN else ".")
            + next((_how_to_stack(a) for a in lists if a), "")
        )
    return distinct.pop()[0]


def _how_to_stack(items):
    """A class whose instances differ in shape names its own function in `stacked_by`."""
    own = getattr(items[0], "stacked_by", None)
    stack = f"{own}(items)" if own else "jax.tree.map(lambda *x: jnp.stack(x), *items)"
    return f" To map over the items of a list, stack them first: {stack}."
