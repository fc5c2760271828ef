"""Forces on the nuclei: libcint's derivative integrals on the host, all else by differentiation."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .energy import total_energy
from .libcint import Libcint, to_mole
from .molecule import Molecule
from .operators import operators
from .scf import scf
from .xc import Functional, as_functional


def forces(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    tolerance: float = 1e-12,
    max_steps: int = 100,
    level_shift: float = 0.0,
    damping: float = 0.0,
    temperature: float = 0.0,
    throw: bool = True,
) -> Float[Array, "atoms 3"]:
    """Forces on the nuclei at the self-consistent density.

        F_A = -dE/dR_A

    The derivatives of the integrals come from libcint, contracted on the host with the converged
    density. Basis values, grid points and Becke's weights are differentiated in JAX, so the
    response of the grid is included and the forces are those of the energy that is computed.

    **Arguments:** as in `scf`. The tolerance is tighter: the error of a force is linear in that of
    the density. At a temperature the forces are those of the free energy.

    **Returns:** forces in Hartree/Bohr, zero for atoms that fill up a batch.

    **Raises:** what `scf` raises; `ValueError` for a density-fitted molecule. Not differentiable
    once more. Without convergence and with `throw=False`, NaN.

    **Source:** Pulay, Mol. Phys. 17, 197 (1969); Johnson, Gill & Pople, J. Chem. Phys. 98, 5612
    (1993) for the response of the grid.

    ```python
    f = jsci.dft.forces(water, jsci.dft.xc("pbe"))
    jsci.vmap(lambda m: jsci.dft.forces(m, functional, throw=False))(batch)
    ```
    """
    functional = as_functional(functional)
    if isinstance(molecule, Molecule) and molecule.fit is not None:
        raise ValueError(
            "forces need full integrals, and this molecule is density-fitted: build it with "
            "density_fit=False."
        )
    if functional.nonlocal_terms and isinstance(molecule, Molecule) and molecule.extras:
        raise ValueError(
            "forces cannot know how the molecule's extras "
            f"({', '.join(map(repr, molecule.extras))}) change as its nuclei move."
        )
    result = scf(
        molecule,
        functional,
        params,
        tolerance=tolerance,
        max_steps=max_steps,
        level_shift=level_shift,
        damping=damping,
        temperature=temperature,
        throw=throw,
    )
    shape = (-1, molecule.size, molecule.size)
    slope = _gradient(molecule, functional, params, result.density_matrix.reshape(shape))
    return jnp.where(result.converged, -slope, jnp.nan)


@eqx.filter_jit
def _gradient(molecule, functional, params, density) -> Float[Array, "atoms 3"]:
    lower = jnp.linalg.cholesky(molecule.overlap)
    # The orbitals in an orthonormal basis: held fixed, they stay orthonormal as atoms move.
    fixed = lower.T @ density @ lower

    def energy(coordinates, overlap):
        moved = eqx.tree_at(lambda m: (m.coordinates, m.overlap), molecule, (coordinates, overlap))
        ops = operators(moved, functional.level)
        x = ops.orthogonaliser
        return total_energy(functional, params, ops, x @ fixed @ x.T)

    by_position, by_overlap = jax.grad(energy, argnums=(0, 1))(
        molecule.coordinates, molecule.overlap
    )
    by_integrals = jax.pure_callback(
        lambda *arrays: _integral_gradient(functional.exact_exchange, *arrays),
        jax.ShapeDtypeStruct(by_position.shape, by_position.dtype),
        molecule.libcint,
        molecule.coordinates,
        jnp.sum(molecule.atom_mask),
        0.5 * (by_overlap + by_overlap.T),
        density,
        vmap_method="sequential",
    )
    return by_position + by_integrals


def _integral_gradient(
    exact_exchange: float,
    tables: Libcint,
    coordinates: np.ndarray,
    atoms: np.ndarray,
    by_overlap: np.ndarray,
    density: np.ndarray,
) -> np.ndarray:
    """Σ_ij ∂E/∂S_ij ∇S_ij + tr(P ∇h) + ½ Σ (P_ij P_kl - exchange) ∇(ij|kl), for each atom."""
    from pyscf.grad import rhf

    coordinates = np.asarray(coordinates)
    mol = to_mole(tables, coordinates, int(atoms))
    n = mol.nao_nr()
    by_overlap = np.asarray(by_overlap)[:n, :n]
    spins = np.asarray(density)[:, :n, :n]
    total = spins.sum(axis=0)
    # libcint differentiates the first function with respect to the electron: minus the nucleus.
    weighted = by_overlap * -mol.intor("int1e_ipovlp", comp=3)
    coulomb, exchange = rhf.get_jk(mol, np.concatenate([total[None], spins]))
    weighted += coulomb[0] * total
    share = exact_exchange * (0.5 if len(spins) == 1 else 1.0)
    for spin, k in zip(spins, exchange[1:], strict=True):
        weighted -= share * k * spin
    core = rhf.Gradients(_Field(mol)).hcore_generator(mol)
    gradient = np.zeros(coordinates.shape)
    for atom, (_, _, start, stop) in enumerate(mol.aoslice_by_atom()):
        gradient[atom] = 2 * weighted[:, start:stop].sum(axis=(1, 2))
        gradient[atom] += np.einsum("xij,ij->x", core(atom), total)
    return gradient


class _Field:
    """The little of a PySCF mean field that its gradient object looks at."""

    def __init__(self, mol):
        self.mol, self.verbose, self.stdout, self.max_memory = mol, 0, mol.stdout, mol.max_memory
