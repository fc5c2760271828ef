"""Validation of a functional during training: errors in kcal/mol, and early stopping."""

from collections.abc import Callable, Mapping
from typing import Any

from tqdm import tqdm

from .._scf.solvers.options import DIIS, Newton
from .._xc import Functional, as_functional
from .samples import Report, Sample, training_report


class Validation:
    """A callback for `jsci.fit` that validates, shows the errors, and stops early.

    At each report of `fit` it solves the validation batch, shows the mean absolute error in
    kcal/mol, the mean number of SCF steps and how many molecules did not converge, and keeps the
    parameters with the smallest error.

    **Arguments:**

    - `functional`: as in `scf`.
    - `batch`: held-out molecules, from `training_batch`.
    - `max_steps`: Fock matrices built for one molecule before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`.
    - `patience`: reports without a smaller error after which training stops; `None` never stops.
    - `progress`: show a line below the progress bar.

    **Returns:** a callback with the attributes `best` (the `Report` with the smallest error),
    `best_params`, and `reports`, all of them by step.

    **Raises:** `ValueError` for a patience below one; when called, what `training_report` raises.

    **Good values:** `report_every` of `fit` such that training costs more than validation.

    ```python
    watch = jsci.dft.Validation(functional, held_out, patience=10)
    jsci.fit(loss, params, {"energy": data}, optimizer, steps=1000, report_every=10, callback=watch)
    watch.best_params
    ```
    """

    def __init__(
        self,
        functional: Functional | Callable,
        batch: Sample,
        *,
        max_steps: int = 100,
        solver: DIIS | Newton = DIIS(),
        patience: int | None = None,
        progress: bool = True,
    ):
        if patience is not None and patience < 1:
            raise ValueError(f"patience must be at least 1, got {patience}.")
        self.functional, self.batch = as_functional(functional), batch
        self.max_steps, self.solver, self.patience = max_steps, solver, patience
        self.reports: dict[int, Report] = {}
        self.best: Report | None = None
        self.best_params: Any = None
        self._stale = 0
        self._line = tqdm(bar_format="{desc}", position=1, disable=not progress, delay=2.0)

    def __call__(self, step: int, metrics: Mapping[str, float], params: Any) -> bool:
        options = {"max_steps": self.max_steps, "solver": self.solver}
        report = training_report(self.functional, params, self.batch, **options)
        self.reports[step] = report
        self._line.set_description_str(
            f"MAE {report.mae:.3f} kcal/mol, {report.steps:.1f} SCF steps, "
            f"{report.unconverged} unconverged"
        )
        # An unconverged molecule has no error, so leaving one out must not look like progress.
        better = self.best is None or _rank(report) < _rank(self.best)
        if better:
            self.best, self.best_params = report, params
        self._stale = 0 if better else self._stale + 1
        return self.patience is not None and self._stale >= self.patience


def _rank(report: Report) -> tuple[int, float]:
    return report.unconverged, report.mae
