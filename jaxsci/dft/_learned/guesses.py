"""Initial guesses from a learned density or a learned Kohn-Sham matrix."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jaxtyping import Array, Float

from ...core import announced_jit
from .._basis import functions as _basis, grid
from .._basis.orthonormal import orthonormal
from .._scf.projector import occupied_projector
from .._system.molecule import Molecule
from .._xc import Functional, as_functional, xc
from .._xc.features import Features
from .auxiliary_density import Auxiliary


def density_guess(
    molecule: Molecule,
    aux: Auxiliary,
    coefficients: Float[Array, " auxiliary"],
    *,
    functional: Functional | None = None,
    params: Any = None,
) -> Float[Array, "*spin nao nao"]:
    """An initial density matrix from a density: the occupied orbitals of its Kohn-Sham matrix.

        F = h + J[ρ] + v_xc[ρ],   ρ = Σ_k c_k χ_k,   P from the lowest orbitals of F

    One potential and one diagonalisation, no iterations; differentiable in the coefficients. These
    are first corrected to the right number of electrons, by the smallest change in the Coulomb
    metric.

    **Arguments:**

    - `molecule`: one; for a batch, `jsci.vmap` over stacked molecules and auxiliary bases.
    - `aux`: the `Auxiliary` of the molecule.
    - `coefficients`: of the density, (auxiliary,), from `fit_density` or a `DensityModel`.
    - `functional`: an LDA or GGA for v_xc; PBE by default, which serves hybrids and meta-GGAs too.
    - `params`: the parameters of `functional`; `None` if it has none.

    **Returns:** P in the shape that `scf(..., guess=P)` takes. Both spins have the same potential.

    **Raises:** `ValueError` for a functional with τ or exact exchange, or for coefficients of
    another shape.

    ```python
    result = jsci.dft.scf(water, functional, guess=jsci.dft.density_guess(water, aux, coefficients))
    ```
    """
    functional = xc("pbe") if functional is None else as_functional(functional)
    if functional.level not in ("lda", "gga") or not functional.semilocal:
        raise ValueError(
            f"density_guess() takes an LDA or GGA, got {functional!r}: omit functional= for PBE."
        )
    if jnp.shape(coefficients) != aux.charge.shape:
        raise ValueError(
            f"coefficients have shape {jnp.shape(coefficients)}; this auxiliary basis has "
            f"{aux.charge.shape}."
        )
    return _guess(molecule, aux, coefficients, functional, params)


@announced_jit("compiling an initial guess")
def _guess(molecule, aux, coefficients, functional, params):
    c = _neutral(molecule, aux, coefficients)
    n = molecule.size
    packed = c @ aux.repulsion
    i, j = np.tril_indices(n)
    lower = jnp.zeros((n, n), packed.dtype).at[i, j].set(packed)
    coulomb = lower + jnp.tril(lower, -1).T
    potential = _potential(molecule, aux, c, functional, params)
    return hamiltonian_guess(molecule, molecule.core_hamiltonian + coulomb + potential)


def hamiltonian_guess(
    molecule: Molecule, hamiltonian: Float[Array, "nao nao"]
) -> Float[Array, "*spin nao nao"]:
    """An initial density matrix from the lowest orbitals of a Kohn-Sham matrix.

        F C = S C ε,   P = C n Cᵀ

    **Arguments:**

    - `molecule`: one; for a batch, `jsci.vmap` over stacked molecules and matrices.
    - `hamiltonian`: F in Hartree, (nao, nao), from a `HamiltonianModel` or `hamiltonian`.

    **Returns:** P in the shape that `scf(..., guess=P)` takes. Both spins have the same potential.

    **Raises:** `ValueError` for a matrix of another shape.

    ```python
    F = jsci.dft.hamiltonian(water, result)  # or the prediction of a HamiltonianModel
    jsci.dft.scf(water, functional, guess=jsci.dft.hamiltonian_guess(water, F))
    ```
    """
    if jnp.shape(hamiltonian) != molecule.overlap.shape:
        raise ValueError(
            f"hamiltonian has shape {jnp.shape(hamiltonian)}; for this molecule it must be "
            f"{molecule.overlap.shape}."
        )
    basis = orthonormal(molecule.overlap, molecule.dependent)
    x, fock = basis.x, basis.fock(hamiltonian)
    if molecule.restricted:
        return 2 * x @ occupied_projector(fock, molecule.electrons[0]) @ x.T
    spins = jax.vmap(occupied_projector, (None, 0))(fock, molecule.electrons)
    return x @ spins @ x.T


def _neutral(molecule, aux, c):
    """The nearest coefficients with the electrons of the molecule."""
    direction = jsl.cho_solve((aux.factor, True), aux.charge)
    missing = jnp.sum(molecule.electrons) - aux.charge @ c
    return c + direction * missing / (aux.charge @ direction)


def _potential(molecule, aux, c, functional, params):
    """v_xc in the orbital basis: the derivative of E_xc with respect to an added density matrix."""
    points, weights = grid.points_and_weights(
        molecule.grid, molecule.coordinates, molecule.atom_mask
    )
    functions = _basis.evaluate(aux.basis, aux.coordinates, points, gradient=True)
    rho, *gradient = jnp.tensordot(c, functions, (0, 1))
    orbitals = _basis.evaluate(molecule.basis, molecule.coordinates, points, gradient=True)

    def energy(p):
        half = p @ orbitals[0]
        total = rho + jnp.sum(half * orbitals[0], axis=0)
        slopes = [
            g + 2 * jnp.sum(half * o, axis=0) for g, o in zip(gradient, orbitals[1:], strict=True)
        ]
        sigma = sum(g**2 for g in slopes) / 4
        seen = Features(total / 2, total / 2, sigma, sigma, sigma, polarised=False)
        return jnp.sum(weights * jax.vmap(lambda f: functional(params, f))(seen))

    slope = jax.grad(energy)(jnp.zeros_like(molecule.overlap))
    return 0.5 * (slope + slope.T)
