"""Relaxed structures: no forces, and no stress where the cell is free."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PyTree

from ...core import compiled_call
from .._properties.properties import Properties
from .._structure.atoms import Atoms, moved
from .._structure.neighbour_list import NeighbourList
from .._structure.units import EV_PER_CUBIC_ANGSTROM_IN_GPA
from .descent import METHODS


class Relaxed(NamedTuple):
    """What `relax` returns.

    - `atoms`: the relaxed structure.
    - `energy`: eV.
    - `forces`: (atoms, 3), eV/Å.
    - `stress`: (3, 3), eV/Å³; `None` for molecules.
    - `converged`: whether forces, and the stress of a free cell, are below the limits.
    - `steps`: how many were taken.
    """

    atoms: Atoms
    energy: Float[Array, "*b"]
    forces: Float[Array, "*b n 3"]
    stress: Float[Array, "*b 3 3"] | None
    converged: Bool[Array, "*b"]
    steps: Int[Array, "*b"]

    def __repr__(self) -> str:
        if not eqx.is_array(self.energy) or isinstance(self.energy, Tracer):
            return tuple.__repr__(self)
        if self.energy.ndim == 0:
            done = "converged" if self.converged else "NOT converged"
            return f"Relaxed(energy={self.energy:.6f} eV, {done} in {self.steps} steps)"
        count, done = self.energy.size, int(jnp.sum(self.converged))
        return f"Relaxed({done} of {count} converged, steps<={int(jnp.max(self.steps))})"


class _Search(NamedTuple):
    x: Array  # positions as the undeformed cell has them, and N times the deformation
    memory: PyTree  # of the method
    graph: PyTree
    built: Atoms
    found: Properties
    step: Array


def relax(
    f: Callable[..., Properties],
    params: PyTree,
    atoms: Atoms,
    nearby: NeighbourList,
    *,
    cell: bool = False,
    pressure: float = 0.0,
    fmax: float = 1e-3,
    smax: float = 1e-4,
    steps: int = 1000,
    method: Literal["fire", "lbfgs"] = "fire",
) -> Relaxed:
    """The structure of least energy near a given one.

    It minimises the enthalpy E + P V over positions, and with `cell=True` over the deformation of
    the cell too.

    **Arguments:**

    - `f`: `f(params, atoms, graph)`, of `properties`.
    - `params`: its parameters.
    - `atoms`: one structure. For several of one shape take
        `jax.vmap(lambda a: relax(f, params, a, nearby))(stacked)`: each stops where it converges.
    - `nearby`: its neighbours, `NeighbourList(atoms, cutoff)`; of the stack for several.
    - `cell`: also relax the cell.
    - `pressure`: P, GPa, of a free cell.
    - `fmax`: the largest force on an atom, eV/Å.
    - `smax`: the largest component of σ + P of a free cell, eV/Å³.
    - `steps`: the most that are taken.
    - `method`: `"fire"`, the fast inertial relaxation engine, or `"lbfgs"`, which learns the
        curvature from its last steps and takes fewer of them; it has no line search.

    **Returns:** `Relaxed`.

    **Raises:** `ValueError` for limits that are not positive, a molecule with `cell=True`, a
    pressure without it, or another method.

    **Notes:** without convergence, or once an energy is not finite, `converged` is false, and the
    structure is the last one. Positions move with the cell. Where the curvature is negative, as in
    a bond stretched far beyond its length, `"lbfgs"` has none to learn and only creeps downhill.

    **Good values:** `fmax=1e-3`; phonons need 1e-5. `"fire"` far from a minimum, `"lbfgs"` near it.

    **Source:** Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006); Liu & Nocedal, Math. Program. 45,
    503 (1989).

    ```python
    relaxed = jsci.atoms.relax(f, params, salt, nearby, cell=True)
    relaxed.converged  # True
    ```
    """
    if not (fmax > 0 and smax > 0 and steps > 0):
        raise ValueError(f"fmax, smax, steps must be positive, got {fmax}, {smax}, {steps}.")
    if cell and atoms.cell is None:
        raise ValueError("relax(cell=True) needs a crystal: a molecule has no cell.")
    if not cell and pressure != 0.0:
        raise ValueError(f"pressure={pressure} moves a free cell alone: give cell=True.")
    if method not in METHODS:
        raise ValueError(f"method must be 'fire' or 'lbfgs', got {method!r}.")
    descent = METHODS[method]

    def search(params, atoms, graph):
        space = _Space(atoms, cell, pressure / EV_PER_CUBIC_ANGSTROM_IN_GPA, fmax, smax)

        def evaluate(x, graph, built):
            now = space.atoms_at(x)
            stale = nearby.stale(now, built)
            graph, built = jax.lax.cond(stale, lambda: (nearby(now), now), lambda: (graph, built))
            return graph, built, f(params, now, graph)

        def going(s: _Search):
            return ~space.done(s) & (s.step < steps) & jnp.isfinite(s.found.energy)

        def step(s: _Search):
            x, memory = descent.step(s.memory, s.x, space.force(s))
            graph, built, found = evaluate(x, s.graph, s.built)
            return _Search(x, memory, graph, built, found, s.step + 1)

        x, found = space.start(), f(params, atoms, graph)
        begin = _Search(x, descent.start(x), graph, atoms, found, jnp.array(0))
        end = jax.lax.while_loop(going, step, begin)
        energy, forces, stress, _ = end.found
        return Relaxed(space.atoms_at(end.x), energy, forces, stress, space.done(end), end.step)

    return compiled_call(search, params, atoms, nearby(atoms))


class _Space(NamedTuple):
    """Coordinates in which positions and cell have forces of one size."""

    atoms: Atoms
    cell: bool
    pressure: float
    fmax: float
    smax: float

    def start(self):
        deformation = self._count() * jnp.eye(3, dtype=self.atoms.positions.dtype)
        rows = [self.atoms.positions, deformation] if self.cell else [self.atoms.positions]
        return jnp.concatenate(rows)

    def atoms_at(self, x) -> Atoms:
        if not self.cell:
            return moved(self.atoms, x)
        deformation = x[-3:] / self._count()
        return moved(self.atoms, x[:-3] @ deformation, self.atoms.cell @ deformation)

    def force(self, s: _Search):
        """-d(E + P V)/dx."""
        if not self.cell:
            return s.found.forces
        deformation = s.x[-3:] / self._count()
        virial = self._stress(s) * self.atoms_at(s.x).volume
        pull = -jnp.linalg.solve(deformation.T, virial) / self._count()
        return jnp.concatenate([s.found.forces @ deformation.T, pull])

    def done(self, s: _Search):
        calm = jnp.all(jnp.sum(s.found.forces**2, axis=1) < self.fmax**2)
        if self.cell:
            calm = calm & jnp.all(jnp.abs(self._stress(s)) < self.smax)
        return calm | ~jnp.any(self.atoms.mask)  # a structure of padding is as it should be

    def _stress(self, s: _Search):
        assert s.found.stress is not None
        return s.found.stress + self.pressure * jnp.eye(3, dtype=s.x.dtype)

    def _count(self):
        return jnp.maximum(jnp.sum(self.atoms.mask), 1).astype(self.atoms.positions.dtype)
