"""Host work in several processes that survives the death of any of them."""

import concurrent.futures
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

# What a process runs. Not multiprocessing, which would rerun the caller's script and does not tell
# which task was lost with a process.
_SERVE = "from jaxsci.core._run.processes import serve; serve()"
# A second attempt would only repeat these.
_FINAL = (ValueError, TimeoutError)
# Seconds that a process has to end by itself after its output has ended.
_GRACE = 5.0


class Failure(NamedTuple):
    """Why a task has no result.

    - `reason`: a sentence.
    - `error`: the exception, or None if the process died."""

    reason: str
    error: Exception | None = None


def in_processes(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    which: Iterable[int],
    workers: int,
    timeout: float | None = None,
) -> Iterator[tuple[int, Any]]:
    """Yield pairs of a task's number and its result, in the order in which they finish.

    A task that fails is tried once more, in a new process if the first one died. A `ValueError` is
    the task's own fault and is returned at once, as is a timeout. A task that fails twice yields a
    `Failure` and affects no other. The processes end with the caller's, however it ends.

    **Arguments:**

    - `function`: takes one task, from a module that can be imported; returns no JAX arrays.
    - `tasks`: its arguments, which can be pickled.
    - `which`: the numbers of the tasks to run.
    - `workers`: the number of processes, of one thread each.
    - `timeout`: seconds for one task, including the start of its process; None for no limit.

    **Returns:** an iterator of `(number, result or Failure)`.

    **Raises:** `ValueError` for a timeout that is not positive, or fewer than one worker.

    ```python
    from jaxsci.core import in_processes

    for number, root in in_processes(math.sqrt, [4.0, 9.0, 16.0], which=[0, 2], workers=2):
        print(number, root)
    ```
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
    """Call a function, turning an exception into a `Failure`.

    **Arguments:**

    - `function`: takes one argument.
    - `task`: the argument.

    **Returns:** the function's result, or a `Failure`.

    ```python
    from jaxsci.core import attempt

    attempt(math.sqrt, -1.0).reason  # "ValueError: ..."
    ```
    """
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
            return message._replace(reason=f"it cannot be pickled: {message.reason}")
        if self.closed:
            return Failure("the run was stopped")
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
        self._end()  # no further answer can follow a partial one
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
    """The exit code of a process whose output has ended, killing it if it is still alive."""
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
    """The loop of a process: read a task, write its result, until the input ends."""
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, tasks), daemon=True).start()
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # other output must not mix with the results
    while True:
        result = attempt(_perform, tasks.get())
        pickle.dump(_portable(result) if isinstance(result, Failure) else result, target)
        target.flush()


def _receive(source, tasks: queue.SimpleQueue) -> None:
    """Read tasks in a thread; when the input ends, the caller is gone and the process ends."""
    try:
        while True:
            tasks.put(pickle.load(source))
    finally:
        os._exit(0)


def _perform(message: bytes) -> Any:
    function, task = pickle.loads(message)
    return function(task)


def _portable(failure: Failure) -> Failure:
    """The failure with an error that can be unpickled, which not every exception class can."""
    try:
        pickle.loads(pickle.dumps(failure))
        return failure
    except Exception:  # of any kind, raised by the class of the error; its text is kept
        kind = ValueError if isinstance(failure.error, ValueError) else RuntimeError
        return failure._replace(error=kind(str(failure.error)))
