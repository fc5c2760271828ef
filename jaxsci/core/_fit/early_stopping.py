"""A callback that keeps the best parameters and stops training that no longer improves."""

import math
from collections.abc import Mapping

from jaxtyping import PyTree


class EarlyStopping:
    """A callback for `fit` that keeps the parameters of the best report, and stops after it.

    At each report it compares one metric, by default the loss on the validation samples, with the
    smallest so far.

    **Arguments:**

    - `patience`: reports without a smaller value after which training stops; `None` never stops,
        and the best parameters are kept all the same. Good values: 5 to 20.
    - `metric`: the metric to minimise: `"validation_loss"`, `"validation_<term>"`, or `"loss"` and
        the terms on the training batch.

    **Returns:** a callback with the attributes `params`, `step` and `value` of the best report;
    `None`, 0 and infinity before the first one.

    **Raises:** `ValueError` for a patience below one; when called, for a metric that is not
    reported.

    **Notes:** a value that is not finite is never the best. What the callback has seen is not part
    of a checkpoint: after resuming, it starts from the first report of the new call.

    **Good values:** `report_every` of `fit` such that training costs more than validation. Without
    it reports follow the clock, and so does when training stops.

    ```python
    best = jsci.EarlyStopping(patience=10)
    jsci.fit(loss, params, batch, optax.adam(1e-3), steps=500, validation=batch, callback=best)
    best.params
    ```
    """

    def __init__(self, *, patience: int | None = None, metric: str = "validation_loss"):
        if patience is not None and patience < 1:
            raise ValueError(f"patience must be at least 1, got {patience}.")
        self.patience, self.metric = patience, metric
        self.params: PyTree = None
        self.step, self.value = 0, math.inf
        self._stale = 0

    def __call__(self, step: int, metrics: Mapping[str, float], params: PyTree) -> bool:
        if self.metric not in metrics:
            hint = "fit(..., validation=samples)" if "validation" in self.metric else "another"
            raise ValueError(
                f"EarlyStopping(metric={self.metric!r}) is not reported: give {hint}. Reported are "
                f"{', '.join(map(repr, metrics))}."
            )
        value = metrics[self.metric]
        if math.isfinite(value) and value < self.value:
            self.params, self.step, self.value = params, step, value
            self._stale = 0
        else:
            self._stale += 1
        return self.patience is not None and self._stale >= self.patience
