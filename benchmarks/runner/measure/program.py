"""Compile a function once, with the time it took and the memory it will need."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from .memory import ProgramBytes, program_bytes
from .timing import Clock, call


@dataclass(frozen=True)
class Program:
    """A compiled function with its arguments on the device."""

    compiled: Callable[..., Any]
    args: tuple[Any, ...]
    compile_seconds: float | None
    bytes: ProgramBytes | None

    def __call__(self) -> Any:
        """One call, until the device has finished."""
        return call(self.compiled, self.args)()


def compile_program(
    function: Callable[..., Any], args: tuple[Any, ...], *, clock: Clock = time.perf_counter
) -> Program:
    """Trace, lower and compile; the persistent cache is off, so this time is the real one."""
    args = jax.block_until_ready(jax.device_put(tuple(args)))
    start = clock()
    compiled = jax.jit(function).lower(*args).compile()
    return Program(compiled, args, clock() - start, program_bytes(compiled))


def host_program(function: Callable[..., Any], args: tuple[Any, ...]) -> Program:
    """A plain Python callable, left as it is."""
    return Program(function, tuple(args), None, None)
