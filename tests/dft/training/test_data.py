"""Tables of facts are sane, and batches hold every molecule once."""

import jax
import numpy as np
import pytest

from jaxsci.dft import data, molecule
from jaxsci.dft._basis.elements import NUMBERS
from jaxsci.dft._basis.units import HARTREE_IN_EV


def test_dimers_are_physical():
    found = data.dimers()
    assert len(found) == 216
    assert sum(d.has_3d_metal for d in found) == 108
    assert len({frozenset(d.elements) for d in found}) == 216
    for d in found:
        electrons = sum(NUMBERS[e] for e in d.elements)
        assert (electrons - d.spin) % 2 == 0, d.name
        assert 0.7 < d.bond_length < 4.5, d.name
        # Mg₂ is the weakest, CO the strongest bond of any two atoms.
        assert 0.05 < d.dissociation_energy * HARTREE_IN_EV < 11.2, d.name
        # No bond is stiffer than that of H₂, and many levels fit into each well.
        assert d.frequency * 219474.63 < 4402, d.name
        assert d.zero_point_energy < 0.2 * d.dissociation_energy, d.name
        assert all(d.sources), d.name


def test_known_dissociation_energies():
    known = {"HH": 4.478, "NN": 9.759, "OC": 11.09, "FH": 5.869, "OO": 5.116, "FF": 1.602}
    found = {d.name: d.dissociation_energy * HARTREE_IN_EV for d in data.dimers()}
    for name, energy in known.items():  # eV; Huber & Herzberg (1979)
        assert abs(found[name] - energy) < 0.05, name


def test_atoms_have_the_spins_of_hund():
    spins = data.atom_spins()
    assert list(spins) == list(NUMBERS)[:36]
    assert [spins[s] for s in ("H", "N", "O", "Cr", "Fe", "Zn")] == [1, 3, 2, 6, 4, 0]
    assert all((NUMBERS[s] - n) % 2 == 0 for s, n in spins.items())


def test_dissociation_curves_have_one_minimum_and_the_right_limit():
    for name, minimum in {"H2": -1.1726, "H2+": -0.6023, "N2": None}.items():
        curve = data.dissociation_curve(name)
        lowest = int(np.argmin(curve.energies))
        slope = np.diff(curve.energies)
        assert (slope[:lowest] < 0).all() and (slope[lowest:] > 0).all(), name
        if minimum is not None:
            assert abs(curve.energies[lowest] - minimum) < 3e-4, name
    with pytest.raises(ValueError, match="'O2'; allowed are 'H2'"):
        data.dissociation_curve("O2")


def test_batches_hold_every_molecule_once():
    pytest.importorskip("pyscf")
    made = [molecule([(s, (0.0, 0.0, 0.0))], "sto-3g", grid=0) for s in ("Ne", "He", "Be")]
    energies, names = [-128.0, -2.9, -14.6], ["Ne", "He", "Be"]
    small, large = data.buckets(made, energies, count=2, names=names)
    assert sorted([*small.energy, *large.energy]) == sorted(energies)
    assert small.molecule.size <= large.molecule.size
    draw = jax.jit(lambda key: data.minibatch(small, 2)(key).energy)
    assert sorted(draw(jax.random.key(0))) == sorted(small.energy)
    both = jax.jit(data.minibatch({"small": small, "large": large}, 3))(jax.random.key(1))
    assert sorted([*both["small"].energy, *both["large"].energy]) == sorted(energies)
    with pytest.raises(ValueError, match="gives from 2 to 3"):
        data.minibatch({"small": small, "large": large}, 1)
    with pytest.raises(ValueError, match="count is 4; with 3 molecules it must be from 1 to 3"):
        data.buckets(made, energies, count=4)
    with pytest.raises(ValueError, match="size is 3; a batch of 2 molecules"):
        data.minibatch(small, 3)
    with pytest.raises(ValueError, match="energies not finite for Ne"):
        data.buckets(made, [np.nan, -2.9, -14.6], count=1, names=names)
