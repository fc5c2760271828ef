"""Reference energies: known values, the cache, several processes."""

import json
import os

import numpy as np
import pytest

from jaxsci.dft import molecule, reference, reference_densities, reference_energies

pytest.importorskip("pyscf")

H2 = [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.4))]
HE = [("He", (0.0, 0.0, 0.0))]


def test_methods_agree_where_they_must():
    # Szabo and Ostlund, table 4.5 and section 3.5.2: minimal basis, 1.4 Bohr.
    hf, full = (reference_energies([H2], "sto-3g", method=m, unit="bohr") for m in ("hf", "fci"))
    np.testing.assert_allclose(hf, -1.1167, atol=1e-4)
    np.testing.assert_allclose(full - hf, -0.02056, atol=2e-4)
    # Two electrons: coupled cluster with doubles is exact.
    coupled = reference_energies([H2, HE], "6-31g", method="ccsd", unit="bohr")
    exact = reference_energies([H2, HE], "6-31g", method="fci", unit="bohr")
    np.testing.assert_allclose(coupled, exact, atol=1e-7)


def test_atoms_without_triples():
    hydrogen, oxygen = ([(s, (0.0, 0.0, 0.0))] for s in "HO")
    hf, triples = (
        reference_energies([hydrogen, oxygen], "sto-3g", spins=[1, 2], method=m)
        for m in ("hf", "ccsd(t)")
    )
    np.testing.assert_allclose(triples, hf, atol=1e-8)


def test_cache_is_read_and_belongs_to_its_content(tmp_path):
    first = reference_energies([HE], "sto-3g", method="hf", cache=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps({"energy": -7.0}))
    assert reference_energies([HE], "sto-3g", method="hf", cache=tmp_path) == -7.0
    other = reference_energies([HE], "sto-3g", method="ccsd", cache=tmp_path)
    np.testing.assert_allclose(other, first, atol=1e-9)  # one orbital: no correlation
    assert len(list(tmp_path.iterdir())) == 2


def test_densities_agree_where_they_must_and_are_cached(tmp_path):
    exact, coupled = (
        reference_densities([H2, HE], "6-31g", method=m, unit="bohr", cache=tmp_path)
        for m in ("fci", "ccsd")
    )
    for atoms, p, q in zip((H2, HE), exact, coupled, strict=True):
        overlap = np.asarray(molecule(atoms, "6-31g", unit="bohr", grid=0).overlap)
        np.testing.assert_allclose(np.sum(p * overlap), 2, atol=1e-8)
        np.testing.assert_allclose(p, q, atol=1e-5)
        natural = np.linalg.eigvals(p @ overlap).real
        assert 1.9 < natural.max() < 1.9999  # correlation empties the first orbital a little
    again = reference_densities([H2, HE], "6-31g", method="fci", unit="bohr", cache=tmp_path)
    assert all((a == b).all() for a, b in zip(exact, again, strict=True))
    lithium = [("Li", (0.0, 0.0, 0.0))]
    (spins,) = reference_densities([lithium], "sto-3g", method="fci", spins=[1])
    overlap = np.asarray(molecule(lithium, "sto-3g", spin=1, grid=0).overlap)
    np.testing.assert_allclose(np.sum(spins * overlap, axis=(1, 2)), [2, 1], atol=1e-8)


@pytest.mark.slow
def test_processes_change_nothing():
    one = reference_energies([H2, HE], "6-31g", spins=[0, 0])
    two = reference_energies([H2, HE], "6-31g", workers=2)
    np.testing.assert_allclose(one, two, atol=1e-9)


class EndsItsProcess:
    """Passes for a function, and ends the process that unpacks it."""

    def __reduce__(self):
        return os._exit, (7,)


def test_processes_that_die_are_counted_and_named_and_tried_again_next_time(tmp_path, monkeypatch):
    molecules = [HE, H2, [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.5))]]
    arguments = dict(method="hf", cache=tmp_path, workers=2)
    (known,) = reference_energies(molecules[:1], "sto-3g", **arguments)
    with monkeypatch.context() as patch:
        patch.setattr(reference, "_value", EndsItsProcess())
        with pytest.warns(UserWarning, match="2 of 3 .* molecule 1: .* code 7; molecule 2: "):
            energies = reference_energies(molecules, "sto-3g", **arguments)
    assert energies[0] == known and np.isnan(energies[1:]).all()
    monkeypatch.setattr(reference, "in_processes", in_this_process)
    assert np.isfinite(reference_energies(molecules, "sto-3g", **arguments)).all()


def in_this_process(function, tasks, which, workers):
    return ((i, function(tasks[i])) for i in which)


def fail(job):
    raise RuntimeError("no convergence")


def test_what_pyscf_fails_at_costs_its_molecule_alone(monkeypatch):
    monkeypatch.setattr(reference, "_value", fail)
    with pytest.warns(UserWarning, match="1 of 1 .* molecule 0: RuntimeError: no convergence"):
        assert np.isnan(reference_energies([HE], "sto-3g")).all()


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match="method is 'mp2'; allowed are 'hf', 'ccsd'"):
        reference_energies([HE], "sto-3g", method="mp2")
    with pytest.raises(ValueError, match="2 molecules, 2 charges and 1 spins"):
        reference_energies([HE, H2], "sto-3g", spins=[0])
    with pytest.raises(ValueError, match=r"2 electrons cannot have spin=1"):
        reference_energies([HE], "sto-3g", spins=[1])
