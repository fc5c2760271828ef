"""The Kohn-Sham energy of a density matrix, and its derivative, the Fock matrix."""

from collections.abc import Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ...core import one_copy
from .._basis.functions import Rows
from .._basis.long_range import LongRange, check_range
from .._basis.quadrature import Quadrature
from .._system.pair_geometry import extras_here
from .._xc import Functional
from .._xc.density import MolecularDensity, both_spins
from .._xc.features import DENSITY_CUTOFF, Features, Level
from .coulomb import coulomb, exchange, product, symmetric_exchange
from .hamiltonian import Operators

# Density matrices carry a spin axis inside this package: length 1 holds the total density of a
# restricted calculation, length 2 holds α and β.
Density = Float[Array, "spins nao nao"]
# What is linear in a density matrix: ρ, ∇ρ, τ and ∇²ρ.
Parts = tuple[Array, Array, Array, Array]


class Surroundings(Protocol):
    """What a functional on the grid sees of a molecule besides its density matrix."""

    @property
    def quadrature(self) -> Quadrature: ...
    @property
    def charges(self) -> Float[Array, " atoms"]: ...
    @property
    def atom_mask(self) -> Bool[Array, " atoms"]: ...
    @property
    def extras(self) -> dict[str, Array]: ...


def electrons_per_orbital(channels: Array) -> float:
    """2 if one channel stands for both spins, else 1."""
    return 2.0 if channels.shape[0] == 1 else 1.0


def density_matrix(ops: Operators, occupied: Density) -> Density:
    """P = f X Π Xᵀ, with f electrons per orbital."""
    x = ops.orthonormal.x
    return electrons_per_orbital(occupied) * (x @ occupied @ x.T)


def density_features(ops: Surroundings, density: Density, level: Level) -> Features:
    """Densities, gradients and kinetic energy densities at the grid points.

    ρ = Σ_ij P_ij χ_i χ_j,   ∇ρ = 2 Σ_ij P_ij χ_i ∇χ_j,   τ = ½ Σ_ij P_ij ∇χ_i·∇χ_j,
    ∇²ρ = 2 Σ_ij P_ij χ_i ∇²χ_j + 4 τ
    """
    rows = ops.quadrature.basis.to_rows(density)
    return ops.quadrature.map(lambda orbitals: _features(orbitals, rows, level))


def _features(orbitals: Rows, density: Density, level: Level) -> Features:
    return features_of([spin_parts(orbitals, p, level) for p in density])


def features_of(spins: Sequence[Parts]) -> Features:
    """Of one or both spin channels."""
    if len(spins) == 1:
        rho, gradient, tau, lap = (0.5 * x for x in spins[0])
        sigma = jnp.sum(gradient**2, axis=0)
        return Features(rho, rho, sigma, sigma, sigma, tau, tau, lap, lap, polarised=False)
    (rho_a, grad_a, tau_a, lap_a), (rho_b, grad_b, tau_b, lap_b) = spins
    aa, ab, bb = (
        jnp.sum(x * y, axis=0) for x, y in ((grad_a, grad_a), (grad_a, grad_b), (grad_b, grad_b))
    )
    return Features(rho_a, rho_b, aa, ab, bb, tau_a, tau_b, lap_a, lap_b)


def spin_parts(orbitals: Rows, density: Float[Array, "rows rows"], level: Level) -> Parts:
    """ρ, ∇ρ, τ and ∇²ρ of one spin channel, zero where its level does not need them."""
    value = orbitals[0]
    half = density @ value
    rho = jnp.sum(half * value, axis=0)
    zeros = jnp.zeros_like(rho)
    if level == "lda":
        return rho, zeros[None], zeros, zeros
    slopes = orbitals[1:4]
    gradient = 2 * jnp.stack([jnp.sum(half * slope, axis=0) for slope in slopes])
    if level == "gga":
        return rho, gradient, zeros, zeros
    tau = 0.5 * sum((jnp.sum((density @ slope) * slope, axis=0) for slope in slopes), zeros)
    if level == "mgga":
        return rho, gradient, tau, zeros
    return rho, gradient, tau, 2 * jnp.sum(half * orbitals[4], axis=0) + 4 * tau


def xc_energy(
    functional: Functional, params: Any, ops: Operators, density: Density
) -> Float[Array, ""]:
    """∫ e_xc(r) dr on the grid with all that is not local, but without exact exchange."""
    if functional.nonlocal_terms:
        return _whole_energy(functional, params, ops, density)
    rows = ops.quadrature.basis.to_rows(density)
    return ops.quadrature.sum(
        lambda orbitals, weights: block_energy(functional, params, orbitals, weights, rows)
    )


def block_energy(functional, params, orbitals: Rows, weights, density) -> Float[Array, ""]:
    """∫ e_xc over a block of points, of a density matrix over rows."""
    features = _features(orbitals, density, functional.level)
    return jnp.sum(weights * jax.vmap(lambda f: functional(params, f))(features))


def xc_energy_and_potential(
    functional: Functional, params: Any, ops: Surroundings, density: Density
) -> tuple[Float[Array, ""], Density]:
    """`xc_energy` and its symmetric derivative, in one pass."""
    if functional.nonlocal_terms:
        energy, potential = jax.value_and_grad(_whole_energy, argnums=3)(
            functional, params, ops, density
        )
    else:
        basis = ops.quadrature.basis
        rows = basis.to_rows(density)

        def of_block(orbitals, weights):
            return _block_energy_and_slope(functional, params, orbitals, weights, rows)

        energy, potential = ops.quadrature.sum(of_block)
        potential = basis.from_rows(potential)
    return energy, 0.5 * (potential + potential.transpose(0, 2, 1))


@one_copy
def _block_energy_and_slope(functional, params, orbitals: Rows, weights, density):
    return jax.value_and_grad(block_energy, argnums=4)(
        functional, params, orbitals, weights, density
    )


def _whole_energy(functional, params, ops: Surroundings, density):
    whole = molecular_density(ops, density, functional.level)
    per_volume = jax.vmap(lambda f: functional(params, f))(whole.features)
    return jnp.sum(whole.weights * per_volume) + functional.nonlocal_energy(params, whole)


def molecular_density(ops: Surroundings, density: Density, level: Level) -> MolecularDensity:
    """All that a functional of the whole density may use."""
    features = density_features(ops, density, level)
    grid = ops.quadrature
    points, weights = grid.flat()
    # Where there is no density any will do, if it has finite derivatives: it gets no weight.
    present = ~(features.rho <= DENSITY_CUTOFF)  # NaN propagates
    return MolecularDensity(
        features=jax.tree.map(lambda x: jnp.where(present, x, 1), features),
        points=points,
        weights=jnp.where(present, weights, 0),
        present=present,
        owner=grid.owner[: grid.size],
        atomic_weights=grid.atomic_weights[: grid.size],
        orbitals=grid.map(lambda rows: rows[0])[grid.basis.row],
        density_matrix=both_spins(density),
        coordinates=grid.coordinates,
        charges=ops.charges,
        atom_mask=ops.atom_mask,
        extras=extras_here(ops.extras, grid.coordinates, ops.atom_mask),
    )


def total_energy(
    functional: Functional, params: Any, ops: Operators, density: Density
) -> Float[Array, ""]:
    """Kohn-Sham energy of a density matrix in Hartree.

    E[P] = tr(P h) + ½ tr(P J) - ½ Σ_s tr(P_s [a K_s + b K_s^ω]) + E_xc[ρ] + E_nuc
    """
    energy = mean_field(functional, ops, density)[0]
    if functional.on_grid:
        energy = energy + xc_energy(functional, params, ops, density)
    return energy


def energy_and_fock(
    functional: Functional, params: Any, ops: Operators, density: Density
) -> tuple[Float[Array, ""], Density]:
    """E[P] and F_s = ∂E/∂P_s = h + J - a K_s + V_xc,s (symmetric), for little more than one."""
    energy, fock = mean_field(functional, ops, density)
    if functional.on_grid:
        xc, potential = xc_energy_and_potential(functional, params, ops, density)
        energy, fock = energy + xc, fock + potential
    return energy, fock


def fock_matrix(functional: Functional, params: Any, ops: Operators, density: Density) -> Density:
    """F_s = ∂E/∂P_s."""
    return energy_and_fock(functional, params, ops, density)[1]


def orthogonal_fock(
    functional: Functional, params: Any, ops: Operators, density: Density
) -> Density:
    """Xᵀ F[P] X."""
    return ops.orthonormal.fock(fock_matrix(functional, params, ops, density))


def mean_field(
    functional: Functional, ops: Operators, density: Density
) -> tuple[Float[Array, ""], Density]:
    """What of energy and Fock matrix is not on the grid."""
    field = _field(functional, ops, density)
    core = ops.core_hamiltonian.reshape(-1, *field.shape[1:])
    energy = ops.nuclear_energy + jnp.sum(density * (core + 0.5 * field))
    return energy, jnp.broadcast_to(core + field, density.shape)


def _field(functional: Functional, ops: Operators, density: Density) -> Density:
    """J - a K - b K^ω of each spin."""
    total = jnp.sum(density, axis=0)
    if not (functional.exact_exchange or functional.long_range_exchange):
        return jnp.broadcast_to(coulomb(ops, total), density.shape)
    if functional.long_range_exchange:
        check_range(ops.long_range, functional.omega, functional.name)
    if ops.interaction is None:
        return coulomb(ops, total)[None] + exact_exchange(functional, ops, density, symmetric=True)
    of_each = jnp.stack([product(ops.interaction, p) for p in density])
    if ops.spins.channels > 1:
        return coulomb(ops, total)[None] + (0.5 if len(density) == 1 else 1.0) * of_each
    if len(density) == 1:
        return of_each
    # Both spins of a closed shell, as in its stability: of one, J - a K is J + 2 (G P - J).
    coulombs = jnp.stack([coulomb(ops, p) for p in density])
    return jnp.sum(coulombs, axis=0, keepdims=True) + 2 * (of_each - coulombs)


def exact_exchange(
    functional: Functional, ops: Operators, density: Density, *, symmetric: bool = False
) -> Density:
    """-a K - b K^ω of each spin; half of it for the total density of both."""
    kinds: list[tuple[float, Operators | LongRange]] = [(functional.exact_exchange, ops)]
    if functional.long_range_exchange:
        held = check_range(ops.long_range, functional.omega, functional.name)
        kinds.append((functional.long_range_exchange, held))
    half = 0.5 if density.shape[0] == 1 else 1.0
    of_one = symmetric_exchange if symmetric else exchange
    total = jnp.zeros_like(density)
    for share, integrals in kinds:
        if share:
            total -= half * share * jnp.stack([of_one(integrals, p) for p in density])
    return total
