"""Which molecules should share a shape: those whose padding costs the least work."""

from collections.abc import Sequence

import numpy as np

from .molecule import Molecule
from .spins import Spins
from .stack import common_shells

# Of a molecule, or the largest of several: what tells whether they can share a shape at all, what
# determines the work, and then the number of shells of each angular momentum and contraction.
_KIND, _SPINS, _NO_COARSE, _ATOMS, _NAO, _AUXILIARY, _POINTS, _COARSE, _SHELLS = range(9)

# Work of a step of the SCF for a point, and for an integral (which is read from memory), if that
# for a product of two functions at a point is 1. Measured on a CPU.
_POINT, _INTEGRAL = 400, 10
# Of the steps, those on the full grid where there is a coarse one.
_FULL_STEPS = 0.3


def groups(molecules: Sequence[Molecule], most: int) -> list[list[int]]:
    """At most `most` groups of molecules, by number, whose padding to one shape costs little work.

    Groups are joined two at a time, always those that add the least work.
    """
    if not molecules:
        return []
    different, same = np.unique(sizes(molecules), axis=0, return_inverse=True)
    found = _Groups(different, np.bincount(same.ravel()))
    while found.left > most:
        found.join()
    numbers = found.group[same.ravel()]
    return [np.flatnonzero(numbers == group).tolist() for group in np.unique(numbers)]


def sizes(molecules: Sequence[Molecule]) -> np.ndarray:
    """One row per molecule."""
    shells = common_shells([m.basis for m in molecules])
    kinds = [
        (
            m.fit is None,
            m.basis.cartesian,
            m.long_range and m.long_range.omega,
            tuple(sorted(m.extras)),
        )
        for m in molecules
    ]
    known = list(dict.fromkeys(kinds))
    return np.array(
        [
            [
                known.index(kind),
                list(Spins).index(m.spins),
                m.grid.coarse is None,
                m.charges.shape[0],
                m.size,
                0 if m.fit is None else m.fit.shape[0],
                m.grid.size,
                0 if m.grid.coarse is None else m.grid.coarse.size,
                *(common_shells([m.basis]).get(shell, 0) for shell in shells),
            ]
            for m, kind in zip(molecules, kinds, strict=True)
        ]
    )


def work(sizes: np.ndarray) -> np.ndarray:
    """The work for a molecule of these sizes, but for a factor."""
    nao, auxiliary = sizes[..., _NAO].astype(float), sizes[..., _AUXILIARY]
    full, coarse = sizes[..., _POINTS], sizes[..., _COARSE]
    points = np.where(sizes[..., _NO_COARSE] > 0, full, coarse + _FULL_STEPS * full)
    spins = np.where(sizes[..., _SPINS] > 0, 2, 1)
    pairs = nao * (nao + 1) / 2
    integrals = pairs * np.where(auxiliary > 0, auxiliary, pairs)
    return points * (spins * nao**2 + _POINT) + _INTEGRAL * integrals


class _Groups:
    """Groups of molecules, each with the other that it is best joined with.

    - `sizes`: the largest of each group; `count`: of its molecules.
    - `group`: where each of the first rows is now.
    - `partner`, `cost`: the best other group, and the work that joining would add.
    """

    def __init__(self, sizes: np.ndarray, count: np.ndarray):
        self.sizes, self.count = sizes.copy(), count.copy()
        self.group = np.arange(len(sizes))
        costs = [self._costs(i) for i in range(len(sizes))]
        self.partner = np.array([int(np.argmin(row)) for row in costs])
        self.cost = np.array([row.min() for row in costs])

    @property
    def left(self) -> int:
        """Number of groups."""
        return int(np.sum(self.count > 0))

    def join(self) -> None:
        """Join the two that add the least work."""
        i = int(np.argmin(self.cost))
        if np.isinf(self.cost[i]):
            raise ValueError(
                f"the molecules are of {self.left} kinds that padding cannot make equal, such as "
                "full integrals and density fitting, or other ranges omega: take at least "
                f"buckets={self.left}, or build all molecules with the same."
            )
        j = int(self.partner[i])
        self.sizes[i] = np.maximum(self.sizes[i], self.sizes[j])
        self.count[i] += self.count[j]
        self.group[self.group == j] = i
        self.count[j], self.cost[j] = 0, np.inf
        stale = (self.count > 0) & np.isin(self.partner, (i, j))
        stale[i] = True
        for k in map(int, np.flatnonzero(stale)):
            costs = self._costs(k)
            self.partner[k], self.cost[k] = np.argmin(costs), costs.min()
        costs = self._costs(i)
        better = costs < self.cost
        self.partner[better], self.cost[better] = i, costs[better]

    def _costs(self, i: int) -> np.ndarray:
        """The work that is added if group i is joined with each of the others."""
        sizes, count, own = self.sizes, self.count, self.sizes[i]
        joined = (count + count[i]) * work(np.maximum(sizes, own))
        added = joined - count * work(sizes) - count[i] * work(own)
        open_shells = (sizes[:, _SPINS] > 0) & (own[_SPINS] > 0)
        clash = open_shells & (sizes[:, _SPINS] != own[_SPINS])
        clash |= (sizes[:, _KIND] != own[_KIND]) | (count == 0) | (count[i] == 0)
        clash[i] = True
        return np.where(clash, np.inf, added)
