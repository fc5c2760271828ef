"""Nudged elastic bands: a saddle point known by hand, and a vacancy's hop as ASE finds it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from atoms._crystals import argon

import jaxsci as jsci

ENDS = ([[-1.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]])


def curved_wells(params, atoms, graph):
    """Minima at (±1, 0); the saddle point is (0, 1/2), one eV higher."""
    x, y, z = atoms.positions[0]
    return params * (x**2 - 1) ** 2 + 4 * (y - 0.5 * (1 - x**2)) ** 2 + z**2


def band_of_wells(images=6, **options):
    first, last = (jsci.atoms.Atoms(place, ["H"]) for place in ENDS)
    path = jsci.atoms.interpolate(first, last, images)
    nearby = jsci.atoms.NeighbourList(path, 1.0)
    f = jsci.atoms.properties(curved_wells)
    return jax.jit(lambda k: jsci.atoms.elastic_band(f, k, path, nearby, **options))


def test_the_climbing_image_ends_on_the_saddle_point():
    run = band_of_wells(fmax=1e-5)
    found = run(1.0)
    assert found.converged
    assert found.barrier == pytest.approx(1.0, abs=1e-9)
    top = found.atoms.positions[jnp.argmax(found.energies), 0]
    np.testing.assert_allclose(top, [0, 0.5, 0], atol=1e-5)
    np.testing.assert_array_equal(found.atoms.positions[jnp.array([0, -1])], ENDS)
    assert run(2.0).barrier == pytest.approx(2.0, abs=1e-9)
    assert not run(jnp.nan).converged


def test_without_climbing_images_keep_their_distances():
    found = band_of_wells(fmax=1e-5, climb=False)(1.0)
    gaps = jnp.linalg.norm(jnp.diff(found.atoms.positions[:, 0], axis=0), axis=1)
    assert found.converged
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-4)
    assert found.barrier < 1 - 1e-3  # no image is at the top
    # Across the path nothing pulls: the rest of each force is along it.
    forces = jax.vmap(jax.grad(lambda r: curved_wells(1.0, _Point(r), None)))(found.atoms.positions)
    along = found.atoms.positions[2:] - found.atoms.positions[:-2]
    across = jnp.linalg.norm(jnp.cross(forces[1:-1, 0], along[:, 0]), axis=1)
    assert across.max() < 0.3 * jnp.linalg.norm(forces, axis=(1, 2)).max()


class _Point:
    def __init__(self, positions):
        self.positions = positions


def test_a_path_takes_the_short_way_through_the_faces_of_a_cell():
    cell = np.array([[4.0, 0, 0], [3.5, 2.0, 0], [0, 0, 4.0]])  # sheared
    first = jsci.atoms.Atoms([[0.1, 0.1, 0.1]], ["Ar"], cell)
    last = jsci.atoms.Atoms([[0.0, 0.0, 3.9]], ["Ar"], cell)
    path = jsci.atoms.interpolate(first, last, 3).positions[:, 0]
    np.testing.assert_allclose(path, [[0.1, 0.1, 0.1], [0.05, 0.05, 0], [0, 0, -0.1]], atol=1e-12)
    far = jsci.atoms.Atoms(first.positions + jnp.array([[0.4, 1.9, 0.0]]), ["Ar"], cell)
    step = jnp.diff(jsci.atoms.interpolate(first, far, 3).positions[:, 0], axis=0)[0]
    images = np.indices((5, 5, 1)).reshape(3, -1).T - [2, 2, 0]
    shortest = np.linalg.norm([0.4, 1.9, 0.0] + images @ cell, axis=1).min()
    assert jnp.linalg.norm(2 * step) == pytest.approx(shortest)


def two_cells():
    return jax.tree.map(lambda *x: jnp.stack(x), argon(), argon(a=5.4), argon())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (argon, "at least 3 images"),
        (lambda: jax.tree.map(lambda x: x[:2], two_cells()), "at least 3 images"),
        (two_cells, "the same cell"),
    ],
)
def test_what_is_no_path_is_refused(path, message):
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=5.0, onset=4.0)
    f, nearby = jsci.atoms.properties(energy), jsci.atoms.NeighbourList(argon(), 5.0)
    with pytest.raises(ValueError, match=message):
        jsci.atoms.elastic_band(f, params, path(), nearby)


def test_ends_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="one cell"):
        jsci.atoms.interpolate(argon(), argon(a=5.4), 5)
    with pytest.raises(ValueError, match="same atoms"):
        jsci.atoms.interpolate(argon(), argon(2), 5)
    with pytest.raises(ValueError, match="at least 3 images"):
        jsci.atoms.interpolate(argon(), argon(), 2)


@pytest.mark.slow
def test_the_hop_of_a_vacancy_is_that_of_ase():
    """Two neighbours of 32 argon sites: without one of them, the other moves into its place."""
    pytest.importorskip("ase", reason="the path to compare with is ASE's")
    from ase.calculators.lj import LennardJones
    from ase.mep import NEB
    from ase.optimize import FIRE

    whole = argon(2)
    first, last = (
        jsci.atoms.Atoms(places, whole.numbers[1:], whole.cell)
        for places in (whole.positions[1:], whole.positions[1:].at[0].set(whole.positions[0]))
    )
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=7.0, onset=6.0)
    f, path = jsci.atoms.properties(energy), jsci.atoms.interpolate(first, last, 5)
    nearby = jsci.atoms.NeighbourList(path, 7.0)
    found = jax.jit(lambda p: jsci.atoms.elastic_band(f, params, p, nearby, fmax=1e-4))(path)
    assert found.converged

    images = [jsci.atoms.to_ase(jax.tree.map(lambda x, k=k: x[k], path)) for k in range(5)]
    for image in images:
        image.calc = LennardJones(epsilon=0.0104, sigma=3.4, rc=7.0, ro=6.0, smooth=True)
    band = NEB(images, k=1.0, climb=True, method="improvedtangent")
    assert FIRE(band, logfile=None).run(fmax=1e-4, steps=600)  # pyright: ignore
    energies = np.array([image.get_potential_energy() for image in images])
    assert float(found.barrier) == pytest.approx(energies.max() - energies[0], abs=1e-6)
    np.testing.assert_allclose(found.energies, energies, atol=1e-4)
