"""Quadrature weights from cells and from points alone, against integrals known exactly."""

import itertools
import math

import numpy as np
import pytest
from scipy.spatial import Delaunay

from jaxsci.operators import cell_weights, point_weights

RNG = np.random.default_rng(0)


def mesh(n, dim):
    """A triangulated random mesh of the unit cube, with its corners."""
    corners = np.array(list(itertools.product((0.0, 1.0), repeat=dim)))
    points = np.concatenate([corners, RNG.random((n, dim))])
    return points, Delaunay(points).simplices


@pytest.mark.parametrize("dim", [2, 3])
def test_linear_functions_are_integrated_exactly(dim):
    points, cells = mesh(30, dim)
    w = cell_weights(points, cells)
    np.testing.assert_allclose(w.sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(w @ points, np.full(dim, 0.5), rtol=1e-12)
    np.testing.assert_allclose(w, cell_weights(points, cells[:, ::-1]), rtol=1e-12)


def test_a_line_is_the_trapezoidal_rule():
    x = np.sort(RNG.random(9))[:, None]
    w = cell_weights(x, np.stack([np.arange(8), np.arange(1, 9)], -1))
    np.testing.assert_allclose(w @ x[:, 0] ** 2, np.trapezoid(x[:, 0] ** 2, x[:, 0]), rtol=1e-12)


def test_smooth_functions_to_second_order_and_surfaces():
    def error(n):
        axis = np.linspace(0, 1, n)
        points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
        corner = (n * np.arange(n - 1)[:, None] + np.arange(n - 1)).reshape(-1, 1)
        cells = np.concatenate([corner + [0, n, n + 1], corner + [0, n + 1, 1]])
        f = np.exp(points[:, 0]) * np.cos(points[:, 1])
        return abs(cell_weights(points, cells) @ f - (math.e - 1) * math.sin(1))

    assert 1.9 < math.log2(error(9) / error(17)) < 2.1
    octahedron = np.concatenate([np.eye(3), -np.eye(3)])
    faces = [[i, j, k] for i in (0, 3) for j in (1, 4) for k in (2, 5)]
    np.testing.assert_allclose(cell_weights(octahedron, np.array(faces)).sum(), 4 * math.sqrt(3))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_points_of_a_grid_have_equal_cells(dim):
    n = 6
    points = (np.stack(np.meshgrid(*[np.arange(n)] * dim), -1).reshape(-1, dim) + 0.5) / n
    w = point_weights(4 * points - 1, low=-1, high=3)
    np.testing.assert_allclose(w.sum(), 4**dim, rtol=1e-12)
    np.testing.assert_allclose(w, 4**dim / n**dim, rtol=0.06)


def test_points_of_an_annulus():
    """Order independent, and an integral over the ring far better than with equal weights."""
    ring = lambda z: np.abs(np.hypot(*z.T) - 0.75) <= 0.25  # noqa: E731
    points = 2 * RNG.random((4000, 2)) - 1
    points = points[ring(points)]
    points = points[: len(points) // 2 + len(points) // 4]
    area = np.pi * 0.75
    w = point_weights(points, ring, low=-1.0, high=(1.0, 1.0))
    p = RNG.permutation(len(points))
    np.testing.assert_allclose(point_weights(points[p], ring, low=-1, high=1), w[p])
    np.testing.assert_allclose(w.sum(), area, rtol=2e-3)
    square = points[:, 0] ** 2
    exact = np.pi * (1 - 0.5**4) / 4
    assert abs(w @ square - exact) < 3e-3 * exact
    assert abs(w @ square - exact) < abs(area * square.mean() - exact) / 3


SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    ("points", "cells", "message"),
    [
        (SQUARE, [[0, 1, 3]], "3 points and vertices 0 to 3"),
        (SQUARE, [[0, 1, -1]], "vertices -1 to 1"),
        (SQUARE, np.zeros((0, 3), int), "no cell"),
        (SQUARE, [[0, 1, 1]], "has a vertex twice"),
        (SQUARE, [[0, 1, 2, 0]], "k from 2 to 3 in 2 dimensions"),
        (SQUARE, [[0.0, 1.0, 2.0]], "float64"),
        (SQUARE * np.nan, [[0, 1, 2]], "finite points"),
        (SQUARE[:, 0], [[0, 1, 2]], "finite points"),
    ],
)
def test_bad_cells(points, cells, message):
    with pytest.raises(ValueError, match=message):
        cell_weights(points, np.asarray(cells))


def test_bad_points():
    for bad in (SQUARE + 0j, SQUARE > 0):
        with pytest.raises(TypeError, match="takes real points"):
            point_weights(bad)
    with pytest.raises(ValueError, match=r"1 points, such as \[2. 0.\], are outside the box"):
        point_weights(np.array([[0.5, 0.5], [2.0, 0.0]]))
    with pytest.raises(ValueError, match="low < high"):
        point_weights(SQUARE, low=1, high=0)
    with pytest.raises(ValueError, match="one truth value for each"):
        point_weights(SQUARE, lambda z: z)
    with pytest.raises(ValueError, match="no part of the box"):
        point_weights(SQUARE, lambda z: z[:, 0] > 2)


@pytest.mark.parametrize("height", [1e-6, 1e-9])
def test_flat_cells_keep_their_volume(height):
    """Cells of a boundary layer: a Gram determinant had the second seven times too large."""
    points = np.array([[0.0, 0.0], [1.0, 0.3], [0.5, 0.15 + height]])
    w = cell_weights(points, np.array([[0, 1, 2]]))
    np.testing.assert_allclose(w.sum(), height / 2, rtol=1e-6)


def test_a_cell_counts_once():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match=r"occur again, such as \[0 1 2\]"):
        cell_weights(points, np.array([[0, 1, 2], [2, 1, 0]]))
