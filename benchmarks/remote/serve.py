"""The peer's side of `benchmarks.remote`: builds a case, runs it, saves what it returned."""

import json
import sys
from typing import Any

import numpy as np


def serve(build):
    """Answer the lines of stdin; `build(case, arrays)` returns a function without arguments."""
    answers, sys.stdout = sys.stdout, sys.stderr  # a peer that prints must not answer for us
    program: Any = None
    last: Any = None
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if "build" in message:
                program = build(message["build"], dict(np.load(message["inputs"])))
            elif "run" in message:
                last = program()
            else:
                np.save(message["save"], np.asarray(last))
            answer = "done"
        except Exception as problem:
            answer = f"{type(problem).__name__}: {problem}".replace("\n", " ")[:500]
        print(answer, file=answers, flush=True)
