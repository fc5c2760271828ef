"""Checks that a PySCF `Mole` and its basis can give a sound energy."""

import warnings
from typing import Any

import numpy as np

from . import basis_sets
from .elements import read_label
from .orthonormal import NEARLY_DEPENDENT

# The lowest level of an all-electron basis lies near -Z²/2, that of valence functions alone near
# a quarter of it or less.
_NO_INNER_SHELL, _POOR_INNER_SHELL = 0.5, 0.9


def check_mole(mol: Any) -> None:
    """Raise for a `Mole` that is not built, is periodic, or has a modified interaction."""
    if hasattr(mol, "lattice_vectors"):
        raise ValueError(
            "the PySCF Cell is periodic, and jsci.dft computes only molecules: pass a Mole, for "
            "example cell.to_mol() for one cell in vacuum."
        )
    if mol.nao == 0:
        raise ValueError("the PySCF Mole is not built: call mol.build() first.")
    if mol.omega:
        raise ValueError(
            f"the PySCF Mole holds a range separation of {mol.omega:g}, which would enter all of "
            "its integrals: call mol.set_range_coulomb(0), and give omega to molecule() if the "
            "functional has one."
        )
    names = mol.basis.values() if isinstance(mol.basis, dict) else [mol.basis]
    if not mol._pseudo and any(map(basis_sets.for_gth, names)):
        raise ValueError(
            f"basis={mol.basis!r:.200} of the PySCF Mole is made for GTH pseudopotentials, and it "
            "has none: gto.M(..., pseudo='gth-pbe')."
        )
    if mol.nelectron < 1:
        raise ValueError(f"the PySCF Mole has {mol.nelectron} electrons: it needs at least one.")
    if np.any(mol.magmom):
        warnings.warn(
            f"magmom={mol.magmom} of the PySCF Mole is not used: pass the density of each spin as "
            "the initial guess instead, scf(..., guess=...), or see stable_scf().",
            stacklevel=4,
        )
    check_functions(mol)


def check_functions(mol: Any) -> None:
    """Refuse atoms without their inner shell, and fewer functions than electrons of a spin."""
    norms = [np.isfinite(mol._libcint_ctr_coeff(i)).all() for i in range(mol.nbas)]
    if not all(norms):
        symbol = mol.atom_symbol(mol.bas_atom(norms.index(False)))
        raise ValueError(f"the basis of {symbol} has a function without a norm: take another set.")
    for symbol, share in _inner_shells(mol).items():
        found = f"the lowest level of {symbol} in its basis is {share:.2f} times -Z²/2"
        advice = (
            "a basis for a core potential needs that potential (a PySCF Mole takes it: "
            "gto.M(..., basis=..., ecp=...), pseudo=... for GTH); otherwise use an all-electron "
            "basis."
        )
        if share < _NO_INNER_SHELL:
            raise ValueError(f"{found}: functions for its inner shell are missing, and {advice}")
        if share < _POOR_INNER_SHELL:
            warnings.warn(
                f"{found}: it describes the inner shell poorly, as basis sets for relativistic "
                f"calculations or core potentials do. {advice[0].upper()}{advice[1:]}",
                stacklevel=5,
            )
    most = max(mol.nelec)
    if most > mol.nao:
        raise ValueError(
            f"{most} electrons of one spin do not fit in {mol.nao} basis functions: use a larger "
            "basis, or another charge or spin."
        )


def _inner_shells(mol: Any) -> dict[str, float]:
    """The lowest level of one electron at each kind of nucleus, in units of -Z²/2, from Li on.

    Atoms with a core potential are left out.
    """
    from pyscf import gto

    found = {}
    with_potential = {int(row[gto.ATOM_OF]) for row in mol._ecpbas}  # of no electrons, maybe
    for i in sorted(set(range(mol.natm)) - with_potential):
        symbol, charge = mol.atom_symbol(i), mol.atom_charge(i)
        if symbol not in found and charge > 2 and charge == gto.charge(symbol):
            found[symbol] = _lowest_level(mol, i) / (-0.5 * charge**2)
    return found


def _lowest_level(mol: Any, atom: int) -> float:
    """The lowest level of one electron in the s functions of an atom, at its nucleus alone."""
    from pyscf import gto

    own = (mol._bas[:, gto.ATOM_OF] == atom) & (mol._bas[:, gto.ANG_OF] == 0)
    if not own.any():
        return 0.0
    alone = mol.copy(deep=False)
    alone._bas, alone._ecpbas, alone._pseudo = mol._bas[own], mol._ecpbas[:0], {}
    overlap, kinetic = alone.intor("int1e_ovlp"), alone.intor("int1e_kin")
    with alone.with_rinv_at_nucleus(atom):
        core = kinetic - mol.atom_charge(atom) * alone.intor("int1e_rinv")
    values, vectors = np.linalg.eigh(overlap)
    kept = values > 1e-10 * values[-1]
    orthonormal = vectors[:, kept] / np.sqrt(values[kept])
    return float(np.linalg.eigvalsh(orthonormal.T @ core @ orthonormal)[0])


def is_dependent(overlap: np.ndarray, occupied: int) -> bool:
    """Whether the SCF must leave out directions of the basis; warns, and raises if too few stay."""
    values = np.linalg.eigvalsh(overlap)
    kept = int(np.sum(values > NEARLY_DEPENDENT))
    if kept == len(values):
        return False
    found = (
        "the basis is nearly linearly dependent: the smallest eigenvalue of its overlap is "
        f"{values[0]:.1e}"
    )
    if kept < occupied:
        raise ValueError(
            f"{found}, and only {kept} of its {len(values)} directions are above "
            f"{NEARLY_DEPENDENT:g}, for {occupied} occupied orbitals: move the atoms apart."
        )
    warnings.warn(
        f"{found}. {len(values) - kept} of its {len(values)} directions, those below "
        f"{NEARLY_DEPENDENT:g}, are left out, as PySCF leaves them out. As atoms move, the energy "
        "jumps where this number changes: to avoid it, remove the most diffuse functions (a basis "
        "without aug-, or the smallest exponents), or move the atoms apart.",
        stacklevel=3,
    )
    return True


def warn_of_excited_atom(atoms: list, charge: int) -> None:
    """Warn of a lone neutral atom whose ground state is an open shell, where no spin was given.

    It is forgotten where atoms are computed for an atomisation energy.
    """
    from pyscf.data.elements import CONFIGURATION

    real = [label for label in (read_label(name, "the atom") for name, _ in atoms) if label.number]
    if len(real) != 1 or charge:
        return
    shells = CONFIGURATION[real[0].number]  # electrons with l = 0, 1, 2, 3
    left = [(count % (4 * degree + 2), 2 * degree + 1) for degree, count in enumerate(shells)]
    ground = sum(min(count, 2 * room - count) for count, room in left)
    if ground:
        warnings.warn(
            f"the ground state of {real[0].element} has {ground} unpaired electrons, and the atom "
            "is computed with none, as spin was not given: give "
            f"spin={ground}, or spin=0 to mean it.",
            stacklevel=4,
        )
