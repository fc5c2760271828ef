"""Many molecules at once: several host processes, progress, and survival of one that dies."""

import concurrent.futures
import os
import pathlib
import pickle
import queue
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from ..core import require_x64
from .integrals import check_atoms
from .molecule import Atoms, Molecule, is_mole, molecule
from .xyz import read_xyz, read_xyz_frames

# A process costs this many seconds before its first molecule: the time to load JAX and PySCF.
_START = 5.0
# What a process runs. Not multiprocessing: that would run the caller's script once more, and does
# not tell which task was lost with a process.
_SERVE = "from jaxsci.dft.building import serve; serve()"


def molecules(
    many: Sequence[Atoms | Any] | str | pathlib.Path,
    basis: Any = None,
    *,
    charge: int | Sequence[int] = 0,
    spin: int | Sequence[int] = 0,
    unit: str = "angstrom",
    grid: int = 3,
    density_fit: bool | str | None = None,
    restricted: bool | None = None,
    workers: int | None = None,
    progress: bool = True,
    throw: bool = True,
) -> list[Molecule]:
    """Many molecules, built by several processes.

    Bad input is named before the work starts. A process that dies, for lack of memory say, costs
    the molecule it had: that one is tried once more in a new process, then it counts as failed.

    **Arguments:**

    - `many`: a list of what `molecule` takes, or the path of an .xyz file with many frames.
    - `charge`, `spin`: one for all, or one each.
    - `workers`: processes of one thread each. `None` starts one for each core of this machine, but
        only once the work has shown to be longer than that takes; 1 starts none.
    - `progress`: show a bar where it takes more than two seconds.
    - `throw`: raise at the first molecule that fails. Else `None` stands in its place, and a
        warning counts and names what failed.
    - the others: as in `molecule`.

    **Returns:** a list of `Molecule`; `stack` those of similar size.

    **Raises:** `ValueError` as `molecule` does, with the number of the molecule (from 0);
    `RuntimeError` for one that failed twice.

    ```python
    water = jsci.dft.molecules("trajectory.xyz", "def2-svp", grid=1)
    batch = jsci.dft.stack(water)
    ```
    """
    require_x64("jsci.dft")
    many = read_xyz_frames(many) if isinstance(many, str | pathlib.Path) else list(many)
    charges, spins = _each(charge, "charge", len(many)), _each(spin, "spin", len(many))
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}.")
    shared = {"unit": unit, "grid": grid, "density_fit": density_fit, "restricted": restricted}
    jobs = [
        _job(i, atoms, basis, {"charge": q, "spin": s, **shared})
        for i, (atoms, q, s) in enumerate(zip(many, charges, spins, strict=True))
    ]
    built: list[Any] = [None] * len(jobs)
    failures: dict[int, str] = {}
    with tqdm(total=len(jobs), disable=not progress, delay=2.0, unit="molecule") as bar:
        for i, result in _build(jobs, workers):
            if isinstance(result, Molecule):
                built[i] = result
            elif throw:
                raise RuntimeError(f"molecule {i} failed twice: {result}")
            else:
                failures[i] = result
            bar.update()
    if failures:
        named = "; ".join(f"molecule {i}: {why}" for i, why in sorted(failures.items()))
        warnings.warn(f"{len(failures)} of {len(jobs)} molecules failed. {named}", stacklevel=2)
    return built


def _each(value, name: str, n: int) -> list[int]:
    if isinstance(value, int | np.integer):
        return [int(value)] * n
    if len(value) != n:
        raise ValueError(f"{name} has {len(value)} entries for {n} molecules: give one, or {n}.")
    return [int(x) for x in value]


def _job(i: int, atoms: Any, basis: Any, options: dict) -> tuple:
    """What a process needs, once the cheap checks have passed."""
    try:
        if not is_mole(atoms):
            atoms = read_xyz(atoms) if isinstance(atoms, str | pathlib.Path) else list(atoms)
            atoms = check_atoms(atoms, basis, options["charge"], options["spin"])
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"molecule {i}: {error}") from None
    return atoms, basis, options


def _build(jobs: list[tuple], workers: int | None) -> Iterator[tuple[int, Molecule | str]]:
    """Pairs of number and molecule, or reason of failure, as they are done."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    start, done = time.monotonic(), 0
    # Here, until it is clear that processes pay.
    while done < len(jobs) and (workers == 1 or workers is None):
        spent = time.monotonic() - start
        if workers is None and done and spent / done * (len(jobs) - done) > 2 * _START:
            break
        yield done, _named(done, _attempt(jobs[done]))
        done += 1
    if done < len(jobs):
        rest = range(done, len(jobs))
        yield from _in_processes(jobs, rest, min(workers or cores or 1, len(rest)))


def _in_processes(jobs, numbers: Iterable[int], workers: int):
    idle: queue.Queue[_Worker] = queue.Queue()
    everyone = [_Worker() for _ in range(workers)]
    for worker in everyone:
        idle.put(worker)

    def run(job):
        worker = idle.get()
        try:
            first = worker.run(job)
            return worker.run(job) if isinstance(first, str) else first
        finally:
            idle.put(worker)

    pool = concurrent.futures.ThreadPoolExecutor(workers)
    try:
        running = {pool.submit(run, jobs[i]): i for i in numbers}
        for done in concurrent.futures.as_completed(running):
            yield running[done], _named(running[done], done.result())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in everyone:
            worker.close()


def _named(i: int, result: Any) -> Molecule | str:
    if isinstance(result, ValueError):
        raise ValueError(f"molecule {i}: {result}") from None
    return jax.tree.map(jnp.asarray, result) if isinstance(result, Molecule) else result


def _attempt(job: tuple) -> Molecule | ValueError | str:
    """The molecule, the error that another attempt would not mend, or what else went wrong."""
    atoms, basis, options = job
    try:
        return molecule(atoms, basis, **options)
    except ValueError as error:
        return error
    except Exception as error:
        return f"{type(error).__name__}: {error}"


class _Worker:
    """One process at a time, started when it is needed."""

    def __init__(self):
        self.process: subprocess.Popen | None = None

    def run(self, job: tuple) -> Any:
        if self.process is None:
            self.process = _process()
        streams = self.process.stdin, self.process.stdout
        assert streams[0] is not None and streams[1] is not None
        try:
            pickle.dump(job, streams[0])
            streams[0].flush()
            return pickle.load(streams[1])
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            code = self.process.wait()
            self.close()
            return f"its process ended with exit code {code}"

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def _process() -> subprocess.Popen:
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = os.environ | one_thread
    environment |= {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    return subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def serve() -> None:
    """What a process does: read a job, write the molecule, until the input ends."""
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints must not come between
    while True:
        try:
            job = pickle.load(source)
        except EOFError:
            return
        result = _attempt(job)
        if isinstance(result, Molecule):
            result = jax.tree.map(np.asarray, result)
        pickle.dump(result, target)
        target.flush()
