"""Reference energies: known values, the cache, several processes."""

import os
import warnings

import numpy as np
import pytest

from jaxsci.dft import molecule, reference_densities, reference_energies
from jaxsci.dft._basis.integrals import build_mole
from jaxsci.dft._training import reference

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


def test_cache_is_read_and_belongs_to_its_content(tmp_path, monkeypatch):
    first = reference_energies([HE], "sto-3g", method="hf", cache=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(reference, "_value", fail)
        assert reference_energies([HE], "sto-3g", method="hf", cache=tmp_path) == first
    other = reference_energies([HE], "sto-3g", method="ccsd", cache=tmp_path)
    np.testing.assert_allclose(other, first, atol=1e-9)  # one orbital: no correlation
    assert len(list(tmp_path.iterdir())) == 2


def damaged(file, other):
    """Every eighth of the file's bits, one by one, then what a crash or a wrong copy leaves."""
    content = file.read_bytes()
    for i in range(len(content)):
        yield content[:i] + bytes([content[i] ^ 1 << i % 8]) + content[i + 1 :]
    yield from (content[:n] for n in (0, 1, len(content) // 2, len(content) - 1))
    yield from (b"[1, 2]", b'"-1.0"', b'{"energy": -99.0}\n', b"\xff\n", other.read_bytes())


def test_a_damaged_or_foreign_file_in_the_cache_is_never_an_energy(tmp_path):
    job, other = (
        reference._job("energy", "hf", build_mole(atoms, "sto-3g", 0, 0, "bohr"))
        for atoms in (HE, H2)
    )
    for each, energy in ((job, -2.807784), (other, -1.116714)):
        reference._write(tmp_path, each, energy)
    file = reference._file(tmp_path, job)
    unusable = 0
    for content in list(damaged(file, reference._file(tmp_path, other))):
        file.write_bytes(content)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            (value,) = reference._cached(tmp_path, [job])
        assert value == -2.807784 if not caught else value is None
        unusable += bool(caught)
    # What survives is in the part of the header that people read.
    assert unusable > 200


def test_what_the_cache_has_lost_is_computed_again_and_kept(tmp_path):
    arguments = dict(method="hf", unit="bohr", cache=tmp_path)
    energies = reference_energies([HE, H2], "sto-3g", **arguments)
    one, two = tmp_path.iterdir()
    one.write_bytes(two.read_bytes())
    with pytest.warns(UserWarning, match=f"1 of the files .* computed again: {one}"):
        again = reference_energies([HE, H2], "sto-3g", **arguments)
    np.testing.assert_allclose(again, energies, rtol=0, atol=1e-12)
    assert (reference_energies([HE, H2], "sto-3g", **arguments) == again).all()


def test_charges_and_spins_may_be_arrays(tmp_path):
    arguments = dict(method="hf", unit="bohr", cache=tmp_path)
    listed = reference_energies([HE, H2], "sto-3g", charges=[1, 1], spins=[1, 1], **arguments)
    both = np.array([1, 1])
    arrays = reference_energies([HE, H2], "sto-3g", charges=both, spins=both, **arguments)
    assert (arrays == listed).all() and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(ValueError, match="charge is a whole number, got"):
        reference_energies([HE], "sto-3g", charges=np.array([0.5]))


def test_triples_of_three_electrons_count():
    """Linear H3: CCSD ends 1.4e-4 Hartree above full CI, (T) takes two thirds of that away."""
    chain = [("H", (0.0, 0.0, 1.8 * i)) for i in range(3)]
    triples, full = (
        reference_energies([chain], "6-31g", spins=[1], method=m, unit="bohr")[0]
        for m in ("ccsd(t)", "fci")
    )
    assert abs(triples - full) < 7e-5


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


def in_this_process(function, tasks, which, workers, timeout):
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
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        reference_energies([HE], "sto-3g", workers=0)
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        reference_energies([HE, H2], "sto-3g", workers=0)
    with pytest.raises(ValueError, match="timeout is a positive number of seconds, .* got 0"):
        reference_energies([HE], "sto-3g", timeout=0)
