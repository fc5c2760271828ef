"""How long the first answer of a new process takes, and the ones after it.

Each program is run in a process of its own, which prints seconds and values as JSON: once with
nothing compiled, and once more where the compiled programs of the first are kept on disk.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.runner.case import Run

# What every program begins with; `report(name, value)` collects what it prints in the end.
PRELUDE = """
import json, sys, time
import jax, jax.monitoring
import jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
import equinox as eqx
import jaxsci as jsci

if len(sys.argv) > 1:
    jsci.compilation_cache(sys.argv[1])
compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda name, *_, **__: compiled.append(name) if name.endswith("backend_compile_duration") else 0
)
found = {}

def timed(name, f, *args):
    compiled.clear()
    start = time.perf_counter()
    value = jax.block_until_ready(f(*args))
    found[name] = [time.perf_counter() - start, len(compiled), float(value)]
"""
POSTLUDE = "\nprint(json.dumps(found))\n"


def answers(program: str, cache: str | None = None) -> dict[str, list[float]]:
    """`{name: [seconds, programs compiled, value]}` of what the program timed, in a new process."""
    kept = [] if cache is None else [cache]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment = {k: v for k, v in environment.items() if k != "JSCI_COMPILATION_CACHE"}
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program + POSTLUDE, *kept],
        env=environment | {"JAX_ENABLE_COMPILATION_CACHE": "true" if kept else "false"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"The program ended with {done.returncode}: {done.stderr[-800:]}")
    return json.loads(done.stdout.splitlines()[-1])


def first_answers(
    program: str, error: Callable[[Mapping[str, float]], float], note: str, **further: Any
) -> Run:
    """The program in a new process, and in another that finds what the first has compiled.

    **Arguments:**

    - `program`: Python code that calls `timed(name, f, *args)` for scalars `f(*args)`.
    - `error`: of the values by name, those of both processes.
    """

    def step():
        with tempfile.TemporaryDirectory() as cache:
            return {
                "": answers(program),
                "kept: ": answers(program, cache) and answers(program, cache),
            }

    def values(runs):
        return {start + k: v[2] for start, found in runs.items() for k, v in found.items()}

    def figures(runs):
        rows = {}
        for start, found in runs.items():
            for name, (seconds, programs, _) in found.items():
                rows[start + name] = f"{seconds:.2f} s, {programs:.0f} programs"
        return rows | further

    return Run(
        step, (), error=lambda runs: error(values(runs)), figures=figures, note=note, host=True
    )
