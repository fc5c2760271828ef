"""Second derivatives of the energy in the positions of the nuclei."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...core import announced_jit
from .._basis.orthonormal import to_orthonormal
from .._scf.equations import Equations
from .._scf.hamiltonian import operators
from .._scf.result import Guess, SCFResult
from .._scf.solvers.occupied import occupied_at
from .._scf.solvers.old_keywords import accepts_old_keywords
from .._scf.solvers.options import DIIS, Newton, first_of
from .._system.molecule import Molecule, check_one
from .._xc import Functional, as_functional
from .integral_gradients import integral_hessian
from .integral_tangents import IntegralSlopes, integral_slopes, moved
from .moments import dipole
from .nuclei import check_nuclei
from .solution import density_of_both, focks_of, solution

# Hartree/Bohr above which a geometry does not count as stationary.
STATIONARY = 1e-3


@accepts_old_keywords
def hessian(
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
) -> Float[Array, "atoms 3 atoms 3"]:
    """Second derivatives of the self-consistent energy in the positions of the nuclei.

        H_AB = d²E/dR_A dR_B

    All terms are analytic. The response of the orbitals is implicit: one solution of the
    coupled-perturbed equations per coordinate, with first derivatives of the integrals from
    libcint. The second derivatives of the integrals, at fixed orbitals, are contracted on the host.
    The terms on the grid are differentiated twice in JAX, so H is the derivative of `forces`, the
    response of the grid included.

    **Arguments:**

    - `molecule`: one molecule, with full integrals.
    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `result`: what `scf` returned for the same molecule, functional, parameters and temperature:
        then nothing is solved again, and of the settings below only the temperature of `solver`
        is used. The error of H is linear in that of the density: solve to 1e-12 or tighter.
    - `guess`: the initial guess, as in `scf`.
    - `tolerance`: of the energy in Hartree; tighter than in `scf`, as the error of the
        Hessian is linear in that of the density.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`.
    - `throw`: raise without convergence, rather than return NaN.

    **Returns:** H in Hartree/Bohr², symmetric, zero for atoms that pad a molecule; NaN where the
    response does not exist (see `scf`), for a result of another functional, and without convergence
    and with `throw=False`. A warning says the largest force where one is above 1e-3 Hartree/Bohr.

    **Raises:** what `scf` raises; `ValueError` for a batch, density fitting, range separation, GTH
    pseudopotentials, a nearly linearly dependent basis, a core Hamiltonian with an electric field,
    more memory than the machine has (12 n⁴ bytes for n basis functions), or a result of another
    molecule or geometry; `RuntimeError` for one that has not converged.

    **Notes:** it runs outside of `jit`. Away from a stationary point its eigenvalues depend on the
    coordinates: relax the geometry before reading wavenumbers from them, or use `vibrations`.

    **Source:** Pople et al., Int. J. Quantum Chem. Symp. 13, 225 (1979); Johnson & Frisch, J.
    Chem. Phys. 100, 7429 (1994).

    ```python
    relaxed = jsci.dft.relax(water, functional)
    h = jsci.dft.hessian(relaxed.molecule, functional).reshape(9, 9)
    mass = jnp.repeat(1822.888486 * jnp.array([15.9949, 1.00783, 1.00783]), 3)
    wavenumbers = 219474.63 * jnp.sqrt(jnp.linalg.eigvalsh(h / jnp.sqrt(mass[:, None] * mass)))
    ```
    """
    functional = as_functional(functional)
    if isinstance(molecule, Molecule) and molecule.overlap.ndim != 2:
        raise ValueError("hessian() takes one molecule, got a batch: loop over its molecules.")
    check_one(molecule, "hessian(m, functional)")
    settings = {"tolerance": tolerance, "max_steps": max_steps, "solver": solver, "throw": throw}
    if molecule.dependent:
        raise ValueError(
            "hessian() cannot differentiate twice which directions of a nearly linearly dependent "
            "basis are left out: use a basis with fewer diffuse functions, or vibrations(), which "
            "takes differences of forces."
        )
    # Refuses at once what has no derivative integrals.
    slopes = integral_slopes(molecule)
    check_nuclei(molecule, "hessian")
    result = solution(molecule, functional, params, result, "hessian", guess=guess, **settings)
    temperature = first_of(solver).temperature
    found = hessian_and_slopes(molecule, slopes, functional, params, result, temperature)
    why = "second derivatives there depend on the coordinates"
    warn_unless_stationary(found.gradient, why, stacklevel=4)
    return found.hessian


class Slopes(NamedTuple):
    """Derivatives in the positions R of the nuclei.

    - `hessian`: d²E/dR², Hartree/Bohr².
    - `dipole_slopes`: dμ/dR, the components of μ last, e.
    - `gradient`: dE/dR, Hartree/Bohr.
    """

    hessian: Float[Array, "atoms 3 atoms 3"]
    dipole_slopes: Float[Array, "atoms 3 3"]
    gradient: Float[Array, "atoms 3"]


def largest_force(gradient: Array) -> float:
    """On an atom, in Hartree/Bohr."""
    return float(np.max(np.linalg.norm(gradient, axis=1)))


def warn_unless_stationary(gradient: Array, why: str, stacklevel: int) -> bool:
    """Whether no force is above 1e-3 Hartree/Bohr; else it warns."""
    largest = largest_force(gradient)
    if largest > STATIONARY:
        warnings.warn(
            f"the geometry is not stationary: the largest force is {largest:.1e} Hartree/Bohr, and "
            f"{why}. Relax it first, by jsci.dft.relax with the same functional.",
            stacklevel=stacklevel,
        )
    return largest <= STATIONARY


def hessian_and_slopes(
    molecule: Molecule,
    slopes: IntegralSlopes,
    functional: Functional,
    params: Any,
    result: SCFResult,
    temperature: float,
) -> Slopes:
    """The Hessian, with the first derivatives that come with it; NaN without convergence."""
    found, by_overlap = _response(molecule, slopes, functional, params, result, temperature)
    fixed = integral_hessian(
        functional.exact_exchange,
        molecule.libcint,
        np.asarray(molecule.coordinates),
        int(molecule.atom_mask.sum()),
        np.asarray(by_overlap),
        np.asarray(result.density_matrix).reshape(-1, molecule.size, molecule.size),
    )
    total = found.hessian + fixed
    whole = found._replace(hessian=0.5 * (total + total.transpose(2, 3, 0, 1)))
    return Slopes(*(jnp.where(result.converged, x, jnp.nan) for x in whole))


@announced_jit("compiling the response of the Hessian")
def _response(molecule, slopes, functional, params, result, temperature):
    """Derivatives with integrals that are linear in the positions, and ∂E/∂S."""

    def at(shift):
        shifted = moved(molecule, slopes, shift)
        return shifted, Equations(functional, params, operators(shifted, functional))

    shape = molecule.coordinates.shape
    _, unmoved = at(jnp.zeros(shape))
    focks = focks_of(unmoved, molecule, result, temperature)

    def slope_and_moment(shift):
        shifted, equations = at(shift)
        occupied = occupied_at(equations, *focks, temperature)
        # Stationary in the orbitals, so the slope is that at fixed orthonormal ones.
        slope = jax.grad(lambda s: at(s)[1].energy(occupied))(shift)
        return slope, dipole(shifted, density_of_both(equations, occupied))

    (gradient, _), product = jax.linearize(slope_and_moment, jnp.zeros(shape))
    # One after the other: each response holds arrays of the size of the two-electron integrals.
    directions = jnp.eye(molecule.coordinates.size).reshape(-1, *shape)
    second, moments = jax.lax.map(product, directions)
    found = Slopes(second.reshape(*shape, *shape), moments.reshape(*shape, 3), gradient)
    return found, _by_overlap(unmoved, molecule, result, focks[1])


def _by_overlap(equations, molecule, result, focks) -> Float[Array, "nao nao"]:
    """∂E/∂S = -½ Σ_s X (P F + F P) Xᵀ of stationary orbitals that stay orthonormal."""
    density = result.density_matrix.reshape(-1, molecule.size, molecule.size)
    inner = to_orthonormal(density, molecule.overlap, molecule.dependent) @ focks
    x = equations.ops.orthonormal.x
    return -0.5 * x @ jnp.sum(inner + inner.transpose(0, 2, 1), axis=0) @ x.T
