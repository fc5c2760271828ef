"""Host processes: whatever one task does, the others are done, and nothing is left running."""

import os
import pickle
import subprocess
import sys
import time

import pytest

from jaxsci.core._run.processes import Failure, _portable, _process, _Worker, in_processes


class TwoArgumentsError(ValueError):
    """Can be packed, and not unpacked: the packed form remembers one argument."""

    def __init__(self, what, value):
        super().__init__(f"{what} is {value}")


class Unpackable:
    """A result that the caller cannot unpack."""

    def __reduce__(self):
        return divmod, (1, 0)


def worked(task):
    if task == "two arguments":
        raise TwoArgumentsError("charge", 7)
    return Unpackable() if task == "unpackable" else task


def test_what_cannot_be_sent_costs_its_task_alone():
    worker = _Worker(None)
    raised, unsent, unread, good = (
        worker.run(worked, task) for task in ("two arguments", lambda: 0, "unpackable", "good")
    )
    worker.close()
    assert isinstance(raised.error, ValueError) and "charge is 7" in raised.reason
    assert isinstance(unsent, Failure) and "cannot be pickled: " in unsent.reason
    assert "cannot be read: ZeroDivisionError" in unread.reason
    assert good == "good"


def test_a_failure_is_sent_with_an_error_of_its_kind():
    error = TwoArgumentsError("charge", 7)
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(error))
    sent = _portable(Failure("why", error))
    assert type(sent.error) is ValueError and str(sent.error) == "charge is 7"
    plain = Failure("why", OSError(2, "no such file"))
    assert _portable(plain) is plain


def test_a_task_that_hangs_is_given_up():
    start = time.monotonic()
    ((_, failure),) = in_processes(time.sleep, [600], [0], 1, timeout=0.3)
    assert (
        isinstance(failure.error, TimeoutError) and failure.reason == "not done after 0.3 seconds"
    )
    assert time.monotonic() - start < 60


def test_a_process_ends_while_it_works_once_its_input_does():
    process = _process()
    pickle.dump(pickle.dumps((time.sleep, 600)), process.stdin)
    process.stdin.close()
    assert process.wait(60) == 0
    process.stdout.close()


@pytest.mark.slow
def test_no_process_outlives_a_killed_caller(tmp_path):
    """The processes hold the caller's standard error: it ends when the last of them has ended."""
    task = f"open({str(tmp_path / 'started')!r}, 'w').close() or __import__('time').sleep(600)"
    program = (
        "from jaxsci.core._run.processes import in_processes\n"
        f"list(in_processes(eval, [{task!r}], [0], 1))\n"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    caller = subprocess.Popen(
        [sys.executable, "-c", program],
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    while not (tmp_path / "started").exists():
        assert caller.poll() is None
        time.sleep(0.1)
    caller.kill()
    caller.communicate(timeout=60)
