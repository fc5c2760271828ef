"""The Kohn-Sham equations of one molecule, which solvers and responses take as one value."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._system.molecule import Molecule
from .._system.pair_geometry import Extras, check_pair_potentials
from .._xc import Functional
from .fock_response import fock_response
from .hamiltonian import Operators, operators
from .kohn_sham import Density, density_matrix, energy_and_fock, total_energy, xc_energy


class Equations(eqx.Module):
    """F[Π] Π = Π F[Π] for the occupied projectors Π in an orthonormal basis, F = Xᵀ F[P] X.

    - `functional`, `params`: as in `scf`.
    - `ops`: the molecule's integrals, grid and numbers of electrons.
    """

    functional: Functional
    params: Any
    ops: Operators

    def energy(self, occupied: Density) -> Float[Array, ""]:
        """E[P]."""
        density = density_matrix(self.ops, occupied)
        return total_energy(self.functional, self.params, self.ops, density)

    def energy_and_fock(self, occupied: Density) -> tuple[Float[Array, ""], Density]:
        """E[P] and Xᵀ F[P] X of projectors."""
        return self.energy_and_fock_of(density_matrix(self.ops, occupied))

    def energy_and_fock_of(self, density: Density) -> tuple[Float[Array, ""], Density]:
        """E[P] and Xᵀ F[P] X of a density matrix."""
        energy, fock = energy_and_fock(self.functional, self.params, self.ops, density)
        return energy, self.ops.orthonormal.fock(fock)

    def fock(self, occupied: Density) -> Density:
        """Xᵀ F[P] X."""
        return self.energy_and_fock(occupied)[1]

    def orbital_gradient(self, focks: Density, occupied: Density) -> Float[Array, "sets n n"]:
        """[F, Π] of each spin, or the sum where both share their orbitals: zero at the solution."""
        commutator = focks @ occupied - occupied @ focks
        return jnp.sum(commutator, axis=0, keepdims=True) if self.ops.spins.shared else commutator

    def response(self, occupied: Density) -> Callable[[Density], Density]:
        """The linear map from a change of Π to that of Xᵀ F[P] X."""
        density = density_matrix(self.ops, occupied)
        response = fock_response(self.functional, self.params, self.ops, density)
        seen = self.ops.orthonormal.change
        return lambda change: seen(response(density_matrix(self.ops, change)))


def energy_of_extras(
    molecule: Molecule, functional: Functional, params: Any, density: Density
) -> Callable[[Extras], Float[Array, ""]]:
    """What of the energy may depend on a molecule's extras, as a function of them."""

    def energy(extras: Extras) -> Float[Array, ""]:
        with_extras = dataclasses.replace(molecule, extras=extras)
        return xc_energy(functional, params, operators(with_extras, functional), density)

    return energy


def check_extras(molecule: Molecule, functional: Functional, params: Any) -> None:
    """Refuse pair potentials of another geometry, if the functional uses them."""

    def energy(extras: Extras) -> Float[Array, ""]:
        return energy_of_extras(molecule, functional, params, molecule.guess[None])(extras)

    if functional.nonlocal_terms:
        check_pair_potentials(molecule, energy)


def explicit_change(equations: Equations, tangent: Any, occupied: Density) -> Density:
    """How the Fock matrices change with parameters and operators while the orbitals stay."""
    return eqx.filter_jvp(lambda e: e.fock(occupied), (equations,), (tangent,))[1]
