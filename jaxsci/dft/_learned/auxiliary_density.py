"""Densities as sums of atom-centred functions."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._basis import functions as _basis
from .._basis.elements import SYMBOLS
from .._basis.functions import Basis, functions_of
from .._basis.libcint import to_mole
from .._scf.result import SCFResult, density_of
from .._system.molecule import Molecule
from .._system.stack import common_shells, pad_basis
from .atom_features import Nuclei

AUXILIARY = "def2-universal-jfit"


class Auxiliary(eqx.Module):
    """An auxiliary basis χ_k for the density of a molecule, with its integrals.

    Made by `auxiliary`. Hartree atomic units.

    **Arguments:**

    - `basis`: the functions, which depend on the atoms alone and not on the orbital basis.
    - `factor`: the lower Cholesky factor L of the metric, (k|l) = L Lᵀ.
    - `scale`: a matrix that makes the functions of each atom orthonormal in the metric; zero for
        padding.
    - `charge`: ∫ χ_k dr.
    - `repulsion`: (k|ij) over pairs i ≥ j of the orbital basis.
    - `coordinates`: of the nuclei in Bohr.
    - `elements`: atomic numbers.
    - `charges`: of the nuclei, without the electrons of a core potential.
    - `atom_mask`: true for atoms, false for padding.
    - `net_charge`: of the molecule.

    ```python
    aux = jsci.dft.auxiliary(water)
    electrons = aux.charge @ jsci.dft.fit_density(aux, result)  # about 10
    ```
    """

    basis: Basis
    factor: Float[Array, "auxiliary auxiliary"]
    scale: Float[Array, "auxiliary auxiliary"]
    charge: Float[Array, " auxiliary"]
    repulsion: Float[Array, "auxiliary pairs"]
    coordinates: Float[Array, "atoms 3"]
    elements: Int[Array, " atoms"]
    charges: Float[Array, " atoms"]
    atom_mask: Bool[Array, " atoms"]
    net_charge: Float[Array, ""]

    @property
    def nuclei(self) -> Nuclei:
        """The atoms."""
        return Nuclei(
            self.coordinates, self.elements, self.charges, self.atom_mask, self.net_charge
        )


def auxiliary(molecule: Molecule, basis: str = AUXILIARY) -> Auxiliary:
    """An auxiliary basis for the density of a molecule, with its integrals, by libcint on the host.

    **Arguments:**

    - `molecule`: one, not stacked, without ghosts. With core potentials the density is that of the
        valence electrons.
    - `basis`: the name of a density-fitting basis that PySCF knows.

    **Returns:** an `Auxiliary`; join several with `stack_auxiliary` for a batch.

    **Raises:** `ValueError` for a molecule that is stacked or has ghosts, and for a basis that
    PySCF does not have for all elements.

    ```python
    aux = jsci.dft.auxiliary(water)
    coefficients = jsci.dft.fit_density(aux, jsci.dft.scf(water, pbe))
    ```
    """
    from pyscf import df

    if molecule.overlap.ndim != 2 or not np.asarray(molecule.basis_mask).all():
        raise ValueError("auxiliary() takes one molecule as molecule() made it, not stacked.")
    elements = np.asarray(molecule.libcint.elements)
    if not np.all(elements > 0):
        raise ValueError(
            "auxiliary() fits the density of electrons around their nuclei, and this molecule has "
            f"ghosts (elements {elements.tolist()}): leave them out."
        )
    coordinates = np.asarray(molecule.coordinates)
    mol = to_mole(molecule.libcint, coordinates, len(coordinates))
    symbols = [SYMBOLS[z - 1] for z in elements]
    atoms = [(s, tuple(x)) for s, x in zip(symbols, coordinates, strict=True)]
    fitting = _fitting_mole(atoms, basis, int(sum(elements)) % 2)
    functions = _basis.from_mole(fitting)
    metric = fitting.intor("int2c2e")
    return Auxiliary(
        basis=functions,
        factor=jnp.asarray(np.linalg.cholesky(metric)),
        scale=jnp.asarray(_orthonormal_on_atoms(metric, np.asarray(functions.atom))),
        charge=_charges(functions),
        repulsion=jnp.asarray(df.incore.aux_e2(mol, fitting, "int3c2e", aosym="s2ij").T),
        coordinates=molecule.coordinates,
        elements=jnp.asarray(elements),
        charges=molecule.charges,
        atom_mask=molecule.atom_mask,
        net_charge=jnp.sum(molecule.charges) - jnp.sum(molecule.electrons),
    )


def _fitting_mole(atoms: list, basis: str, spin: int) -> Any:
    """A PySCF `Mole` of the functions of a density-fitting basis."""
    from pyscf import gto

    mol = gto.Mole()
    try:
        with warnings.catch_warnings(action="ignore"):  # PySCF advertises another package
            mol.build(
                dump_input=False, parse_arg=False, verbose=0, atom=atoms, basis=basis, unit="bohr",
                spin=spin,
            )  # fmt: skip
        found = all(mol.atom_nshells(i) for i in range(mol.natm))
    except (KeyError, RuntimeError, OSError):
        found = False
    if not found:
        elements = ", ".join(sorted({symbol for symbol, _ in atoms}))
        raise ValueError(
            f"PySCF has no density-fitting basis {basis!r} for {elements}. Use {AUXILIARY}, "
            "def2-universal-jkfit, weigend, cc-pvtz-jkfit, ..."
        )
    return mol


def _orthonormal_on_atoms(metric: np.ndarray, atom: np.ndarray) -> np.ndarray:
    scale = np.zeros_like(metric)
    for a in np.unique(atom):
        own = np.ix_(atom == a, atom == a)
        values, vectors = np.linalg.eigh(metric[own])
        scale[own] = (vectors / np.sqrt(values)) @ vectors.T
    return scale


def _charges(functions: Basis) -> Array:
    """∫ χ dr, which is nonzero for s functions only."""
    of_rows = [
        jnp.sum(s.contraction * (jnp.pi / s.exponents) ** 1.5, axis=1) * (4 * jnp.pi) ** -0.5
        if s.l == 0
        else jnp.zeros(len(s.atom) * functions_of(s.l, functions.cartesian))
        for s in functions.shells
    ]
    return jnp.concatenate(of_rows)[functions.row]


def stack_auxiliary(parts: Sequence[Auxiliary]) -> Auxiliary:
    """Pad auxiliary bases to common shapes and stack them, like `stack` their molecules.

    **Arguments:**

    - `parts`: one `Auxiliary` per molecule, in the order of the molecules.

    **Returns:** an `Auxiliary` with a leading batch axis on every array.

    **Raises:** `ValueError` for an empty list.

    ```python
    batch = jsci.dft.stack_auxiliary([jsci.dft.auxiliary(m) for m in molecules])
    ```
    """
    parts = list(parts)
    if not parts:
        raise ValueError("stack_auxiliary() needs at least one auxiliary basis, got an empty list.")
    size = max(p.charge.size for p in parts)
    pairs = max(p.repulsion.shape[1] for p in parts)
    atoms = max(p.charges.size for p in parts)
    shells = common_shells([p.basis for p in parts])

    def padded(p: Auxiliary) -> Auxiliary:
        def to(x, *shape):
            return jnp.pad(x, [(0, new - old) for old, new in zip(x.shape, shape, strict=True)])

        return Auxiliary(
            basis=pad_basis(p.basis, shells, size),
            factor=to(p.factor, size, size) + jnp.diag(jnp.arange(size) >= p.charge.size),
            scale=to(p.scale, size, size),
            charge=to(p.charge, size),
            repulsion=to(p.repulsion, size, pairs),
            coordinates=to(p.coordinates, atoms, 3),
            elements=to(p.elements, atoms),
            charges=to(p.charges, atoms),
            atom_mask=to(p.atom_mask, atoms),
            net_charge=p.net_charge,
        )

    return jax.tree.map(lambda *x: jnp.stack(x), *map(padded, parts))


def fit_density(
    aux: Auxiliary, density_matrix: Float[Array, "*spin nao nao"] | SCFResult
) -> Float[Array, " auxiliary"]:
    """The coefficients of a density in the auxiliary basis, nearest in the Coulomb metric.

        ρ ≈ Σ_k c_k χ_k,   c = V⁻¹ (k|ρ),   V_kl = (k|l)

    **Arguments:**

    - `aux`: the `Auxiliary` of the molecule.
    - `density_matrix`: the total (nao, nao), or α and β (2, nao, nao); or the result of `scf`.

    **Returns:** c, (auxiliary,).

    **Raises:** `ValueError` for a density matrix whose shape does not fit the molecule, or a batch;
    `TypeError` for a complex one.

    **Source:** Whitten, J. Chem. Phys. 58, 4496 (1973); Dunlap et al., J. Chem. Phys. 71, 3396
    (1979).

    ```python
    coefficients = jsci.dft.fit_density(aux, result)
    ```
    """
    density = density_of(density_matrix)
    n = (math.isqrt(8 * aux.repulsion.shape[-1] + 1) - 1) // 2
    if aux.charge.ndim != 1 or density.shape not in ((n, n), (2, n, n)):
        raise ValueError(
            f"density_matrix has shape {density.shape}; allowed for this molecule are ({n}, {n}) "
            f"and (2, {n}, {n}). For a batch: jsci.vmap(jsci.dft.fit_density)(aux, densities)."
        )
    total = density if density.ndim == 2 else jnp.sum(density, axis=0)
    i, j = np.tril_indices(n)
    potential = aux.repulsion @ (total[i, j] * np.where(i == j, 1.0, 2.0))
    return jsl.cho_solve((aux.factor, True), potential)
