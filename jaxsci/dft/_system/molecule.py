"""A molecule as arrays: made once on the host, then pure data for jit, vmap and grad."""

import dataclasses
import numbers
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from ...core import host_memory, require_x64
from .._basis import (
    functions as _basis,
    grid as _grid,
    integrals,
    libcint as _libcint,
    long_range as _long_range,
)
from .._basis.functions import Basis
from .._basis.grid import Grid
from .._basis.libcint import Libcint
from .._basis.long_range import LongRange
from .._basis.soundness import check_mole, is_dependent, warn_of_excited_atom
from .guess import minao_density
from .inputs import geometry_of
from .old_fields import accepts_old_fields
from .spins import Spins

Unit = Literal["angstrom", "bohr"]
Atoms = Sequence[tuple[str, Sequence[float]]] | str | pathlib.Path


@accepts_old_fields
class Molecule(eqx.Module):
    """The arrays that an SCF needs; make one molecule with `molecule`, a batch with `stack`.

    Every array may be differentiated. `coordinates` enters through the grid, the basis values on
    it and the repulsion of the nuclei. The integrals are separate arrays, so the derivative with
    respect to `coordinates` alone is not the force: use `forces`.

    A uniform electric field F adds F·r to the electrons' energy: add the sum of F_k
    `dipole_integrals[k]` to `core_hamiltonian`, as `polarisability` does; `forces` do not see it.

    **Arguments:** (n basis functions, p = n (n + 1)/2 pairs; Hartree atomic units)

    - `coordinates`, `charges`: positions (Bohr) and charges of the nuclei (minus the core electrons
        that an effective potential replaces).
    - `overlap`, `core_hamiltonian`: one-electron integrals.
    - `repulsion`: (ij|kl) over pairs i ≥ j, k ≥ l, or `None` with density fitting.
    - `fit`: B with (ij|kl) ≈ Σ_P B_P,ij B_P,kl, or `None` with full integrals.
    - `dipole_integrals`: ⟨i|r|j⟩ about the origin.
    - `guess`: total density matrix of the "minao" initial guess.
    - `electrons`: numbers of α and β electrons, fractional after `with_electrons`.
    - `atom_mask`, `basis_mask`: false for the padding of a batch.
    - `basis`, `grid`, `libcint`: what basis values, grid points and derivative integrals need.
    - `spins`: "restricted" (a closed shell), "unrestricted" (orbitals for each spin), or
        "restricted-open" (an open shell in one set of orbitals). To change it:
        `dataclasses.replace(molecule, spins="unrestricted")`.
    - `extras`: arrays of your own, from `with_extras`.
    - `long_range`: integrals for range-separated exact exchange, or `None`.
    - `dependent`: whether to leave out directions of the basis whose eigenvalue of the overlap is
        below 1e-6, as `molecule` decides.

    ```python
    water = jsci.dft.molecule("water.xyz", "def2-svp")
    water.overlap.shape, water.electrons
    ```
    """

    coordinates: Float[Array, "atoms 3"]
    charges: Float[Array, " atoms"]
    overlap: Float[Array, "nao nao"]
    core_hamiltonian: Float[Array, "nao nao"]
    repulsion: Float[Array, "pairs pairs"] | None
    fit: Float[Array, "auxiliary pairs"] | None
    dipole_integrals: Float[Array, "3 nao nao"]
    guess: Float[Array, "nao nao"]
    electrons: Num[Array, " 2"]
    atom_mask: Bool[Array, " atoms"]
    basis_mask: Bool[Array, " nao"]
    basis: Basis
    grid: Grid
    libcint: Libcint
    spins: Spins = eqx.field(static=True, converter=Spins)
    extras: dict[str, Array] = eqx.field(default_factory=dict)
    long_range: LongRange | None = None
    dependent: bool = eqx.field(static=True, default=False)

    stacked_by: ClassVar[str] = "jsci.dft.stack"  # what `vmap` advises for a list of molecules

    @property
    def size(self) -> int:
        """Number of basis functions, padding included."""
        return self.overlap.shape[-1]

    @property
    def restricted(self) -> bool:
        """Whether one density matrix stands for both spins."""
        return self.spins is Spins.RESTRICTED

    def with_extras(self, **arrays: Array) -> "Molecule":
        """The molecule with arrays of your own, which functionals find in `MolecularDensity`.

        `stack` fills them up with zeros at the end of every axis; all must have the same names.
        """
        return dataclasses.replace(self, extras={**self.extras, **arrays})

    def with_electrons(self, alpha: float, beta: float) -> "Molecule":
        """The molecule with other numbers of electrons, which may be fractional.

        An ensemble of whole numbers: exact energies are linear between them (Perdew et al., Phys.
        Rev. Lett. 49, 1691, 1982), and equal for ½ α and ½ β and for one of them in a hydrogen atom
        (Cohen et al., J. Chem. Phys. 129, 121104, 2008). The lowest orbitals are filled, and the
        last one in part; `scf` needs a temperature for that, of 1e-4 Hartree say, far below the
        distance of its level from the others. The free energy then lacks the heat of the fractions,
        at most 0.7 temperatures for each. There is no derivative in the numbers themselves.
        """
        electrons = np.array([alpha, beta], float)
        directions = int(np.sum(self.basis_mask))
        if self.overlap.ndim != 2 or self.spins.shared:
            raise ValueError(
                "with_electrons() takes one molecule that is not a restricted open shell: build it "
                "with restricted=False, and stack afterwards."
            )
        if not (np.all((electrons >= 0) & (electrons <= directions)) and electrons.sum() > 0):
            raise ValueError(
                f"alpha={alpha}, beta={beta}: the numbers of electrons must lie between 0 and the "
                f"{directions} basis functions, and not both be zero."
            )
        alike = self.spins if alpha == beta else Spins.UNRESTRICTED
        return dataclasses.replace(self, electrons=jax.device_put(electrons), spins=alike)

    @property
    def fractional(self) -> bool:
        """Whether the numbers of electrons are those of `with_electrons`."""
        return np.issubdtype(self.electrons.dtype, np.inexact)

    def __repr__(self) -> str:
        batch = self.overlap.shape[:-2]
        return (
            f"Molecule({f'batch={batch}, ' if batch else ''}atoms={self.charges.shape[-1]}, "
            f"nao={self.size}, points={self.grid.size}, "
            f"{self.spins}, {'full integrals' if self.fit is None else 'density fitting'})"
        )


def molecule(
    atoms: Any,
    basis: Any = None,
    *,
    charge: int | None = None,
    spin: int | None = None,
    unit: Unit = "angstrom",
    grid: int = 3,
    density_fit: bool | str | None = None,
    restricted: bool | None = None,
    omega: float | None = None,
) -> Molecule:
    """A molecule in a basis set: integrals, grid and an initial density, as arrays.

    **Arguments:**

    - `atoms`: a text such as "O 0 0 0; H 0 0 1" (or a Z-matrix, with angles in degrees), a list of
        (symbol, (x, y, z)), the path of an .xyz file, `ase.Atoms` (in ångström), or a PySCF `Mole`,
        which brings its own basis, charge, spin and unit. Symbols may be numbered ("H1") for a
        basis of their own. Ghosts ("ghost-O", "X-O", "@O") have basis functions and grid points
        without a nucleus or electrons. "D" and "T" are hydrogen: their masses enter `vibrations`
        alone, by its `masses`.
    - `basis`: any basis that PySCF knows, by name ("unc-" before it decontracts it), the names of
        the Basis Set Exchange where its package is installed, functions as PySCF takes them (such
        as the even-tempered ones of `pyscf.gto.expand_etbs`), or a dictionary of these by label or
        element, with "default" for the others. Effective core potentials that belong to a basis are
        used.
    - `charge`: of the molecule, in units of e; `None` takes it from `atoms` (`charge=1` in the
        comment of an .xyz file, or in `ase.Atoms.info`), and zero where they have none.
    - `spin`: number of unpaired electrons, N_α - N_β; `None` takes it from `atoms` (`spin=1` or
        `multiplicity=2`, or ASE's initial magnetic moments), and zero where they have none, with
        a warning for a single atom that has unpaired electrons in its ground state.
    - `unit`: of the positions, "angstrom" or "bohr". An .xyz file is in ångström by convention.
    - `grid`: PySCF's grid level, 0 to 9. Level 3 gives about 1e-5 Hartree; 5 suits meta-GGAs.
    - `density_fit`: `True` (in def2-universal-jkfit), the name of another auxiliary basis, or
        `False` for full integrals. `None` takes full integrals while they are below 1 GiB (about
        150 functions).
    - `restricted`: `True` for one set of orbitals (with unpaired electrons a restricted open
        shell, ROKS), `False` for one for each spin. `None` restricts closed shells only.
    - `omega`: ω in Bohr⁻¹ of a range-separated functional, `functional.omega`; `None` for all
        others. It doubles the memory of the two-electron integrals.

    **Returns:** a `Molecule`; `stack` several to batch them.

    **Raises:** `ValueError` for an impossible number of electrons, an unknown element or basis, a
    text that is SMILES, a basis that lacks an atom's inner shell and its core potential, a basis
    that is nearly linearly dependent and has fewer independent directions than occupied orbitals,
    two atoms at one point, a periodic `Cell`, float32, or more memory than the machine has.

    **Notes:** it warns of directions of the basis whose eigenvalue of the overlap is below 1e-6,
    and leaves them out, as PySCF does; and of "D" and "T".

    ```python
    water = jsci.dft.molecule("water.xyz", "def2-svp")
    result = jsci.dft.scf(water, jsci.dft.xc("pbe"))
    result.energy
    ```
    """
    require_x64("jsci.dft")
    if grid not in _grid.LEVELS:
        raise ValueError(f"grid is a level from 0 to 9, got {grid!r}.")
    if omega is not None and not (isinstance(omega, numbers.Real) and omega > 0):
        raise ValueError(f"omega is positive (1/Bohr), or None for no separation, got {omega!r}.")
    mol = _mole(atoms, basis, charge, spin, unit)
    auxiliary = _auxiliary_basis(mol, density_fit)
    atom_grid = _grid.from_mole(mol, grid)
    _check_memory(mol, auxiliary, atom_grid.owner.shape[0], 1 if omega is None else 2)
    overlap, core_hamiltonian = integrals.one_electron(mol)
    put = jax.device_put  # `jnp.asarray` compiles a program for each shape
    return Molecule(
        coordinates=put(mol.atom_coords()),
        charges=put(mol.atom_charges().astype(float)),
        overlap=put(overlap),
        core_hamiltonian=put(core_hamiltonian),
        repulsion=None if auxiliary else put(integrals.repulsion(mol)),
        fit=put(integrals.fitted_repulsion(mol, auxiliary)) if auxiliary else None,
        dipole_integrals=put(integrals.dipole(mol)),
        guess=put(minao_density(mol)),
        electrons=put(np.array(mol.nelec)),
        atom_mask=put(np.ones(mol.natm, bool)),
        basis_mask=put(np.ones(mol.nao, bool)),
        basis=_basis.from_mole(mol),
        grid=atom_grid,
        libcint=_libcint.from_mole(mol, auxiliary),
        spins=Spins.asked(restricted, mol.spin),
        long_range=None if omega is None else _long_range.from_mole(mol, omega, auxiliary),
        dependent=is_dependent(overlap, max(mol.nelec)),
    )


def check_one(molecule: Any, call: str) -> None:
    """Refuse what is not one molecule; `call` is how the function maps over a batch, of m each."""
    name, mapped = call.partition("(")[0], f"jsci.vmap(lambda m: jsci.dft.{call})"
    if isinstance(molecule, list | tuple):
        raise TypeError(
            f"{name}() takes one Molecule, got a {type(molecule).__name__}: loop over it, or stack "
            f"its molecules and map: {mapped}(jsci.dft.stack(molecules))."
        )
    if not isinstance(molecule, Molecule):
        raise TypeError(
            f"{name}() takes a Molecule, got {type(molecule).__name__}; make one with "
            "jsci.dft.molecule(atoms, basis)."
        )
    if molecule.overlap.ndim != 2:
        raise ValueError(
            f"{name}() takes one molecule, got a batch of {molecule.overlap.shape[0]}; map it: "
            f"{mapped}(batch)."
        )


def check_whole(molecule: Molecule, name: str) -> None:
    """Refuse numbers of electrons that may be fractional."""
    if molecule.fractional:
        raise ValueError(
            f"{name} needs whole numbers of electrons, and this molecule has those of "
            "with_electrons(). They are for scf with solver=jsci.dft.DIIS(temperature=1e-4)."
        )


def is_mole(atoms: Any) -> bool:
    """Whether this is a PySCF `Mole`."""
    return hasattr(atoms, "intor") and hasattr(atoms, "atom_coords")


def _mole(atoms, basis, charge, spin, unit):
    if is_mole(atoms):
        if basis is not None or charge or spin:
            raise ValueError(
                "a PySCF Mole brings its own basis, charge and spin: leave out the arguments "
                "basis, charge and spin."
            )
        check_mole(atoms)
        return atoms
    if str(unit).lower() not in ("angstrom", "bohr"):
        raise ValueError(f"unit is {unit!r}; allowed are 'angstrom' and 'bohr'.")
    found = geometry_of(atoms, str(unit))
    charge, total_spin = given_or_found(charge, found.charge), given_or_found(spin, found.spin)
    mol = integrals.build_mole(found.atoms, basis, charge, total_spin, unit)
    if spin is None and found.spin is None:
        warn_of_excited_atom(found.atoms, charge)
    return mol


def given_or_found(given: Any, found: int | None) -> Any:
    """An argument, or what the atoms say, or zero."""
    return given if given is not None else found or 0


def _auxiliary_basis(mol, density_fit) -> str | None:
    """The basis to fit densities in, or `None` for full integrals."""
    if isinstance(density_fit, str):
        integrals.check_auxiliary(mol, density_fit)
        return density_fit
    if density_fit is None:
        density_fit = _repulsion_bytes(mol) > integrals.FULL_INTEGRALS_LIMIT
    return integrals.AUXILIARY_BASIS if density_fit else None


def _repulsion_bytes(mol) -> int:
    return 8 * (mol.nao * (mol.nao + 1) // 2) ** 2


def _check_memory(mol, auxiliary: str | None, points: int, kinds: int) -> None:
    # Coulomb fitting sets hold about four functions for each of the orbital basis.
    two_electron = 8 * 4 * mol.nao * mol.nao**2 // 2 if auxiliary else _repulsion_bytes(mol)
    # Basis functions on the grid are made block by block; integrals exist twice while they move.
    need = 2 * kinds * two_electron + 8 * 16 * points
    have = host_memory()
    if need > have:
        advice = "a coarser grid or a smaller basis" if auxiliary else "density_fit=True"
        raise ValueError(
            f"{mol.natm} atoms with {mol.nao} basis functions and {points} grid points need about "
            f"{need / 2**30:.1f} GiB, and this machine has {have / 2**30:.1f}. Use {advice}."
        )
