"""Energies and gradients of molecules at changing positions, by one program for all of them."""

import concurrent.futures
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from ....core import Failure, announced_jit, attempt, vmap
from ..._basis.orthonormal import NEARLY_DEPENDENT
from ..._scf.result import SCFResult
from ..._scf.scf import scf
from ..._scf.solvers.options import DIIS, Newton
from ..._system.molecule import Molecule
from ..._xc import Functional
from ..forces import exchange_of, explicit_slopes
from ..integral_gradients import integral_gradient
from .rebuilt import alike, one_of, rebuilt


class Job(NamedTuple):
    """A molecule to be solved at new positions, and the density of the old ones to begin with."""

    molecule: Molecule
    positions: np.ndarray
    density: np.ndarray


class Point(NamedTuple):
    """What was found there: the molecule with its integrals, its solution and the gradient."""

    molecule: Molecule
    result: SCFResult
    gradient: np.ndarray


class Surface:
    """The potential energy surface of a functional.

    `chunk` molecules are solved at once; host threads make the integrals of the others meanwhile.
    """

    def __init__(
        self,
        functional: Functional,
        params: Any,
        *,
        tolerance: float,
        max_steps: int,
        solver: DIIS | Newton,
        batch_size: int | None,
    ):
        if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
            raise ValueError(f"batch_size is a whole number from 1, or None, got {batch_size!r}.")
        self.functional, self.params = functional, params
        self.settings = (tolerance, max_steps, solver)
        self.batch_size = batch_size

    def __call__(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Any]]:
        """Pairs of a job's number and its `Point`, or `Failure`, as they are done."""
        size = self.batch_size or (1 if jax.default_backend() == "cpu" else len(jobs))
        chunks = [range(i, min(i + size, len(jobs))) for i in range(0, len(jobs), size)]
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        with concurrent.futures.ThreadPoolExecutor(min(threads, len(chunks))) as pool:
            running = {pool.submit(self._chunk, [jobs[i] for i in c], size): c for c in chunks}
            for done in concurrent.futures.as_completed(running):
                yield from zip(running[done], done.result(), strict=True)

    def _chunk(self, jobs: Sequence[Job], size: int) -> list[Any]:
        moved = [attempt(_moved, job) for job in jobs]
        good = [m for m in moved if isinstance(m, Job)]
        solved = attempt(lambda g: self._solve(g, size), good) if good else []
        if isinstance(solved, Failure):
            return [solved if isinstance(m, Job) else m for m in moved]
        each = iter(solved)
        return [attempt(self._point, next(each)) if isinstance(m, Job) else m for m in moved]

    def _solve(self, jobs: Sequence[Job], size: int) -> list[tuple]:
        """The electrons of each, padded by copies to the size of a batch."""
        how = (self.functional, self.params, self.settings)
        if size == 1:
            return [(jobs[0], _solved(jobs[0].molecule, jobs[0].density, *how))]
        filled = [*jobs, *([jobs[0]] * (size - len(jobs)))]
        molecules = jax.tree.map(lambda *x: jnp.stack(x), *alike([j.molecule for j in filled]))
        densities = np.stack([j.density for j in filled])
        found = _solved_together(molecules, densities, *how)
        return [(job, one_of(found, i)) for i, job in enumerate(jobs)]

    def _point(self, solved: tuple) -> Point:
        job, (result, by_position, by_overlap) = solved
        molecule, n = job.molecule, job.molecule.overlap.shape[-1]
        by_integrals = integral_gradient(
            exchange_of(self.functional),
            molecule.libcint,
            job.positions,
            np.sum(molecule.atom_mask),
            by_overlap,
            np.asarray(result.density_matrix).reshape(-1, n, n),
        )
        gradient = np.asarray(by_position) + by_integrals
        return Point(molecule, result, gradient)


def _moved(job: Job) -> Job:
    """With the integrals of its positions, and the density moved along with the atoms."""
    molecule = rebuilt(job.molecule, job.positions)
    density = transported(job.density, *(np.asarray(m.overlap) for m in (job.molecule, molecule)))
    return Job(molecule, job.positions, density)


def transported(density: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """T P Tᵀ with T = S'^(-1/2) S^(1/2): orbitals that stay orthonormal as their basis moves."""
    (s, u), (t, v) = (scipy.linalg.eigh(x) for x in (old, new))
    inverse_root = np.where(t > NEARLY_DEPENDENT, np.maximum(t, NEARLY_DEPENDENT) ** -0.5, 0)
    turn = (v * inverse_root) @ (v.T @ u) @ (u * np.sqrt(np.maximum(s, 0))).T
    return turn @ density @ turn.T


def first_density(molecule: Molecule, result: SCFResult | None) -> np.ndarray:
    """The density of a result, or the molecule's own initial guess, of each spin."""
    if result is not None:
        return np.asarray(result.density_matrix)
    guess = np.asarray(molecule.guess)
    if molecule.spins.channels == 1:
        return guess
    electrons = np.asarray(molecule.electrons)
    return (electrons / electrons.sum())[:, None, None] * guess[None]


@announced_jit("compiling the SCF and its forces")
def _solved(molecule, density, functional, params, settings):
    return _electrons(molecule, density, functional, params, settings)


@announced_jit("compiling the SCF and its forces")
def _solved_together(molecules, densities, functional, params, settings):
    def one(molecule, density):
        return _electrons(molecule, density, functional, params, settings)

    return vmap(one)(molecules, densities)


def _electrons(molecule, density, functional, params, settings):
    tolerance, max_steps, solver = settings
    options = {"tolerance": tolerance, "max_steps": max_steps, "solver": solver, "throw": False}
    result = scf(molecule, functional, params, guess=density, **options)
    n = molecule.size
    density = result.density_matrix.reshape(-1, n, n)
    _, *slopes = explicit_slopes(molecule, functional, params, density)
    return result, *slopes
