"""Energies without self-consistency: at a given density, and Harris' improvement on it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ...core import require_x64
from .._system.molecule import Molecule, check_one, check_whole
from .._xc import Functional, as_functional, xc
from .equations import check_extras
from .hamiltonian import Operators, operators
from .kohn_sham import density_matrix, fock_matrix, orthogonal_fock, total_energy
from .old_order import accepts_old_order
from .projector import projectors
from .result import Guess, SCFResult, density_of
from .scf import scf
from .solvers.options import DIIS, Newton


@accepts_old_order("density_matrix")
def fixed_density_energy(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    density_matrix: Float[Array, "*spin nao nao"] | SCFResult,
) -> Float[Array, ""]:
    """The energy of a density that need not be the functional's own.

        E[P] = tr(P h) + ½ tr(P J) - ½ a Σ_s tr(P_s K_s) + E_xc[ρ] + E_nuc

    For a density of orthonormal orbitals, its error against the self-consistent energy is of second
    order in the rotation of these orbitals, and not negative at a minimum. With the density of
    Hartree-Fock this is density-corrected DFT.

    **Arguments:**

    - `molecule`: one molecule; for a batch use `jsci.vmap`.
    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `density_matrix`: P, (nao, nao) if restricted, else (2, nao, nao); or the result of `scf`,
        usually with another functional.

    **Returns:** the energy in Hartree.

    **Raises:** `ValueError` for float32, a batch, pair potentials of another geometry, or a density
    of another shape or that is not symmetric; `TypeError` for a complex one.

    ```python
    hartree_fock = jsci.dft.scf(molecule, jsci.dft.xc("hf"))
    jsci.dft.fixed_density_energy(molecule, jsci.dft.xc("pbe"), density_matrix=hartree_fock)
    ```
    """
    functional = as_functional(functional)
    density = _checked(molecule, functional, params, density_matrix, "fixed_density_energy")
    return _fixed_density_energy(molecule, functional, params, density)


class DensityCorrection(NamedTuple):
    """An energy at the density of Hartree-Fock, beside the self-consistent one.

    **Arguments:**

    - `energy`: E[P_HF] in Hartree: what density-corrected DFT reports.
    - `self_consistent`: E[P] at the functional's own density.
    - `density_driven`: E[P_HF] - E[P], not negative at a minimum. Where it is large, the
        functional's density is suspect and the corrected energy usually the better one.
    - `converged`: whether both SCFs converged.

    ```python
    corrected = jsci.dft.density_corrected_energy(hydroxide, jsci.dft.xc("pbe"))
    corrected.density_driven
    ```
    """

    energy: Float[Array, ""]
    self_consistent: Float[Array, ""]
    density_driven: Float[Array, ""]
    converged: Bool[Array, ""]


def density_corrected_energy(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    guess: Guess | Float[Array, "*spin nao nao"] | SCFResult = "minao",
    tolerance: float = 1e-9,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
) -> DensityCorrection:
    """Density-corrected DFT: a functional at the density of Hartree-Fock.

        E_DC = E[P_HF; θ],   ΔE_D = E[P_HF; θ] - min_P E[P; θ]

    Semilocal functionals delocalise the density too much in anions, stretched bonds and charge
    transfer, where the density of Hartree-Fock helps.

    **Arguments:**

    - `molecule`: one molecule; for a batch use `jsci.vmap`.
    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `guess`: the initial guess of both SCFs, as in `scf`.
    - `tolerance`: of the functional's energy in Hartree. Hartree-Fock is solved ten times tighter,
        as E[P_HF; θ] is linear in the error of P_HF.
    - `max_steps`: Fock matrices built by either SCF before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)` of both, as in `scf`.

    **Returns:** a `DensityCorrection`, differentiable in the parameters.

    **Raises:** what `scf` raises for bad input. Without convergence the result is flagged.

    **Source:** Kim, Sim & Burke, Phys. Rev. Lett. 111, 073003 (2013).

    ```python
    corrected = jsci.dft.density_corrected_energy(hydroxide, jsci.dft.xc("pbe"))
    corrected.energy, corrected.density_driven
    ```
    """
    how = {"guess": guess, "max_steps": max_steps, "solver": solver, "throw": False}
    hartree_fock = scf(molecule, xc("hf"), tolerance=0.1 * tolerance, **how)
    own = scf(molecule, functional, params, tolerance=tolerance, **how)
    energy = fixed_density_energy(molecule, functional, params, density_matrix=hartree_fock)
    converged = hartree_fock.converged & own.converged
    return DensityCorrection(energy, own.energy, energy - own.energy, converged)


@accepts_old_order("density_matrix")
def harris_energy(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    density_matrix: Float[Array, "*spin nao nao"] | SCFResult,
) -> Float[Array, ""]:
    """The energy after one diagonalisation, linear in the change of the density (Harris, Foulkes).

        E_H[P] = E[P] + Σ_s tr((P'_s - P_s) F_s[P]),   P' the lowest orbitals of F[P]

    Its error is of second order in that of P, also for a P that no set of orthonormal orbitals has.
    It is usually smaller than that of E[P], and of either sign.

    **Arguments:**

    - `molecule`: one molecule; for a batch use `jsci.vmap`.
    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `density_matrix`: P, (nao, nao) if restricted, else (2, nao, nao); or the result of `scf`.

    **Returns:** the energy in Hartree.

    **Raises:** as `fixed_density_energy`.

    **Notes:** the derivative in `params` exists only if the orbitals have a gap.

    **Source:** Harris, Phys. Rev. B 31, 1770 (1985); Foulkes & Haydock, Phys. Rev. B 39, 12520
    (1989).

    ```python
    jsci.dft.harris_energy(molecule, jsci.dft.xc("pbe"), density_matrix=molecule.guess)
    ```
    """
    functional = as_functional(functional)
    density = _checked(molecule, functional, params, density_matrix, "harris_energy")
    check_whole(molecule, "harris_energy()")
    return _harris_energy(molecule, functional, params, density)


def fixed_density_hamiltonian(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    density_matrix: Float[Array, "*spin nao nao"] | SCFResult,
) -> Float[Array, "nao nao"]:
    """The Kohn-Sham matrix of a density that need not be the functional's own.

        F[P] = h + J[P] - ½ a K[P] + V_xc[P],   the mean of both spins

    One Fock matrix is built. That of the atoms' densities is what a `HamiltonianModel` may start
    from, to learn the rest.

    **Arguments:**

    - `molecule`: one molecule; for a batch use `jsci.vmap`.
    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `density_matrix`: P, (nao, nao) if restricted, else (2, nao, nao); or the result of `scf`.

    **Returns:** F in Hartree, (nao, nao).

    **Raises:** as `fixed_density_energy`.

    ```python
    base = jsci.dft.fixed_density_hamiltonian(
        molecule, jsci.dft.xc("pbe"), density_matrix=molecule.guess
    )
    ```
    """
    functional = as_functional(functional)
    density = _checked(molecule, functional, params, density_matrix, "fixed_density_hamiltonian")
    return _fixed_density_hamiltonian(molecule, functional, params, density)


@eqx.filter_jit
def _fixed_density_hamiltonian(molecule, functional, params, density):
    fock = fock_matrix(functional, params, operators(molecule, functional), density)
    return jnp.mean(fock, axis=0)


@eqx.filter_jit
def _fixed_density_energy(molecule, functional, params, density):
    return total_energy(functional, params, operators(molecule, functional), density)


@eqx.filter_jit
def _harris_energy(molecule, functional, params, density):
    ops = operators(molecule, functional)
    fock = fock_matrix(functional, params, ops, density)
    change = _next_density(functional, params, ops, density) - density
    return total_energy(functional, params, ops, density) + jnp.sum(change * fock)


def _next_density(functional, params, ops: Operators, density):
    fock = orthogonal_fock(functional, params, ops, density)
    return density_matrix(ops, projectors(fock, ops.counts))


def _checked(molecule: Molecule, functional, params, density: Array | SCFResult, name: str):
    """The density matrix with its axis of spins, of input that makes sense."""
    require_x64("jsci.dft")
    check_one(molecule, f"{name}(m, functional, density_matrix=p)")
    check_extras(molecule, functional, params)
    density = density_of(density)
    n = molecule.size
    expected = molecule.spins.density_shape(n)
    if density.shape != expected:
        raise ValueError(
            f"density_matrix has shape {density.shape}; for this molecule it must be {expected}."
        )
    return density.reshape(-1, n, n)
