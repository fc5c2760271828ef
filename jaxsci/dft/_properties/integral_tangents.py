"""How integrals change as nuclei move, as arrays: what makes forces a part of a training loss."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...core import host_memory
from .._basis.libcint import to_mole
from .._system.molecule import Molecule
from .integral_gradients import Field


class IntegralSlopes(eqx.Module):
    """First derivatives of a molecule's integrals, in Hartree atomic units.

    - `overlap`: ⟨∇i|j⟩, ∇ with respect to the electron.
    - `core_hamiltonian`: with respect to each nucleus.
    - `repulsion`: (∇i j|kl) over pairs k ≥ l.
    - `dipole`: ⟨∇i|r|j⟩ about the origin, the component of r first.
    """

    overlap: Float[Array, "3 nao nao"]
    core_hamiltonian: Float[Array, "atoms 3 nao nao"]
    repulsion: Float[Array, "3 nao nao pairs"]
    dipole: Float[Array, "3 3 nao nao"]


def check_full_integrals(molecule: Molecule) -> None:
    """Refuse what has no derivatives of four-centre integrals."""
    molecule.libcint.check_cores("the integrals' derivatives")
    if molecule.fit is not None or molecule.long_range is not None:
        raise ValueError(
            "derivatives of integrals need full integrals of one range: build the molecule with "
            "density_fit=False and without omega."
        )


def integral_slopes(molecule: Molecule) -> IntegralSlopes:
    """The derivatives, by libcint on the host; memory of 12 n⁴ bytes for n basis functions.

    They are zero for the padding of a molecule.

    **Raises:** `ValueError` for a density-fitted molecule or one with GTH pseudopotentials, or more
    memory than the machine has.
    """
    from pyscf.grad import rhf

    check_full_integrals(molecule)
    need = 12 * molecule.size**4
    if need > host_memory():
        raise ValueError(
            f"the derivatives of {molecule.size} basis functions need {need / 2**30:.1f} GiB: "
            "train forces on smaller molecules or in a smaller basis."
        )
    atoms = int(molecule.atom_mask.sum())
    mol = to_mole(molecule.libcint, np.asarray(molecule.coordinates), atoms)
    core = rhf.Gradients(Field(mol)).hcore_generator(mol)
    slopes = IntegralSlopes(
        overlap=jnp.asarray(mol.intor("int1e_ipovlp", comp=3)),
        core_hamiltonian=jnp.asarray(np.stack([core(atom) for atom in range(atoms)])),
        repulsion=jnp.asarray(mol.intor("int2e_ip1", aosym="s2kl")),
        dipole=jnp.asarray(dipole_slopes(mol)),
    )
    return pad_slopes(slopes, len(molecule.charges), molecule.size)


def dipole_slopes(mol) -> np.ndarray:
    """⟨∇i|r|j⟩ about the origin, the component of r first."""
    with mol.with_common_orig((0.0, 0.0, 0.0)):
        # ⟨i|r ∇j⟩ is what libcint has.
        right = mol.intor("int1e_irp", comp=9)
    return right.reshape(3, 3, mol.nao, mol.nao).transpose(0, 1, 3, 2)


def pad_slopes(slopes: IntegralSlopes, atoms: int, nao: int) -> IntegralSlopes:
    """For a batch of molecules with this many atoms and basis functions."""

    def padded(x, *shape):
        widths = [(0, new - old) for old, new in zip(x.shape, shape, strict=True)]
        return jnp.asarray(np.pad(x, widths))

    return IntegralSlopes(
        padded(slopes.overlap, 3, nao, nao),
        padded(slopes.core_hamiltonian, atoms, 3, nao, nao),
        padded(slopes.repulsion, 3, nao, nao, nao * (nao + 1) // 2),
        padded(slopes.dipole, 3, 3, nao, nao),
    )


def moved(molecule: Molecule, slopes: IntegralSlopes, shift: Float[Array, "atoms 3"]) -> Molecule:
    """The molecule with its nuclei shifted, integrals to first order.

    Its energy's derivative at zero shift is that of the molecule: minus the force.
    """
    by_function = shift[molecule.basis.atom]  # (nao, 3)
    overlap = -jnp.einsum("ix,xij->ij", by_function, slopes.overlap)
    core = jnp.einsum("ax,axij->ij", shift, slopes.core_hamiltonian)
    first = -jnp.einsum("ix,xijp->ijp", by_function, slopes.repulsion)
    dipole = -jnp.einsum("ix,rxij->rij", by_function, slopes.dipole)
    i, j = np.tril_indices(molecule.size)
    half = first[i, j] + first[j, i]
    assert molecule.repulsion is not None
    return eqx.tree_at(
        lambda m: (m.coordinates, m.overlap, m.core_hamiltonian, m.dipole_integrals, m.repulsion),
        molecule,
        (
            molecule.coordinates + shift,
            molecule.overlap + overlap + overlap.T,
            molecule.core_hamiltonian + core,
            molecule.dipole_integrals + dipole + dipole.transpose(0, 2, 1),
            molecule.repulsion + half + half.T,
        ),
    )
