"""The libcint tables of a molecule, kept for derivative integrals."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int

from .elements import SYMBOLS


class Libcint(eqx.Module):
    """The tables of a PySCF `Mole`: atoms, shells, numbers, effective core potentials.

    `elements` are the atomic numbers, 0 for ghosts and padding. `auxbas` are the shells of the
    density-fitting basis, none without fitting. `soft_cores` is true for pseudopotentials of
    Goedecker, Teter and Hutter, which these tables do not contain. `ghosts` are the elements whose
    functions ghosts have, 0 for all other atoms.
    """

    elements: Int[Array, " atoms"]
    atm: Int[Array, "atoms atm_slots"]
    bas: Int[Array, "shells bas_slots"]
    env: Float[Array, " numbers"]
    ecpbas: Int[Array, "ecp_shells bas_slots"]
    auxbas: Int[Array, "auxiliary_shells bas_slots"]
    ghosts: Int[Array, " atoms"]
    cartesian: bool = eqx.field(static=True)
    soft_cores: bool = eqx.field(static=True, default=False)

    def check_cores(self, what: str) -> None:
        """Raise if integrals of GTH pseudopotentials would be needed."""
        if self.soft_cores:
            raise ValueError(
                f"{what} cannot be had with GTH pseudopotentials (energies can): use an effective "
                "core potential, such as that of def2-svp, or an all-electron basis."
            )


def from_mole(mol: Any, auxiliary: str | None = None) -> Libcint:
    """The tables of a built `Mole`, and of its density-fitting basis."""
    from pyscf import gto

    auxbas, numbers = _auxiliary_shells(mol, auxiliary)
    ecpbas = np.asarray(mol._ecpbas, np.int32).reshape(-1, mol._bas.shape[1])
    numbers_of = [(gto.charge(s), _element(s)) for s in map(mol.atom_symbol, range(mol.natm))]
    # `jnp.asarray` would compile a program for each shape.
    arrays = jax.device_put(
        {
            "elements": np.array([z for z, _ in numbers_of]),
            "atm": np.array(mol._atm),  # copies, as the `Mole` may change
            "bas": np.array(mol._bas),
            "env": np.concatenate([mol._env, numbers]),
            "ecpbas": ecpbas,
            "auxbas": auxbas,
            "ghosts": np.array([element - z for z, element in numbers_of]),
        }
    )
    return Libcint(**arrays, cartesian=bool(mol.cart), soft_cores=bool(mol._pseudo))


def _element(symbol: str) -> int:
    """The atomic number, for a ghost that of the element whose functions it has."""
    from pyscf.data import elements

    return elements.charge(elements._std_symbol_without_ghost(symbol))


def _auxiliary_shells(mol, name):
    """Shells of an auxiliary basis, and the numbers that they point to behind those of `mol`."""
    from pyscf import df, gto

    if name is None:
        return np.zeros((0, mol._bas.shape[1]), np.int32), np.zeros(0)
    auxiliary = df.addons.make_auxmol(mol, name)
    shells = np.array(auxiliary._bas)
    shells[:, [gto.PTR_EXP, gto.PTR_COEFF]] += len(mol._env)
    return shells, auxiliary._env


def to_auxiliary_mole(tables: Libcint, mol: Any) -> Any:
    """A `Mole` of the auxiliary functions at the nuclei of `mol`, or `None` without fitting."""
    from pyscf import gto

    shells = np.asarray(tables.auxbas)
    shells = shells[shells[:, gto.NPRIM_OF] > 0]
    if not len(shells):
        return None
    auxiliary = mol.copy()
    auxiliary._bas = np.ascontiguousarray(shells, np.int32)
    auxiliary._ecpbas = auxiliary._ecpbas[:0]
    return auxiliary


def to_mole(tables: Libcint, coordinates: np.ndarray, atoms: int) -> Any:
    """A `Mole` for integrals, with its nuclei at `coordinates`; padding is left out."""
    from pyscf import gto

    atm, bas, ecpbas, env = (
        np.array(x) for x in (tables.atm, tables.bas, tables.ecpbas, tables.env)
    )
    mol = gto.Mole()
    mol.cart, mol.verbose = tables.cartesian, 0
    # Shells without primitives are padding.
    mol._atm, mol._bas, mol._ecpbas = (
        np.ascontiguousarray(x, np.int32)
        for x in (
            atm[:atoms],
            bas[bas[:, gto.NPRIM_OF] > 0],
            ecpbas[ecpbas[:, gto.NPRIM_OF] > 0],
        )
    )
    for atom, position in zip(mol._atm, coordinates[:atoms], strict=True):
        start = atom[gto.PTR_COORD]
        env[start : start + 3] = position
    mol._env = env
    names = [SYMBOLS[z - 1] if z else "GHOST" for z in np.asarray(tables.elements)[:atoms]]
    mol._atom = [(s, tuple(x)) for s, x in zip(names, coordinates[:atoms], strict=True)]
    if mol._ecpbas.size:
        mol._ecp = {"present": True}
    mol._built = True
    return mol
