"""Second derivatives of the energy in the positions of the nuclei."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...core import announced_jit
from .._scf.result import Guess, SCFResult
from .._scf.scf import scf
from .._scf.solvers.old_keywords import accepts_old_keywords
from .._scf.solvers.options import DIIS, Newton
from .._system.molecule import Molecule, check_one
from .._xc import Functional, as_functional
from .forces import explicit_slopes
from .integral_gradients import integral_hessian
from .integral_tangents import integral_slopes, moved


@accepts_old_keywords
def hessian(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
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
    - `guess`: the initial guess, as in `scf`.
    - `tolerance`: of the energy in Hartree; tighter than in `scf`, as the error of the
        Hessian is linear in that of the density.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`.
    - `throw`: raise without convergence, rather than return NaN.

    **Returns:** H in Hartree/Bohr², symmetric, zero for atoms that pad a molecule; NaN where the
    response does not exist (see `scf`), and without convergence and with `throw=False`.

    **Raises:** what `scf` raises; `ValueError` for a batch, density fitting, range separation, GTH
    pseudopotentials, or more memory than the machine has: 12 n⁴ bytes for n basis functions.

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
    settings = {"tolerance": tolerance, "max_steps": max_steps, "solver": solver}
    if isinstance(molecule, Molecule) and molecule.overlap.ndim != 2:
        raise ValueError("hessian() takes one molecule, got a batch: loop over its molecules.")
    check_one(molecule, "hessian(m, functional)")
    slopes = integral_slopes(molecule)
    result = scf(molecule, functional, params, guess=guess, throw=throw, **settings)
    response = _response(molecule, slopes, functional, params, result.density_matrix, settings)
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
    return jnp.where(result.converged, total, jnp.nan)


@announced_jit("compiling the response of the Hessian")
def _response(molecule, slopes, functional, params, density, settings):
    """The second derivative with integrals that are linear in the positions."""

    def energy(shift):
        shifted = moved(molecule, slopes, shift)
        result = scf(shifted, functional, params, guess=density, throw=False, **settings)
        return result.free_energy

    shape = molecule.coordinates.shape
    _, product = jax.linearize(jax.grad(energy), jnp.zeros(shape))
    # One after the other: each response holds arrays of the size of the two-electron integrals.
    directions = jnp.eye(molecule.coordinates.size).reshape(-1, *shape)
    return jax.lax.map(product, directions).reshape(*shape, *shape)
