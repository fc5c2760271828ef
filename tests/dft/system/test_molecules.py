"""Many molecules: the same as one by one, bad input named, and a process that dies."""

import os

import equinox as eqx
import jax
import numpy as np
import pytest

from jaxsci.dft import molecule, molecules

pytest.importorskip("pyscf")

HYDRIDE = [("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.6))]
HELIUM = [("He", (0.0, 0.0, 0.0))]


class Killer:
    """Passes for a PySCF `Mole`, and ends the process that unpacks it."""

    nao = 1
    intor = atom_coords = None

    def __reduce__(self):
        return os._exit, (7,)


class KillerOnce(Killer):
    """The first process that unpacks it is killed, the next gets the atoms."""

    def __init__(self, mark, atoms):
        self.names = {"mark": str(mark), "atoms": atoms}

    def __reduce__(self):
        kill = "__import__('os').kill(__import__('os').getpid(), 9)"
        return eval, (
            f"atoms if __import__('os').path.exists(mark) else (open(mark, 'w').close(), {kill})",
            self.names,
        )


def assert_same(a, b):
    # The order of libcint's tables follows that of a set, which differs between processes.
    a, b = (eqx.tree_at(lambda m: m.libcint, m, None) for m in (a, b))
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_process_that_dies_costs_its_molecule_alone():
    jobs = [Killer(), HYDRIDE]
    with pytest.warns(
        UserWarning, match="1 of 2 .* molecule 0: its process ended with exit code 7"
    ):
        lost, built = molecules(jobs, "sto-3g", grid=0, workers=2, throw=False)
    assert lost is None
    assert_same(built, molecule(HYDRIDE, "sto-3g", grid=0))


def test_what_a_killed_process_had_is_done_by_another(tmp_path):
    built = molecules([KillerOnce(tmp_path / "killed", HYDRIDE)], "sto-3g", grid=0, workers=2)
    assert (tmp_path / "killed").exists()
    assert_same(built[0], molecule(HYDRIDE, "sto-3g", grid=0))


def test_frames_of_a_file(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text("1\n\nHe 0 0 0\n2\n\nLi 0 0 0\nH 0 0 1.6\n")
    first, second = molecules(path, "sto-3g", grid=0, charge=[0, 1], spin=[0, 1], progress=False)
    assert_same(first, molecule(HELIUM, "sto-3g", grid=0))
    assert_same(second, molecule(HYDRIDE, "sto-3g", grid=0, charge=1, spin=1))


def test_bad_input_is_named_before_the_work():
    with pytest.raises(ValueError, match="molecule 1: 1 electrons cannot have spin=0"):
        molecules([Killer(), [("H", (0, 0, 0))]], "sto-3g")
    with pytest.raises(ValueError, match="molecule 1: PySCF has no basis 'sto-33g' for He"):
        molecules([Killer(), HELIUM], "sto-33g")
    with pytest.raises(ValueError, match="spin has 3 entries for 1 molecules"):
        molecules([HELIUM], "sto-3g", spin=[0, 0, 0])
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        molecules([HELIUM], "sto-3g", workers=0)
    with pytest.raises(ValueError, match="molecule 0: grid is a level from 0 to 9"):
        molecules([HELIUM], "sto-3g", grid=12)
