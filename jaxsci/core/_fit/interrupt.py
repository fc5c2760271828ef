"""Ctrl-C as a request: the running program finishes first; a second Ctrl-C stops at once."""

import contextlib
import os
import signal
import threading

_NOTICE = b"\nInterrupted: fit() ends with this report. Ctrl-C again stops it at once.\n"


class Interrupt:
    """`with Interrupt() as interrupt:` the first Ctrl-C only sets `interrupt.asked`."""

    def __init__(self):
        self.asked = False
        self._ours = False

    def __enter__(self):
        # Only the main thread may set handlers, and a program's own handler is left alone.
        default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        self._ours = default and threading.current_thread() is threading.main_thread()
        if self._ours:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_):
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _ask(self, number, frame):
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Not print: a handler may interrupt one, and a closed terminal must not end the run.
        with contextlib.suppress(OSError):
            os.write(2, _NOTICE)
