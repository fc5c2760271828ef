"""Forces on the nuclei: libcint's derivative integrals on the host, all else by differentiation."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

from ...core import announced_jit
from .._basis.grid import points_and_weights
from .._basis.orthonormal import orthonormal, to_orthonormal
from .._scf.equations import check_extras, energy_of_extras
from .._scf.hamiltonian import operators
from .._scf.kohn_sham import mean_field, xc_energy
from .._scf.result import Guess, SCFResult
from .._scf.solvers.old_keywords import accepts_old_keywords
from .._scf.solvers.options import DIIS, Newton
from .._system.molecule import Molecule, check_one
from .._system.pair_geometry import MADE_AT, ranges_of
from .._xc import Functional, as_functional
from .integral_gradients import Exchange, integral_gradient
from .nuclei import check_nuclei, energy_of_nuclei, moved
from .pair_potential_gradients import pair_potential_gradient
from .solution import is_energy_of, solution
from .xc_slopes import xc_slopes


@accepts_old_keywords
def forces(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    result: SCFResult | None = None,
    guess: Guess | Float[Array, "*spin nao nao"] | SCFResult = "minao",
    tolerance: float = 1e-12,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
    throw: bool = True,
) -> Float[Array, "atoms 3"]:
    """Forces on the nuclei at the self-consistent density.

        F_A = -dE/dR_A

    The derivatives of the integrals come from libcint, contracted on the host with the converged
    density. Basis values, grid points and Becke's weights are differentiated in JAX, so the
    response of the grid is included and the forces are those of the energy that is computed.

    **Arguments:**

    - `molecule`: one molecule; for a batch use `jsci.vmap` with `throw=False`.
    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `result`: what `scf` returned for the same molecule, functional and parameters: then nothing
        is solved again, and the settings of an SCF below are not used. The error of a force is
        linear in that of its density: with the default tolerance of `scf` about 1e-5
        Hartree/Bohr, with 1e-12 about 1e-7.
    - `guess`: the initial guess, as in `scf`. Passing a previous density
        stays on that solution; other solutions may be lower.
    - `tolerance`: of the energy in Hartree; tighter than in `scf`, as the error of a
        force is linear in that of the density.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`.
    - `throw`: raise without convergence, rather than return NaN.

    **Returns:** forces in Hartree/Bohr, at a temperature those of the free energy; zero for atoms
    that pad a batch; NaN without convergence and with `throw=False`.

    **Raises:** what `scf` raises; `ValueError` for GTH pseudopotentials, for extras of the
    molecule that the functional uses, other than pair potentials of this geometry, for a core
    Hamiltonian with an electric field (which is not seen under `vmap`), and for a result of another
    molecule, geometry or functional; `RuntimeError` for one that has not converged.

    **Notes:** the result cannot be differentiated; for a training loss use `force_error`.

    **Source:** Pulay, Mol. Phys. 17, 197 (1969); Johnson, Gill & Pople, J. Chem. Phys. 98, 5612
    (1993) for the response of the grid.

    ```python
    f = jsci.dft.forces(water, jsci.dft.xc("pbe"))
    f = jsci.dft.forces(water, functional, result=result)
    jsci.vmap(lambda m: jsci.dft.forces(m, functional, throw=False))(batch)
    ```
    """
    functional = as_functional(functional)
    check_one(molecule, "forces(m, functional, throw=False)")
    check_forces(molecule, functional, "forces", known=(*ranges_of(molecule.extras), MADE_AT))
    check_extras(molecule, functional, params)
    check_nuclei(molecule, "forces")
    settings = {"tolerance": tolerance, "max_steps": max_steps, "solver": solver, "throw": throw}
    result = solution(molecule, functional, params, result, "forces", guess=guess, **settings)
    shape = (-1, molecule.size, molecule.size)
    density = result.density_matrix.reshape(shape)
    energy, slope = _gradient(molecule, functional, params, density)
    sound = result.converged & is_energy_of(result, energy)
    if throw and not isinstance(sound, Tracer) and not bool(sound):
        raise ValueError(
            f"the density of result has the energy {float(energy):.6f} by this functional, and "
            f"result says {float(result.energy):.6f}: it is of another functional, or of other "
            "parameters. Call scf for these."
        )
    return jnp.where(sound, -slope, jnp.nan)


def check_forces(
    molecule: Molecule, functional: Functional, name: str, *, known: tuple[str, ...] = ()
) -> None:
    """Refuse what has no forces; `known` extras may change as nuclei move."""
    molecule.libcint.check_cores(name)
    unknown = [key for key in molecule.extras if key not in known]
    if functional.nonlocal_terms and unknown:
        raise ValueError(
            f"{name} cannot know how the molecule's extras "
            f"({', '.join(map(repr, unknown))}) change as its nuclei move."
        )


def exchange_of(functional: Functional) -> Exchange:
    """The shares of exact exchange, of the whole interaction and of the long-ranged one."""
    exchange: Exchange = ((None, functional.exact_exchange),)
    if functional.long_range_exchange:
        exchange += ((functional.omega, functional.long_range_exchange),)
    return exchange


@announced_jit("compiling the forces")
def explicit_slopes(
    molecule: Molecule, functional: Functional, params: Any, density: Float[Array, "spins nao nao"]
) -> tuple[Float[Array, ""], Float[Array, "atoms 3"], Float[Array, "nao nao"]]:
    """E, ∂E/∂R by grid, basis values and nuclei, and ∂E/∂S, at fixed orthonormal orbitals."""
    # The orbitals in an orthonormal basis: held fixed, they stay orthonormal as atoms move.
    fixed = to_orthonormal(density, molecule.overlap, molecule.dependent)

    def followed(overlap):
        x = orthonormal(overlap, molecule.dependent).x
        return x @ fixed @ x.T

    density, back = jax.vjp(followed, molecule.overlap)
    ops = operators(molecule, functional)
    value, fock = mean_field(functional, ops, density)
    by_position = jax.grad(lambda x: energy_of_nuclei(moved(molecule, x), functional))
    by_position = by_position(molecule.coordinates)
    if functional.on_grid:
        of_grid = _whole_xc_slopes if functional.nonlocal_terms else xc_slopes
        xc, by_points, potential = of_grid(molecule, functional, params, density)
        value, by_position, fock = value + xc, by_position + by_points, fock + potential
    (by_overlap,) = back(fock)
    return value, by_position, 0.5 * (by_overlap + by_overlap.T)


def _whole_xc_slopes(molecule, functional, params, density):
    """As `xc_slopes`, of what depends on all points at once."""

    def energy(coordinates, density):
        there = moved(molecule, coordinates)
        return xc_energy(functional, params, operators(there, functional), density)

    value, slopes = jax.value_and_grad(energy, argnums=(0, 1))(molecule.coordinates, density)
    return value, *slopes


def _gradient(molecule, functional, params, density):
    """E and dE/dR."""
    value, by_position, by_overlap = explicit_slopes(molecule, functional, params, density)
    nuclei = molecule.libcint, molecule.coordinates, jnp.sum(molecule.atom_mask)
    by_integrals = functools.partial(integral_gradient, exchange_of(functional))
    by_position += _on_host(by_integrals, by_position, *nuclei, by_overlap, density)
    if functional.nonlocal_terms and (ranges := ranges_of(molecule.extras)):
        by_potentials = functools.partial(pair_potential_gradient, ranges)
        moving = _slopes_of_extras(molecule, functional, params, density)
        by_position += _on_host(by_potentials, by_position, *nuclei, *moving)
    return value, by_position


def _on_host(f, like, *arrays):
    """`f(*arrays)` of the shape of `like`."""
    # No cache keeps a program that calls the host, so there is one only inside transformations.
    if not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(arrays)):
        return f(*arrays)
    shape = jax.ShapeDtypeStruct(like.shape, like.dtype)
    return jax.pure_callback(f, shape, *arrays, vmap_method="sequential")


@announced_jit("compiling what extras of the molecule contribute to forces")
def _slopes_of_extras(molecule, functional, params, density):
    """Points, the atoms that they move with, and ∂E_xc/∂extras."""
    energy = energy_of_extras(molecule, functional, params, density)
    points, _ = points_and_weights(molecule.grid, molecule.coordinates, molecule.atom_mask)
    return points, molecule.grid.owner, jax.grad(energy)(molecule.extras)
