"""Everything that is computed once per molecule on the host, by libcint through PySCF."""

import warnings
from typing import Any

import numpy as np

from . import basis_sets
from .elements import Label, read_label
from .soundness import check_functions

# Full four-centre integrals up to this size, density fitting beyond (bytes of packed matrix).
FULL_INTEGRALS_LIMIT = 1 << 30
# The largest change of the core Hamiltonian, relative to its largest entry, that is rounding.
_ROUNDING = 1e-10
# Nuclei nearer than this, in ångström or bohr, are those of no molecule.
_SHORT = 0.3
# Fits Coulomb and exchange for H to Rn, with any orbital basis.
AUXILIARY_BASIS = "def2-universal-jkfit"


def import_pyscf() -> Any:
    """PySCF, or an error that names the extra."""
    try:
        import pyscf
    except ImportError:
        raise ImportError(
            "jsci.dft needs PySCF, for its integrals: pip install 'jaxsci[dft]'"
        ) from None
    return pyscf


def build_mole(atoms: list, basis: Any, charge: int, spin: int, unit: str) -> Any:
    """A PySCF `Mole`, with the effective core potentials that belong to the basis set.

    **Raises:** `ValueError` for input that PySCF would refuse or misread, saying how to fix it.
    """
    gto = import_pyscf().gto
    atoms = check_atoms(atoms, basis, charge, spin)
    sets, potentials = basis_sets.read(basis, _labels(atoms))
    mol = gto.Mole()
    mol.build(
        dump_input=False,
        parse_arg=False,
        verbose=0,
        atom=atoms,
        basis=sets,
        ecp=potentials,
        charge=int(charge),
        spin=int(spin),
        unit=unit,
    )
    for i, (symbol, _) in enumerate(atoms):
        if mol.atom_nshells(i) == 0:
            raise ValueError(f"the basis has no functions for atom {i} ({symbol}): {basis!r:.200}.")
    check_functions(mol)
    return mol


def check_atoms(atoms: list, basis: Any, charge: int, spin: int) -> list:
    """The atoms in standard form, or a `ValueError` if they are not a molecule."""
    atoms = [_atom(i, atom) for i, atom in enumerate(atoms)]
    if not atoms:
        raise ValueError("a molecule needs at least one atom, got none.")
    if basis is None:
        raise ValueError("give a basis, e.g. molecule(atoms, 'def2-svp').")
    if not isinstance(basis, str | dict | list):
        raise ValueError(f"basis must be a name or a PySCF basis dictionary, got {basis!r:.200}.")
    _check_distances(atoms)
    labels = _labels(atoms)
    basis_sets.read(basis, labels)
    _check_electrons(sum(label.number for label in labels), charge, spin)
    return atoms


def _labels(atoms: list) -> list[Label]:
    return [read_label(name, f"atom {i}") for i, (name, _) in enumerate(atoms)]


def _atom(i: int, atom: Any) -> tuple[str, tuple[float, ...]]:
    try:
        symbol, position = atom
        position = tuple(map(float, position))
    except (TypeError, ValueError):
        raise ValueError(
            f"atom {i}: expected (symbol, (x, y, z)), got {atom!r:.200}. "
            "Two lists become one by zip(symbols, positions)."
        ) from None
    if len(position) != 3 or not np.isfinite(position).all():
        raise ValueError(f"atom {i}: its position is three finite numbers, got {position!r:.200}.")
    return str(read_label(symbol, f"atom {i}")), position


def _check_distances(atoms) -> None:
    xyz = np.array([x for _, x in atoms])
    distance = np.linalg.norm(xyz[:, None] - xyz, axis=-1) + np.eye(len(xyz))
    i, j = np.unravel_index(np.argmin(distance), distance.shape)
    if distance[i, j] < 1e-3:
        raise ValueError(
            f"atoms {i} ({atoms[i][0]}) and {j} ({atoms[j][0]}) are at one point, {xyz[i]}. "
            "Check the coordinates and their unit."
        )
    if distance[i, j] < _SHORT:
        warnings.warn(
            f"atoms {i} ({atoms[i][0]}) and {j} ({atoms[j][0]}) are {distance[i, j]:.3g} apart, in "
            "the unit that was given: is it ångström, or bohr with unit='bohr'?",
            stacklevel=5,
        )


def check_auxiliary(mol: Any, basis: str) -> None:
    """Raise if PySCF does not have the auxiliary basis for all elements."""
    from pyscf.df.addons import make_auxmol

    try:
        with warnings.catch_warnings(action="ignore"):  # PySCF advertises another package
            make_auxmol(mol, basis)
    except (KeyError, RuntimeError, OSError):
        raise ValueError(
            f"PySCF has no auxiliary basis {basis!r} for {', '.join(sorted(set(mol.elements)))}. "
            f"Use density_fit=True for {AUXILIARY_BASIS}, or weigend, cc-pvtz-jkfit, ..."
        ) from None


def _check_electrons(protons: int, charge: int, spin: int) -> None:
    for name, number in (("charge", charge), ("spin", spin)):
        if not isinstance(number, int | np.integer):
            raise ValueError(f"{name} is a whole number, got {number!r}.")
    electrons = protons - charge
    if electrons < 1:
        raise ValueError(
            f"charge={charge} leaves {electrons} of the {protons} electrons; it must be below "
            f"{protons}."
        )
    if spin < 0 or spin > electrons or (electrons - spin) % 2:
        raise ValueError(
            f"{electrons} electrons cannot have spin={spin} (N_alpha - N_beta): allowed are "
            f"{electrons % 2}, {electrons % 2 + 2}, ... up to {electrons}. Set spin (the "
            "multiplicity less one) or charge."
        )


def one_electron(mol: Any) -> tuple[np.ndarray, np.ndarray]:
    """Overlap and core Hamiltonian (kinetic, nuclear and effective core potential)."""
    from pyscf.scf import hf

    return mol.intor_symmetric("int1e_ovlp"), hf.get_hcore(mol)


def is_core_of(mol: Any, core_hamiltonian: Any) -> bool:
    """Whether this is the core Hamiltonian of the nuclei of `mol`; padding is left aside."""
    from pyscf.scf import hf

    expected = hf.get_hcore(mol)
    found = np.asarray(core_hamiltonian)[: len(expected), : len(expected)]
    return bool(abs(expected - found).max() <= _ROUNDING * abs(expected).max())


def repulsion(mol: Any) -> np.ndarray:
    """Two-electron integrals (ij|kl) as a matrix over pairs i ≥ j, k ≥ l."""
    from pyscf import ao2mo

    # Half of them are computed: copying the others is cheaper.
    pairs = mol.nao * (mol.nao + 1) // 2
    return ao2mo.restore(4, mol.intor("int2e", aosym="s8"), mol.nao).reshape(pairs, pairs)


def fitted_repulsion(mol: Any, auxiliary: str) -> np.ndarray:
    """B with (ij|kl) ≈ Σ_P B_P,ij B_P,kl over pairs i ≥ j: fitted in the Coulomb metric."""
    from pyscf import df

    return df.incore.cholesky_eri(mol, auxbasis=auxiliary)


def dipole(mol: Any) -> np.ndarray:
    """⟨i|r|j⟩ about the origin, three matrices."""
    with mol.with_common_orig((0.0, 0.0, 0.0)):
        return mol.intor_symmetric("int1e_r", comp=3)
