"""The progress bar, callback and validation of `fit`, between chunks of steps."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree
from tqdm import tqdm

from .._train.objective import Objective


class Reports:
    """The progress bar, the callback, and the loss on the validation samples."""

    def __init__(
        self, objective: Objective | Callable, validation: Any, callback: Callable | None, bar: tqdm
    ):
        self.objective, self.validation = objective, validation
        self.callback, self.bar = callback, bar
        self._checks: list[dict[str, Any]] = []

    def show(self, step: int, metrics: dict[str, float], params: PyTree) -> dict[str, float]:
        """Show the metrics on the bar, with those of the validation samples."""
        if self.validation is not None:
            check = _measured(self.objective, params, self.validation)
            self._checks.append({"step": step, **check})
            metrics = metrics | {f"validation_{name}": float(v) for name, v in check.items()}
        # A refresh would show the bar at once, and at every report.
        self.bar.set_postfix({name: f"{v:.2e}" for name, v in metrics.items()}, refresh=False)
        return metrics

    def tell(self, step: int, metrics: dict[str, float], params: PyTree) -> bool:
        """Call the callback; whether it wants to stop."""
        if self.callback is None:
            return False
        # Copies of the containers: the callback may write into them.
        return bool(self.callback(step, metrics, jax.tree.map(lambda leaf: leaf, params)))

    def columns(self) -> dict[str, Array]:
        """One array per metric of the validation samples, and the steps of the reports."""
        names = self._checks[0] if self._checks else ()
        return {name: jnp.array([check[name] for check in self._checks]) for name in names}


@eqx.filter_jit
def _measured(objective, params, batch):
    if not isinstance(objective, Objective):
        return {"loss": objective(params, batch)}
    terms = objective.terms(params, batch)
    return {"loss": objective.weighted(terms), **terms}
