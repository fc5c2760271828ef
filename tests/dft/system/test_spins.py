"""How a molecule's spins are treated: one value, and what asks for it."""

import dataclasses

import numpy as np
import pytest

from jaxsci.dft import molecule, stack

pytest.importorskip("pyscf")


def helium(**options):
    return molecule([("He", (0, 0, 0))], "sto-3g", grid=0, **options)


@pytest.fixture(scope="module")
def closed():
    return helium()


@pytest.mark.parametrize(
    ("options", "spins"),
    [
        ({}, "restricted"),
        ({"restricted": True}, "restricted"),
        ({"restricted": False}, "unrestricted"),
        ({"charge": 1, "spin": 1}, "unrestricted"),
        ({"charge": 1, "spin": 1, "restricted": False}, "unrestricted"),
        ({"charge": 1, "spin": 1, "restricted": True}, "restricted-open"),
    ],
)
def test_what_molecule_is_asked_for(options, spins):
    m = helium(**options)
    assert m.spins == spins
    assert m.restricted is (spins == "restricted")
    assert f"{spins}, full integrals" in repr(m)
    assert m.spins.density_shape(3) == ((3, 3) if spins == "restricted" else (2, 3, 3))
    np.testing.assert_array_equal(m.spins.counts(m.electrons), m.electrons[: m.spins.channels])


def test_another_treatment_is_a_replaced_value(closed):
    assert dataclasses.replace(closed, spins="unrestricted").spins.channels == 2
    shared = dataclasses.replace(closed, spins="restricted-open")
    assert shared.spins.shared
    assert stack([closed, shared]).spins == "restricted-open"
    with pytest.raises(ValueError, match="spins is 'closed'; allowed are 'restricted', 'unres"):
        dataclasses.replace(closed, spins="closed")


@pytest.mark.parametrize(
    ("before", "restricted", "after"),
    [
        ("restricted", False, "unrestricted"),
        ("restricted", True, "restricted"),
        ("unrestricted", True, "restricted"),
        ("restricted-open", False, "restricted-open"),
    ],
)
def test_the_old_field_still_replaces_it(closed, before, restricted, after):
    m = dataclasses.replace(closed, spins=before)
    advice = f'Use dataclasses.replace\\(molecule, spins="{after}"\\) instead'
    with pytest.warns(DeprecationWarning, match=advice):
        old = dataclasses.replace(m, restricted=restricted)
    assert old.spins == after
