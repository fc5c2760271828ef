"""Frequencies and thermochemistry against PySCF, intensities against finite fields."""

from typing import Any

import numpy as np
import pytest

from jaxsci.dft import dipole, forces, molecule, pad_to_buckets, scf, vibrations, xc
from jaxsci.dft._properties._spectra.motion import (
    moments_of_inertia,
    rigid_motions,
    symmetry_number,
)

pytest.importorskip("pyscf")

# At the minima of Hartree-Fock in STO-3G, to 1e-4 ångström.
WATER = [("O", (0.0, 0.0, 0.0)), ("H", (0.0, 0.7581, 0.6351)), ("H", (0.0, -0.7581, 0.6351))]
FLUORIDE = [("H", (0.0, 0.0, 0.0)), ("F", (0.0, 0.0, 0.9556))]
NITROGEN = [("N", (0.0, 0.0, 0.0)), ("N", (0.0, 0.0, 1.13385))]
MONOXIDE = [("C", (0.0, 0.0, 0.0)), ("O", (0.0, 0.0, 1.14548))]


@pytest.mark.parametrize(
    ("atoms", "turns"),
    [
        (WATER, 2),
        (FLUORIDE, 1),
        pytest.param(NITROGEN, 2, marks=pytest.mark.slow),
        pytest.param(MONOXIDE, 1, marks=pytest.mark.slow),
    ],
)
def test_equal_to_pyscf(atoms, turns):
    from pyscf import gto
    from pyscf.hessian import thermo

    field: Any = gto.M(atom=atoms, basis="sto-3g", verbose=0).RHF().run(conv_tol=1e-13)
    modes = thermo.harmonic_analysis(field.mol, field.Hessian().kernel())
    ours = vibrations(molecule(atoms, "sto-3g", grid=0), xc("hf"))
    assert ours.stationary
    np.testing.assert_allclose(ours.frequencies, modes["freq_wavenumber"].real, atol=1e-2)
    expected = thermo.thermo(field, modes["freq_au"], 310.0, 200_000)
    found = ours.thermochemistry(temperature=310.0, pressure=2e5)
    assert found.symmetry_number == expected["sym_number"][0] == turns
    for value, name in (
        (found.zero_point, "ZPE"), (found.energy, "E_tot"), (found.enthalpy, "H_tot"),
        (found.free_energy, "G_tot"),
    ):  # fmt: skip
        np.testing.assert_allclose(value, expected[name][0], atol=1e-7)
    np.testing.assert_allclose(found.entropy, expected["S_tot"][0], atol=1e-9)


def test_differences_of_forces_equal_the_analytic_hessian():
    full = molecule(FLUORIDE, "sto-3g", grid=0)
    fitted = molecule(FLUORIDE, "sto-3g", grid=0, density_fit="def2-universal-jkfit")
    analytic, differences = (vibrations(m, xc("hf")) for m in (full, fitted))
    # What is left is the error of the fit.
    np.testing.assert_allclose(differences.frequencies, analytic.frequencies, atol=2.0)
    np.testing.assert_allclose(differences.hessian, analytic.hessian, atol=1e-3)
    np.testing.assert_allclose(differences.dipole_slopes, analytic.dipole_slopes, atol=2e-3)


def test_intensities_are_the_derivatives_of_the_dipole_moment():
    h = 1e-3

    def at(shift):
        moved = [FLUORIDE[0], ("F", (0.0, 0.0, 0.9556 + shift * 0.52917721092))]
        m = molecule(moved, "sto-3g", grid=0)
        return dipole(m, scf(m, xc("hf"), tolerance=1e-13))[2]

    slope = (at(h) - at(-h)) / (2 * h)
    ours = vibrations(molecule(FLUORIDE, "sto-3g", grid=0), xc("hf"))
    np.testing.assert_allclose(ours.dipole_slopes[1, 2, 2], slope, atol=1e-6)
    # The mode stretches the bond: I = 974.88 km/mol (∂μ/∂r)²/m, with the reduced mass.
    reduced = ours.masses[0] * ours.masses[1] / ours.masses.sum()
    np.testing.assert_allclose(ours.intensities[0], 974.8801 * slope**2 / reduced, rtol=1e-5)


def test_a_geometry_that_is_not_relaxed_says_its_force():
    stretched = molecule([FLUORIDE[0], ("F", (0.0, 0.0, 1.05))], "sto-3g", grid=0)
    with pytest.warns(UserWarning, match=r"not stationary: the largest force is .*e-02"):
        ours = vibrations(stretched, xc("hf"))
    assert not ours.stationary
    force = np.linalg.norm(forces(stretched, xc("hf")), axis=1).max()
    np.testing.assert_allclose(ours.gradient, force, atol=1e-8)


def test_low_frequencies_as_rotors():
    from jaxsci.dft._properties._spectra.thermochemistry import ideal_gas

    def entropy(wavenumber, quasi_harmonic):
        return ideal_gas(
            0.0, np.array([wavenumber]), np.zeros(0), 18.0, 1, 1,
            temperature=298.15, pressure=101325.0, quasi_harmonic=quasi_harmonic,
        ).entropy  # fmt: skip

    np.testing.assert_allclose(entropy(3000.0, True), entropy(3000.0, False), atol=1e-11)
    none = ideal_gas(
        0.0, np.zeros(0), np.zeros(0), 18.0, 1, 1,
        temperature=298.15, pressure=101325.0, quasi_harmonic=False,
    ).entropy  # fmt: skip
    rotor = 298.15 * 627.509 * (entropy(10.0, True) - none)
    oscillator = 298.15 * 627.509 * (entropy(10.0, False) - none)
    # kT (1 + ln kT/ħω) for the oscillator; the entropy of a rotor grows half as fast with 1/ω.
    np.testing.assert_allclose(oscillator, 2.3884, atol=1e-3)
    assert 1.0 < rotor < oscillator
    cold = [
        ideal_gas(
            0.0, np.array(wavenumbers), np.zeros(0), 18.0, 1, 1,
            temperature=1.0, pressure=101325.0, quasi_harmonic=False,
        )
        for wavenumbers in ([], [3000.0])
    ]  # fmt: skip
    assert cold[0].entropy == cold[1].entropy  # of a vibration that is frozen


@pytest.mark.parametrize(
    ("numbers", "x", "expected"),
    [
        ([7, 1, 1, 1], [[0, 0, 0.1], [1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0]], 3),
        ([6, 1, 1, 1, 1], [[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], 12),
        ([6, 8, 8], [[0, 0, 0], [0, 0, 2.2], [0, 0, -2.2]], 2),
        ([2], [[0, 0, 0]], 1),
    ],
    ids=["ammonia", "methane", "carbon dioxide", "helium"],
)
def test_symmetry_numbers(numbers, x, expected):
    masses = 2.0 * np.array(numbers)
    assert symmetry_number(2 * np.array(x, float), np.array(numbers), masses) == expected


def test_a_molecule_that_is_nearly_a_line_counts_as_one():
    """At 179.5 degrees it had six rigid motions and two moments of inertia: a mode was lost."""
    masses, length = np.array([16.0, 12.0, 16.0]), 2.19
    for degrees, expected in ((180.0, 2), (179.5, 2), (175.0, 3)):
        t = np.deg2rad(180 - degrees)
        x = length * np.array([[-1, 0, 0], [0, 0, 0], [np.cos(t), np.sin(t), 0]])
        assert len(moments_of_inertia(x, masses)) == expected
        assert len(rigid_motions(x, masses)) == 3 + expected


@pytest.fixture(scope="module")
def padded():
    """Hydrogen padded to three atoms, with density fitting, so by differences of forces."""
    texts = (("H 0 0 0; H 0 0 0.7122", 0), ("H 0 0 0; H 0 0 0.9; H 0 0.8 0.4", 1))
    molecules = [molecule(t, "sto-3g", charge=c, grid=0, density_fit=True) for t, c in texts]
    return pad_to_buckets(molecules, 1)[0]


def test_isotopes_and_padding(padded):
    """Heavier atoms vibrate slower by the root of their masses, and HD turns once, not twice."""
    light, heavy = (vibrations(padded, xc("hf"), masses=m) for m in (None, [2.0141, 2.0141]))
    np.testing.assert_allclose(light.frequencies, 5481.5, atol=1.0)
    ratio = light.frequencies / heavy.frequencies
    np.testing.assert_allclose(ratio, (2.0141 / light.masses[0]) ** 0.5, rtol=1e-9)
    assert light.thermochemistry().symmetry_number == 2
    x = np.asarray(light.positions)
    assert symmetry_number(x, light.numbers, np.array([1.008, 2.0141])) == 1


def test_bad_input_is_explained():
    from pyscf import gto

    ghostly = gto.M(atom="He 0 0 0; ghost-He 0 0 1", basis="sto-3g", verbose=0)
    with pytest.raises(ValueError, match="atom 1 is a ghost"):
        vibrations(molecule(ghostly, grid=0), xc("hf"))
    with pytest.raises(ValueError, match="masses are 2 positive numbers"):
        vibrations(molecule(FLUORIDE, "sto-3g", grid=0), xc("hf"), masses=[1.0])
