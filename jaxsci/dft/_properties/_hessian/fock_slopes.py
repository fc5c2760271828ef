"""How integrals change Fock matrices as nuclei move and the density matrix stays."""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from ..._basis.libcint import to_mole
from ..._scf.hamiltonian import pair_index
from ..._system.molecule import Molecule
from ..integral_gradients import Field, dearest_atom
from ..integral_tangents import dipole_slopes

# Bytes of derivatives of two-electron integrals, unpacked, that are held at once.
_BLOCK = 1 << 28


class FockSlopes(NamedTuple):
    """Derivatives in the positions R of the nuclei at a fixed density matrix P.

    - `overlap`: dS/dR.
    - `fock`: of h + J[P] - a K[P], for each channel of P.
    - `energy`: of tr(P (h + F))/2, the energy by these.
    - `moments`: of tr(P r), the component of r last.
    """

    overlap: Float[Array, "atoms 3 nao nao"]
    fock: Float[Array, "atoms 3 spins nao nao"]
    energy: Float[Array, "atoms 3"]
    moments: Float[Array, "atoms 3 3"]


def fock_slopes(
    molecule: Molecule, exact_exchange: float, density: Float[np.ndarray, "spins nao nao"]
) -> FockSlopes:
    """By libcint on the host, contracted with the density as the integrals come.

    Memory is that of 3 spins atoms n² numbers. All is zero for the padding of a molecule.
    """
    from pyscf.grad import rhf

    atoms = int(molecule.atom_mask.sum())
    mol = to_mole(molecule.libcint, np.asarray(molecule.coordinates), atoms)
    n = mol.nao_nr()
    spins = np.ascontiguousarray(density[:, :n, :n])
    # A total density is that of two spins with half of it each.
    share = exact_exchange * (0.5 if len(spins) == 1 else 1.0)
    core = rhf.Gradients(Field(mol)).hcore_generator(mol)
    # libcint differentiates the first function with respect to the electron: minus the nucleus.
    one, dipole = -mol.intor("int1e_ipovlp", comp=3), -dipole_slopes(mol)
    dipole = 2 * np.einsum("rxij,ij->ixr", dipole, spins.sum(0))
    overlap = np.zeros((len(molecule.charges), 3, molecule.size, molecule.size))
    fock = np.zeros((*overlap.shape[:2], len(spins), *overlap.shape[2:]))
    energy, moments = np.zeros((len(overlap), 3)), np.zeros((len(overlap), 3, 3))
    dearest, sums = dearest_atom(mol), np.zeros((3, len(spins), n, n))
    # Where all nuclei move together, integrals stay the same: the last is minus the others' sum.
    for atom in sorted(range(atoms), key=lambda a: a == dearest):
        first, last, start, stop = mol.aoslice_by_atom()[atom]
        overlap[atom, :, start:stop, :n] = one[:, start:stop]
        moments[atom] = dipole[start:stop].sum(0)
        two = -sums if atom == dearest else _of_atom(mol, first, last, share, spins)
        sums += two
        by_core = core(atom)[:, None]
        fock[atom, :, :, :n, :n] = by_core + two
        energy[atom] = np.sum((by_core + 0.5 * two) * spins, axis=(1, 2, 3))
    arrays = overlap + overlap.swapaxes(-1, -2), fock, energy, moments
    return FockSlopes(*jax.device_put(arrays))


def _of_atom(mol, first: int, last: int, share: float, spins: np.ndarray) -> np.ndarray:
    """(3, spins, n, n) of J - share K, by the shells of an atom."""
    parts = _repulsion(mol, first, last)
    half = sum(_two_electron(slopes, rows, share, spins) for slopes, rows in parts)
    return half + np.swapaxes(half, -1, -2)


def _repulsion(mol, first: int, last: int) -> Iterator[tuple[np.ndarray, slice]]:
    """∇(ij|kl) in the position of i (3, i, j, k ≥ l), i of these shells, and which i they are."""
    edges, n = mol.ao_loc_nr(), mol.nao_nr()
    size = max(1, _BLOCK // (24 * n**3))
    while first < last:
        end = int(np.searchsorted(edges, edges[first] + size, side="right")) - 1
        end = min(max(end, first + 1), last)
        where = (first, end, *(0, mol.nbas) * 3)
        found = mol.intor("int2e_ip1", comp=3, aosym="s2kl", shls_slice=where)
        yield -found, slice(edges[first], edges[end])
        first = end


def _two_electron(
    slopes: np.ndarray, rows: slice, share: float, spins: np.ndarray
) -> Float[np.ndarray, "3 spins n n"]:
    """Half of what these integrals contribute to J - share K: its transpose is the other half.

    Each function of (ij|kl) moves it. In J_ij the two of the pair, and the two that P contracts,
    give the same; in K_il = Σ_jk (ij|kl) P_jk those of i and l, and of j and k, transposes.
    """
    n, total = spins.shape[-1], spins.sum(0)
    i, j = np.tril_indices(n)
    pairs = pair_index(n)
    found = np.zeros((3, len(spins), n, n))
    packed = total[i, j] * np.where(i == j, 1.0, 2.0)
    found[:, :, rows] += (slopes @ packed)[:, None]
    found += np.einsum("xijp,ij->xp", slopes, total[rows], optimize=True)[:, None, pairs]
    if share:
        for x, of_x in enumerate(slopes):
            whole = of_x[..., pairs]  # (i, j, k, l)
            for s, p in enumerate(spins):
                outer = p.ravel() @ whole.reshape(len(whole), n * n, n)
                inner = (p[rows, None, None] @ whole)[:, :, 0].sum(0)
                found[x, s, rows] -= share * outer
                found[x, s] -= share * inner
    return found
