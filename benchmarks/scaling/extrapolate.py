"""From the counts to many devices: how much work a device needs before more of them pay off.

A step of m items on each of n devices takes

    t = w(m, n) / F + r(m, n) / F + Σ (τ + passes · b(m, n) (n - 1) / (n B))

with w the work of one device that is shared out, r what every device repeats, and b the bytes of
an operation between them. Counts over 2, 4 and 8 devices, flops = W / n + R, give w and r.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.scaling.study import Row

DEVICES = (8, 64, 512)
MOST_ITEMS = 2**30


@dataclass(frozen=True)
class Machine:
    """What a link and a device are assumed to do.

    **Arguments:**

    - `flops`: a second, of small products in float64.
    - `bandwidth`, `latency`: bytes a second that one device sends, and seconds of one operation:
      inside a machine of `together` devices, and between machines.
    """

    flops: float = 5e12
    together: int = 8
    bandwidth: tuple[float, float] = (300e9, 25e9)
    latency: tuple[float, float] = (10e-6, 30e-6)


def fewest_items(order: int, rows: Sequence[Row], devices: int, machine: Machine) -> int | None:
    """The power of two of items per device from which at least half of a step is shared work.

    `rows` are the strong study's, `order` is the problem's; `None` if no number is enough.
    """
    shared, repeated = _work(rows)
    last = max(rows, key=lambda row: row.devices)
    apart = devices > machine.together
    items = 1
    while items <= MOST_ITEMS:
        growth = items * devices / last.items
        work = shared / devices * growth**order
        lost = repeated * growth ** (order - 1)
        lost += machine.flops * sum(
            t.count * machine.latency[apart]
            + _at(t.sent, last.devices, devices) * growth ** (order - 1) / machine.bandwidth[apart]
            for t in last.traffic
            if t.loops >= 0
        )
        if work >= lost:
            return items
        items *= 2
    return None


def _work(rows: Sequence[Row]) -> tuple[float, float]:
    """W and R of flops = W / n + R, by least squares over more than one device."""
    counted = [(1 / row.devices, row.flops) for row in rows if row.devices > 1 and row.flops]
    inverse, flops = np.array(counted).T
    (shared, repeated), *_ = np.linalg.lstsq(np.stack([inverse, 1 + 0 * inverse], 1), flops)
    return float(shared), max(float(repeated), 0.0)


def _at(sent: float, measured: int, devices: int) -> float:
    """Bytes sent over so many devices, from those sent over the measured number."""
    return sent * (measured / (measured - 1)) * ((devices - 1) / devices)
