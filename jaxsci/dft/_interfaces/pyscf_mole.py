"""A molecule as a PySCF `Mole` that PySCF can rebuild, at another geometry for example."""

from typing import Any

import numpy as np

from .._basis.elements import SYMBOLS, Label
from .._basis.integrals import is_core_of
from .._basis.libcint import Libcint, to_auxiliary_mole, to_mole
from .._system.molecule import Molecule, check_one, check_whole

# Integrals of a rebuilt Mole: rounding of its normalisation.
_ROUNDING = 1e-10


def mole_of(molecule: Molecule) -> tuple[Any, Any]:
    """The `Mole` of a molecule, and the density-fitting basis by label (`None` without fitting).

    **Raises:** `ValueError` for what such a `Mole` cannot hold: GTH pseudopotentials, and one-
    electron integrals that are not those of the nuclei.
    """
    from pyscf import gto

    check_one(molecule, "to_pyscf(m, functional, result)")
    check_whole(molecule, "to_pyscf()")
    tables = molecule.libcint
    tables.check_cores("to_pyscf")
    count = int(np.sum(molecule.atom_mask))
    places = np.asarray(molecule.coordinates)[:count]
    bare = to_mole(tables, places, count)
    contents = [(_shells(bare, a), _potential(bare, a)) for a in range(count)]
    auxiliary = to_auxiliary_mole(tables, bare)
    labels = _labels(tables, contents, [_shells(auxiliary, a) for a in range(count)])
    by_label = dict(zip(labels, contents, strict=True))
    charges = np.asarray(molecule.charges)[:count]
    electrons = np.asarray(molecule.electrons)
    mol = gto.M(
        atom=list(zip(labels, places.tolist(), strict=True)),
        basis={label: shells for label, (shells, _) in by_label.items()},
        ecp={label: p for label, (_, p) in by_label.items() if p},
        unit="bohr",
        cart=bool(tables.cartesian),
        charge=round(float(charges.sum() - electrons.sum())),
        spin=int(electrons[0] - electrons[1]),
        verbose=0,
    )
    _check(mol, molecule)
    fitting = {label: _shells(auxiliary, a) for a, label in enumerate(labels)}
    return mol, fitting if auxiliary else None


def _labels(tables: Libcint, *contents: list) -> list[str]:
    """A label for each atom; atoms with the same one have the same functions."""
    numbers = np.asarray(tables.elements)[: len(contents[0])]
    ghosts = np.asarray(tables.ghosts)
    seen: dict[str, list] = {}
    labels = []
    for atom, number in enumerate(numbers):
        element = number or int(ghosts[atom])
        label = Label(SYMBOLS[element - 1], ghost=not number)
        kinds, own = seen.setdefault(str(label), []), [x[atom] for x in contents]
        if own not in kinds:
            kinds.append(own)
        tag = kinds.index(own)
        labels.append(str(label._replace(tag=str(tag) if tag else "")))
    return labels


def _shells(mol: Any, atom: int) -> list:
    """The shells of an atom as PySCF takes them: [l, [exponent, coefficients...], ...]."""
    if mol is None:
        return []
    return [
        [
            int(mol.bas_angular(i)),
            *np.column_stack([mol.bas_exp(i), mol.bas_ctr_coeff(i)]).tolist(),
        ]
        for i in range(mol.nbas)
        if mol.bas_atom(i) == atom
    ]


def _potential(mol: Any, atom: int) -> list | None:
    """The core potential of an atom as PySCF takes it: [electrons, [[l, [terms by power]], ...]].

    Spin-orbit terms are left out, as they are of the scalar Hamiltonian.
    """
    from pyscf import gto

    rows = [row for row in mol._ecpbas if row[gto.ATOM_OF] == atom and not row[gto.SO_TYPE_OF]]
    if not rows:
        return None
    terms: dict[int, list] = {}
    for row in rows:
        start, weights, count = row[gto.PTR_EXP], row[gto.PTR_COEFF], row[gto.NPRIM_OF]
        of_power = terms.setdefault(int(row[gto.ANG_OF]), [[] for _ in range(7)])
        of_power[int(row[gto.RADI_POWER])] += np.column_stack(
            [mol._env[start : start + count], mol._env[weights : weights + count]]
        ).tolist()
    removed = gto.charge(mol.atom_symbol(atom)) - int(mol.atom_charge(atom))
    return [removed, [[l, powers] for l, powers in sorted(terms.items())]]


def _check(mol: Any, molecule: Molecule) -> None:
    """Refuse where PySCF's integrals are not those of the molecule."""
    n = int(np.sum(molecule.basis_mask))
    overlap = np.asarray(molecule.overlap)[:n, :n]
    if n != mol.nao or abs(mol.intor("int1e_ovlp") - overlap).max() > _ROUNDING:
        raise ValueError(
            "the molecule's overlap is not that of its basis functions, as when its coordinates "
            "were replaced: build it with molecule()."
        )
    if not is_core_of(mol, molecule.core_hamiltonian):
        raise ValueError(
            "the molecule's core Hamiltonian is not that of point nuclei (an electric field was "
            "added, or its nuclei have a size), which a PySCF Mole would lose."
        )
