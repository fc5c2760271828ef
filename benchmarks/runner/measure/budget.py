"""How much time and memory each tier may spend."""

import math
from dataclasses import dataclass, replace

from ..case import Size

GIB = 2**30


@dataclass(frozen=True)
class Budget:
    """Limits of one tier.

    **Arguments:**

    - `pairs`: interleaved pairs at least; more while `pair_seconds` last.
    - `pair_seconds`: for one comparison, past the least number of pairs.
    - `batch_seconds`: for one throughput curve, compilation included.
    - `memory_bytes`: a batch whose program XLA predicts to need more is not run.
    - `total_seconds`: what the whole run aims at; as it is used up, there are fewer pairs and
      shorter curves, down to `pairs` and to three quarters of `batch_seconds`.
    """

    pairs: int
    pair_seconds: float
    batch_seconds: float
    memory_bytes: int
    total_seconds: float

    def share(self, elapsed: float, cases_left: int) -> "Budget":
        """The budget of the next case, so that the cases left still fit into the total."""
        fair = max(self.total_seconds - elapsed, 0.0) / max(cases_left, 1)
        return replace(
            self,
            pair_seconds=min(self.pair_seconds, 0.2 * fair),
            batch_seconds=min(self.batch_seconds, max(0.4 * fair, 0.75 * self.batch_seconds)),
        )

    def on(self, slowness: float) -> "Budget":
        """The budget of a machine so many times slower: shorter repetitions of the same problems.

        A run that aims at no total, as the full one, repeats as often everywhere.
        """
        if math.isinf(self.total_seconds):
            return self
        return replace(
            self,
            pair_seconds=self.pair_seconds / slowness,
            batch_seconds=self.batch_seconds / slowness,
        )


BUDGETS: dict[Size, Budget] = {
    "smoke": Budget(5, 0.5, 4.0, 1 * GIB, 60.0),
    "quick": Budget(5, 2.0, 10.0, 4 * GIB, 200.0),
    "full": Budget(20, 20.0, 180.0, 16 * GIB, float("inf")),
}
