"""Starting densities, restarts, and results that are shown, saved and read."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import molecule, scf, stack, xc
from jaxsci.dft._system import guess
from jaxsci.dft._system.guess import atomic_density, minao_density

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.7572, -0.4692)), ("H", (0.0, -0.7572, -0.4692))]
STRETCHED = [WATER[0], ("H", (0.0, 0.765, -0.48)), WATER[2]]


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize(
    ("atoms", "basis", "options"),
    [
        (WATER, "6-31g*", {"cart": True}),
        ([("I", (0, 0, 0)), ("H", (0, 0, 1.6))], "def2-svp", {"ecp": "def2-svp"}),
    ],
)
def test_superposed_atoms_equal_pyscf(atoms, basis, options):
    from pyscf import gto
    from pyscf.scf import hf

    mol = gto.M(atom=atoms, basis=basis, verbose=0, **options)
    theirs: Any = hf.init_guess_by_atom(mol)
    np.testing.assert_allclose(atomic_density(mol), theirs, atol=1e-5)
    electrons = np.sum(atomic_density(mol) * mol.intor_symmetric("int1e_ovlp"))
    np.testing.assert_allclose(electrons, mol.nelectron, atol=1e-10)
    # In one atom's functions alone, the minimal basis is PySCF's own.
    start, stop = mol.aoslice_by_atom()[0, 2:]
    alone = gto.M(atom=atoms[:1], basis=basis, verbose=0, spin=None, **options)
    own: Any = hf.init_guess_by_minao(alone)
    np.testing.assert_allclose(minao_density(mol)[start:stop, start:stop], own, atol=1e-12)


def test_a_ghost_brings_no_electrons():
    from pyscf import gto

    mol = gto.M(atom="He 0 0 0; ghost-He 0 0 1.5", basis="6-31g", verbose=0)
    for density in (minao_density(mol), atomic_density(mol)):
        np.testing.assert_array_equal(density[2:], 0)
        electrons = np.sum(density * mol.intor_symmetric("int1e_ovlp"))
        np.testing.assert_allclose(electrons, 2, atol=0.01)  # minao's are projected


def test_no_atom_is_solved_for_a_ghost(monkeypatch):
    from pyscf import gto

    solved = []

    def density_of(atom):
        solved.append(atom.nelectron)
        return np.ones((atom.nao, atom.nao))

    monkeypatch.setattr(guess, "_BLOCKS", {})
    mol = gto.M(atom="He 0 0 0; ghost-He 0 0 1.5", basis="6-31g", verbose=0)
    density = guess._superposition(mol, "counted", density_of)
    assert solved == [2] and density.sum() == 4


@pytest.fixture(scope="module")
def water():
    functional = xc("hf")
    m = molecule(WATER, "sto-3g", grid=0)
    return m, functional, scf(m, functional)


def test_guess_of_atoms_in_a_batch(water):
    m, functional, result = water
    batch = stack([m, molecule([("He", (0, 0, 0))], "sto-3g", grid=0)])
    energies = jax.jit(jax.vmap(lambda m: scf(m, functional, guess="atoms", throw=False).energy))(
        batch
    )
    np.testing.assert_allclose(energies[0], result.energy, atol=1e-9, rtol=0)
    np.testing.assert_allclose(energies[1], -2.8077839575, atol=1e-9, rtol=0)


def test_restart_from_another_geometry(water):
    _, functional, result = water
    m = molecule(STRETCHED, "sto-3g", grid=0)
    fresh = scf(m, functional)
    again = scf(m, functional, guess=result.density_matrix)
    assert int(again.steps) < int(fresh.steps)
    np.testing.assert_allclose(again.energy, fresh.energy, atol=1e-9, rtol=0)


def test_results_and_molecules_are_saved_and_read(water, tmp_path):
    m, functional, result = water
    # What a file must look like follows from shapes: nothing is computed twice.
    like = eqx.filter_eval_shape(lambda m: scf(m, functional, throw=False), m)
    for tree, shape in ((result, like), (m, eqx.filter_eval_shape(lambda: m))):
        jsci.save(tmp_path / "file", tree)
        back = jsci.load(tmp_path / "file", like=shape)
        assert jax.tree.structure(back) == jax.tree.structure(tree)
        for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(tree), strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="energy"):
        jsci.load(tmp_path / "file", like=like)


def test_results_are_readable(water):
    m, functional, result = water
    assert repr(result) == (
        f"SCFResult(energy={float(result.energy):.10f} Hartree, converged in {int(result.steps)} "
        f"steps, gap={float(result.gap):.4f} Hartree, restricted, nao=7)"
    )
    stopped = jax.vmap(lambda m: scf(m, functional, throw=False, max_steps=1))(stack([m, m]))
    assert repr(stopped) == "SCFResult(batch=(2,), converged=0 of 2, steps<=1, restricted, nao=7)"
    like = eqx.filter_eval_shape(lambda m: scf(m, functional, throw=False), m)
    assert repr(like) == "SCFResult(restricted, nao=7)"
