"""Properties from a density: dipole moment, atomic charges, and the polarisability."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import announced_jit
from .._scf.equations import Equations
from .._scf.hamiltonian import operators
from .._scf.result import Guess, SCFResult, density_of
from .._scf.solvers.occupied import occupied_at
from .._scf.solvers.old_keywords import accepts_old_keywords
from .._scf.solvers.options import DIIS, Newton, first_of
from .._system.molecule import Molecule, check_one
from .._xc import Functional, as_functional
from .solution import density_of_both, focks_of, solution


def dipole(
    molecule: Molecule, density_matrix: Float[Array, "*spin nao nao"] | SCFResult
) -> Float[Array, " 3"]:
    """Dipole moment of nuclei and electrons.

        μ = Σ_A Z_A R_A - tr(P r)

    **Arguments:**

    - `molecule`: one molecule.
    - `density_matrix`: P, of both spins together or of each, or the result of `scf`.

    **Returns:** the moment in e Bohr (2.5417 debye), about the origin, on which it depends if the
    molecule is charged.

    **Raises:** `ValueError` for a batch or a density of the wrong shape; `TypeError` for a complex
    one.

    ```python
    result = jsci.dft.scf(water, jsci.dft.xc("pbe"))
    jsci.dft.dipole(water, result)
    ```
    """
    total = total_density(molecule, density_matrix, "dipole")
    nuclei = molecule.charges @ molecule.coordinates
    return nuclei - jnp.einsum("xij,ij->x", molecule.dipole_integrals, total)


def mulliken_charges(
    molecule: Molecule, density_matrix: Float[Array, "*spin nao nao"] | SCFResult
) -> Float[Array, " atoms"]:
    """Mulliken charges of the atoms: each basis function's electrons belong to its own atom.

        q_A = Z_A - Σ_{i on A} (P S)_ii

    **Arguments:**

    - `molecule`: one molecule.
    - `density_matrix`: P, of both spins together or of each, or the result of `scf`.

    **Returns:** charges in units of e, which add up to the molecule's; zero for atoms that pad a
    batch.

    **Raises:** as `dipole`.

    **Notes:** they depend on the basis, and mean little in large or diffuse ones.

    **Source:** Mulliken, J. Chem. Phys. 23, 1833 (1955).

    ```python
    jsci.dft.mulliken_charges(water, result)
    ```
    """
    total = total_density(molecule, density_matrix, "mulliken_charges")
    electrons = jnp.sum(total * molecule.overlap, axis=1)
    return molecule.charges - jax.ops.segment_sum(
        electrons, molecule.basis.atom, num_segments=molecule.charges.shape[0]
    )


@accepts_old_keywords
def polarisability(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    result: SCFResult | None = None,
    guess: Guess | Float[Array, "*spin nao nao"] | SCFResult = "minao",
    tolerance: float = 1e-14,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
    throw: bool = True,
) -> Float[Array, "3 3"]:
    """Static dipole polarisability, by the response of the self-consistent density.

        α_xy = ∂μ_x/∂E_y

    The derivative is implicit: three solutions of the coupled-perturbed equations, no finite
    fields. It may be differentiated once more, with respect to `params` for example, unless there
    is a temperature.

    **Arguments:**

    - `molecule`: one molecule; for a batch use `jsci.vmap` with `throw=False`.
    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `result`: what `scf` returned for the same molecule, functional, parameters and temperature:
        then nothing is solved again, and of the settings below only the temperature of `solver`
        is used. The error of α is linear in that of the density: solve to 1e-12 or tighter.
    - `guess`: the initial guess, as in `scf`.
    - `tolerance`: of the energy in Hartree; tighter than in `scf`, as the error of α
        is linear in that of the density.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`.
    - `throw`: raise without convergence, rather than return NaN.

    **Returns:** α in Bohr³; NaN without convergence and with `throw=False`, and for a result of
    another functional.

    **Raises:** what `scf` raises; `ValueError` for a result of another molecule or geometry;
    `RuntimeError` for one that has not converged.

    **Good values:** a basis with diffuse functions (aug-cc-pvdz): others miss up to half of α.

    ```python
    alpha = jsci.dft.polarisability(water, jsci.dft.xc("pbe"))
    jnp.trace(alpha) / 3
    ```
    """
    functional = as_functional(functional)
    check_one(molecule, "polarisability(m, functional, throw=False)")

    settings = {"tolerance": tolerance, "max_steps": max_steps, "solver": solver, "throw": throw}
    result = solution(
        molecule, functional, params, result, "polarisability", guess=guess, **settings
    )
    return _polarisability(molecule, functional, params, result, first_of(solver).temperature)


@announced_jit("compiling the polarisability")
def _polarisability(molecule, functional, params, result, temperature):
    equations = Equations(functional, params, operators(molecule, functional))
    focks = focks_of(equations, molecule, result, temperature)

    def moment(field):
        # The electrons' energy in a field E is +E·r; the nuclei do not respond.
        core = molecule.core_hamiltonian + jnp.tensordot(field, molecule.dipole_integrals, 1)
        in_field = eqx.tree_at(lambda e: e.ops.core_hamiltonian, equations, core)
        occupied = occupied_at(in_field, *focks, temperature)
        return dipole(molecule, density_of_both(in_field, occupied))

    return jnp.where(result.converged, jax.jacfwd(moment)(jnp.zeros(3)), jnp.nan)


def total_density(
    molecule: Molecule, density_matrix: Array | SCFResult, name: str, *, symmetric: bool = True
) -> Float[Array, "nao nao"]:
    """Of both spins, from what a user gives to the function of this name."""
    check_one(molecule, f"{name}(m, density)")
    density_matrix = density_of(density_matrix, symmetric=symmetric)
    n = molecule.size
    if density_matrix.shape not in ((n, n), (2, n, n)):
        raise ValueError(
            f"density_matrix has shape {density_matrix.shape}; allowed for this molecule are "
            f"({n}, {n}) and (2, {n}, {n}): give what scf returned for it."
        )
    return density_matrix if density_matrix.ndim == 2 else density_matrix.sum(0)
