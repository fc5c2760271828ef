"""Checks that a PySCF `Mole` and its basis can give a sound energy."""

import warnings
from typing import Any

import numpy as np

from . import basis_sets

# The lowest level of an all-electron basis lies near -Z²/2, that of valence functions alone near
# a quarter of it or less.
_NO_INNER_SHELL, _POOR_INNER_SHELL = 0.5, 0.9
# Below the first, the energy depends on how a program treats the overlap (PySCF removes functions).
# Beyond the second, rounding divided by the smallest eigenvalue exceeds 1e-6 of the energies.
_NEARLY_DEPENDENT, _ROUNDING = 1e-6, 1e-6


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


def check_overlap(overlap: np.ndarray) -> None:
    """Warn of near linear dependence of the basis; raise where rounding dominates."""
    values = np.linalg.eigvalsh(overlap)
    smallest, largest = float(values[0]), float(values[-1])
    if smallest >= _NEARLY_DEPENDENT:
        return
    found = (
        "the basis is nearly linearly dependent: the smallest eigenvalue of its overlap is "
        f"{smallest:.1e}"
    )
    advice = (
        "remove the most diffuse functions (a basis without aug-, or the smallest exponents), or "
        "move the atoms apart."
    )
    if np.finfo(float).eps * largest > _ROUNDING * smallest:
        raise ValueError(f"{found}, and rounding would spoil the energy: {advice}")
    warnings.warn(
        f"{found}. The SCF may not converge, and its energy can differ from that of programs that "
        f"remove such functions, as PySCF does below {_NEARLY_DEPENDENT:g}. To avoid it, {advice}",
        stacklevel=4,
    )
