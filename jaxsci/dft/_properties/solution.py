"""The solution that a property is taken at: the result at hand, or a new SCF."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from .._basis.orthonormal import to_orthonormal
from .._scf.equations import Equations
from .._scf.kohn_sham import Density, density_matrix, electrons_per_orbital
from .._scf.projector import unoccupied
from .._scf.result import SCFResult
from .._scf.scf import scf
from .._scf.solvers.restricted_open import effective_fock
from .._system.molecule import Molecule
from .._xc import Functional

# Hartree by which the energy of a density differs from that of its result: the square of the
# orbital gradient at most, where functionals differ by 1e-3 and more.
_SAME_ENERGY = 1e-4
# Electrons that a density of another geometry gains or loses: rounding leaves 1e-12.
_SAME_ELECTRONS = 1e-6


def solution(
    molecule: Molecule,
    functional: Functional,
    params: Any,
    result: SCFResult | None,
    name: str,
    *,
    throw: bool,
    **settings: Any,
) -> SCFResult:
    """`result` if it is given and of this molecule, else what `scf` finds with these settings."""
    if result is None:
        return scf(molecule, functional, params, throw=throw, **settings)
    if throw:
        return converged_result(molecule, result, name, "converge it, or set throw=False for NaN")
    return check_result(molecule, result, name)


def focks_of(
    equations: Equations, molecule: Molecule, result: SCFResult, temperature: float
) -> tuple[Float[Array, "channels n n"], Density]:
    """The Fock matrices of a result in an orthonormal basis, from one build.

    **Returns:** those whose orbitals are filled, one for both spins of a restricted open shell,
    and those of each spin; NaN where the result is of another functional.
    """
    density = result.density_matrix.reshape(-1, molecule.size, molecule.size)
    occupied = to_orthonormal(density, molecule.overlap, molecule.dependent)
    occupied /= electrons_per_orbital(density)
    energy, focks = equations.energy_and_fock(occupied)
    fock = focks = jnp.where(is_energy_of(result, energy), focks, jnp.nan)
    raised = unoccupied(occupied)
    if equations.ops.spins.shared:
        fock, raised = effective_fock(focks, occupied), jnp.sum(raised, axis=0, keepdims=True)
    # Where a level shift held electrons above an empty orbital, the lowest are not the occupied.
    lowest = jnp.min(result.gap)
    shift = 0.0 if temperature else jnp.where(lowest < 0, 1 - lowest, 0)
    return jax.lax.stop_gradient((fock + shift * raised, focks))


def is_energy_of(result: SCFResult, energy: Float[Array, ""]) -> Bool[Array, ""]:
    """Whether the result is of the functional that gives its density this energy."""
    return jnp.abs(energy - result.energy) < _SAME_ENERGY


def density_of_both(equations: Equations, occupied: Density) -> Float[Array, "nao nao"]:
    """The density matrix of both spins together."""
    return jnp.sum(density_matrix(equations.ops, occupied), axis=0)


def converged_result(molecule: Molecule, result: SCFResult, name: str, advice: str) -> SCFResult:
    """The result of `check_result`, refused if it has not converged."""
    result = check_result(molecule, result, name)
    if not isinstance(result.converged, Tracer) and not bool(result.converged):
        raise RuntimeError(f"{name}() was given a result that has not converged: {advice}.")
    return result


def check_result(molecule: Molecule, result: SCFResult, name: str) -> SCFResult:
    """The result, flagged as not converged or refused if it is not of this molecule.

    **Raises:** `TypeError` for something that is not a result; `ValueError` for one of another
    shape, or with another number of electrons in this molecule's overlap, as another geometry's.
    """
    if not isinstance(result, SCFResult):
        raise TypeError(f"{name}(result=) takes what scf returned, got {type(result).__name__}.")
    expected = molecule.spins.density_shape(molecule.size)
    if result.density_matrix.shape != expected:
        raise ValueError(
            f"result holds a density of shape {result.density_matrix.shape}, and this molecule's "
            f"is {expected}: give what scf returned for this molecule, one molecule at a time."
        )
    found, electrons = _electrons(molecule, result), jnp.sum(molecule.electrons)
    same = jnp.abs(found - electrons) < _SAME_ELECTRONS
    if not isinstance(same, Tracer) and bool(result.converged) and not bool(same):
        raise ValueError(
            f"result holds {float(found):.6f} electrons in this molecule's basis instead of "
            f"{float(electrons):g}: it is of another molecule or geometry. Call scf for this one."
        )
    return eqx.tree_at(lambda r: r.converged, result, result.converged & same)


def _electrons(molecule: Molecule, result: SCFResult) -> Float[Array, ""]:
    return jnp.einsum("...ij,ij->", result.density_matrix, molecule.overlap)
