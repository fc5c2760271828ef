"""Products in the frames of edges are the full tensor products, with their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft._basis.functions import solid_harmonics
from jaxsci.dft._learned.edge_frames import edge_frames, joined, split
from jaxsci.dft._learned.edge_products import edge_products
from jaxsci.dft._learned.gaunt import rotation_matrix
from jaxsci.dft._learned.tensor_products import Path, coupled_degrees, full_products

pytest.importorskip("pyscf")

CHANNELS, RADIAL, ATOMS = 2, 3, 4

# The poles of every axis, where some angle is undefined; the diagonal, where the axis of the
# angles changes; and directions of no symmetry.
DIRECTIONS = np.array(
    [(0, 0, 1), (0, 0, -1), (0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0), (1, 0, 1), (0, 1, -1)]
    + [(1e-9, 0, 1), (0.3, -0.4, 0.2), (-0.1, 0.2, -0.9), (0.5, 0.5, 0.1)],
    float,
)
SENDER = jnp.arange(len(DIRECTIONS)) % ATOMS


def problem(lmax, seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    triples = coupled_degrees(lmax)
    weights = jax.random.normal(keys[0], (len(triples), RADIAL, CHANNELS))
    gates = np.linspace(0.5, 1.5, len(triples))
    paths = {
        t: Path(jnp.asarray(g), w, jnp.ones(()))
        for t, g, w in zip(triples, gates, weights, strict=True)
    }
    features = jax.random.normal(keys[1], ((lmax + 1) ** 2, CHANNELS, ATOMS))
    radial = jax.random.normal(keys[2], (len(DIRECTIONS), RADIAL))
    return paths, features, radial


def unit_of(displacement):
    return (displacement / jnp.linalg.norm(displacement, axis=1, keepdims=True)).T


@pytest.mark.parametrize("lmax", [0, 1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_products_along_edges_are_the_full_ones(lmax):
    paths, features, radial = problem(lmax)
    some = {t: path for n, (t, path) in enumerate(paths.items()) if n % 3 == 0}
    for chosen in (paths, some):
        given = chosen, features, SENDER, unit_of(DIRECTIONS), radial
        found, known = edge_products(*given), full_products(*given)
        assert float(jnp.max(jnp.abs(known))) > 0.1
        np.testing.assert_allclose(found, known, atol=1e-12)


# Angles have derivatives without bounds at their poles; those of the products stay the same.
@pytest.mark.parametrize("lmax", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_derivatives_are_those_of_the_full_products(lmax):
    paths, features, radial = problem(lmax)
    weights = jax.random.normal(
        jax.random.key(9), ((2 * lmax + 1) ** 2, 2, CHANNELS, len(DIRECTIONS))
    )

    def slopes(products):
        def value(displacement, features):
            found = products(paths, features, SENDER, unit_of(displacement), radial)
            return jnp.sum(weights * jnp.sin(found))

        return jax.jit(jax.grad(value, (0, 1)))(jnp.asarray(DIRECTIONS), features)

    for found, known in zip(slopes(edge_products), slopes(full_products), strict=True):
        assert float(jnp.max(jnp.abs(known))) > 0.1
        # near the pole the displacement is of length one, so slopes are of order one too
        np.testing.assert_allclose(found, known, atol=1e-10)


@pytest.mark.parametrize("reflected", [False, True])
@pytest.mark.parametrize("lmax", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_products_turn_with_features_and_edges(lmax, reflected):
    paths, features, radial = problem(lmax)
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    rotation = rotation * np.linalg.det(rotation) * (-1 if reflected else 1)

    def turned(x):
        degrees = range(int(np.sqrt(x.shape[0])))
        parts = [x[l * l : (l + 1) ** 2] for l in degrees]
        matrices = [rotation_matrix(rotation, l) for l in degrees]
        return jnp.concatenate(
            [jnp.einsum("mn,n...->m...", d, p) for d, p in zip(matrices, parts, strict=True)]
        )

    plain = edge_products(paths, features, SENDER, unit_of(DIRECTIONS), radial)
    there = unit_of(DIRECTIONS @ rotation.T)
    found = edge_products(paths, turned(features), SENDER, there, radial)
    # what changes sign with the harmonics of its degree under inversion, and what does not
    l = np.repeat(np.arange(2 * lmax + 1), 2 * np.arange(2 * lmax + 1) + 1)
    pseudo = (l[:, None] + np.arange(2)) % 2
    sign = np.where(pseudo, -1 if reflected else 1, 1)[..., None, None]
    np.testing.assert_allclose(found, sign * turned(plain), atol=1e-12)


@pytest.mark.parametrize("l", [0, 1, 2, 3, 8])
def test_in_its_frame_an_edge_is_the_z_axis(l):
    unit = unit_of(jnp.asarray(DIRECTIONS))
    frames = edge_frames(unit, l)
    harmonics = split(solid_harmonics(unit[:, None], l)[:, 0], l)
    inside = frames.into(harmonics[:, :, None], jnp.arange(unit.shape[1]))
    axial = jnp.zeros(inside.shape).at[0, 0].set(np.sqrt((2 * l + 1) / (4 * np.pi)))
    np.testing.assert_allclose(inside, axial, atol=1e-13)
    back = joined(frames.out_of(inside, l))
    np.testing.assert_allclose(back, joined(harmonics[:, :, None]), atol=1e-13)
