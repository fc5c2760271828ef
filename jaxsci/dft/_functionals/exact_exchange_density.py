"""Exact exchange as an energy density in space, which local hybrids mix at every point."""

import numbers

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...core import host_memory
from .._basis import functions as basis
from .._basis.grid import points_and_weights
from .._basis.libcint import to_mole
from .._scf.result import SCFResult, density_of
from .._system.molecule import Molecule, check_one

# Points per call of libcint: bounds the memory of the unpacked matrices, 8 n² bytes per point.
_BLOCK = 1024


def pair_potentials(
    molecule: Molecule, *, omega: float | None = None
) -> Float[Array, "points pairs"]:
    """The electrostatic potential of every pair of basis functions at every point of the grid.

        ν_ij(r) = ∫ χ_i(r') χ_j(r') w(|r - r'|) dr',   w(d) = 1/d or erf(ω d)/d

    Computed once per molecule, by libcint on the host; `exchange_energy_density` contracts them
    with any density.

    **Arguments:**

    - `molecule`: one, not stacked.
    - `omega`: range separation ω in Bohr⁻¹; `None` for the full Coulomb interaction. The short
        range is the full interaction less the long range.

    **Returns:** ν in Bohr⁻¹, (points, pairs), with pairs i ≥ j of the basis in the order of
    `jnp.tril_indices`.

    **Raises:** `ValueError` for a stacked or padded molecule, an ω that is not positive, or an
    array larger than the machine's memory (8 bytes per point and pair).

    ```python
    potentials = jsci.dft.pair_potentials(water)
    ```
    """
    if molecule.overlap.ndim != 2 or not np.asarray(molecule.basis_mask).all():
        raise ValueError("pair_potentials() takes one molecule as molecule() made it, not stacked.")
    if omega is not None and not (isinstance(omega, numbers.Real) and omega > 0):
        raise ValueError(f"omega is {omega!r}; it must be positive, or None for no separation.")
    points, _ = points_and_weights(molecule.grid, molecule.coordinates, molecule.atom_mask)
    i, j = np.tril_indices(molecule.size)
    need, have = 8 * len(points) * len(i), host_memory()
    if need > have:
        raise ValueError(
            f"{len(points)} points and {len(i)} pairs of basis functions need "
            f"{need / 2**30:.1f} GiB, and this machine has {have / 2**30:.1f}. Use a coarser grid "
            "or a smaller basis."
        )
    mol = to_mole(molecule.libcint, np.asarray(molecule.coordinates), len(molecule.charges))
    found = np.empty((len(points), len(i)))
    with mol.with_range_coulomb(omega or 0.0):
        for start in range(0, len(points), _BLOCK):
            block = np.asarray(points[start : start + _BLOCK])
            found[start : start + _BLOCK] = mol.intor("int1e_grids", grids=block)[:, i, j]
    return jnp.asarray(found)


def exchange_energy_density(
    molecule: Molecule,
    density_matrix: Float[Array, "*spin nao nao"] | SCFResult,
    potentials: Float[Array, "points pairs"],
) -> Float[Array, "2 points"]:
    """The exact-exchange energy per volume of each spin, at every point of the grid.

        e_s(r) = -½ Σ_ij u_i(r) u_j(r) ν_ij(r),   u = P_s χ(r)

    Its integral over space is the exact-exchange energy of the density matrix, to the accuracy of
    the grid. Pure and differentiable in the density matrix.

    **Arguments:**

    - `molecule`: one, not stacked.
    - `density_matrix`: the total (nao, nao), or α and β (2, nao, nao); or the result of `scf`.
    - `potentials`: from `pair_potentials` of the same molecule; with ω the result is the density of
        long-range exchange.

    **Returns:** α and β in Hartree/Bohr³, (2, points).

    **Source:** Jaramillo, Scuseria & Ernzerhof, J. Chem. Phys. 118, 1068 (2003), equation 2;
    Kirkpatrick et al., Science 374, 1385 (2021) for its use as a feature.

    ```python
    potentials = jsci.dft.pair_potentials(water)
    result = jsci.dft.scf(water, jsci.dft.xc("pbe"))
    e_alpha, e_beta = jsci.dft.exchange_energy_density(water, result, potentials)
    ```
    """
    check_one(molecule, "exchange_energy_density(m, density, potentials)")
    density_matrix = density_of(density_matrix)
    points, _ = points_and_weights(molecule.grid, molecule.coordinates, molecule.atom_mask)
    orbitals = basis.evaluate(molecule.basis, molecule.coordinates, points, gradient=False)[0]
    spins = density_matrix if density_matrix.ndim == 3 else jnp.stack([density_matrix / 2] * 2)
    return of_orbitals(orbitals, spins, potentials)


def of_orbitals(
    orbitals: Float[Array, "nao points"],
    spins: Float[Array, "2 nao nao"],
    potentials: Float[Array, "points pairs"],
) -> Float[Array, "2 points"]:
    """As `exchange_energy_density`, from the values of the basis functions at the points."""
    i, j = np.tril_indices(orbitals.shape[0])
    twice = jnp.asarray(np.where(i == j, 1.0, 2.0))[:, None]

    def of_spin(density):
        u = density @ orbitals
        return -0.5 * jnp.sum(twice * u[i] * u[j] * potentials.T, axis=0)

    return jnp.stack([of_spin(p) for p in spins])
