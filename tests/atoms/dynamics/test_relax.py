"""Relaxation: known minima, flags per structure, pressure."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from atoms._crystals import argon, silicon

import jaxsci as jsci
from jaxsci.atoms._structure.atoms import moved, strained

METHODS: tuple[Any, ...] = ("fire", "lbfgs")
RNG = np.random.default_rng(0)


def rattled(atoms, size=0.1, strain=0.02):
    squeeze = strain * RNG.normal(size=(3, 3))
    atoms = strained(atoms, jnp.asarray(squeeze))
    return moved(atoms, atoms.positions + size * RNG.normal(size=atoms.positions.shape))


@pytest.mark.slow
def test_silicon_comes_back_to_its_lattice():
    energy, params = jsci.atoms.stillinger_weber()
    f, atoms = jsci.atoms.properties(energy), rattled(silicon())
    nearby = jsci.atoms.NeighbourList(
        atoms, energy.cutoff, angle_cutoff=energy.cutoff, room=2.0
    )  # fmt: skip
    found = jax.jit(lambda a: jsci.atoms.relax(f, params, a, nearby, cell=True, fmax=1e-5))(atoms)
    assert found.converged
    assert found.energy / 8 == pytest.approx(-2 * 2.1683, abs=1e-6)
    assert found.atoms.volume / 8 == pytest.approx(5.43095**3 / 8, rel=1e-3)
    held = jsci.atoms.relax(f, params, atoms, nearby)
    np.testing.assert_array_equal(held.atoms.cell, atoms.cell)
    assert held.converged and jnp.abs(held.forces).max() < 1e-3 < jnp.abs(held.stress).max()


@pytest.mark.slow
def test_a_cell_under_pressure_has_that_pressure():
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=7.0, onset=5.0)
    f, atoms = jsci.atoms.properties(energy), rattled(argon())
    nearby = jsci.atoms.NeighbourList(atoms, 7.0, room=2.0)
    found = jsci.atoms.relax(f, params, atoms, nearby, cell=True, pressure=0.5, smax=1e-5)
    assert found.converged
    np.testing.assert_allclose(found.stress, -0.5 / 160.21766 * np.eye(3), atol=1e-5)


@pytest.mark.slow
def test_structures_of_a_stack_stop_each_for_itself():
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=7.0, onset=5.0)
    f = jsci.atoms.properties(energy)
    broken = argon()
    broken = moved(broken, broken.positions.at[0].set(broken.positions[1]))
    both = [argon(), rattled(argon(), strain=0.0), rattled(argon(), 0.3, 0.0)]
    stack = jax.tree.map(lambda *x: jnp.stack(x), *both)
    nearby = jsci.atoms.NeighbourList(stack, 7.0, room=2.0)
    stack = jax.tree.map(lambda s, x: s.at[2].set(x), stack, broken)
    found = jax.vmap(lambda a: jsci.atoms.relax(f, params, a, nearby, steps=300))(stack)
    assert found.converged.tolist() == [True, True, False]
    assert found.steps[0] == 0 < found.steps[1]
    alone = jsci.atoms.relax(f, params, both[1], nearby, steps=300)
    np.testing.assert_allclose(found.energy[1], alone.energy, rtol=1e-10)


@pytest.mark.slow
def test_both_methods_find_the_same_minima_each_structure_for_itself():
    """Distorted crystals with free cells; by learned curvature in fewer than half of the steps."""
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=6.0, onset=4.5)
    f = jsci.atoms.properties(energy)
    broken = argon()
    broken = moved(broken, broken.positions.at[0].set(broken.positions[1]))
    both = [rattled(argon()), rattled(argon(), 0.3, 0.04), argon()]
    stack = jax.tree.map(lambda *x: jnp.stack(x), *both)
    nearby = jsci.atoms.NeighbourList(stack, 6.0, room=2.0)
    stack = jax.tree.map(lambda s, x: s.at[2].set(x), stack, broken)
    limits = {"cell": True, "fmax": 1e-5, "smax": 1e-6}
    fire, lbfgs = (
        jax.jit(
            jax.vmap(lambda a, m=m: jsci.atoms.relax(f, params, a, nearby, method=m, **limits))
        )(stack)
        for m in METHODS
    )
    assert fire.converged.tolist() == lbfgs.converged.tolist() == [True, True, False]
    np.testing.assert_allclose(lbfgs.energy[:2], fire.energy[:2], rtol=1e-7)
    assert (2 * lbfgs.steps[:2] < fire.steps[:2]).all()


@pytest.mark.slow
def test_structures_of_padding_are_relaxed_at_once():
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=5.0, onset=3.5)
    f = jsci.atoms.properties(energy)
    (batch,) = jsci.atoms.batch([argon()], 5.0, size=2)
    nearby = jsci.atoms.NeighbourList(batch.atoms, 5.0, room=2.0)
    found = jax.vmap(
        lambda a: jsci.atoms.relax(f, params, a, nearby, cell=True, pressure=0.1, smax=1e-3)
    )(batch.atoms)
    assert found.converged.tolist() == [True, True]
    assert found.steps[1] == 0 and np.isfinite(found.atoms.positions).all()


def test_a_result_prints_in_a_line():
    one = jsci.atoms.Relaxed(argon(), *map(jnp.asarray, (-1.5, 0.0, 0.0, True, 12)))
    assert repr(one) == "Relaxed(energy=-1.500000 eV, converged in 12 steps)"
    assert "NOT converged" in repr(one._replace(converged=jnp.asarray(False)))
    two = one._replace(
        energy=jnp.zeros(2), converged=jnp.asarray([True, False]), steps=jnp.asarray([3, 9])
    )
    assert repr(two) == "Relaxed(1 of 2 converged, steps<=9)"
    seen = []
    jax.eval_shape(lambda r: seen.append(repr(r)), one)
    assert "Tracer" in seen[0]


def test_what_cannot_be_relaxed_is_refused():
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=7.0)
    f = jsci.atoms.properties(energy)
    pair = jsci.atoms.Atoms([[0.0, 0, 0], [0, 0, 4.0]], ["Ar", "Ar"])
    nearby = jsci.atoms.NeighbourList(pair, 7.0)
    with pytest.raises(ValueError, match="a molecule has no cell"):
        jsci.atoms.relax(f, params, pair, nearby, cell=True)
    with pytest.raises(ValueError, match="pressure=2.0 moves a free cell alone"):
        jsci.atoms.relax(f, params, pair, nearby, pressure=2.0)
    with pytest.raises(ValueError, match="must be positive"):
        jsci.atoms.relax(f, params, pair, nearby, fmax=0.0)
    newton: Any = "newton"
    with pytest.raises(ValueError, match="method must be 'fire' or 'lbfgs', got 'newton'"):
        jsci.atoms.relax(f, params, pair, nearby, method=newton)


@pytest.mark.parametrize("method", METHODS)
def test_a_pair_finds_its_bond_length(method):
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=7.0)
    f = jsci.atoms.properties(energy)
    pair = jsci.atoms.Atoms([[0.0, 0, 0], [0, 0, 4.0]], ["Ar", "Ar"])
    nearby = jsci.atoms.NeighbourList(pair, 7.0)
    found = jsci.atoms.relax(f, params, pair, nearby, fmax=1e-6, method=method)
    length = jnp.linalg.norm(found.atoms.positions[1] - found.atoms.positions[0])
    assert found.converged and length == pytest.approx(2 ** (1 / 6) * 3.4, rel=1e-4)
