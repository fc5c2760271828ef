"""Molecules and fields from anything: a clear error, a flag, or the right answer."""

import dataclasses
import math
import traceback
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import NUMBERS, fuzz, mostly

import jaxsci as jsci
from jaxsci.dft._basis.units import BOHR_IN_ANGSTROM

COUNTS = st.integers(-2, 3) | st.sampled_from([10**9, 0.5, 1.0, math.nan, None, "1"])
SLATER = jsci.dft.xc("slater")
CHARGES = {"H": 1, "he": 2, "3": 3}
ATOMS = st.tuples(
    st.sampled_from([*CHARGES, "Xx", "", "-1", "H H", "ghost"]),
    st.tuples(NUMBERS, NUMBERS, NUMBERS) | st.sampled_from([(0.0, 0.0), (), 1.0, None, "abc"]),
)
GOOD_ATOMS = st.tuples(st.sampled_from([*CHARGES]), st.tuples(*[st.integers(-3, 3)] * 3))


def is_clear(problem):
    """Whether we have raised it: what Python or PySCF raise by themselves names no argument."""
    last = traceback.extract_tb(problem.__traceback__)[-1]
    inside = Path(jsci.__file__).parent in Path(last.filename).parents
    return inside and last.line.startswith("raise ")


@fuzz(
    st.lists(ATOMS, max_size=3) | st.lists(GOOD_ATOMS, min_size=1, max_size=2),
    mostly("sto-3g", st.sampled_from(["STO-3G", "sto3", "", "def2-svp", None, 3, {}])),
    mostly(0, COUNTS),
    mostly(0, COUNTS),
    mostly("bohr", st.sampled_from(["angstrom", "BOHR", "nm", ""])),
    mostly(0, st.sampled_from([1, -1, 10, 0.5, None])),
)
def test_a_molecule_is_refused_or_what_was_asked_for(atoms, basis, charge, spin, unit, grid):
    try:
        m = jsci.dft.molecule(atoms, basis, charge=charge, spin=spin, unit=unit, grid=grid)
    except Exception as problem:
        assert is_clear(problem), repr(problem)
        return
    electrons = sum(CHARGES[symbol] for symbol, _ in atoms) - charge
    assert int(m.electrons.sum()) == electrons
    assert int(m.electrons[0] - m.electrons[1]) == spin
    scale = 1 if unit.lower() == "bohr" else 1 / BOHR_IN_ANGSTROM
    positions = scale * np.array([position for _, position in atoms], float)
    np.testing.assert_allclose(m.coordinates, positions, rtol=1e-12)
    assert all(np.isfinite(leaf).all() for leaf in map(np.asarray, jax.tree.leaves(m)))


@pytest.fixture(scope="module")
def hydrogen():
    return jsci.dft.molecule([("H", (0, 0, 0)), ("H", (0, 0, 0.74))], "sto-3g", grid=0)


@pytest.fixture(scope="module")
def energy(hydrogen):
    """Of its only field: whichever orbital is filled, the even one lies lower."""
    return float(jsci.dft.scf(hydrogen, SLATER, tolerance=1e-13).energy)


def solve(molecule, **options):
    return jsci.dft.scf(molecule, SLATER, throw=False, **options)


@fuzz(hnp.arrays(np.float64, (2, 2), elements=NUMBERS))
def test_from_any_density_the_field_is_the_same_or_flagged(hydrogen, energy, guess):
    try:
        solve(hydrogen, guess=jnp.asarray(guess))
    except ValueError as problem:  # not symmetric
        assert is_clear(problem) and not np.array_equal(guess, guess.T)
    with np.errstate(over="ignore", invalid="ignore"):
        symmetric = guess + guess.T
    result = solve(hydrogen, guess=jnp.asarray(symmetric))
    if result.converged:
        assert abs(float(result.energy) - energy) < 1e-8


@fuzz(
    mostly(1e-9),
    mostly(50, COUNTS.filter(lambda n: n != 10**9)),  # a long way to a tolerance of zero
    mostly(0.1),
    mostly(0.1),
)
def test_options_are_refused_or_lead_to_the_same_energy(
    hydrogen, energy, tolerance, max_steps, level_shift, damping
):
    try:
        solver = jsci.dft.DIIS(level_shift=level_shift, damping=damping)
        result = solve(hydrogen, tolerance=tolerance, max_steps=max_steps, solver=solver)
    except Exception as problem:
        assert is_clear(problem), repr(problem)
        return
    if result.converged:
        # The error is of second order in a gradient below √tolerance.
        assert abs(float(result.energy) - energy) <= 10 * tolerance + 1e-8


ARRAYS = "coordinates charges overlap core_hamiltonian repulsion dipole_integrals guess electrons"


@fuzz(st.sampled_from(ARRAYS.split()), st.data())
def test_a_molecule_of_any_numbers_has_a_finite_energy_or_is_flagged(hydrogen, name, data):
    old = np.asarray(getattr(hydrogen, name))
    numbers = NUMBERS if old.dtype.kind == "f" else st.integers(-3, 10)
    place = data.draw(st.tuples(*(st.integers(0, n - 1) for n in old.shape)))
    new = old.copy()
    new[place] = data.draw(numbers)
    result = solve(dataclasses.replace(hydrogen, **{name: jnp.asarray(new)}))
    if result.converged:
        assert np.isfinite(float(result.energy))
        assert np.isfinite(result.density_matrix).all()
