"""Relaxed geometries: of one molecule, or of a stack of different ones by one program."""

import dataclasses
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from tqdm import tqdm

from ....core import Failure, require_x64
from ..._scf.result import SCFResult
from ..._scf.solvers.options import DIIS, Iteration, Newton
from ..._system.molecule import Molecule
from ..._xc import Functional, as_functional
from ..forces import check_forces
from ..nuclei import check_nuclei
from .coordinates import Coordinate, check_bent, check_coordinate
from .optimiser import Criteria, Optimiser
from .rebuilt import alike, one_of
from .surface import Job, Point, Surface, first_density

T = TypeVar("T")


class Relaxed(eqx.Module):
    """Relaxed geometries; of a stack, each array carries the molecules on axis 0.

    **Arguments:**

    - `positions`: of the nuclei, Bohr.
    - `energy`: Hartree, at a temperature the free energy; NaN where no SCF converged at all.
    - `forces`: Hartree/Bohr, those of atoms that are held included.
    - `converged`: whether all five criteria were met.
    - `solved`: whether the SCF converged at every geometry that was tried. Where it did not, the
        step was shortened, and the relaxation ended where that did not help.
    - `steps`: geometries that were tried.
    - `molecule`: with the integrals of these positions, to go on with.
    - `result`: its SCF solution, which `forces` and others take.

    ```python
    relaxed = jsci.dft.relax(water, jsci.dft.xc("pbe"))
    relaxed.positions, relaxed.energy, relaxed.converged
    ```
    """

    positions: Float[Array, "*batch atoms 3"]
    energy: Float[Array, "*batch"]
    forces: Float[Array, "*batch atoms 3"]
    converged: Bool[Array, "*batch"]
    solved: Bool[Array, "*batch"]
    steps: Int[Array, "*batch"]
    molecule: Molecule
    result: SCFResult

    def __repr__(self) -> str:
        if self.energy.ndim == 0:
            done = "converged" if self.converged else "NOT converged"
            return f"Relaxed(energy={self.energy:.10f} Hartree, {done} in {self.steps} steps)"
        count, done = self.energy.size, int(jnp.sum(self.converged))
        return f"Relaxed({done} of {count} converged, steps<={int(jnp.max(self.steps))})"


def relax(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    criteria: Criteria = Criteria(),
    fixed: Sequence[int] = (),
    held: Sequence[Coordinate] = (),
    result: SCFResult | None = None,
    max_steps: int = 100,
    tolerance: float = 1e-10,
    solver: DIIS | Newton = DIIS(),
    batch_size: int | None = None,
    progress: bool = True,
) -> Relaxed:
    """Move the nuclei of one molecule, or of each of a stack, to a minimum of the energy.

        min_R E(R),   F_A = -dE/dR_A = 0

    Quasi-Newton steps in redundant internal coordinates within a trust radius, from Lindh's model
    of the Hessian. At each geometry libcint makes new integrals on the host, in arrays of the same
    shapes, so all geometries of all molecules of a stack are solved by one compiled program, each
    from the density of the last. A molecule that fails is flagged and stops no other.

    **Arguments:**

    - `molecule`: one molecule, or a `stack` of several, which need not be the same compound.
    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `criteria`: when a geometry is relaxed.
    - `fixed`: numbers of atoms that stay where they are, in every molecule of a stack.
    - `held`: distances (i, j), angles (i, j, k) and dihedrals (i, j, k, l) that keep the value that
        they have, in every molecule of a stack; atoms are numbered from 0.
    - `result`: what `scf` returned for the molecule, or for the stack: the first SCF begins with
        its density. `None` begins with `molecule.guess`.
    - `max_steps`: geometries of each molecule before giving up.
    - `tolerance`: of the energy of each SCF, Hartree.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`.
    - `batch_size`: molecules solved at once. `None` solves one for each core on a CPU, where none
        then waits for the slowest, and the whole stack on other devices.
    - `progress`: show a progress bar once it takes more than two seconds.

    **Returns:** a `Relaxed`, which says of each molecule whether it converged.

    **Raises:** `ValueError` for atoms or coordinates that the molecules do not have, angles held at
    180 degrees and dihedrals over them, float32, and what `forces` refuses (GTH pseudopotentials,
    an electric field, extras); `TypeError` for something that is not a molecule. It warns of
    molecules that did not converge, and why.

    **Notes:** it runs outside of `jit`. The minimum is the nearest one, and a symmetric geometry
    may stay at a saddle point: check with `vibrations`. Ghosts move as atoms do, to where their
    functions lower the energy most: hold them by `fixed`. Where a basis becomes nearly dependent
    on the way, `relaxed.molecule.dependent` says so.

    **Good values:** the defaults, which are geomeTRIC's; `grid=3` or finer in `molecule`, since the
    error of a grid in flat directions moves the minimum.

    **Source:** Peng, Ayala, Schlegel & Frisch, J. Comput. Chem. 17, 49 (1996), for the
    coordinates; Lindh et al., Chem. Phys. Lett. 241, 423 (1995), for the Hessian.

    ```python
    relaxed = jsci.dft.relax(water, jsci.dft.xc("pbe"), max_steps=20)
    jsci.dft.forces(relaxed.molecule, functional, result=relaxed.result)
    ```
    """
    require_x64("jsci.dft.relax")
    functional = as_functional(functional)
    Iteration.checked(tolerance, max_steps, solver)
    check_many(molecule, functional, "relax")
    surface = Surface(
        functional, params, tolerance=tolerance, max_steps=100, solver=solver, batch_size=batch_size
    )
    runs = [
        Run(optimiser_of(m, None, criteria, fixed, held), m, d)
        for m, d in members_of(molecule, result, "relax")
    ]
    advance(runs, surface, max_steps, progress)
    _warn(runs)
    found = [run.relaxed() for run in runs]
    molecules = alike([r.molecule for r in found])
    pairs = zip(found, molecules, strict=True)
    return as_given(molecule, [dataclasses.replace(r, molecule=m) for r, m in pairs])


def check_many(molecule: Any, functional: Functional, name: str) -> None:
    """Refuse what is not a molecule or a stack of them, or has no forces."""
    if not isinstance(molecule, Molecule):
        raise TypeError(
            f"{name}() takes a Molecule or a stack of them, got {type(molecule).__name__}; make "
            "one with jsci.dft.molecule(atoms, basis), and a stack with jsci.dft.stack(molecules)."
        )
    check_forces(molecule, functional, name)


def as_given(molecule: Molecule, found: Sequence[T]) -> T:
    """What was found of each molecule: of one alone, or stacked as the molecules are."""
    single = molecule.overlap.ndim == 2
    return found[0] if single else jax.tree.map(lambda *x: jnp.stack(x), *found)


def members_of(
    molecule: Molecule, result: SCFResult | None, name: str
) -> list[tuple[Molecule, np.ndarray]]:
    """Each molecule and its first density."""
    if result is not None:
        _check_first(molecule, result, name)
    single = molecule.overlap.ndim == 2
    indices = [] if single else range(molecule.overlap.shape[0])
    members = [molecule] if single else [one_of(molecule, i) for i in indices]
    results = [result] if single or result is None else [one_of(result, i) for i in indices]
    for m in members:
        check_nuclei(m, name)
    return [(m, first_density(m, r)) for m, r in zip(members, itertools.cycle(results))]


def _check_first(molecule: Molecule, result: Any, name: str) -> None:
    """Refuse what is not a result of these molecules; it may be of another geometry."""
    if not isinstance(result, SCFResult):
        raise TypeError(f"{name}(result=) takes what scf returned, got {type(result).__name__}.")
    batch, size = molecule.overlap.shape[:-2], molecule.size
    expected = (*batch, *molecule.spins.density_shape(size))
    if result.density_matrix.shape != expected:
        raise ValueError(
            f"result holds a density of shape {result.density_matrix.shape}, and here it is "
            f"{expected}: give what scf returned for this molecule, or for this stack."
        )


def check_fixed(fixed: Sequence[int], atoms: int) -> None:
    """Refuse indices of atoms that are out of range."""
    if any(not 0 <= int(i) < atoms for i in fixed):
        raise ValueError(f"fixed is {list(fixed)}: atoms are numbered from 0 to {atoms - 1}.")


def optimiser_of(
    molecule: Molecule,
    positions: np.ndarray | None,
    criteria: Criteria,
    fixed: Sequence[int],
    held: Sequence[Coordinate],
) -> Optimiser:
    """Of a molecule that begins where it is, or at other positions."""
    atoms = int(np.sum(molecule.atom_mask))
    check_fixed(fixed, atoms)
    held = [check_coordinate(c, atoms, "held") for c in held]
    elements = np.asarray(molecule.libcint.elements)[:atoms]
    positions = np.asarray(molecule.coordinates)[:atoms] if positions is None else positions
    for coordinate in held:
        check_bent(positions, coordinate, "held")
    return Optimiser(positions, elements, criteria, [int(i) for i in fixed], held)


class Run:
    """One molecule on its way, with the best geometry that it has seen."""

    def __init__(self, optimiser: Optimiser, molecule: Molecule, density: np.ndarray):
        self.optimiser, self.molecule, self.density = optimiser, molecule, density
        self.best: Point | None = None
        self.last: Point | None = None
        self.steps, self.solved, self.over, self.reason = 0, True, False, ""

    def job(self) -> Job:
        positions = np.array(self.molecule.coordinates)
        positions[: len(self.optimiser.position)] = self.optimiser.position
        return Job(self.molecule, positions, self.density)

    def take(self, found: Any) -> None:
        """Learn from a point, or shorten the step to one that failed."""
        self.steps += 1
        if isinstance(found, Failure):
            self.over, self.solved, self.reason = True, False, found.reason
            return
        self.last = found
        if not bool(found.result.converged):
            self.solved = False
            self.over = not self.optimiser.retreat()
            self.reason = "the SCF did not converge at a geometry"
            return
        atoms = len(self.optimiser.position)
        position = self.optimiser.position
        self.optimiser.tell(float(found.result.free_energy), found.gradient[:atoms])
        assert self.optimiser.best is not None
        if self.optimiser.best[0] is position:
            self.best = found
        self.molecule, self.density = found.molecule, np.asarray(found.result.density_matrix)
        self.over = self.optimiser.converged
        self.reason = "" if self.over else "not within the criteria after the last step"

    def relaxed(self) -> Relaxed:
        """The best geometry, or the last one without an energy."""
        point = self.best or self.last or self._nothing()
        has_energy = self.best is not None
        return Relaxed(
            positions=point.molecule.coordinates,
            energy=jnp.where(has_energy, point.result.free_energy, jnp.nan),
            forces=jnp.where(has_energy, -point.gradient, jnp.nan),
            converged=jnp.asarray(self.optimiser.converged),
            solved=jnp.asarray(self.solved),
            steps=jnp.asarray(self.steps),
            molecule=point.molecule,
            result=point.result,
        )

    def _nothing(self) -> Point:
        """Where not even the first geometry was solved."""
        m = self.molecule
        shape = m.spins.density_shape(m.overlap.shape[-1])
        nan, nowhere = jnp.full(shape, jnp.nan), jnp.asarray(jnp.nan)
        result = SCFResult(
            energy=nowhere,
            free_energy=nowhere,
            density_matrix=nan,
            orbital_energies=nan[..., 0],
            orbitals=nan,
            occupations=nan[..., 0],
            gap=nan[..., 0, 0],
            converged=jnp.asarray(False),
            steps=jnp.asarray(0),
        )
        return Point(m, result, np.full(m.coordinates.shape, np.nan))


def advance(runs: Sequence[Run], surface: Surface, max_steps: int, progress: bool) -> None:
    """Rounds of one step of every molecule that is still on its way."""
    with tqdm(total=len(runs), disable=not progress, delay=2.0, unit="molecule") as bar:
        for step in range(max_steps):
            active = [run for run in runs if not run.over]
            if not active:
                break
            bar.set_postfix(step=step + 1, refresh=False)
            for i, found in _each(surface, active):
                active[i].take(found)
                bar.update(int(active[i].over))


def _each(surface: Surface, active: Sequence[Run]) -> Iterator[tuple[int, Any]]:
    return surface([run.job() for run in active])


def _warn(runs: Sequence[Run]) -> None:
    failed = {i: run.reason for i, run in enumerate(runs) if not run.optimiser.converged}
    if failed:
        named = "; ".join(f"molecule {i}: {why}" for i, why in failed.items())
        message = f"{len(failed)} of {len(runs)} geometries are not relaxed. {named}"
        warnings.warn(message, stacklevel=3)
