"""Residuals for training functionals with `jsci.objective` and `jsci.fit`."""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ...core import memoised
from .._basis.orthonormal import to_orthonormal
from .._properties.forces import check_forces
from .._properties.integral_tangents import moved
from .._scf.equations import Equations
from .._scf.fixed_density import fixed_density_energy, harris_energy
from .._scf.hamiltonian import operators
from .._scf.kohn_sham import electrons_per_orbital
from .._scf.projector import unoccupied
from .._scf.scf import scf
from .._scf.solvers.options import DIIS, Newton
from .._system.molecule import check_whole
from .._xc import Functional, as_functional
from .converged_only import converged_only
from .samples import Reaction, Sample

Residual = Callable[[Any, Any], Float[Array, "..."]]
_WITHOUT_SCF = {"fixed": fixed_density_energy, "harris": harris_energy}
# Distance of densities below which its square root is rounded off, so that it has a derivative.
_NEGLIGIBLE = 1e-12
_SMALLEST_GAP = 1e-2  # Hartree
_LOOSE = 1e-9  # tolerance where the energy alone counts
_TIGHT = 1e-12  # where more does: errors of densities are roots of the energy's


@memoised
def energy_error(
    functional: Functional | Callable,
    *,
    density: Literal["scf", "fixed", "harris"] = "scf",
    tolerance: float = _LOOSE,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
) -> Residual:
    """E(θ) - E_ref of one molecule, as a residual for `objective`.

    **Arguments:**

    - `functional`: as in `scf`.
    - `density`: "scf" solves the Kohn-Sham equations of the functional in training, with implicit
        derivatives, with the density of the sample, if any, as the initial guess;
        "fixed" evaluates it at the density of the sample, which costs no iterations;
        "harris" evaluates it after one diagonalisation from that density.
    - `tolerance`: of the SCF energy in Hartree, as in `scf`.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`; at a temperature the energy is the free
        energy. With `density="fixed"` or `"harris"` there is no SCF for these three to control.

    **Returns:** `r(params, sample) -> ()` in Hartree. Where the SCF did not converge, the error
    counts in the loss, at most as 1 Hartree, but has no derivative: such a molecule does not steer
    the training.

    **Raises:** `ValueError` for another `density`, or a sample without the density it needs.

    ```python
    loss = jsci.objective({"energy": jsci.dft.energy_error(functional)})
    ```
    """
    functional = as_functional(functional)
    if density not in ("scf", *_WITHOUT_SCF):
        raise ValueError(f"density is {density!r}; allowed are 'scf', 'fixed' and 'harris'.")
    if density == "scf":
        options = {"tolerance": tolerance, "max_steps": max_steps, "solver": solver}
        return _only(mixed_error(functional, energy=1.0, **options))

    def residual(params: Any, sample: Sample) -> Float[Array, ""]:
        if sample.density is None:
            raise ValueError(
                f"density={density!r} needs densities in the batch: "
                "training_batch(..., densities=...)."
            )
        energy = _WITHOUT_SCF[density]
        found = energy(sample.molecule, functional, params, density_matrix=sample.density)
        return found - sample.energy

    return residual


@memoised
def density_error(
    functional: Functional | Callable,
    *,
    tolerance: float = _TIGHT,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
) -> Residual:
    """The distance of the self-consistent density matrix from the sample's, for `objective`.

        r = ‖S^½ (P(θ) - P_ref) S^½‖ / N

    **Arguments:**

    - `functional`: as in `scf`.
    - `tolerance`: of the SCF energy in Hartree; tight, as the error of a density is the square
        root of the energy's.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`.

    **Returns:** `r(params, sample) -> ()`, dimensionless: per electron. No derivative where the
    SCF did not converge.

    **Raises:** `ValueError` for a sample without a density.

    ```python
    terms = {"energy": energy_error(functional), "density": density_error(functional)}
    loss = jsci.objective(terms, weights={"density": 0.1})
    ```
    """
    options = {"tolerance": tolerance, "max_steps": max_steps, "solver": solver}
    return _only(mixed_error(functional, energy=0.0, density=1.0, **options))


@memoised
def force_error(
    functional: Functional | Callable,
    *,
    tolerance: float = _TIGHT,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
) -> Residual:
    """The self-consistent forces minus those of the sample, for `objective`.

        r = (F(θ) - F_ref) / √(3 N_atoms),   F = -dE/dR

    The derivative in θ needs the response of the orbitals: one linear solve per derivative of the
    whole loss, not one per nucleus.

    **Arguments:**

    - `functional`: as in `scf`.
    - `tolerance`: of the SCF energy in Hartree; tight, as the error of a force is the square root
        of the energy's.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`; at a temperature the forces are those of
        the free energy.

    **Returns:** `r(params, sample) -> (3 atoms,)` in Hartree/Bohr: the square is a mean over the
    molecule. No derivative where the SCF did not converge.

    **Raises:** `ValueError` for a sample without forces.

    ```python
    data = jsci.dft.training_batch(molecules, energies, forces=forces)
    loss = jsci.objective({"force": jsci.dft.force_error(functional)})
    ```
    """
    options = {"tolerance": tolerance, "max_steps": max_steps, "solver": solver}
    return mixed_error(functional, energy=0.0, force=1.0, **options)


@memoised
def mixed_error(
    functional: Functional | Callable,
    *,
    energy: float = 1.0,
    density: float = 0.0,
    force: float = 0.0,
    tolerance: float | None = None,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
) -> Residual:
    """Energy, density and forces of one SCF against the sample's.

        ‖r‖² = w_E r_energy² + w_P r_density² + w_F ‖r_force‖²

    The same as three terms of an objective, at the cost of one SCF.

    **Arguments:**

    - `functional`: as in `scf`.
    - `energy`, `density`, `force`: weights of the squares of `energy_error`, `density_error` and
        `force_error`; a term of weight zero is not computed.
    - `tolerance`: of the SCF energy; `None` takes 1e-9 Hartree for energies alone, else 1e-12.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`; at a temperature the energy is the free
        energy.

    **Returns:** `r(params, sample) -> (k,)`: the terms, each times the square root of its weight.
    No derivative where the SCF did not converge.

    **Raises:** `ValueError` for weights that are negative or all zero, or a sample without a
    quantity that has a weight.

    ```python
    both = jsci.dft.mixed_error(functional, force=0.1)
    jsci.fit(jsci.objective({"water": both}), params, {"water": data}, optimizer, steps=100)
    ```
    """
    functional = as_functional(functional)
    weights = {"energy": energy, "density": density, "force": force}
    if not all(w >= 0 for w in weights.values()) or not any(weights.values()):
        raise ValueError(f"weights must be positive or zero, one of them positive, got {weights}.")
    if tolerance is None:
        tolerance = _TIGHT if density or force else _LOOSE
    solve = functools.partial(
        scf, tolerance=tolerance, max_steps=max_steps, solver=solver, throw=False
    )

    def residual(params: Any, sample: Sample) -> tuple[Array, Bool[Array, ""]]:
        _need(sample, density=density, force=force)
        found = _found(solve, functional, params, sample, bool(force))
        parts = []
        if energy:
            parts.append(math.sqrt(energy) * (found.energy - sample.energy)[None])
        if density:
            parts.append(math.sqrt(density) * _distance(found.density, sample)[None])
        if force:
            assert sample.force is not None
            scale = jnp.sqrt(force / (3 * jnp.sum(sample.molecule.atom_mask)))
            parts.append(scale * (found.force - sample.force).reshape(-1))
        return jnp.concatenate(parts), found.converged

    return converged_only(residual)


@memoised
def reaction_error(
    functional: Functional | Callable,
    *,
    tolerance: float = _LOOSE,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
) -> Residual:
    """Σ_i ν_i E_i(θ) - ΔE of one reaction, as a residual for `objective`.

    **Arguments:**

    - `functional`: as in `scf`.
    - `tolerance`: of each SCF energy in Hartree, as in `scf`.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`; at a temperature the energies are free
        energies.

    **Returns:** `r(params, reaction) -> ()` in Hartree, without a derivative unless every species
    converged.

    **Raises:** `TypeError` for something that is not a functional.

    ```python
    jsci.objective({"energy": energy_error(functional), "reaction": reaction_error(functional)})
    ```
    """
    functional = as_functional(functional)
    solve = functools.partial(
        scf, tolerance=tolerance, max_steps=max_steps, solver=solver, throw=False
    )

    def residual(params: Any, r: Reaction) -> tuple[Array, Bool[Array, ""]]:
        results = jax.vmap(lambda m: solve(m, functional, params))(r.species)
        change = jnp.vdot(r.coefficients, results.free_energy) - r.energy
        return change, jnp.all(results.converged)

    return converged_only(residual)


@memoised
def self_consistency_error(functional: Functional | Callable) -> Residual:
    """How far the sample's density is from self-consistency, for `objective`.

        r = ‖F Π - Π F‖ / N,   F = Xᵀ F[P_ref; θ] X,   Π the projector of P_ref

    Zero where P_ref solves the Kohn-Sham equations. It runs no SCF and always has a derivative, so
    it trains densities before the SCF converges, and as a regulariser it keeps the solution near a
    known density. In restricted open shells, where α and β share their orbitals, the norm is that
    of the sum over spins.

    **Arguments:**

    - `functional`: as in `scf`.

    **Returns:** `r(params, sample) -> ()` in Hartree per electron.

    **Raises:** `ValueError` for a sample without a density.

    **Good values:** a weight of 0.1 to 1 beside `energy_error`.

    ```python
    terms = {"energy": energy_error(functional), "density": self_consistency_error(functional)}
    loss = jsci.objective(terms, weights={"density": 0.1})
    ```
    """
    functional = as_functional(functional)

    def residual(params: Any, sample: Sample) -> Float[Array, ""]:
        if sample.density is None:
            raise ValueError(
                "self_consistency_error needs densities in the batch: "
                "training_batch(..., densities=...)."
            )
        m = sample.molecule
        density = sample.density.reshape(-1, m.size, m.size)
        equations = Equations(functional, params, operators(m, functional))
        fock = equations.energy_and_fock_of(density)[1]
        occupied = to_orthonormal(density, m.overlap, m.dependent)
        occupied /= electrons_per_orbital(density)
        gradient = equations.orbital_gradient(fock, occupied)
        norm = jnp.sqrt(jnp.sum(gradient**2) + _NEGLIGIBLE**2)
        return norm / jnp.sum(m.electrons)

    return residual


# Of P² - P in an orthonormal basis: more than rounding, less than any correlation.
_IDEMPOTENT = 1e-5


@memoised
def relaxation_error(functional: Functional | Callable) -> Residual:
    """How far the energy of the sample's density would fall in an SCF, for `objective`.

        r = n Σ_ia |F_ia|² / (ε_a - ε_i)

    To second order and without the response of F, with n electrons per orbital, summed over the
    spins. The orbitals make the occupied and the empty block of F = F[P_ref; θ] diagonal, and ε are
    its elements there. It needs no SCF, and as a regulariser beside energies at fixed densities
    it keeps the functional's own energies near those.

    **Arguments:**

    - `functional`: as in `scf`.

    **Returns:** `r(params, sample) -> ()` in Hartree, not negative where all occupied levels lie
    below the empty ones; NaN for a density that is not of one determinant, P S P = n P, such as
    those of coupled clusters: take `reference_densities(..., method="hf")` or those of `scf`.

    **Raises:** `ValueError` for a sample without a density, restricted open shells, or fractional
    numbers of electrons.

    **Notes:** differences of levels count as at least 0.01 Hartree in the rotation that lowers the
    energy, so that r and its first derivatives are finite. Second derivatives leave out how
    this rotation changes.

    **Good values:** a weight of 1 beside `energy_error(functional, density="fixed")`.

    **Source:** Kirkpatrick et al., Science 374, 1385 (2021), whose levels are those of the
    reference.

    ```python
    terms = {"energy": energy_error(functional, density="fixed")}
    terms["relaxation"] = relaxation_error(functional)
    loss = jsci.objective(terms)
    ```
    """
    functional = as_functional(functional)

    def residual(params: Any, sample: Sample) -> Float[Array, ""]:
        m = sample.molecule
        if sample.density is None:
            raise ValueError(
                "relaxation_error needs densities in the batch: training_batch(..., densities=...)."
            )
        check_whole(m, "relaxation_error")
        if m.spins.shared:
            raise ValueError(
                "relaxation_error takes no restricted open shells: build the molecules with "
                "restricted=False."
            )
        density = sample.density.reshape(-1, m.size, m.size)
        equations = Equations(functional, params, operators(m, functional))
        focks = equations.energy_and_fock_of(density)[1]
        n = electrons_per_orbital(density)
        occupied = to_orthonormal(density, m.overlap, m.dependent) / n
        gradient = unoccupied(occupied) @ focks @ occupied
        # Of 2 ⟨g, K⟩ - ⟨K, FK - KF⟩ this K is the maximum, so r changes as if K did not.
        turn = jax.lax.stop_gradient(jax.vmap(_lowering)(focks, occupied, gradient))
        lowering = n * jnp.sum(turn * (2 * gradient - focks @ turn + turn @ focks))
        is_one_determinant = jnp.max(jnp.abs(occupied @ occupied - occupied)) < _IDEMPOTENT
        return jnp.where(is_one_determinant, lowering, jnp.nan)

    return residual


def _lowering(fock, occupied, gradient):
    """K_ai = F_ai / (ε_a - ε_i): the first-order rotation, in the basis of the matrices."""
    empty = jnp.eye(fock.shape[0]) - occupied
    # Moved below all empty levels, occupied ones cannot mix with them.
    shift = 2 * jnp.linalg.norm(fock) + 1
    blocks = occupied @ fock @ occupied + empty @ fock @ empty - shift * occupied
    levels, orbitals = jnp.linalg.eigh(blocks)
    filled = levels < -shift / 2
    levels = jnp.where(filled, levels + shift, levels)
    gaps = jnp.maximum(levels[:, None] - levels[None], _SMALLEST_GAP)
    of_orbitals = jnp.where(
        ~filled[:, None] & filled[None], orbitals.T @ gradient @ orbitals / gaps, 0
    )
    return orbitals @ of_orbitals @ orbitals.T


class _Found(NamedTuple):
    """What the residuals need of an SCF."""

    energy: Float[Array, ""]
    density: Float[Array, "... nao nao"]
    force: Float[Array, "atoms 3"]
    converged: Bool[Array, ""]


def _found(solve, functional, params, sample: Sample, with_forces) -> _Found:
    molecule, slopes = sample.molecule, sample.slopes
    guess = "minao" if sample.density is None else sample.density

    def energy(shift):
        m = moved(molecule, slopes, shift) if slopes is not None and with_forces else molecule
        result = solve(m, functional, params, guess=guess)
        return result.free_energy, result

    at_rest = jnp.zeros_like(molecule.coordinates)
    if with_forces:
        check_forces(molecule, functional, "force_error")
        (_, result), slope = jax.value_and_grad(energy, has_aux=True)(at_rest)
    else:
        (_, result), slope = energy(at_rest), at_rest
    return _Found(result.free_energy, result.density_matrix, -slope, result.converged)


def _distance(density, sample: Sample) -> Float[Array, ""]:
    m = sample.molecule
    difference = to_orthonormal(density - sample.density, m.overlap, m.dependent)
    return jnp.sqrt(jnp.sum(difference**2) + _NEGLIGIBLE**2) / jnp.sum(m.electrons)


def _need(sample: Sample, *, density: float, force: float) -> None:
    for name, weight, known, argument in (
        ("density_error", density, sample.density, "densities"),
        ("force_error", force, sample.force, "forces"),
    ):
        if weight and known is None:
            raise ValueError(
                f"{name} needs {argument} in the batch: training_batch(..., {argument}=...)."
            )


def _only(residual: Residual) -> Residual:
    """The only entry of a residual of one."""
    return lambda params, sample: residual(params, sample)[0]
