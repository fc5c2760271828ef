"""Second derivatives of the energy in the positions of the nuclei."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ....core import announced_jit
from ..._scf.equations import Equations
from ..._scf.hamiltonian import operators
from ..._scf.kohn_sham import density_matrix, electrons_per_orbital
from ..._scf.result import Guess, SCFResult
from ..._scf.solvers.occupied import occupied_at
from ..._scf.solvers.old_keywords import accepts_old_keywords
from ..._scf.solvers.options import DIIS, Newton, first_of
from ..._system.molecule import Molecule, check_one
from ..._xc import Functional, as_functional
from ..integral_gradients import integral_hessian
from ..integral_tangents import check_full_integrals
from ..nuclei import check_nuclei
from ..solution import focks_of, solution
from .block_slopes import OwnedBlocks, owned_blocks
from .coupled_perturbed import has_coarse_equations, turned_by_coarse_grid, turned_on_full_grid
from .fock_slopes import FockSlopes, fock_slopes
from .grid_slopes import grid_slopes

# Hartree/Bohr above which a geometry does not count as stationary.
STATIONARY = 1e-3
# Directions whose responses are solved at once: they share the grid and the integrals.
_MOST_DIRECTIONS = 32


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

    All terms are analytic. The orbitals respond by the coupled-perturbed equations, solved for many
    coordinates at once on the coarse grid and corrected until they are those of the full one. First
    and second derivatives of the integrals come from libcint and are contracted with the density on
    the host. H is the derivative of `forces`, the response of the grid included.

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
    or a result of another molecule or geometry; `RuntimeError` for one that has not converged.

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
    check_full_integrals(molecule)
    check_nuclei(molecule, "hessian")
    result = solution(molecule, functional, params, result, "hessian", guess=guess, **settings)
    temperature = first_of(solver).temperature
    found = hessian_and_slopes(molecule, functional, params, result, temperature)
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
    functional: Functional,
    params: Any,
    result: SCFResult,
    temperature: float,
) -> Slopes:
    """The Hessian, with the first derivatives that come with it; NaN without convergence."""
    share, density = functional.exact_exchange, np.asarray(result.density_matrix)
    density = density.reshape(-1, molecule.size, molecule.size)
    slopes, blocks = fock_slopes(molecule, share, density), owned_blocks(molecule)
    given = molecule, slopes, blocks, functional, params, result, temperature
    found, by_overlap = _response(*given)
    if bool(result.converged) and not bool(jnp.all(jnp.isfinite(found.hessian))):
        # Perhaps since the coarse grid's response is too far from that of the full one.
        found, by_overlap = _response(*given, coarse=False)
    fixed = integral_hessian(
        share,
        molecule.libcint,
        np.asarray(molecule.coordinates),
        int(molecule.atom_mask.sum()),
        np.asarray(by_overlap),
        density,
    )
    total = found.hessian + fixed
    whole = found._replace(hessian=0.5 * (total + total.transpose(2, 3, 0, 1)))
    return Slopes(*(jnp.where(result.converged, x, jnp.nan) for x in whole))


@announced_jit("compiling the response of the Hessian")
def _response(
    molecule,
    slopes: FockSlopes,
    blocks: OwnedBlocks,
    functional,
    params,
    result,
    temperature,
    coarse: bool = True,
):
    """All but the second derivatives of integrals, and the slope of the energy in the overlap.

    Orbitals that are not turned follow the overlap by S^(-1/2). In the orthonormal basis at rest,
    with M = Xᵀ (dS/dR) X, that changes projectors and Fock matrices by

        dΠ = -½ (M Π + Π M),   dF = Xᵀ (∂F/∂R) X + (∂F/∂Π) dΠ - ½ (M F + F M)

    and how the orbitals turn, by the coupled-perturbed equations, follows from dF.
    """
    ops = operators(molecule, functional)
    equations = Equations(functional, params, ops)
    fock, focks = focks_of(equations, molecule, result, temperature)
    occupied = occupied_at(equations, fock, focks, temperature)
    density = density_matrix(ops, occupied)
    grid = grid_slopes(molecule, functional, params, ops, density, blocks)
    x, shape, change = ops.orthonormal.x, molecule.coordinates.shape, ops.orthonormal.change
    overlap = change(slopes.overlap).reshape(-1, 1, *x.shape)
    explicit = change(slopes.fock + grid.potential).reshape(-1, *density.shape)
    followed = -0.5 * _both(overlap, occupied)
    linear = equations.response(occupied)
    if coarse and has_coarse_equations(molecule, equations, temperature):
        turn = turned_by_coarse_grid(molecule, equations, fock, focks, occupied, linear)
    else:
        turn = turned_on_full_grid(equations, fock, focks, occupied, linear, temperature)

    def moved(explicit, overlap, followed):
        """Of one direction: how the projectors turn, and what the Fock matrices see in all."""
        seen = linear(followed)
        turned, induced = turn(explicit + seen - 0.5 * _both(overlap, focks))
        return turned, seen + induced

    turned, induced = _in_batches(moved, (explicit, overlap, followed))
    second = _coupled(occupied, focks, overlap, followed, explicit, turned, induced)
    electrons = electrons_per_orbital(occupied)
    second = electrons * second.reshape(*shape, *shape) + grid.hessian
    by_overlap = -0.5 * electrons * x @ jnp.sum(_both(occupied, focks), axis=0) @ x.T
    gradient = grid.gradient + slopes.energy + jnp.einsum("axij,ij->ax", slopes.overlap, by_overlap)
    changes = jax.vmap(lambda d: jnp.sum(density_matrix(ops, d), axis=0))(followed + turned)
    moments = jnp.einsum("rij,xij->xr", molecule.dipole_integrals, changes).reshape(*shape, 3)
    nuclei = molecule.charges[:, None, None] * jnp.eye(3)[None]
    return Slopes(second, nuclei - slopes.moments - moments, gradient), by_overlap


def _coupled(occupied, focks, overlap, followed, explicit, turned, induced):
    """What a change of the density in one direction and of the Fock matrix in another give."""
    # The energy in two directions at fixed orbitals by the overlap alone, and how they turn.
    weight = 0.5 * occupied @ overlap @ focks + 0.75 * _both(occupied, focks) @ overlap
    weight = jnp.sum(weight - 0.5 * _both(focks, turned), axis=1)
    second = jnp.einsum("xsij,ysij->xy", explicit, followed + turned)
    second += jnp.einsum("xsij,ysij->xy", followed, explicit + induced)
    return second + jnp.einsum("xij,yij->xy", overlap[:, 0], weight)


def _both(a, b):
    return a @ b + b @ a


def _in_batches(f, arrays):
    """`f` mapped over the leading axis of arrays, a bounded number at once."""
    count = len(arrays[0])
    batches = -(-count // _MOST_DIRECTIONS)
    size = -(-count // batches)

    def split(x):
        x = jnp.pad(x, ((0, batches * size - count), *((0, 0),) * (x.ndim - 1)))
        return x.reshape(batches, size, *x.shape[1:])

    found = jax.lax.map(lambda part: jax.vmap(f)(*part), tuple(map(split, arrays)))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:count], found)
