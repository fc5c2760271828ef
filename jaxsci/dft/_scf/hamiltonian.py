"""What the Kohn-Sham equations need of a molecule, made once before the iterations."""

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from .._basis.grid import Grid
from .._basis.long_range import LongRange
from .._basis.orthonormal import Orthonormal, orthonormal
from .._basis.quadrature import Quadrature, block_size, quadrature
from .._system.molecule import Molecule
from .._system.spins import Spins
from .._xc import Functional
from .._xc.features import Level


class Operators(eqx.Module):
    """A molecule's integrals, with its basis functions and weights on the grid.

    **Arguments:**

    - `orthonormal`: X with Xᵀ S X = 1.
    - `core_hamiltonian`: as in `Molecule`, or one for each spin.
    - `repulsion`, `fit`, `long_range`: as in `Molecule`.
    - `interaction`: of full integrals, G over pairs with G P = J - ½ a K - ½ b K^ω for the density
        of both spins together, or - a K - b K^ω for that of each.
    - `quadrature`: the grid, with the basis functions on it.
    - `nuclear_energy`: of the nuclei among themselves, dispersion included, in Hartree.
    - `charges`, `atom_mask`, `extras`: for functionals that are not local.
    - `counts`: numbers of occupied orbitals, of both spins together or of each.
    - `spins`: as in `Molecule`.
    """

    orthonormal: Orthonormal
    core_hamiltonian: Float[Array, "*spins nao nao"]
    repulsion: Float[Array, "pairs pairs"] | None
    fit: Float[Array, "auxiliary pairs"] | None
    long_range: LongRange | None
    interaction: Float[Array, "pairs pairs"] | None
    quadrature: Quadrature
    nuclear_energy: Float[Array, ""]
    charges: Float[Array, " atoms"]
    atom_mask: Bool[Array, " atoms"]
    extras: dict[str, Array]
    counts: Num[Array, " channels"]
    spins: Spins = eqx.field(static=True)


def operators(molecule: Molecule, functional: Functional) -> Operators:
    """The operators of a molecule for a functional."""
    repulsion, far = molecule.repulsion, molecule.long_range
    counts = molecule.spins.counts(molecule.electrons)
    return Operators(
        orthonormal=orthonormal(molecule.overlap, molecule.dependent),
        core_hamiltonian=molecule.core_hamiltonian,
        repulsion=repulsion,
        fit=molecule.fit,
        long_range=far,
        interaction=_interaction(molecule, functional),
        quadrature=on_grid(molecule, molecule.grid, functional.level),
        nuclear_energy=nuclear_repulsion(molecule) + functional.nuclear_energy(molecule),
        charges=molecule.charges,
        atom_mask=molecule.atom_mask,
        extras=molecule.extras,
        counts=_constant(counts) if molecule.fractional else counts,
        spins=molecule.spins,
    )


@jax.custom_jvp
def _constant(counts):
    """Fractional numbers of electrons, whose derivative would be silently zero."""
    return counts


@_constant.defjvp
def _no_derivative(_primals, _tangents):
    raise TypeError(
        "there is no derivative in the number of electrons: differentiate in other arrays of the "
        "molecule, or give it jax.lax.stop_gradient(molecule.electrons)."
    )


def on_coarse_grid(ops: Operators, molecule: Molecule, level: Level) -> Operators:
    """The same operators on the molecule's coarse grid, which it must have."""
    assert molecule.grid.coarse is not None
    coarse = on_grid(molecule, molecule.grid.coarse, level).kept()
    return dataclasses.replace(ops, quadrature=coarse)


def on_grid(molecule: Molecule, grid: Grid, level: Level) -> Quadrature:
    """One of the molecule's grids, with basis functions for a functional of this level."""
    block = block_size(molecule.basis.rows, molecule.grid)
    return quadrature(grid, molecule.basis, molecule.coordinates, molecule.atom_mask, level, block)


def nuclear_repulsion(molecule: Molecule) -> Float[Array, ""]:
    """Σ_{A<B} Z_A Z_B / |R_A - R_B| in Hartree."""
    n = molecule.charges.shape[0]
    off = ~jnp.eye(n, dtype=bool)
    difference = molecule.coordinates[:, None] - molecule.coordinates[None]
    distance2 = jnp.where(off, jnp.sum(difference**2, axis=-1), 1)
    charges = molecule.charges[:, None] * molecule.charges[None]
    return 0.5 * jnp.sum(jnp.where(off, charges / jnp.sqrt(distance2), 0))


def pair_index(n: int) -> np.ndarray:
    """The position of (i, j) in the packed lower triangle."""
    i, j = np.indices((n, n))
    high, low = np.maximum(i, j), np.minimum(i, j)
    return high * (high + 1) // 2 + low


def packed(density: Float[Array, "n n"]) -> Float[Array, " pairs"]:
    """A symmetric matrix over pairs i ≥ j, which stand for (j, i) too."""
    i, j = np.tril_indices(len(density))
    return density[i, j] * np.where(i == j, 1.0, 2.0)


def _interaction(molecule: Molecule, functional: Functional) -> Array | None:
    repulsion, far = molecule.repulsion, molecule.long_range
    channels = molecule.spins.channels
    shares = [
        (0.5 * channels * functional.exact_exchange, repulsion),
        (0.5 * channels * functional.long_range_exchange, far and far.repulsion),
    ]
    shares = [(share, integrals) for share, integrals in shares if share and integrals is not None]
    if repulsion is None or (channels > 1 and not shares):
        return None
    coulomb = repulsion if channels == 1 else jnp.zeros_like(repulsion)
    return interaction_matrix(coulomb, shares)


def interaction_matrix(
    coulomb: Float[Array, "pairs pairs"],
    exchanges: Sequence[tuple[float, Float[Array, "pairs pairs"]]],
) -> Float[Array, "pairs pairs"]:
    """G with J_il - Σ a K_il = Σ_{j≥k} G_(il),(jk) P_jk (2 - δ_jk) for symmetric P.

        G_(il),(jk) = (il|jk) - ½ Σ a [(ij|kl) + (ik|jl)]

    The first term is `coulomb`. The sum is over the shares a of exchange and the integrals of each.
    Making G costs as much as one K from the integrals. From then on all is one product of a matrix
    and a vector, which takes as long as reading the matrix.

    **Source:** Raffenetti, Chem. Phys. Lett. 20, 335 (1973).
    """
    if not exchanges:
        return coulomb
    n = int(np.sqrt(2 * len(coulomb)))
    first, second = np.tril_indices(n)
    index = jnp.asarray(pair_index(n))

    def row(pair):
        i, l, total = index[pair[0]], index[pair[1]], pair[2]
        for share, integrals in exchanges:
            straight = integrals[i[first], l[second]]
            total -= 0.5 * share * (straight + integrals[i[second], l[first]])
        return total

    return jax.lax.map(row, (jnp.asarray(first), jnp.asarray(second), coulomb), batch_size=n)
