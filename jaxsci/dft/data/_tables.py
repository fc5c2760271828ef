"""Atoms, dimers and dissociation curves: compact tables of facts with their sources."""

import csv
import functools
import importlib.resources
from typing import NamedTuple

import numpy as np

from .._basis.units import HARTREE_IN_EV

Atoms = list[tuple[str, tuple[float, float, float]]]

# CODATA 2010.
_HARTREE_IN_KJ_PER_MOL = 2625.49964
_HARTREE_IN_INVERSE_CM = 219474.6313708
_BOLTZMANN_IN_EV = 8.6173324e-5
_3D_METALS = frozenset(["Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn"])


class Dimer(NamedTuple):
    """Experimental data of a diatomic molecule in its ground state; an entry of `dimers`.

    **Arguments:**

    - `elements`: the symbols of the two atoms.
    - `bond_length`: in ångström.
    - `multiplicity`: 2S + 1.
    - `dissociation_energy`: D₀ in Hartree, from the lowest vibrational level to two atoms at 0 K.
    - `frequency`: harmonic ω_e in Hartree; computed where no measurement is known.
    - `sources`: of bond length, dissociation energy and frequency.

    ```python
    hcl = next(d for d in jsci.dft.data.dimers() if d.name == "ClH")
    hcl.well_depth  # 0.170 Hartree
    ```
    """

    elements: tuple[str, str]
    bond_length: float
    multiplicity: int
    dissociation_energy: float
    frequency: float
    sources: tuple[str, str, str]

    @property
    def name(self) -> str:
        """Both symbols, as in "ClH"."""
        return "".join(self.elements)

    @property
    def atoms(self) -> Atoms:
        """For `molecule(dimer.atoms, basis, spin=dimer.spin)`."""
        return _pair(*self.elements, self.bond_length)

    @property
    def spin(self) -> int:
        """Number of unpaired electrons."""
        return self.multiplicity - 1

    @property
    def zero_point_energy(self) -> float:
        """ω_e/2 in Hartree."""
        return self.frequency / 2

    @property
    def well_depth(self) -> float:
        """D_e = D₀ + ω_e/2 in Hartree, to compare with total energies at fixed nuclei."""
        return self.dissociation_energy + self.zero_point_energy

    @property
    def has_3d_metal(self) -> bool:
        """Whether one atom is from Sc to Zn."""
        return not _3D_METALS.isdisjoint(self.elements)


@functools.cache
def dimers() -> tuple[Dimer, ...]:
    """216 diatomic molecules of H to Br, half of them with a 3d metal.

    Bond strengths that the CRC Handbook gives at 298 K are converted to 0 K by the translation and
    rotation of the molecule and two atoms, D₀ = D°₂₉₈ - 3/2 k_B T, neglecting vibration.
    Uncertainties are a few kJ/mol for main-group dimers and up to 30 kJ/mol with a metal.

    **Returns:** a tuple of `Dimer`s, each with its sources.

    ```python
    [d for d in jsci.dft.data.dimers() if not d.has_3d_metal]
    ```
    """
    return tuple(_dimer(row) for row in _rows("dimers"))


def _dimer(row) -> Dimer:
    thermal = 1.5 * _BOLTZMANN_IN_EV * float(row["temperature"]) / HARTREE_IN_EV
    return Dimer(
        elements=(row["first"], row["second"]),
        bond_length=float(row["bond"]),
        multiplicity=int(row["multiplicity"]),
        dissociation_energy=float(row["dissociation"]) / _HARTREE_IN_KJ_PER_MOL - thermal,
        frequency=float(row["frequency"]) / _HARTREE_IN_INVERSE_CM,
        sources=(row["bond_source"], row["dissociation_source"], row["frequency_source"]),
    )


@functools.cache
def atom_spins() -> dict[str, int]:
    """Unpaired electrons of the atoms H to Kr in their ground states.

    **Returns:** a dictionary from the symbol to the number of unpaired electrons.

    **Source:** NIST Atomic Spectra Database, ground-state terms.

    ```python
    spins = jsci.dft.data.atom_spins()
    oxygen = jsci.dft.molecule([("O", (0, 0, 0))], "def2-svp", spin=spins["O"])
    ```
    """
    return {row["symbol"]: int(row["unpaired"]) for row in _rows("atoms")}


class Curve(NamedTuple):
    """A dissociation curve of n points, from `dissociation_curve`.

    **Arguments:**

    - `distances`: in ångström, (n,).
    - `energies`: total energies in Hartree, (n,).
    - `molecules`: the atoms at each distance, for `molecule(atoms, basis, charge=curve.charge,
        spin=curve.charge)`.
    - `basis`, `method`: the level of theory of the energies.
    - `charge`: of the molecule; here also its number of unpaired electrons.

    ```python
    curve = jsci.dft.data.dissociation_curve("H2")
    curve.distances[curve.energies.argmin()]  # near 0.74
    ```
    """

    distances: np.ndarray
    energies: np.ndarray
    molecules: tuple[Atoms, ...]
    basis: str
    method: str
    charge: int


_CURVES = {
    "H2": ("H", "cc-pvtz", "full CI", 0),
    "H2+": ("H", "cc-pvtz", "exact for one electron", 1),
    "N2": ("N", "6-31g", "full CI of the valence electrons", 0),
}


def dissociation_curve(name: str) -> Curve:
    """The dissociation curve of H₂, H₂⁺ or N₂, exact in its basis (for N₂ with frozen cores).

    **Arguments:**

    - `name`: "H2", "H2+" or "N2".

    **Returns:** a `Curve`, computed with PySCF 2.14.

    **Raises:** `ValueError` for another name.

    ```python
    curve = jsci.dft.data.dissociation_curve("H2")
    molecules = [jsci.dft.molecule(atoms, curve.basis) for atoms in curve.molecules]
    ```
    """
    if name not in _CURVES:
        raise ValueError(f"name is {name!r}; allowed are {', '.join(map(repr, _CURVES))}.")
    element, basis, method, charge = _CURVES[name]
    rows = [row for row in _rows("curves") if row["molecule"] == name]
    distances = np.array([float(row["distance"]) for row in rows])
    return Curve(
        distances,
        np.array([float(row["energy"]) for row in rows]),
        tuple(_pair(element, element, float(r)) for r in distances),
        basis,
        method,
        charge,
    )


def _pair(first, second, distance) -> Atoms:
    return [(first, (0.0, 0.0, 0.0)), (second, (0.0, 0.0, distance))]


@functools.cache
def _rows(table: str) -> tuple[dict[str, str], ...]:
    file = importlib.resources.files("jaxsci.dft.data") / f"{table}.csv"
    return tuple(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
