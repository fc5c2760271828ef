"""Host work in several processes, which survives the death of one."""

import concurrent.futures
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

# What a process runs. Not multiprocessing: that would run the caller's script once more, and does
# not tell which task was lost with a process.
_SERVE = "from jaxsci.core._run.processes import serve; serve()"
# A second try would only repeat these.
_FINAL = (ValueError, TimeoutError)
# Seconds after the end of its output in which a process ends by itself.
_GRACE = 5.0


class Failure(NamedTuple):
    """Why a task has no result; `error` is the exception, unless its process died."""

    reason: str
    error: Exception | None = None


def in_processes(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    which: Iterable[int],
    workers: int,
    timeout: float | None = None,
) -> Iterator[tuple[int, Any]]:
    """Pairs of the number of a task and what the function makes of it, as they are done.

    What fails is tried once more, in a new process if the first died. A `ValueError` is the task's
    own fault, and comes back at once; so does what takes too long. What has failed twice is a
    `Failure`, and costs no other. The processes end with the caller's, however that ends.

    **Arguments:**

    - `function`: of one task, from a module that can be imported; its result without JAX arrays.
    - `which`: the numbers of the tasks to do.
    - `workers`: processes, of one thread each.
    - `timeout`: seconds for one task, the start of its process included.
    """
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout is a positive number of seconds, or None, got {timeout!r}.")
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}.")
    which = list(which)
    idle: queue.Queue[_Worker] = queue.Queue()
    everyone = [_Worker(timeout) for _ in range(min(workers, len(which)))]
    for worker in everyone:
        idle.put(worker)

    def run(task):
        worker = idle.get()
        try:
            first = worker.run(function, task)
            again = isinstance(first, Failure) and not isinstance(first.error, _FINAL)
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

    def __init__(self, timeout: float | None):
        self.timeout = timeout
        self.process: subprocess.Popen | None = None
        self.closed = False

    def run(self, function, task) -> Any:
        message = attempt(pickle.dumps, (function, task))
        if isinstance(message, Failure):
            return message
        if self.closed:
            return Failure("nobody waits for it any more")
        process = self.process = self.process or _process()
        late = threading.Event()
        timer = threading.Timer(self.timeout or 0, _kill, (process, late))
        if self.timeout is not None:
            timer.start()
        try:
            return _ask(process, message)
        except (EOFError, OSError, pickle.UnpicklingError):
            reason = f"its process ended with exit code {_exit_code(process)}"
        except Exception as error:  # unpacking may raise anything
            reason = f"its result cannot be read: {type(error).__name__}: {error}"
        finally:
            timer.cancel()
        self._end()  # after half an answer no other can follow
        if late.is_set():
            reason = f"not done after {self.timeout} seconds"
            return Failure(reason, TimeoutError(reason))
        return Failure(reason)

    def _end(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.communicate()

    def close(self) -> None:
        self.closed = True
        self._end()


def _ask(process, message: bytes) -> Any:
    pickle.dump(message, process.stdin)
    process.stdin.flush()
    return pickle.load(process.stdout)


def _exit_code(process) -> int:
    """Of a process whose output has ended; should it live on, it is killed."""
    try:
        return process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _kill(process, late: threading.Event) -> None:
    late.set()
    process.kill()


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
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, tasks), daemon=True).start()
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints must not come between
    while True:
        result = attempt(_perform, tasks.get())
        pickle.dump(_portable(result) if isinstance(result, Failure) else result, target)
        target.flush()


def _receive(source, tasks: queue.SimpleQueue) -> None:
    """Beside the work: once the input ends, the caller is gone, and nobody waits for a result."""
    try:
        while True:
            tasks.put(pickle.load(source))
    finally:
        os._exit(0)


def _perform(message: bytes) -> Any:
    function, task = pickle.loads(message)
    return function(task)


def _portable(failure: Failure) -> Failure:
    """The failure with an error that can be unpacked: not every class of exceptions can."""
    try:
        pickle.loads(pickle.dumps(failure))
        return failure
    except Exception:
        kind = ValueError if isinstance(failure.error, ValueError) else RuntimeError
        return failure._replace(error=kind(str(failure.error)))
