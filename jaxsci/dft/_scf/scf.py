"""The self-consistent-field loop as one differentiable function of functional and molecule."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

from ...core import announced_jit, memoised, require_x64
from .._system.guess import atomic_density_of
from .._system.molecule import Molecule, check_one, check_whole
from .._xc import Functional, as_functional
from .equations import Equations, check_extras
from .hamiltonian import Operators, on_coarse_grid, operators
from .implicit_derivatives import constant, known, stationary_energy
from .kohn_sham import density_matrix, electrons_per_orbital
from .projector import occupied_orbitals, unoccupied
from .result import Guess, SCFResult as SCFResult, density_of
from .solvers.coarse_grid import converge
from .solvers.diis import FirstDensity, fill, has_converged, iterate
from .solvers.newton import minimise
from .solvers.occupied import occupied_at
from .solvers.old_keywords import accepts_old_keywords
from .solvers.options import DIIS, Iteration, Newton
from .solvers.restricted_open import effective_fock
from .solvers.smearing import entropy, occupations


@accepts_old_keywords
def scf(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    guess: Guess | Float[Array, "*spin nao nao"] | SCFResult = "minao",
    tolerance: float = 1e-9,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
    throw: bool = True,
) -> SCFResult:
    """Solve the Kohn-Sham equations of one molecule.

        F[P] C = S C ε,   P = C n Cᵀ

    The unknown is the Fock matrix in an orthonormal basis, found by DIIS on the commutator of Fock
    and density matrix. Derivatives with respect to `params` and to every array of `molecule` are
    implicit (the coupled-perturbed equations): memory and accuracy do not depend on the number of
    steps, and degenerate orbitals do no harm. The first derivative of the energy needs no linear
    solve. Most steps are taken on a coarser grid and corrected until the solution is that of the
    molecule's own grid, on which alone convergence is judged.

    **Arguments:**

    - `molecule`: one molecule, whose `spins` says how α and β are treated. For a batch use
        `jsci.vmap` with `throw=False`.
    - `functional`: `xc(name)`, `neural_functional(...)`, or a pure `exc(params, features)`.
    - `params`: the functional's parameters, any pytree.
    - `guess`: the initial guess: "minao" (atomic densities in a minimal basis), "atoms"
        (Hartree-Fock densities of spherical atoms), "core" (orbitals of the core Hamiltonian), a
        density matrix, of both spins together or of each, or an earlier result, also of another
        geometry.
    - `tolerance`: of the energy in Hartree. The iteration stops when the energy changes by less
        from one step to the next (or by rounding only) and the largest element of the orbital
        gradient FP - PF is below the square root of the tolerance.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(level_shift=, damping=, temperature=)`, or `Newton()` for small gaps,
        stretched bonds and metals.
    - `throw`: raise without convergence, rather than flag it in `.converged`.

    **Returns:** an `SCFResult`.

    **Raises:** `RuntimeError` without convergence if `throw`; `ValueError` for an unknown guess, a
    density of the wrong shape or that is not symmetric, pair potentials of another geometry, or
    float32; `TypeError` for something that is not a functional.

    **Notes:** small gaps, stretched bonds and 3d metals may not converge by DIIS, or converge to a
    solution that is not the lowest: see `Newton`, `stability` and `stable_scf`. Derivatives hold
    only if `converged`. Except for the first derivative of the energy, they need an energy that
    rises by more than 1e-3 Hartree along the response of the orbitals, and are NaN elsewhere: where
    `gap` is nearly zero, and in open shells with a partially filled degenerate level (OH, NO, B)
    for whatever rotates that level, regardless of the gap. A temperature removes both cases.

    **Good values:** the defaults; `solver=Newton()` where they fail; `tolerance=1e-14` before
    differentiating anything but the energy to more than four digits.

    **Source:** Kohn & Sham, Phys. Rev. 140, A1133 (1965); Pulay, J. Comput. Chem. 3, 556 (1982).

    ```python
    water = jsci.dft.molecule("water.xyz", "def2-svp")
    result = jsci.dft.scf(water, jsci.dft.xc("pbe"))
    jax.jit(jsci.vmap(lambda m: jsci.dft.scf(m, functional, throw=False)))(batch)
    ```
    """
    functional = as_functional(functional)
    iteration = Iteration.checked(tolerance, max_steps, solver)
    _check(molecule, functional, params, iteration)
    start = _initial_density(molecule, guess)
    result = _solve(molecule, functional, params, start, iteration)
    return _or_raise(result) if throw else result


@accepts_old_keywords
@memoised
def energy(
    functional: Functional | Callable,
    *,
    tolerance: float = 1e-9,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
) -> Callable[[Any, Molecule], Float[Array, ""]]:
    """The self-consistent energy as a kernel `f(params, molecule)` for `objective` and `gram`.

        f(θ, molecule) = min_P E[P; θ, molecule]

    **Arguments:**

    - `functional`: as in `scf`.
    - `tolerance`: of the energy in Hartree, as in `scf`.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`.

    **Returns:** a pure function of parameters and one molecule: the energy in Hartree (at a
    temperature the free energy), or NaN where the SCF did not converge.

    **Raises:** `TypeError` for something that is not a functional; when called, what `scf` raises
    for bad input.

    ```python
    f = jsci.dft.energy(functional)
    kernel = jsci.gram(f, params, batch)
    ```
    """
    functional = as_functional(functional)

    def scf_energy(params: Any, molecule: Molecule) -> Float[Array, ""]:
        iteration = Iteration.checked(tolerance, max_steps, solver)
        _check(molecule, functional, params, iteration)
        start = _initial_density(molecule, "minao")
        return _energy(molecule, functional, params, start, iteration)

    return scf_energy


def _check(molecule: Molecule, functional: Functional, params: Any, iteration: Iteration) -> None:
    require_x64("jsci.dft.scf")
    check_one(molecule, "scf(m, functional, throw=False)")
    check_extras(molecule, functional, params)
    if not iteration.temperature:
        check_whole(molecule, "scf() without a temperature")
    elif molecule.spins.shared:
        raise ValueError(
            "a temperature needs separate orbitals for α and β: build the molecule with "
            "restricted=False, or set temperature=0."
        )


@announced_jit("compiling the SCF")
def _energy(molecule, functional, params, start, iteration: Iteration) -> Float[Array, ""]:
    """The free energy alone: its first derivative traces no response of the orbitals."""
    equations, solution, value, focks = _solution(molecule, functional, params, start, iteration)
    occupied = functools.partial(occupied_at, temperature=iteration.temperature)
    energy = stationary_energy(value, equations, solution.fock, focks, occupied=occupied)
    if iteration.temperature:
        energy -= _heat(occupied(constant(equations), solution.fock, focks), iteration)
    return jnp.where(has_converged(solution, iteration.tolerance), energy, jnp.nan)


@announced_jit("compiling the SCF")
def _solve(molecule, functional, params, start, iteration: Iteration) -> SCFResult:
    equations, solution, value, focks = _solution(molecule, functional, params, start, iteration)
    ops, temperature = equations.ops, iteration.temperature
    occupied = occupied_at(equations, solution.fock, focks, temperature)
    energy, free_energy = _energies(equations, occupied, value, iteration)
    fock = known(focks, equations, occupied, f=Equations.fock)
    if ops.spins.shared:
        fock = effective_fock(fock, occupied)
    levels, vectors, filled = _orbitals(fock, occupied, ops, solution.shift, temperature)
    result = SCFResult(
        energy=energy,
        free_energy=free_energy,
        density_matrix=density_matrix(ops, occupied),
        orbital_energies=levels,
        orbitals=ops.orthonormal.x @ vectors,
        occupations=electrons_per_orbital(occupied) * filled,
        gap=jax.vmap(_gap, (0, 0, None))(levels, ops.counts, jnp.sum(molecule.basis_mask)),
        converged=has_converged(solution, iteration.tolerance),
        steps=solution.steps,
    )
    return _without_channel(result) if ops.spins.channels == 1 else result


def _solution(molecule, functional, params, start, iteration: Iteration):
    """The equations, and what `_search` found, which has no derivative.

    How the solution responds is in `occupied_at`.
    """
    equations = Equations(functional, params, operators(molecule, functional))
    return equations, *_search(*constant((equations, molecule, start)), iteration=iteration)


def _search(equations: Equations, molecule, start, iteration: Iteration):
    """The solution, with the energy and the Fock matrices (in the basis `X`) of its orbitals."""
    ops = equations.ops
    sets = 1 if ops.spins.shared else ops.spins.channels
    fock = jnp.stack([ops.orthonormal.fock(ops.core_hamiltonian)] * sets)
    guess = None if start is None else _first(start, ops, molecule)
    coarse = None if iteration.newton else _on_coarse_grid(equations, molecule)
    if coarse is not None:
        solution, focks = converge(equations, coarse, fock, iteration, guess)
        return solution, solution.energy, focks
    solution, _ = iterate(equations, fock, iteration, guess=guess)
    if iteration.newton:
        solution = minimise(equations, solution, iteration)
    occupied = fill(solution.fock, ops, iteration.temperature)
    return solution, *equations.energy_and_fock(occupied)


def _on_coarse_grid(equations: Equations, molecule: Molecule) -> Equations | None:
    """The equations on the coarse grid, if there is one and the functional can be had there.

    Nonlocal terms may know the points of the full grid alone: by extras of the molecule, or by
    parameters and other arrays that have an axis of points, which then do not fit.
    """
    functional, grid = equations.functional, molecule.grid
    if not functional.on_grid or grid.coarse is None:
        return None
    if functional.nonlocal_terms and molecule.extras:
        return None
    rough = on_coarse_grid(equations.ops, molecule, functional.level)
    coarse = dataclasses.replace(equations, ops=rough)
    if functional.nonlocal_terms:
        try:
            jax.eval_shape(coarse.energy, rough.orthonormal.x[None])
        except (
            Exception
        ):  # whatever it raises there; on the full grid it would be the user's to see
            return None
    return coarse


def _first(density, ops: Operators, molecule: Molecule) -> FirstDensity:
    to = ops.orthonormal.x.T @ molecule.overlap
    occupied = to @ density @ to.T / electrons_per_orbital(density)
    return FirstDensity(density, occupied, jnp.zeros((), bool))


def _energies(equations: Equations, occupied, value, iteration: Iteration):
    """Energy and free energy: at a temperature only the latter is stationary."""
    stationary = stationary_energy(value, equations, occupied, occupied=_as_found)
    if not iteration.temperature:
        return stationary, stationary
    energy = known(value, equations, occupied, f=Equations.energy)
    return energy, stationary - _heat(occupied, iteration)


def _as_found(_, occupied):
    return occupied


def _heat(occupied, iteration: Iteration) -> Float[Array, ""]:
    """Temperature times entropy."""
    disorder = electrons_per_orbital(occupied) * entropy(jnp.linalg.eigvalsh(constant(occupied)))
    return iteration.temperature * disorder


def _orbitals(fock, occupied, ops, shift, temperature):
    """Energies, orthonormal vectors and electrons of the orbitals of each channel."""
    if temperature:
        levels, vectors = jnp.linalg.eigh(fock)
        fill = functools.partial(occupations, temperature=temperature)
        return levels, vectors, jax.vmap(fill)(levels, ops.counts)
    filled = jax.vmap(occupied_orbitals, (None, 0))(fock.shape[-1], ops.counts)
    raised, empty = unoccupied(occupied), ~filled
    if ops.spins.shared:
        raised, empty = (jnp.sum(x, axis=0, keepdims=True) for x in (raised, empty))
    # The level shift keeps the occupied orbitals lowest.
    levels, vectors = jnp.linalg.eigh(fock + shift * raised)
    levels = jnp.broadcast_to(levels - shift * empty, filled.shape)
    return levels, jnp.broadcast_to(vectors, occupied.shape), filled


def _gap(energies, count, size):
    """ε_LUMO - ε_HOMO among the `size` orbitals that are not padding.

    An orbital that is filled in part counts as occupied.
    """
    if jnp.issubdtype(jnp.result_type(count), jnp.inexact):
        count = jnp.ceil(count).astype(int)
    exists = (count > 0) & (count < size)
    lumo = jnp.where(exists, count, 1)
    return jnp.where(exists, energies[lumo] - energies[lumo - 1], jnp.inf)


def _or_raise(result: SCFResult) -> SCFResult:
    """The result, or an error where it has not converged: at once, or when the program runs."""
    advice = (
        "Try solver=jsci.dft.Newton() or jsci.dft.DIIS(damping=0.2), its level_shift= or "
        "temperature=, another guess or more max_steps; or throw=False for a result with "
        "converged=False."
    )
    if isinstance(result.converged, Tracer):
        return eqx.error_if(result, ~result.converged, f"scf did not converge. {advice}")
    if not bool(result.converged):
        raise RuntimeError(f"scf did not converge in {int(result.steps)} steps. {advice}")
    return result


def _without_channel(result: SCFResult) -> SCFResult:
    def arrays(r):
        return r.density_matrix, r.orbital_energies, r.orbitals, r.occupations, r.gap

    return eqx.tree_at(arrays, result, tuple(x[0] for x in arrays(result)))


def _initial_density(molecule: Molecule, guess: Guess | Array | SCFResult) -> Array | None:
    """The initial density with its spin axis, or `None` for the core Hamiltonian."""
    n, spins = molecule.size, molecule.spins
    if isinstance(guess, str):
        if guess not in get_args(Guess):
            names = ", ".join(map(repr, get_args(Guess)))
            raise ValueError(
                f"guess is {guess!r}; allowed are {names}, or a density matrix of shape ({n}, {n})."
            )
        if guess == "core":
            return None
        density = molecule.guess
        if guess == "atoms":
            molecule.libcint.check_cores("guess='atoms'")
            density = atomic_density_of(
                molecule.libcint, molecule.coordinates, molecule.atom_mask, n
            )
    else:
        density = density_of(guess, "guess")
        shapes = sorted({(n, n), spins.density_shape(n)}, key=len)
        if density.shape not in shapes:
            raise ValueError(
                f"guess has shape {density.shape}; allowed for this molecule are "
                f"{' and '.join(map(str, shapes))}."
            )
    if spins.channels == 1:
        return density[None]
    if density.ndim == 3:
        return density
    # Each spin gets its share of the electrons.
    share = molecule.electrons / jnp.sum(molecule.electrons)
    return share[:, None, None] * density[None]
