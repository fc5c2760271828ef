"""Enthalpy, entropy and free energy of an ideal gas of rigid rotors and harmonic oscillators."""

from typing import NamedTuple

import numpy as np

from ..._basis.units import (
    DALTON_IN_ELECTRON_MASSES,
    HARTREE_IN_WAVENUMBERS,
    KELVIN_IN_HARTREE,
    PASCAL_IN_ATOMIC_UNITS,
)

# Grimme's frequency (cm⁻¹) below which a vibration counts as a rotation, and the moment of
# inertia of the free rotor that it becomes (10⁻⁴⁴ kg m² in dalton Bohr²).
_ROTOR_BELOW = 100.0
_ROTOR_MOMENT = 1e-44 / (1.66053906660e-27 * 5.29177210903e-11**2)


class Thermochemistry(NamedTuple):
    """What heat adds to the energy of a molecule, per molecule.

    **Arguments:**

    - `zero_point`: energy of the vibrations at zero temperature, Hartree.
    - `energy`: E with the heat of all motions, Hartree.
    - `enthalpy`: H = E + k T, Hartree.
    - `entropy`: S, Hartree per kelvin.
    - `free_energy`: G = H - T S, Hartree.
    - `symmetry_number`: of the rotations.

    ```python
    from jaxsci.dft import Thermochemistry

    Thermochemistry(0.02, -76.0, -75.99, 7e-5, -76.01, 2).enthalpy
    ```
    """

    zero_point: float
    energy: float
    enthalpy: float
    entropy: float
    free_energy: float
    symmetry_number: int


def ideal_gas(
    energy: float,
    wavenumbers: np.ndarray,
    moments: np.ndarray,
    mass: float,
    multiplicity: int,
    symmetry: int,
    *,
    temperature: float,
    pressure: float,
    quasi_harmonic: bool,
) -> Thermochemistry:
    """Of a molecule with these real vibrations (cm⁻¹) and moments of inertia (dalton Bohr²)."""
    heat = temperature * KELVIN_IN_HARTREE
    quanta = wavenumbers / HARTREE_IN_WAVENUMBERS
    zero_point = 0.5 * float(np.sum(quanta))
    x = quanta / heat
    occupied = np.exp(-x) / -np.expm1(-x)  # which cold vibrations do not overflow
    vibration = zero_point + float(np.sum(quanta * occupied))
    # In units of Boltzmann's constant from here.
    oscillators = x * occupied - np.log(-np.expm1(-x))
    if quasi_harmonic:
        share = 1 / (1 + (_ROTOR_BELOW / wavenumbers) ** 4)
        oscillators = share * oscillators + (1 - share) * _free_rotors(quanta, heat)
    entropy = (
        float(np.sum(oscillators))
        + _rotation(moments, symmetry, heat)
        + _translation(mass, heat, pressure)
        + np.log(multiplicity)
    )
    total = energy + vibration + (0.5 * len(moments) + 1.5) * heat
    enthalpy = total + heat
    return Thermochemistry(
        zero_point=zero_point,
        energy=total,
        enthalpy=enthalpy,
        entropy=entropy * KELVIN_IN_HARTREE,
        free_energy=enthalpy - heat * entropy,
        symmetry_number=symmetry,
    )


def _rotation(moments: np.ndarray, symmetry: int, heat: float) -> float:
    """Of a rigid rotor: a line has two moments of inertia, which are equal, an atom none."""
    if len(moments) == 0:
        return 0.0
    turning = 2 * moments * DALTON_IN_ELECTRON_MASSES * heat
    states = np.sqrt(np.pi * np.prod(turning)) if len(moments) == 3 else np.sqrt(np.prod(turning))
    return 0.5 * len(moments) + float(np.log(states / symmetry))


def _translation(mass: float, heat: float, pressure: float) -> float:
    """Sackur and Tetrode's."""
    per_volume = (mass * DALTON_IN_ELECTRON_MASSES * heat / (2 * np.pi)) ** 1.5
    return 2.5 + float(np.log(per_volume * heat / (pressure * PASCAL_IN_ATOMIC_UNITS)))


def _free_rotors(quanta: np.ndarray, heat: float) -> np.ndarray:
    """Grimme, Chem. Eur. J. 18, 9955 (2012), equations 3 to 6, with ħ = 1."""
    moment, largest = 1 / (2 * quanta), _ROTOR_MOMENT * DALTON_IN_ELECTRON_MASSES
    moment = moment * largest / (moment + largest)
    return 0.5 + 0.5 * np.log(2 * np.pi * moment * heat)
