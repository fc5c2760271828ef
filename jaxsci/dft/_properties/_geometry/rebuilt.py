"""A molecule at other positions: new integrals by libcint on the host, in the same shapes."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..._basis import integrals
from ..._basis.libcint import Libcint, to_auxiliary_mole, to_mole
from ..._basis.long_range import LongRange
from ..._basis.orthonormal import NEARLY_DEPENDENT
from ..._system.molecule import Molecule

T = TypeVar("T")


def rebuilt(molecule: Molecule, coordinates: np.ndarray) -> Molecule:
    """The molecule with its nuclei at `coordinates` (Bohr), padding kept.

    Only the integrals change: basis, grid and initial guess are held around each atom. Directions
    of the basis are left out there as `molecule` would leave them out.
    """
    atoms = int(np.sum(molecule.atom_mask))
    coordinates = np.array(coordinates, float)
    mol = to_mole(molecule.libcint, coordinates, atoms)
    overlap, core = integrals.one_electron(mol)
    repulsion, fit = _two_electron(molecule, molecule.libcint, mol)
    dependent = bool(np.linalg.eigvalsh(overlap)[0] <= NEARLY_DEPENDENT)
    return dataclasses.replace(
        molecule,
        coordinates=jnp.asarray(coordinates),
        overlap=_into(molecule.overlap, overlap),
        core_hamiltonian=_into(molecule.core_hamiltonian, core),
        dipole_integrals=_into(molecule.dipole_integrals, integrals.dipole(mol)),
        repulsion=repulsion,
        fit=fit,
        dependent=molecule.dependent or dependent,
        long_range=molecule.long_range and _long_range(molecule.long_range, molecule, mol),
    )


def alike(molecules: Sequence[Molecule]) -> list[Molecule]:
    """The molecules, to be stacked: where one leaves out directions, all look for them."""
    dependent = any(m.dependent for m in molecules)
    return [dataclasses.replace(m, dependent=dependent) for m in molecules]


def one_of(batch: T, i: int) -> T:
    """The molecule, or the result, at place `i` of a stack."""
    return jax.tree.map(lambda x: jnp.asarray(x[i]), batch)


def _two_electron(held: Molecule | LongRange, tables: Libcint, mol: Any):
    """The full or the fitted integrals, whichever are held."""
    if held.fit is None:
        return _into(held.repulsion, integrals.repulsion(mol)), None
    from pyscf import df

    auxiliary = to_auxiliary_mole(tables, mol)
    return None, _into(held.fit, df.incore.cholesky_eri(mol, auxmol=auxiliary))


def _long_range(held: LongRange, molecule: Molecule, mol: Any) -> LongRange:
    with mol.with_range_coulomb(held.omega):
        repulsion, fit = _two_electron(held, molecule.libcint, mol)
    return LongRange(repulsion, fit, held.omega)


def _into(old: Any, new: np.ndarray) -> Array:
    """The new numbers in the first places of each axis, and the old padding in the others."""
    out = np.array(old)
    out[tuple(slice(size) for size in new.shape)] = new
    return jnp.asarray(out)
