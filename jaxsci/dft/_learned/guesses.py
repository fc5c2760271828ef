"""Initial guesses from a learned density or a learned Kohn-Sham matrix."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jaxtyping import Array, Float

from ...core import announced_jit
from .._basis.functions import evaluate_rows
from .._basis.orthonormal import orthonormal
from .._scf.hamiltonian import on_grid
from .._scf.kohn_sham import features_of, spin_parts
from .._scf.projector import occupied_projector
from .._system.molecule import Molecule, check_whole
from .._xc import Functional, as_functional, xc
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

    One potential, on the coarse grid where the molecule has one, and one diagonalisation, no
    iterations; differentiable in the coefficients. These are first corrected to the right number of
    electrons, by the smallest change in the Coulomb metric. Memory is that of a block of points.

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
    check_whole(molecule, "a guess of orbitals")
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
    """v_xc in the orbital basis: the derivative of E_xc with respect to an added density matrix.

    On the coarse grid where there is one: its error is far below that of the guess.
    """
    level, grid = functional.level, molecule.grid
    quadrature = on_grid(molecule, grid if grid.coarse is None else grid.coarse, level)
    known, at = c[aux.basis.function], (aux.basis.shells, aux.basis.cartesian, aux.coordinates)

    def of_block(orbitals, weights, points):
        rho, *slopes = (known @ x for x in evaluate_rows(*at, points, gradient=level != "lda"))

        def energy(p):
            added, gradient, tau, laplacian = spin_parts(orbitals, p, level)
            if slopes:
                gradient += jnp.stack(slopes)
            seen = features_of([(added + rho, gradient, tau, laplacian)])
            return jnp.sum(weights * jax.vmap(lambda f: functional(params, f))(seen))

        rows = len(orbitals[0])
        return jax.grad(energy)(jnp.zeros((rows, rows), weights.dtype))

    slope = quadrature.basis.from_rows(quadrature.sum(of_block, (quadrature.points,)))
    return 0.5 * (slope + slope.T)
