"""One device count: `python -m benchmarks.scaling.worker quick DIRECTORY NAME...`, by `study`.

Devices exist from a process's start, so each count needs a process of its own; XLA_FLAGS says how
many there are. Writes rows.json and results.npz.
"""

import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh

import jaxsci as jsci
from benchmarks.runner.case import Size
from benchmarks.runner.measure.memory import program_bytes
from benchmarks.runner.measure.timing import call, measure
from benchmarks.scaling.collectives import collectives
from benchmarks.scaling.problems import PROBLEMS, Problem, Program
from benchmarks.scaling.study import MOST, Row, Traffic, sizes_of

SAMPLES = 5
SECONDS = 2.0


def main(size: Size, directory: str, *names: str) -> None:
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_enable_compilation_cache", False)
    platform = jsci.check_platform()
    if not platform.ok:
        raise SystemExit(f"This platform computes wrong numbers: {platform.failures}")
    count = len(jax.devices())
    mesh = Mesh(np.array(jax.devices()), ("devices",)) if count > 1 else None
    rows, results = [], {}
    for problem in (p for p in PROBLEMS if p.name in names):
        for n in sizes_of(problem.per_device[size], count):
            row, result = measured(problem, n, mesh)
            rows.append(row.as_json())
            if n == MOST * problem.per_device[size]:
                results[problem.name] = result
        jax.clear_caches()
    Path(directory, "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    np.savez(Path(directory, "results.npz"), **results)


def measured(problem: Problem, n: int, mesh: Mesh | None) -> tuple[Row, np.ndarray]:
    """The program for n items over the mesh: what it sends, computes and holds, and its result."""
    program = problem.build(n, mesh)
    compiled = getattr(program.compiled, "compiled", program.compiled)  # Equinox wraps JAX's
    run = call(program.compiled, program.args)
    result = np.asarray(ravel_pytree(program.result(run()))[0])
    if not np.isfinite(result).all():
        raise FloatingPointError(f"{problem.name}: the result for {n} {problem.item} is not finite")
    plan = program_bytes(compiled)
    return Row(
        name=problem.name,
        devices=mesh.size if mesh else 1,
        items=n,
        seconds=_seconds(program),
        flops=_flops(compiled),
        bytes=plan.total if plan else None,
        traffic=_traffic(compiled.as_text(), problem.step_loop),
    ), result


def _seconds(program: Program) -> float:
    run = call(program.compiled, program.args)
    return float(np.median(measure(run, samples=SAMPLES, seconds=SECONDS))) / program.steps


def _flops(compiled: Any) -> float | None:
    count = (compiled.cost_analysis() or {}).get("flops", 0.0)
    return float(count) if count > 0 else None


def _traffic(text: str, step_loop: bool) -> tuple[Traffic, ...]:
    """The operations summed by kind, those of a step before those of a pass of its loops."""
    summed: dict[tuple[int, str], Traffic] = {}
    for operation in collectives(text):
        loops = operation.loops - step_loop
        key = (loops, operation.kind)
        old = summed.get(key, Traffic(operation.kind, loops, 0, 0, 0.0))
        summed[key] = Traffic(
            operation.kind,
            loops,
            old.count + operation.times,
            old.bytes + operation.bytes * operation.times,
            old.sent + operation.sent,
        )
    return tuple(summed[key] for key in sorted(summed))


if __name__ == "__main__":
    main(*sys.argv[1:])  # pyright: ignore[reportArgumentType]
