"""Distillation: training on the energies of another functional and on their orbital derivatives."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ...core import announced_jit, memoised, require_x64
from .._basis.orthonormal import to_orthonormal
from .._scf.equations import Equations
from .._scf.hamiltonian import operators
from .._scf.kohn_sham import Density, electrons_per_orbital
from .._scf.projector import projectors, unoccupied
from .._scf.scf import scf
from .._scf.solvers.options import DIIS, Newton, first_of
from .._system.molecule import Molecule
from .._system.stack import stack
from .._xc import Functional, as_functional
from .residuals import Residual


class Derivatives(eqx.Module):
    """A functional's energy, orbital gradient and curvatures; made by `reference_derivatives`.

    **Arguments:**

    - `molecule`: one, or many on a leading axis.
    - `density`: the density matrix P of the reference, with an axis for the spins.
    - `rotations`: K of norm one, of occupied into empty orbitals, in the orthonormal basis.
    - `energy`: E[P] in Hartree.
    - `gradient`: (1-Π) F Π in Hartree.
    - `curvature`: H[K] in Hartree, one for each rotation.

    ```python
    data = jsci.dft.reference_derivatives([water], jsci.dft.xc("b3lyp"), key=jax.random.key(0))
    data.curvature.shape  # (1, 4, 1, nao, nao)
    ```
    """

    molecule: Molecule
    density: Float[Array, "*n spins nao nao"]
    rotations: Float[Array, "*n k spins nao nao"]
    energy: Float[Array, "*n"]
    gradient: Float[Array, "*n spins nao nao"]
    curvature: Float[Array, "*n k spins nao nao"]


def reference_derivatives(
    molecules: Sequence[Molecule],
    functional: Functional | Callable,
    params: Any = None,
    *,
    rotations: int = 4,
    key: PRNGKeyArray,
    tolerance: float = 1e-10,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
) -> Derivatives:
    """A functional's energies and orbital derivatives at its own densities, to train another one.

        g = (1-Π) F Π,   H[K] = (1-Π) (F K - K F + (∂F/∂Π)[K + Kᵀ]) Π

    The rotations K are how the orbitals of the reference answer random perturbations without
    interaction: random numbers divided by the differences of orbital energies.

    **Arguments:**

    - `molecules`: of similar size, as all are padded to the largest; without shared orbitals.
    - `functional`: the reference, as in `scf`, such as a hybrid.
    - `params`: its parameters.
    - `rotations`: k, random directions for each molecule.
    - `key`: PRNG key of the directions.
    - `tolerance`: of the SCF energy in Hartree.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`, without a temperature.

    **Returns:** `Derivatives` with the batch on axis 0.

    **Raises:** `RuntimeError` naming the molecules whose SCF did not converge; `ValueError` for
    restricted open shells, a temperature, or no rotations.

    **Good values:** four rotations. Each costs a product with the response in every training step.

    ```python
    data = jsci.dft.reference_derivatives([water], jsci.dft.xc("b3lyp"), key=jax.random.key(0))
    loss = jsci.objective({"b3lyp": jsci.dft.derivative_error(functional)}, batch_size=1)
    jsci.fit(loss, params, {"b3lyp": data}, jsci.levenberg_marquardt(), steps=20)
    ```
    """
    require_x64("jsci.dft.reference_derivatives")
    batch = stack(molecules)
    if rotations < 1:
        raise ValueError(f"rotations is {rotations}; curvatures need at least one direction.")
    if batch.spins.shared:
        raise ValueError(
            "reference_derivatives() takes no restricted open shells: build the molecules with "
            "restricted=False."
        )
    if first_of(solver).temperature:
        raise ValueError("reference_derivatives() takes no temperature: set temperature=0.")
    options = (tolerance, max_steps, solver)
    keys = jax.random.split(key, len(molecules))
    data, converged = _solve(as_functional(functional), params, batch, keys, rotations, options)
    failed = ", ".join(str(i) for i in np.flatnonzero(~np.asarray(converged)))
    if failed:
        raise RuntimeError(
            f"the SCF of the reference did not converge for molecule {failed}. "
            "Try solver=jsci.dft.Newton(), or leave them out."
        )
    return data


@memoised
def derivative_error(
    functional: Functional | Callable,
    *,
    energy: float = 1.0,
    gradient: float = 1.0,
    curvature: float = 1.0,
) -> Residual:
    """Energy, orbital gradient and curvatures at the reference's density, for `objective`.

        ‖r‖² = w_E (E - E_ref)² + w_g ‖g - g_ref‖² + w_H Σ_K ‖H[K] - H_ref[K]‖² / k

    g and H are those of `reference_derivatives`. A small error in them makes the functional's own
    density, its excitations and its response those of the reference, which energies alone leave
    open. It runs no SCF, and one molecule gives thousands of equations for the parameters, of which
    second-order optimisers make use.

    **Arguments:**

    - `functional`: as in `scf`.
    - `energy`, `gradient`, `curvature`: weights of the squares; a term of weight zero is not
        computed.

    **Returns:** `r(params, derivatives) -> (entries,)` in Hartree.

    **Raises:** `ValueError` for weights that are negative or all zero.

    **Good values:** equal weights for a density near the reference's; some 1e-4 for gradient and
    curvature, which then only regularise, for energies.

    **Source:** the derivatives on the manifold of projectors of Edelman, Arias & Smith, SIAM J.
    Matrix Anal. Appl. 20, 303 (1998).

    ```python
    loss = jsci.objective({"b3lyp": jsci.dft.derivative_error(functional)}, batch_size=1)
    ```
    """
    functional = as_functional(functional)
    weights = energy, gradient, curvature
    if not all(w >= 0 for w in weights) or not any(weights):
        raise ValueError(f"weights must be positive or zero, one of them positive, got {weights}.")

    def residual(params: Any, sample: Derivatives) -> Float[Array, " entries"]:
        m = sample.molecule
        equations = Equations(functional, params, operators(m, functional))
        occupied = _projectors(m, sample.density)
        rotations = sample.rotations if curvature else sample.rotations[:0]
        found = _derivatives(equations, occupied, rotations)
        known = sample.energy, sample.gradient, sample.curvature[: len(rotations)]
        scales = energy, gradient, curvature / max(len(rotations), 1)
        parts = [
            math.sqrt(w) * (a - b).reshape(-1)
            for w, a, b in zip(scales, found, known, strict=True)
            if w
        ]
        return jnp.concatenate(parts)

    return residual


@announced_jit("compiling the orbital derivatives of a functional")
def _solve(functional, params, molecules, keys, count, options):
    tolerance, max_steps, solver = options

    def one(args):
        m, key = args
        result = scf(
            m, functional, params, tolerance=tolerance, max_steps=max_steps, solver=solver,
            throw=False,
        )  # fmt: skip
        density = result.density_matrix.reshape(-1, m.size, m.size)
        equations = Equations(functional, params, operators(m, functional))
        occupied = _projectors(m, density)
        focks = equations.fock(occupied)
        turns = jax.lax.map(
            lambda k: _rotation(equations, focks, occupied, m, k), jax.random.split(key, count)
        )
        energy, gradient, curvature = _derivatives(equations, occupied, turns)
        return Derivatives(m, density, turns, energy, gradient, curvature), result.converged

    return jax.lax.map(one, (molecules, keys))


def _projectors(m: Molecule, density: Density) -> Density:
    return to_orthonormal(density, m.overlap, m.dependent) / electrons_per_orbital(density)


def _rotation(equations: Equations, focks: Density, occupied: Density, m: Molecule, key) -> Density:
    """How the orbitals answer a random perturbation of the functions that are not padding."""
    random = jax.random.normal(key, focks.shape)
    random = jnp.where(m.basis_mask[:, None] & m.basis_mask[None], random, 0)
    random += random.transpose(0, 2, 1)
    change = jax.jvp(lambda f: projectors(f, equations.ops.counts), (focks,), (random,))[1]
    turn = unoccupied(occupied) @ change @ occupied
    return turn / jnp.linalg.norm(turn)


def _derivatives(equations: Equations, occupied: Density, rotations):
    """E, g and H[K] of each rotation."""
    energy, focks = equations.energy_and_fock(occupied)
    response, empty = equations.response(occupied), unoccupied(occupied)

    def along(turn):
        induced = response(turn + turn.transpose(0, 2, 1))
        return empty @ (focks @ turn - turn @ focks + induced) @ occupied

    curvature = jax.lax.map(along, rotations) if len(rotations) else rotations
    return energy, empty @ focks @ occupied, curvature
