"""How much memory a program takes: predicted from its compiled form, before it runs."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
from jax.sharding import Mesh

from .garbage_collection import uncollected

GIB = 2**30
# Where Linux keeps the memory limit of a container.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def peak_memory(f: Callable, /, *args: Any) -> int:
    """Bytes that `f(*args)` takes at its peak on each device, without running it.

        arguments + results + temporaries of the compiled program

    **Arguments:**

    - `f`: any function of pytrees. A function jitted by `jax.jit` or `equinox.filter_jit` is
        compiled only once: its first call reuses the program.
    - `args`: its arguments, or their shapes as `jax.ShapeDtypeStruct`, which take no memory.

    **Returns:** bytes, or 0 if the compiler does not report them. Other data that the process holds
    come on top.

    **Raises:** what `f` raises when it is traced.

    ```python
    outputs = jsci.vmap(f, (None, 0), batch_size=16)
    assert jsci.peak_memory(outputs, params, x) < jsci.machine_memory()
    ```
    """
    with uncollected():
        compiled = _lowered(f, args).compile()
    plan = getattr(compiled, "compiled", compiled).memory_analysis()
    if plan is None:
        return 0
    return int(
        plan.argument_size_in_bytes
        + plan.output_size_in_bytes
        + plan.temp_size_in_bytes
        - plan.alias_size_in_bytes
    )


def _lowered(f, args):
    shapes = any(map(_is_shape, jax.tree.leaves(args)))
    if hasattr(f, "lower") and not shapes:  # reuse the program that a later call runs
        return f.lower(*args)
    dynamic, static = eqx.partition(args, lambda a: eqx.is_array(a) or _is_shape(a))

    def arrays_of(dynamic):
        return eqx.filter(f(*eqx.combine(dynamic, static)), eqx.is_array)

    return jax.jit(arrays_of).lower(dynamic)


def _is_shape(leaf):
    return isinstance(leaf, jax.ShapeDtypeStruct)


def machine_memory() -> float:
    """Memory of all local devices; on a CPU, the share of the machine that this process may use.

    **Returns:** bytes; infinite if the system does not report them.

    ```python
    jsci.machine_memory() / 2**30
    ```
    """
    limits = [(device.memory_stats() or {}).get("bytes_limit", 0) for device in jax.local_devices()]
    return float(sum(limits)) if all(limits) else host_memory()


def device_memory(mesh: Mesh | None = None) -> float:
    """Bytes per device of the mesh, or of the default device; CPU devices share theirs."""
    devices = jax.local_devices()[:1] if mesh is None else list(mesh.local_devices)
    limits = [(device.memory_stats() or {}).get("bytes_limit", 0) for device in devices]
    return float(min(limits)) if all(limits) else host_memory() / len(devices)


def host_memory() -> float:
    """Bytes of main memory that this process may take: all of the machine's, or its container's.

    The bound of what is made on the host, by NumPy or another library, whatever the devices hold.

    **Returns:** bytes, infinite where the system does not tell.

    ```python
    from jaxsci.core import host_memory

    host_memory() / 2**30
    ```
    """
    try:
        memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError):
        memory = float("inf")
    for limit in map(Path, _LIMITS):
        try:
            memory = min(memory, float(limit.read_text()))
        except (OSError, ValueError):
            continue  # no such file here, or "max"
    return memory


class Remedy(NamedTuple):
    """An argument that bounds memory: `text` with its value, now `size`; `peak` gives the bytes."""

    text: str
    size: int
    peak: Callable[[int], int]


def require_memory(what: str, need: int, have: float, remedies: Sequence[Remedy]) -> None:
    """Raise unless `need` bytes fit; the message suggests the first size of a remedy that does.

    The sizes size/4, size/16, ..., 1 are tried while they help, compiling a program for each.
    """
    if need <= have:
        return
    short = f"{what} takes {need / GIB:.3g} GiB at its peak, and there are {have / GIB:.3g}."
    for text, size, peak in remedies:
        before = need
        while size > 1 and (smaller := peak(size := max(1, size // 4))) < before:
            if smaller <= have:
                advice = f"With {text.format(size)} it takes {smaller / GIB:.3g}."
                raise ValueError(f"{short} {advice}")
            before = smaller
    raise ValueError(f"{short} No smaller batch fits either: the model itself is too large.")
