"""Held-out scores under a prior of functions, beside those under silly priors and other methods."""

import numpy as np

from benchmarks.cases.bayes._regression import Setting, compared
from benchmarks.cases.bayes._tables import split
from benchmarks.runner.case import Case, Run, Size

SPLITS = {"smoke": 1, "quick": 2, "full": 5}
SHORT = Setting(adapt=200, steps=400, matching=20, training=100)


def _disagreement(found) -> float:
    """The largest median of R̂ - 1 over the inputs held out: whether chains settled."""
    return max(scores.get("R̂, median", 1.0) - 1 for one in found for scores in one.values())


def _figures(found):
    """In how many splits the matched prior is ahead, and the mean scores of each method."""
    better = sum(one["matched"]["log score"] > one["N(0, 1)"]["log score"] for one in found)
    closer = sum(one["matched"]["RMSE"] <= one["scaled"]["RMSE"] for one in found)
    rows = {
        "better log score than N(0, 1)": f"{better} of {len(found)}",
        "RMSE at most the scaled prior's": f"{closer} of {len(found)}",
    }
    for method in found[0]:
        means = {k: float(np.mean([one[method][k] for one in found])) for k in found[0][method]}
        worst = {"R̂": max(one[method].get("R̂", 1.0) for one in found)} if "R̂" in means else {}
        rows[method] = ", ".join(f"{k} {v:.3f}" for k, v in (means | worst).items())
    return rows


def _case(table: str):
    def make(size: Size) -> Run:
        split(table, 0)
        setting = SHORT if size == "smoke" else Setting()

        def step():
            return [compared(split(table, s), s, setting) for s in range(SPLITS[size])]

        return Run(
            step, (), _disagreement, host=True, figures=_figures,
            note=f"{SPLITS[size]} splits, a fifth held out; MLP 2 x 20, 4 chains of "
            f"{setting.adapt} + {setting.steps} steps of 0.2, friction 0.1",
        )  # fmt: skip

    return Case(
        f"bayes.held-out-{table}", "bayes", f"Held-out scores on {table}", make, "full",
        reference="chains that agree", tolerance=0.05, error_name="median of R̂ - 1, largest",
    )  # fmt: skip


CASES = [_case(table) for table in ("diabetes", "boston", "auto-mpg")]
