"""What every measurement of a run shares."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from .case import Size
from .measure.budget import BUDGETS, Budget
from .measure.timing import Clock


def silent(stage: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Session:
    """How a case is to be measured.

    **Arguments:**

    - `size`: the tier, which decides the size of the problems.
    - `budget`: what may be spent on this case.
    - `peers`: whether peers are run.
    - `say`: told what is being done, for the progress line.
    - `clock`: seconds, from any origin.
    """

    size: Size
    budget: Budget
    peers: bool = False
    say: Callable[[str], None] = silent
    clock: Clock = time.perf_counter

    @classmethod
    def of(cls, size: Size, *, peers: bool = False, slowness: float = 1.0) -> "Session":
        """A session with the tier's own budget, on a machine so many times slower."""
        return cls(size, BUDGETS[size].on(slowness), peers=peers)
