"""Converged solutions for PySCF, and PySCF's for initial guesses here."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._basis import grid as _grid
from .._properties.solution import check_result
from .._scf.result import SCFResult
from .._system.molecule import Molecule
from .._system.pyscf_checkpoints import without_checkpoint
from .._system.spins import Spins
from .._xc import Functional, as_functional
from .pyscf_mole import mole_of
from .pyscf_xc import require_no_dispersion, to_pyscf_xc

_NO_ORBITAL = 1e-6  # the largest coefficient of what is padding or left out


def to_pyscf(
    molecule: Molecule, functional: Functional | Callable, result: SCFResult, params: Any = None
) -> Any:
    """A PySCF mean field that holds a converged solution, for all that PySCF does with one.

    Molden and cube files, populations, TDDFT, solvents, QCSchema, geomeTRIC: they take the mean
    field as if PySCF had converged it. Its functional is `to_pyscf_xc(functional, params)`, so that
    geometries change and iterations go on with the same energy.

    **Arguments:**

    - `molecule`: one molecule, as `molecule` made it.
    - `functional`: as in `scf`, of a kind that `to_pyscf_xc` takes.
    - `result`: what `scf` returned for them.
    - `params`: the functional's parameters.

    **Returns:** an `RKS`, `UKS` or `ROKS` with its `Mole`, grid and density fitting, for
    Hartree-Fock an `RHF`, `UHF` or `ROHF`; `mo_coeff`, `mo_energy`, `mo_occ`, `e_tot` and
    `converged` are those of `result`. It writes no checkpoint until `chkfile` is set.

    **Raises:** `ValueError` as `to_pyscf_xc`, for a batch, GTH pseudopotentials, a core Hamiltonian
    with an electric field, extras that a functional of the whole density may need, or a result of
    another molecule or geometry; `TypeError` for something that is not a result.

    ```python
    mf = jsci.dft.to_pyscf(water, pbe, result)
    mf.energy_tot(), mf.dip_moment(verbose=0)
    ```
    """
    functional = as_functional(functional)
    require_no_dispersion(functional)
    mol, fitting = mole_of(molecule)
    check_result(molecule, result, "to_pyscf")
    field = _empty_field(mol, molecule, functional, params)
    field = without_checkpoint(field)
    if fitting:
        field = field.density_fit(auxbasis=fitting)
    coefficients, levels, occupations = _orbitals(molecule, result)
    shared = molecule.spins is Spins.RESTRICTED_OPEN
    field.mo_coeff = coefficients[0] if shared else coefficients
    field.mo_energy = levels[0] if shared else levels
    field.mo_occ = occupations.sum(axis=0) if shared else occupations
    field.e_tot, field.converged = float(result.energy), bool(result.converged)
    return field


def from_pyscf(mf: Any, molecule: Molecule | None = None) -> Float[Array, "*spin nao nao"]:
    """The density matrix of a PySCF mean field, as `scf(..., guess=)` takes it.

    Basis functions have PySCF's order and norm here, so P is that of PySCF.

    **Arguments:**

    - `mf`: a mean field of PySCF with orbitals.
    - `molecule`: the molecule to begin with it, to check that its basis functions are those of
        `mf`, at this geometry or another.

    **Returns:** P, of both spins together or of each.

    **Raises:** `ValueError` for a mean field without orbitals, and for basis functions of another
    kind, number or order than those of `molecule`.

    ```python
    guess = jsci.dft.from_pyscf(jsci.dft.to_pyscf(water, pbe, result), water)
    jsci.dft.scf(water, pbe, guess=guess).energy
    ```
    """
    if getattr(mf, "mo_coeff", None) is None:
        raise ValueError("the PySCF mean field has no orbitals: run mf.kernel() first.")
    if molecule is not None and (ours := _functions(mole_of(molecule)[0])) != (
        theirs := _functions(mf.mol)
    ):
        kind = ("spherical", "Cartesian")
        raise ValueError(
            f"the PySCF mean field has {mf.mol.nao} {kind[bool(mf.mol.cart)]} basis functions, and "
            f"the molecule {molecule.size} {kind[molecule.basis.cartesian]} ones"
            + (" in another order or of other shells" if len(ours) == len(theirs) else "")
            + ": build the molecule from its Mole, molecule(mf.mol)."
        )
    return jnp.asarray(np.array(mf.make_rdm1()))


def _empty_field(mol: Any, molecule: Molecule, functional: Functional, params: Any) -> Any:
    """The mean field of a kind of functional and spins, without orbitals."""
    from pyscf import dft, scf

    kinds = list(Spins).index(molecule.spins)
    exact = functional.exact_exchange or functional.long_range_exchange
    if not functional.on_grid and functional.exact_exchange == 1 and functional.omega is None:
        return (scf.RHF, scf.UHF, scf.ROHF)[kinds](mol)
    field = (dft.RKS, dft.UKS, dft.ROKS)[kinds](mol, xc="hf" if exact else "lda")
    field.grids.level = _level(mol, molecule)
    definition: Any = to_pyscf_xc(functional, params)
    if not functional.nonlocal_terms:
        return field.define_xc_(*definition)
    if molecule.extras:
        names = ", ".join(map(repr, molecule.extras))
        raise ValueError(f"PySCF has no place for the molecule's extras ({names}).")
    field._numint = definition
    return field


def _level(mol: Any, molecule: Molecule) -> int:
    """The level of the molecule's grid, by its weights."""
    weights = np.asarray(molecule.grid.quadrature)
    weights = weights[weights != 0]
    for level in _grid.LEVELS:
        of_level = np.asarray(_grid.from_mole(mol, level).quadrature)
        of_level = of_level[of_level != 0]
        if of_level.shape == weights.shape and np.allclose(of_level, weights, atol=0):
            return level
    raise ValueError("the molecule's grid is none of PySCF's levels: build it with molecule().")


def _orbitals(molecule: Molecule, result: SCFResult) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients, energies and occupations of functions, neither padding nor left out."""
    real = np.asarray(molecule.basis_mask)
    coefficients, levels, occupations = (
        np.asarray(x) for x in (result.orbitals, result.orbital_energies, result.occupations)
    )
    own = (abs(coefficients[..., real, :]) > _NO_ORBITAL).any(axis=-2)
    if own.all():
        return coefficients, levels, occupations
    spins = own.shape[:-1]
    kept = [x[own].reshape(*spins, -1) for x in (levels, occupations)]
    columns = coefficients[..., real, :].swapaxes(-1, -2)[own].reshape(*spins, -1, real.sum())
    return columns.swapaxes(-1, -2), kept[0], kept[1]


def _functions(mol: Any) -> list[tuple]:
    """What tells basis functions apart, in their order: atom, angular part, and Gaussians."""
    return [
        (
            int(mol.bas_atom(i)),
            int(mol.bas_angular(i)),
            bool(mol.cart),
            np.round(mol.bas_exp(i), 8).tolist(),
            np.round(mol._libcint_ctr_coeff(i), 8).tolist(),
        )
        for i in range(mol.nbas)
    ]
