"""Many molecules, here in one program and by PySCF one after the other."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.cases.dft._problems import FAMILIES, LEARNED, PREDICTED, distorted

GEOMETRIES = LEARNED | PREDICTED | FAMILIES
# Both ends of a relaxation are within this of the minimum: a tenth of geomeTRIC's defaults.
TIGHT = {"energy": 1e-7, "grms": 3e-5, "gmax": 4.5e-5, "drms": 1.2e-4, "dmax": 1.8e-4}


def several(names: list[str], count: int) -> list[Any]:
    """`count` distorted geometries of each kind, one kind after the other."""
    rng = np.random.default_rng(0)
    return [atoms for name in names for atoms in distorted(GEOMETRIES[name], rng, count)]


def cpu_seconds(f: Callable[[], Any]) -> tuple[Any, float]:
    """What a function returns, and the processor's seconds on all cores that it took."""
    before = time.process_time()
    found = jax.block_until_ready(f())
    return found, time.process_time() - before


def both(
    ours: Callable[[], Any], theirs: Callable[[], Any], count: int, figures: dict[str, Any]
) -> tuple[Any, Any]:
    """Both results; the figures get the times of our second call, which compiles nothing."""
    _, first = cpu_seconds(ours)
    found, mine = cpu_seconds(ours)
    reference, other = cpu_seconds(theirs)
    figures |= {
        "molecules": count,
        "CPU seconds": f"{mine:.2f} (the first time {first:.2f})",
        "CPU seconds of PySCF": f"{other:.2f}",
        "ratio": f"{other / mine:.2f}",
    }
    return found, reference
