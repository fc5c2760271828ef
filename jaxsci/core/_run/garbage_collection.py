"""Python's garbage collector, which tracing need not wait for."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection inside, for code that traces or compiles.

    JAX makes some hundred thousand objects for a program and keeps most of them. Each few hundred
    make the collector look for cycles, again and again among all objects of the process, which
    takes a third of the time of tracing.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
