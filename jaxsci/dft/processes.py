"""Host work in several processes, which survives the death of one."""

import concurrent.futures
import os
import pickle
import queue
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

# What a process runs. Not multiprocessing: that would run the caller's script once more, and does
# not tell which task was lost with a process.
_SERVE = "from jaxsci.dft.processes import serve; serve()"


class Failure(NamedTuple):
    """Why a task has no result; `error` is the exception, unless its process died."""

    reason: str
    error: Exception | None = None


def in_processes(
    function: Callable[[Any], Any], tasks: Sequence[Any], which: Iterable[int], workers: int
) -> Iterator[tuple[int, Any]]:
    """Pairs of the number of a task and what the function makes of it, as they are done.

    What fails is tried once more, in a new process if the first died. A `ValueError` is the task's
    own fault, and comes back at once. What has failed twice is a `Failure`, and costs no other.

    **Arguments:**

    - `function`: of one task, from a module that can be imported; its result without JAX arrays.
    - `which`: the numbers of the tasks to do.
    - `workers`: processes, of one thread each.
    """
    which = list(which)
    idle: queue.Queue[_Worker] = queue.Queue()
    everyone = [_Worker() for _ in range(min(workers, len(which)))]
    for worker in everyone:
        idle.put(worker)

    def run(task):
        worker = idle.get()
        try:
            first = worker.run(function, task)
            again = isinstance(first, Failure) and not isinstance(first.error, ValueError)
            return worker.run(function, task) if again else first
        finally:
            idle.put(worker)

    pool = concurrent.futures.ThreadPoolExecutor(len(everyone) or 1)
    try:
        running = {pool.submit(run, tasks[i]): i for i in which}
        for done in concurrent.futures.as_completed(running):
            yield running[done], done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in everyone:
            worker.close()


def attempt(function: Callable[[Any], Any], task: Any) -> Any:
    """The function's result, or a `Failure`."""
    try:
        return function(task)
    except Exception as error:
        return Failure(f"{type(error).__name__}: {error}", error)


class _Worker:
    """One process at a time, started when it is needed."""

    def __init__(self):
        self.process: subprocess.Popen | None = None

    def run(self, function, task) -> Any:
        if self.process is None:
            self.process = _process()
        given, taken = self.process.stdin, self.process.stdout
        assert given is not None and taken is not None
        try:
            pickle.dump((function, task), given)
            given.flush()
            return pickle.load(taken)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            code = self.process.wait()
            self.close()
            return Failure(f"its process ended with exit code {code}")

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
    """What a process does: read a task, write its result, until the input ends."""
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints must not come between
    while True:
        try:
            function, task = pickle.load(source)
        except EOFError:
            return
        pickle.dump(attempt(function, task), target)
        target.flush()
