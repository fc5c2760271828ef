"""Initial guesses: superpositions of atomic densities, each kind of atom made once per process."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._basis.libcint import Libcint, to_mole
from .pyscf_checkpoints import without_checkpoint

# Blocks of atoms by their kind and shells: tens of milliseconds to make, a few numbers to keep.
_BLOCKS: dict[tuple, np.ndarray] = {}


def minao_density(mol: Any) -> np.ndarray:
    """Total density from atomic occupations of a minimal basis, each atom in its own functions.

    PySCF projects on the functions of all atoms. That costs milliseconds per molecule, and over ten
    molecules, three functionals and three basis sets it saved no iteration.
    """
    from pyscf.scf import hf

    return _superposition(mol, "minao", hf.init_guess_by_minao)


def atomic_density(mol: Any) -> np.ndarray:
    """Total density of spherical atoms with fractional occupations, each by Hartree-Fock."""
    return _superposition(mol, "atoms", _spherical_atom)


def _spherical_atom(atom: Any) -> np.ndarray:
    from pyscf.scf import atom_hf

    cartesian, atom.cart = atom.cart, False  # PySCF's atoms are of spherical functions
    kind = atom_hf.AtomHF1e if atom.nelectron == 1 else atom_hf.AtomSphAverageRHF
    # PySCF's atoms use what PySCF deprecates.
    with warnings.catch_warnings(action="ignore"):
        field = without_checkpoint(kind(atom))
    # The default would look for the name of the basis set, which tables do not keep.
    field.init_guess = "1e"
    field.run()
    density = (field.mo_coeff * field.mo_occ) @ field.mo_coeff.T
    to_cartesian = atom.cart2sph_coeff(normalized="sp") if cartesian else np.eye(len(density))
    return to_cartesian @ density @ to_cartesian.T


def atomic_density_of(
    tables: Libcint, coordinates: Float[Array, "atoms 3"], real: Bool[Array, " atoms"], n: int
) -> Float[Array, "nao nao"]:
    """`atomic_density` from the tables of a `Molecule`, zero for the padding of a batch."""

    def on_host(tables, coordinates, real) -> np.ndarray:
        mol = to_mole(tables, np.asarray(coordinates), int(np.sum(real)))
        density, size = np.zeros((n, n)), mol.nao_nr()
        density[:size, :size] = atomic_density(mol)
        return density

    shape = jax.ShapeDtypeStruct((n, n), jnp.float64)
    return jax.pure_callback(on_host, shape, tables, coordinates, real, vmap_method="sequential")


def _superposition(mol: Any, kind: str, density_of: Callable[[Any], np.ndarray]) -> np.ndarray:
    density = np.zeros((mol.nao, mol.nao))
    for i, (_, _, start, stop) in enumerate(mol.aoslice_by_atom()):
        # Neither a ghost nor an atom without functions brings a density.
        if stop > start and mol.atom_charge(i) > 0:
            key = (kind, *_contents(mol, i))
            if key not in _BLOCKS:
                _BLOCKS[key] = np.asarray(density_of(_alone(mol, i)))
            density[start:stop, start:stop] = _BLOCKS[key]
    return density


def _contents(mol: Any, atom: int) -> tuple:
    """All that an atom's block depends on."""
    from pyscf import gto

    def shells(table, contracted):
        for row in table[table[:, gto.ATOM_OF] == atom]:
            primitives, contractions = row[gto.NPRIM_OF], row[gto.NCTR_OF] if contracted else 1
            yield tuple(row[gto.ANG_OF : gto.PTR_EXP])
            for start, count in (
                (row[gto.PTR_EXP], primitives),
                (row[gto.PTR_COEFF], primitives * contractions),
            ):
                yield mol._env[start : start + count].tobytes()

    return (
        mol.atom_pure_symbol(atom),
        mol.atom_charge(atom),
        mol.cart,
        *shells(mol._bas, contracted=True),
        *shells(np.asarray(mol._ecpbas).reshape(-1, mol._bas.shape[1]), contracted=False),
    )


def _alone(mol: Any, atom: int) -> Any:
    """The neutral atom without the others."""
    alone = mol.copy(deep=False)
    alone.charge, alone.symmetry, alone.verbose = 0, False, 0
    alone._atom = [mol._atom[atom]]
    alone._atm = mol._atm[atom : atom + 1]
    alone.spin = alone.nelectron % 2
    for name in ("_bas", "_ecpbas"):
        table = np.asarray(getattr(mol, name), np.int32).reshape(-1, mol._bas.shape[1])
        table = table[table[:, 0] == atom].copy()
        table[:, 0] = 0
        setattr(alone, name, table)
    return alone
