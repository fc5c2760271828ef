"""One status line that is rewritten on a terminal; one line a case elsewhere."""

import sys
import time
from typing import TextIO

from .result import CaseResult


class Progress:
    """Says on `stream` which case is being run and what it is doing."""

    def __init__(self, total: int, stream: TextIO | None = None):
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._total = total
        self._done = 0
        self._name = ""
        self._start = time.perf_counter()

    def begin(self, name: str) -> None:
        self._name = name
        self.say("")

    def say(self, stage: str) -> None:
        """Rewrite the status line; silent where it cannot be rewritten."""
        if self._live:
            elapsed = time.perf_counter() - self._start
            text = f"[{self._done + 1}/{self._total}] {self._name}  {stage}  ({elapsed:.0f} s)"
            self._stream.write(f"\r\x1b[K{text[:100]}")
            self._stream.flush()

    def end(self, result: CaseResult) -> None:
        """Leave one line behind for the finished case."""
        self._done += 1
        clear = "\r\x1b[K" if self._live else ""
        self._stream.write(
            f"{clear}[{self._done}/{self._total}] {result.name}: {result.status}, "
            f"{result.total_seconds:.1f} s\n"
        )
        self._stream.flush()
