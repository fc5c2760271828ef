"""The Laplacian: integrals and spectra that are known, angles in NumPy, and bad triangles."""

from typing import Any

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from benchmarks.cases.analysis._problems import bent_pair, icosphere
from jaxsci import analysis

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
HALVES = np.array([[0, 1, 2], [0, 2, 3]])


def by_angles(vertices, faces):
    """Dense stiffness and mass, triangle by triangle."""
    n = len(vertices)
    stiffness, mass = np.zeros((n, n)), np.zeros(n)
    for face in faces:
        for c in range(3):
            i, j, k = np.roll(face, c)
            u, v = vertices[i] - vertices[k], vertices[j] - vertices[k]
            angle = np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
            w = 0.5 / np.tan(angle)
            stiffness[i, j] -= w
            stiffness[j, i] -= w
            stiffness[i, i] += w
            stiffness[j, j] += w
            mass[k] += np.linalg.norm(u) * np.linalg.norm(v) * np.sin(angle) / 6
    return stiffness, mass


def test_is_that_of_the_angles():
    (vertices, faces), _, _ = bent_pair(1)
    laplacian = analysis.mesh_laplacian(vertices, faces)
    stiffness, mass = by_angles(vertices, faces)
    np.testing.assert_allclose(laplacian(jnp.eye(len(mass))), stiffness, atol=1e-12)
    np.testing.assert_allclose(laplacian(jnp.ones(len(mass))), 0, atol=1e-13)
    np.testing.assert_allclose(laplacian.mass, mass, rtol=1e-12)


def test_linear_functions_of_a_plane():
    """Their slope is exact, and inside nothing flows."""
    grid = np.stack(np.meshgrid(np.arange(4.0), np.arange(5.0) ** 1.3), -1).reshape(-1, 2)
    cell = np.array([[0, 1, 5], [0, 5, 4]])
    faces = np.concatenate([cell + 4 * row + column for row in range(4) for column in range(3)])
    laplacian = analysis.mesh_laplacian(grid, faces)
    u = grid @ np.array([2.0, -1.0])
    area = np.prod(np.ptp(grid, axis=0))
    np.testing.assert_allclose(u @ laplacian(jnp.asarray(u)), 5 * area, rtol=1e-12)
    inside = (grid > 0).all(1) & (grid < grid.max(0)).all(1)
    np.testing.assert_allclose(laplacian(jnp.asarray(u))[inside], 0, atol=1e-12)


def test_spectrum_of_the_sphere():
    """l(l + 1), 2l + 1 times each, to the square of the edges; by the sparse and the dense path."""
    vertices, faces = icosphere(3)
    basis = analysis.mesh_laplacian(vertices, faces).basis(16)
    exact = np.repeat([0, 2, 6, 12], [1, 3, 5, 7])
    np.testing.assert_allclose(basis.values, exact, atol=0.02 * 12)
    overlap = basis.functions.T @ (basis.mass[:, None] * basis.functions)
    np.testing.assert_allclose(overlap, np.eye(16), atol=1e-9)
    coarse = analysis.mesh_laplacian(*icosphere(2)).basis(16)
    error, worse = (np.abs(np.asarray(b.values) - exact)[1:].max() for b in (basis, coarse))
    assert 3 < worse / error < 5


def test_derivatives_are_finite_differences():
    (vertices, faces), _, _ = bent_pair(1)
    rng = np.random.default_rng(0)
    u, direction = rng.standard_normal(len(vertices)), rng.standard_normal(vertices.shape)

    def energy(t):
        laplacian = analysis.mesh_laplacian(vertices + t * direction, faces)
        return u @ laplacian(jnp.asarray(u)) / jnp.sum(laplacian.mass * u**2)

    h = 1e-4
    values = [float(energy(k * h)) for k in (-2, -1, 1, 2)]
    slope = np.dot([1, -8, 8, -1], values) / (12 * h)
    np.testing.assert_allclose(jax.grad(energy)(0.0), slope, rtol=1e-6)


@pytest.mark.parametrize("place", [[0.5, 0.0], [0.5, 1e-9], [0.5, -1e-9], [0.0, 0.0]])
def test_bad_triangles_stay_finite(place):
    """A vertex on the edge opposite it, or on another vertex: energies stay positive."""
    x = np.concatenate([SQUARE, [place]])
    faces = np.array([[4, 1, 2], [4, 2, 3], [4, 3, 0], [4, 0, 1]])
    laplacian = analysis.mesh_laplacian(x, faces)
    assert np.linalg.eigvalsh(laplacian(jnp.eye(5))).min() > -1e-9
    # The longer sides leave the needle an area of about √(1e-5/8).
    np.testing.assert_allclose(laplacian.mass.sum(), 1, rtol=1.5e-3)
    slopes = jax.jacobian(lambda x: analysis.mesh_laplacian(x, faces).weights)(x)
    assert np.isfinite(slopes).all()
    # What is far from the bad triangle hardly changes.
    heights = jnp.asarray(x[:, 1])
    np.testing.assert_allclose(heights @ laplacian(heights), 1, rtol=0.02)


def test_good_triangles_are_left_alone_and_the_type_stays():
    low = analysis.mesh_laplacian(SQUARE.astype(np.float32), HALVES)
    assert low.weights.dtype == low.basis(2).functions.dtype == jnp.float32
    exact = analysis.mesh_laplacian(1e-6 * SQUARE, HALVES)
    np.testing.assert_allclose(exact.weights, [0.5, 0, 0.5, 0.5, 0.5], atol=1e-15)
    np.testing.assert_allclose(exact.mass, 1e-12 / np.array([3, 6, 3, 6]), rtol=1e-14)


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.eye(6)[:, :3], [[0, 1, 2], [3, 4, 5]], "must be connected, got 2 parts"),
        (np.eye(5)[:, :3], [[0, 1, 2], [0, 1, 3], [0, 1, 4]], r"not manifold: 3 faces.*\[0 1\]"),
        (np.eye(5)[:, :3], [[0, 1, 2], [0, 3, 4]], "only touches itself at vertex 0"),
        (np.eye(4)[:, :3], [[0, 1, 2]], r"Vertex 3 is in no face \(1 of 4"),
        (np.eye(3), [[0, 1, 3]], "must name vertices 0 to 2, got 0 to 3"),
        (np.eye(3), [[0, 1, 1]], "Face 0 has a vertex twice"),
        (np.eye(3), [[0.0, 1.0, 2.0]], "faces must be integers, got float64"),
        (np.eye(3), [[0, 1]], r"faces must be triangles, \(f, 3\), got \(1, 2\)"),
        (np.ones((3, 3)), [[0, 1, 2]], "All vertices are at one place"),
        (np.full((3, 3), np.nan), [[0, 1, 2]], "9 entries that are not finite"),
        (np.ones((3, 4)), [[0, 1, 2]], r"vertices must be .* got \(3, 4\)"),
        (np.ones((3, 3), complex), [[0, 1, 2]], "vertices must be real"),
    ],
)
def test_refuses(vertices, faces, message):
    with pytest.raises((ValueError, TypeError), match=message):
        analysis.mesh_laplacian(vertices, np.array(faces))


def test_positions_that_are_not_finite_are_flagged_under_jit():
    mass = jax.jit(lambda x: analysis.mesh_laplacian(x, HALVES).mass)
    assert np.isnan(mass(jnp.asarray(SQUARE).at[2, 0].set(jnp.nan))).all()


def test_refuses_bases_that_it_cannot_compute():
    laplacian = analysis.mesh_laplacian(SQUARE, HALVES)
    with pytest.raises(ValueError, match="between 1 and the 4 vertices, got 5"):
        laplacian.basis(5)
    with pytest.raises(TypeError, match="computed on the host"):
        jax.grad(lambda x: analysis.mesh_laplacian(x, HALVES).basis(2).values[1])(SQUARE)
    with pytest.raises(TypeError, match="faces are sorted before"):
        jax.jit(lambda f: analysis.mesh_laplacian(SQUARE, f).mass)(HALVES)


def test_functions_on_another_mesh_and_repeated_faces_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # of the tests alone
    laplacian = analysis.mesh_laplacian(SQUARE, HALVES)
    half: Any = 2.5
    for u in (np.ones(3), np.ones((5, 2)), np.ones(())):
        with pytest.raises(ValueError, match="a row for each of 4 vertices"):
            laplacian(u)
    with pytest.raises(TypeError):
        laplacian.basis(half)
    with pytest.raises(ValueError, match="Several faces have the same vertices"):
        analysis.mesh_laplacian(SQUARE[:3], np.array([[0, 1, 2], [2, 1, 0]]))


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_any_unit_of_length_in_single_precision(unit):
    large, one = (
        analysis.mesh_laplacian(jnp.asarray(scale * SQUARE, jnp.float32), HALVES)
        for scale in (unit, 1.0)
    )
    np.testing.assert_allclose(large.weights, one.weights, atol=1e-6)
    np.testing.assert_allclose(large.mass / unit**2, one.mass, rtol=1e-6)
