"""A quasi-Newton method for one molecule in internal coordinates, one step at a time."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.linalg
import scipy.optimize

from ..._basis.units import BOHR_IN_ANGSTROM
from .coordinates import SMALLEST_SLOPE, Coordinate, Internals, internals

# Lengths of a step in internal coordinates (Bohr and radians).
_FIRST_RADIUS, _LARGEST_RADIUS, _SMALLEST_RADIUS = 0.5, 1.0, 1e-3
# The energy may rise by this much (Hartree) before a step is taken back: its own error.
_RISE = 1e-6
# Angles beyond which internal coordinates are chosen anew (radians).
_STRAIGHT = 3.05
_BACK_STEPS, _BACK_TOLERANCE = 30, 1e-8
# The least curvature of the Hessian's model that an update may leave, as a share of a step's own.
_CURVED = 1e-8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Criteria:
    """When a geometry is relaxed: all five at once, as in geomeTRIC, whose defaults these are.

    **Arguments:**

    - `energy`: change of the energy in the last step, Hartree.
    - `grms`, `gmax`: root mean square and largest of the atoms' gradients, Hartree/Bohr.
    - `drms`, `dmax`: the same of the atoms' displacements in the last step, ångström.

    **Raises:** `ValueError` for one that is not positive.

    **Source:** Wang & Song, J. Chem. Phys. 144, 214108 (2016): geomeTRIC.

    ```python
    jsci.dft.Criteria(gmax=1e-4, grms=5e-5)
    ```
    """

    energy: float = 1e-6
    grms: float = 3e-4
    gmax: float = 4.5e-4
    drms: float = 1.2e-3
    dmax: float = 1.8e-3

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value!r}.")

    def met(self, change: float, gradient: np.ndarray, moved: np.ndarray) -> bool:
        """Whether the last step, of displacement `moved` in Bohr, ended at a relaxed geometry."""
        g = np.linalg.norm(gradient, axis=1)
        d = np.linalg.norm(moved, axis=1) * BOHR_IN_ANGSTROM
        rms = np.sqrt(np.mean([g**2, d**2], axis=1))
        below = abs(change) < self.energy and rms[0] < self.grms and rms[1] < self.drms
        return bool(below and np.max(g, initial=0) < self.gmax and np.max(d, initial=0) < self.dmax)


class Optimiser:
    """The state of one molecule's relaxation: `tell` it energy and gradient, move to `position`.

    Steps minimise a quadratic model within a trust radius, in an orthonormal basis of the internal
    coordinates that are free. The model begins with Lindh's force constants and is updated by
    Broyden, Fletcher, Goldfarb and Shanno's formula.
    """

    def __init__(
        self,
        position: np.ndarray,
        elements: np.ndarray,
        criteria: Criteria,
        fixed: Sequence[int] = (),
        held: Sequence[Coordinate] = (),
    ):
        self.position = np.array(position, float)
        self.elements, self.criteria, self.fixed, self.held = elements, criteria, fixed, held
        self.radius = _FIRST_RADIUS
        self.converged = False
        self.best: tuple[np.ndarray, float, np.ndarray] | None = None
        self.predicted = self.length = 0.0
        self.targets: np.ndarray | None = None
        self._begin()

    def _begin(self) -> None:
        """Internal coordinates and the model Hessian, chosen for this geometry."""
        self.coordinates: Internals = internals(self.position, self.elements, self.fixed, self.held)
        self.hessian = np.diag(self.coordinates.stiffness)
        if self.targets is None:
            self.targets = self._held_values()

    def _held_values(self) -> np.ndarray:
        return self.coordinates.primitives.values(self.position)[self.coordinates.held]

    def tell(self, energy: float, gradient: np.ndarray) -> None:
        """Energy (Hartree) and gradient (Hartree/Bohr) at `position`: moves it, or converges."""
        gradient = self._free(gradient)
        if self.best is not None:
            old, lowest, slope = self.best
            change = energy - lowest
            self._learn(self.position, gradient, old, slope)
            self._trust(change)
            if change > _RISE:
                self.radius = 0.5 * min(self.radius, self.length)
                self._step()
                return
            moved = _aligned(self.position, old, bool(self.fixed)) - old
            self.converged = self.criteria.met(change, gradient, moved)
        self.best = self.position, energy, gradient
        if not self.converged:
            self._step()

    def retreat(self) -> bool:
        """Half-way back from a geometry without an energy; false where there is none to go to."""
        self.radius = 0.5 * min(self.radius, self.length)
        if self.best is None or self.radius < _SMALLEST_RADIUS:
            return False
        self._step()
        return True

    def _free(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient along what is free: not constraints, nor turning or shifting everything.

        Only the grid's error turns or shifts a whole molecule.
        """
        slopes = self.coordinates.primitives.slopes(self.position)
        _, _, across = _singular(slopes)
        flat = across.T @ (across @ gradient.ravel())
        rows = slopes[self.coordinates.held]
        if len(rows):
            basis = scipy.linalg.orth(rows.T, rcond=1e-8)
            flat = flat - basis @ (basis.T @ flat)
        return flat.reshape(gradient.shape)

    def _learn(self, x, gradient, old, slope) -> None:
        """Update the Hessian by the change of the gradient between two geometries."""
        q = self.coordinates.primitives
        s = q.difference(q.values(x), q.values(old))
        y = _internal(q.slopes(x), gradient) - _internal(q.slopes(old), slope)
        image = self.hessian @ s
        curvature, known = s @ y, s @ image
        if known <= 0:
            return
        if curvature < 0.2 * known:  # Powell's damping keeps the model positive
            share = 0.8 * known / (known - curvature)
            y = share * y + (1 - share) * image
            curvature = s @ y
        if curvature > _CURVED * (s @ s):
            self.hessian += np.outer(y, y) / curvature - np.outer(image, image) / known

    def _trust(self, change: float) -> None:
        """Lengthen the radius where the model predicted the energy, shorten it where it did not."""
        if abs(self.predicted) < _RISE:
            return
        ratio = change / self.predicted
        if ratio > 0.75:
            self.radius = min(2 * self.radius, _LARGEST_RADIUS)
        elif ratio < 0.25:
            self.radius = max(0.5 * min(self.radius, self.length), _SMALLEST_RADIUS)

    def _step(self) -> None:
        """From the best geometry to the minimum of the model within the trust radius."""
        assert self.best is not None
        self.position, _, gradient = self.best
        if self._straight():
            self._begin()
        q, held = self.coordinates.primitives, self.coordinates.held
        slopes = q.slopes(self.position)
        span, size, across = _singular(slopes)
        free = span @ scipy.linalg.null_space(span[held]) if held.any() else span
        downhill = free.T @ (span @ ((across @ gradient.ravel()) / size))
        model = free.T @ self.hessian @ free
        step = _within(model, downhill, self.radius)
        self.length = float(np.linalg.norm(step))
        self.predicted = float(downhill @ step + 0.5 * step @ model @ step)
        drift = self._held_values() - self.targets
        back = span @ (np.linalg.pinv(span[held]) @ drift)
        self.position = _moved(q, self.position, free @ step - back)

    def _straight(self) -> bool:
        q = self.coordinates.primitives
        angles = q.values(self.position)[len(q.distances) :][: len(q.angles)]
        return bool(np.any(angles > _STRAIGHT))


def _singular(slopes: np.ndarray):
    """B = U s Vᵀ without what is zero."""
    u, s, v = np.linalg.svd(slopes, full_matrices=False)
    kept = s > SMALLEST_SLOPE
    return u[:, kept], s[kept], v[kept]


def _internal(slopes: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The gradient in internal coordinates, (Bᵀ)⁺ g."""
    u, s, v = _singular(slopes)
    return u @ ((v @ gradient.ravel()) / s)


def _within(model: np.ndarray, gradient: np.ndarray, radius: float) -> np.ndarray:
    """argmin ⟨g, s⟩ + ½ ⟨s, H s⟩ for |s| <= radius."""
    values, vectors = np.linalg.eigh(model)
    g = vectors.T @ gradient

    def step(shift):
        return -g / (values + shift)

    least = max(0.0, 1e-6 - values.min(initial=0.0))
    excess = lambda shift: np.linalg.norm(step(shift)) - radius  # noqa: E731
    if excess(least) <= 0:
        return vectors @ step(least)
    largest = least + np.linalg.norm(g) / radius
    return vectors @ step(scipy.optimize.brentq(excess, least, largest))


def _moved(q, x: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Positions whose internal coordinates have changed by `step`, as closely as they can."""
    start, found, last = q.values(x), x, np.inf
    for _ in range(_BACK_STEPS):
        missing = step - q.difference(q.values(found), start)
        u, s, v = _singular(q.slopes(found))
        change = v.T @ ((u.T @ missing) / s)
        size = np.linalg.norm(change)
        if size > 2 * last:  # no geometry has these coordinates: the last one is close
            break
        found, last = found + change.reshape(x.shape), size
        if size < _BACK_TOLERANCE:
            break
    return found


def _aligned(x: np.ndarray, target: np.ndarray, fixed: bool) -> np.ndarray:
    """x moved and turned onto the target, unless fixed atoms hold it in place.

    **Source:** Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    if fixed:
        return x
    a, b = x - x.mean(0), target - target.mean(0)
    u, _, v = np.linalg.svd(a.T @ b)
    u[:, -1] *= np.sign(np.linalg.det(u @ v))
    return a @ u @ v + target.mean(0)
