"""Second derivatives of the energy in the positions of the nuclei."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...core import announced_jit
from .._scf.equations import Equations
from .._scf.hamiltonian import operators
from .._scf.result import Guess, SCFResult
from .._scf.solvers.occupied import occupied_at
from .._scf.solvers.old_keywords import accepts_old_keywords
from .._scf.solvers.options import DIIS, Newton, first_of
from .._system.molecule import Molecule, check_one
from .._xc import Functional, as_functional
from .forces import explicit_slopes
from .integral_gradients import integral_hessian
from .integral_tangents import IntegralSlopes, integral_slopes, moved
from .moments import dipole
from .nuclei import check_nuclei
from .solution import density_of_both, focks_of, solution


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
    response does not exist (see `scf`), and without convergence and with `throw=False`.

    **Raises:** what `scf` raises; `ValueError` for a batch, density fitting, range separation, GTH
    pseudopotentials, a nearly linearly dependent basis, a core Hamiltonian with an electric field,
    more memory than the machine has (12 n⁴ bytes for n basis functions), or a result of another
    molecule or geometry; `RuntimeError` for one that has not converged.

    **Notes:** it runs outside of `jit`.

    **Source:** Pople et al., Int. J. Quantum Chem. Symp. 13, 225 (1979); Johnson & Frisch, J.
    Chem. Phys. 100, 7429 (1994).

    ```python
    h = jsci.dft.hessian(water, jsci.dft.xc("pbe")).reshape(9, 9)
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
    check_nuclei(molecule, "hessian")
    # Refuses at once what has no derivative integrals.
    slopes = integral_slopes(molecule)
    result = solution(molecule, functional, params, result, "hessian", guess=guess, **settings)
    temperature = first_of(solver).temperature
    return hessian_and_slopes(molecule, slopes, functional, params, result, temperature)[0]


def hessian_and_slopes(
    molecule: Molecule,
    slopes: IntegralSlopes,
    functional: Functional,
    params: Any,
    result: SCFResult,
    temperature: float,
) -> tuple[Float[Array, "atoms 3 atoms 3"], Float[Array, "atoms 3 3"]]:
    """The Hessian, and the derivatives ∂μ/∂R of the dipole moment (its components last)."""
    response, moments = _response(molecule, slopes, functional, params, result, temperature)
    density = result.density_matrix.reshape(-1, molecule.size, molecule.size)
    _, by_overlap = explicit_slopes(molecule, functional, params, density)
    fixed = integral_hessian(
        functional.exact_exchange,
        molecule.libcint,
        np.asarray(molecule.coordinates),
        int(molecule.atom_mask.sum()),
        np.asarray(by_overlap),
        np.asarray(density),
    )
    total = response + fixed
    total = 0.5 * (total + total.transpose(2, 3, 0, 1))
    done = result.converged
    return jnp.where(done, total, jnp.nan), jnp.where(done, moments, jnp.nan)


@announced_jit("compiling the response of the Hessian")
def _response(molecule, slopes, functional, params, result, temperature):
    """Derivatives of slopes and dipole moment with integrals that are linear in the positions."""

    def at(shift):
        shifted = moved(molecule, slopes, shift)
        return shifted, Equations(functional, params, operators(shifted, functional))

    shape = molecule.coordinates.shape
    focks = focks_of(at(jnp.zeros(shape))[1], molecule, result, temperature)

    def slope_and_moment(shift):
        shifted, equations = at(shift)
        occupied = occupied_at(equations, *focks, temperature)
        # Stationary in the orbitals, so the slope is that at fixed orthonormal ones.
        slope = jax.grad(lambda s: at(s)[1].energy(occupied))(shift)
        return slope, dipole(shifted, density_of_both(equations, occupied))

    _, product = jax.linearize(slope_and_moment, jnp.zeros(shape))
    # One after the other: each response holds arrays of the size of the two-electron integrals.
    directions = jnp.eye(molecule.coordinates.size).reshape(-1, *shape)
    second, moments = jax.lax.map(product, directions)
    return second.reshape(*shape, *shape), moments.reshape(*shape, 3)
