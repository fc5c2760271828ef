"""Energies along a coordinate, each point relaxed under a constraint or with all else rigid."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ....core import Failure, require_x64
from ..._basis.units import BOHR_IN_ANGSTROM
from ..._scf.result import SCFResult
from ..._scf.solvers.options import DIIS, Iteration, Newton
from ..._system.molecule import Molecule
from ..._xc import Functional, as_functional
from .coordinates import Coordinate, check_bent, check_coordinate
from .displaced import as_primitive, displaced
from .optimiser import Criteria
from .relax import Run, advance, as_given, check_fixed, check_many, members_of, optimiser_of
from .surface import Job, Point, Surface

_UNMOVED = 1e-6  # Bohr or radians, by which a coordinate that is held may change


class Scan(eqx.Module):
    """Points along a coordinate, on axis 0; of a stack, the molecules follow on axis 1.

    **Arguments:**

    - `values`: of the coordinate, ångström or degrees.
    - `energies`: Hartree, at a temperature the free energies; NaN where no SCF converged.
    - `positions`: of the nuclei, Bohr.
    - `converged`: whether the SCF converged and, if the rest was to relax, whether it is relaxed.

    ```python
    curve = jsci.dft.scan(water, functional, coordinate=(0, 1), values=[0.9, 1.0], relaxed=False)
    curve.values, curve.energies
    ```
    """

    values: Float[Array, " points"]
    energies: Float[Array, "points *batch"]
    positions: Float[Array, "points *batch atoms 3"]
    converged: Bool[Array, "points *batch"]


def scan(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    coordinate: Coordinate,
    values: Sequence[float] | Float[Array, " points"],
    relaxed: bool = True,
    criteria: Criteria = Criteria(),
    fixed: Sequence[int] = (),
    held: Sequence[Coordinate] = (),
    result: SCFResult | None = None,
    max_steps: int = 100,
    tolerance: float = 1e-10,
    solver: DIIS | Newton = DIIS(),
    batch_size: int | None = None,
    progress: bool = True,
) -> Scan:
    """The energy at given values of a bond length, an angle or a dihedral.

        E(q₀) = min_R E(R) with q(R) = q₀

    What is bonded to one end of the coordinate moves as a whole. Then all else relaxes, each point
    from the geometry and density of the last; with `relaxed=False` it stays, and all points are
    solved from the first density. One program solves all points, and of a stack all molecules.

    **Arguments:**

    - `molecule`: one molecule, or a `stack` of several, which need not be the same compound.
    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `coordinate`: two atoms for their distance, three for the angle at the second, four for the
        dihedral about the middle two, numbered from 0.
    - `values`: of the coordinate in the order in which they are visited: ångström, or degrees.
    - `relaxed`: whether all else relaxes.
    - `criteria`: as in `relax`.
    - `fixed`, `held`: atoms and other coordinates that stay, as in `relax`.
    - `result`: what `scf` returned for the molecule, or for the stack, to begin with.
    - `max_steps`: geometries of each molecule at each point before giving up.
    - `tolerance`: of the energy of each SCF, Hartree.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`.
    - `batch_size`: geometries solved at once, as in `relax`.
    - `progress`: show a progress bar where relaxing a point takes more than two seconds.

    **Returns:** a `Scan`.

    **Raises:** what `relax` raises; `ValueError` for distances that are not positive, angles that
    are not between 0 and 180 degrees, for dihedrals over a straight angle, fixed atoms on both
    sides, coordinates held that the scan would change, and rings with `relaxed=False`. It warns of
    points that did not converge.

    **Notes:** it runs outside of `jit`. A relaxed scan follows one valley: where it falls into
    another, the curve is discontinuous, at another place if the scan is reversed.

    **Good values:** steps of 0.1 ångström, 5 degrees of an angle, 10 of a dihedral.

    ```python
    curve = jsci.dft.scan(
        water, jsci.dft.xc("hf"), coordinate=(1, 0, 2), values=[100.0, 105.0], progress=False
    )
    curve.energies - curve.energies.min()
    ```
    """
    require_x64("jsci.dft.scan")
    functional = as_functional(functional)
    Iteration.checked(tolerance, max_steps, solver)
    check_many(molecule, functional, "scan")
    members = members_of(molecule, result, "scan")
    for m, _ in members:
        atoms = int(np.sum(m.atom_mask))
        check_coordinate(coordinate, atoms, "coordinate")
        check_fixed(fixed, atoms)
        if len(coordinate) == 4:
            check_bent(np.asarray(m.coordinates), coordinate, "coordinate")
    wanted = _checked(values, len(coordinate))
    surface = Surface(
        functional, params, tolerance=tolerance, max_steps=100, solver=solver, batch_size=batch_size
    )
    if relaxed:
        limits = (criteria, list(fixed), [*held, tuple(coordinate)])
        points = _relaxed(members, surface, wanted, limits, max_steps, progress)
    else:
        points = _rigid(members, surface, coordinate, wanted, fixed, held)
    _warn(points)
    rows = [as_given(molecule, row) for row in points]
    energies, positions, converged = (jnp.stack(x) for x in zip(*rows, strict=True))
    shown = jnp.asarray(wanted * _unit(len(coordinate)))
    return Scan(shown, energies, positions, converged)


def _unit(atoms: int) -> float:
    """Ångström or degrees of the coordinate's own unit."""
    return BOHR_IN_ANGSTROM if atoms == 2 else 180 / np.pi


def _checked(values: Any, atoms: int) -> np.ndarray:
    try:
        found = np.asarray(values, float)
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.ndim != 1 or found.size == 0 or not np.isfinite(found).all():
        raise ValueError(f"values must be a row of finite numbers, got {values!r}.")
    if atoms == 2 and np.any(found <= 0):
        raise ValueError(f"distances must be positive (ångström), got {found.min():g}.")
    if atoms == 3 and not np.all((found > 0) & (found < 180)):
        raise ValueError(f"angles must be between 0 and 180 degrees, got {values!r}.")
    return found / _unit(atoms)


def _at(m: Molecule, coordinate, value, fixed, held, *, rigid: bool) -> np.ndarray:
    """The positions of the molecule's own atoms with the coordinate at a value."""
    atoms = int(np.sum(m.atom_mask))
    x, elements = np.asarray(m.coordinates)[:atoms], np.asarray(m.libcint.elements)[:atoms]
    moved = displaced(x, elements, coordinate, value, fixed=fixed, rigid=rigid)
    for other in held:
        q = as_primitive(check_coordinate(other, atoms, "held"))
        if np.abs(q.difference(q.values(moved), q.values(x))).max() > _UNMOVED:
            raise ValueError(
                f"held {tuple(other)} changes with the coordinate {tuple(coordinate)}: "
                "leave it out."
            )
    return moved


def _relaxed(members, surface, values, limits, max_steps, progress) -> list[list[tuple]]:
    criteria, fixed, held = limits
    *others, coordinate = held
    rows = []
    for value in values:
        runs = []
        for m, density in members:
            place = _at(m, coordinate, value, fixed, others, rigid=False)
            runs.append(Run(optimiser_of(m, place, criteria, fixed, held), m, density))
        advance(runs, surface, max_steps, progress)
        found = [run.relaxed() for run in runs]
        rows.append([(r.energy, r.positions, r.converged) for r in found])
        # Where nothing was solved, the next point begins with the geometry of the last.
        members = [
            (run.best.molecule, np.asarray(run.best.result.density_matrix)) if run.best else member
            for run, member in zip(runs, members, strict=True)
        ]
    return rows


def _rigid(members, surface, coordinate, values, fixed, held) -> list[list[tuple]]:
    jobs = []
    for value in values:
        for m, density in members:
            positions = np.array(m.coordinates)
            place = _at(m, coordinate, value, fixed, held, rigid=True)
            positions[: len(place)] = place
            jobs.append(Job(m, positions, density))
    found: list[Any] = [None] * len(jobs)
    for i, point in surface(jobs):
        found[i] = _summary(jobs[i], point)
    return [found[i : i + len(members)] for i in range(0, len(found), len(members))]


def _summary(job: Job, point: Point | Failure) -> tuple:
    if isinstance(point, Failure):
        return jnp.asarray(jnp.nan), jnp.asarray(job.positions), jnp.asarray(False)
    done = point.result.converged
    energy = jnp.where(done, point.result.free_energy, jnp.nan)
    return energy, point.molecule.coordinates, done


def _warn(points: list[list[tuple]]) -> None:
    failed = [i for i, row in enumerate(points) if not all(bool(done) for *_, done in row)]
    if failed:
        warnings.warn(
            f"{len(failed)} of {len(points)} points of the scan failed, numbers {failed}.",
            stacklevel=3,
        )
