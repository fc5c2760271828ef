"""How long the first answer of a new process takes, and the ones after it.

Each program is run in a process of its own, which prints seconds and values as JSON: once with
nothing compiled, and once more where the compiled programs of the first are kept on disk.
CPU-seconds are those of all threads and of child processes, and depend less on what else runs.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.runner.case import Run

# What every program begins with: `timed(name, f, *args)` collects what it prints in the end.
PRELUDE = """
import json, resource, sys, time
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

def cpu():
    spent = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(s.ru_utime + s.ru_stime for s in spent)

def timed(name, f, *args):
    compiled.clear()
    start, spent = time.perf_counter(), cpu()
    value = jax.block_until_ready(f(*args))
    seconds, spent = time.perf_counter() - start, cpu() - spent
    found[name] = [seconds, len(compiled), float(value), spent]
"""
POSTLUDE = "\nprint(json.dumps(found))\n"


def answers(program: str, cache: str | None = None) -> dict[str, list[float]]:
    """What the program timed in a new process.

    **Returns:** `{name: [seconds, programs compiled, value, CPU-seconds]}`.
    """
    kept = [] if cache is None else [cache]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment = {k: v for k, v in environment.items() if k != "JSCI_COMPILATION_CACHE"}
    environment |= {"JAX_ENABLE_COMPILATION_CACHE": "true" if kept else "false"}
    return _last_line([sys.executable, "-c", PRELUDE + program + POSTLUDE, *kept], environment)


def _last_line(command: Sequence[str], environment: Mapping[str, str]) -> Any:
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=root)
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
            rows |= {start + name: _shown(*one) for name, one in found.items()}
        return rows | further

    return Run(
        step, (), error=lambda runs: error(values(runs)), figures=figures, note=note, host=True
    )


def _shown(seconds, programs, _, spent):
    return f"{seconds:.2f} s, {spent:.2f} CPU-s, {programs:.0f} programs"


def _spent_by_children():
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def cold_start(program: str, error: Callable[[float], float], note: str) -> Run:
    """The first answer of a new process, from its first import on, and what follows it.

    The time of the row is that of a process with nothing compiled. The figures are the answers of
    this process and of another that finds the programs of a third.

    **Arguments:**

    - `program`: Python code that calls `timed(name, f, *args)` for scalars `f(*args)`, the first of
        them for what is asked.
    - `error`: of that scalar.
    """
    spent = {}

    def step():
        before = _spent_by_children()
        found = answers(program)
        spent["process"] = _spent_by_children() - before
        return found

    def figures(found):
        with tempfile.TemporaryDirectory() as cache:
            answers(program, cache)
            kept = answers(program, cache)
        rows = {"whole process": f"{spent['process']:.2f} CPU-s"}
        for start, of_process in (("", found), ("kept: ", kept)):
            rows |= {start + name: _shown(*one) for name, one in of_process.items()}
        differences = [abs(one[2] - found[name][2]) for name, one in kept.items()]
        return rows | {"difference of the two processes": f"{max(differences):.1e}"}

    def error_of_first(found):
        return error(next(iter(found.values()))[2])

    return Run(step, (), error=error_of_first, figures=figures, note=note, host=True)


def cold_peer(command: Sequence[str], error: Callable[[float], float]) -> Run:
    """The first answer of a peer in a new process, which prints it as JSON."""

    def step():
        return _last_line(command, os.environ)

    return Run(step, (), error=lambda value: error(float(value)), host=True)
