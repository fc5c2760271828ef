"""Batches: padding changes nothing, vmap equals a loop."""

import jax
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import molecule, scf, stack, xc
from jaxsci.dft._system import stack as batch

pytest.importorskip("pyscf")

WATER = np.array([[0.0, 0.0, 0.1173], [0.0, 0.7572, -0.4692], [0.0, -0.7572, -0.4692]])


def waters(n, basis="sto-3g"):
    rng = np.random.default_rng(0)
    return [
        molecule(
            list(zip("OHH", (WATER + 0.05 * rng.standard_normal((3, 3))).tolist(), strict=True)),
            basis,
            grid=0,
        )
        for _ in range(n)
    ]


@pytest.mark.slow
def test_batch_of_32_distorted_waters_equals_one_by_one():
    molecules = waters(32)
    functional = xc("pbe")

    def solve(m):
        r = scf(m, functional, throw=False)
        return r.energy, r.density_matrix, r.converged

    one = jax.jit(solve)
    energy, density, converged = jax.jit(jsci.vmap(solve))(stack(molecules))
    assert bool(converged.all())
    for i, m in enumerate(molecules):
        e, p, _ = one(m)
        np.testing.assert_allclose(energy[i], e, atol=1e-10, rtol=0)
        np.testing.assert_allclose(density[i], p, atol=1e-8)


@pytest.mark.parametrize("fit", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_padding_changes_nothing(fit):
    atoms = [
        [("He", (0.0, 0.0, 0.0))],
        [("O", (0.0, 0.0, 0.0)), ("O", (0.0, 0.0, 1.21))],
        [("H", (0.0, 0.0, 0.0)), ("F", (0.0, 0.0, 0.92))],
    ]
    spins = [0, 2, 0]
    molecules = [
        molecule(a, "6-31g", spin=s, grid=0, density_fit=fit)
        for a, s in zip(atoms, spins, strict=True)
    ]
    functional = xc("slater") + 0.25 * xc("hf")
    batch = stack(molecules)
    energies = jsci.vmap(lambda m: scf(m, functional, tolerance=1e-12, throw=False).energy)(batch)
    for e, m in zip(energies, molecules, strict=True):
        np.testing.assert_allclose(
            e, scf(m, functional, tolerance=1e-12).energy, atol=1e-10, rtol=0
        )


def test_one_failure_does_not_stop_the_others():
    helium = molecule([("He", (0.0, 0.0, 0.0))], "sto-3g", grid=0)
    functional = xc("svwn")
    batch = stack([helium, *waters(1)])
    results = jsci.vmap(lambda m: scf(m, functional, max_steps=2, throw=False))(batch)
    assert results.converged.tolist() == [True, False]


def test_no_retracing_for_another_molecule_of_the_same_shape():
    traces = 0

    def functional(params, features):
        nonlocal traces
        traces += 1
        return -params * features.rho ** (4 / 3)

    f = jsci.dft.as_functional(functional)
    a, b = waters(2)
    first = scf(a, f, 0.74, throw=False)
    seen = traces
    second = scf(b, f, 0.74, throw=False)
    assert traces == seen
    assert float(first.energy) != float(second.energy)


def test_bad_batches_are_explained():
    he = molecule([("He", (0, 0, 0))], "sto-3g", grid=0)
    fitted = molecule([("He", (0, 0, 0))], "sto-3g", grid=0, density_fit=True)
    with pytest.raises(ValueError, match="empty list"):
        stack([])
    with pytest.raises(ValueError, match="cannot mix full integrals and density fitting"):
        stack([he, fitted])
    with pytest.raises(ValueError, match=r"got a batch of 2; map it|(?i:type-check)"):
        scf(stack([he, he]), xc("pbe"))


def test_a_stack_larger_than_the_memory_is_refused_with_the_number_that_fits(monkeypatch):
    molecules = waters(1) * 5
    three = 3 * sum(x.nbytes for x in jax.tree.leaves(molecules[0]))
    monkeypatch.setattr(batch, "machine_memory", lambda: 2.1 * three)
    with pytest.raises(ValueError, match="5 molecules .* stack at most 3 at once"):
        stack(molecules)
    assert stack(molecules[:3]).overlap.shape[0] == 3
