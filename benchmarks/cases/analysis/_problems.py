"""What cases and tests of `analysis` share: surfaces whose true map is known."""

import itertools

import numpy as np
from scipy.spatial import ConvexHull


def icosphere(level: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of an icosahedron, whose faces were divided by four `level` times."""
    golden = (1 + 5**0.5) / 2
    vertices = [
        np.roll((0, one, golden * two), turn)
        for turn in range(3)
        for one, two in itertools.product((-1.0, 1.0), repeat=2)
    ]
    vertices = np.array(vertices) / np.hypot(1, golden)
    faces = ConvexHull(vertices).simplices
    for _ in range(level):
        sides = np.sort(faces[:, [[1, 2], [2, 0], [0, 1]]], axis=2)
        edges, middle = np.unique(sides.reshape(-1, 2), axis=0, return_inverse=True)
        new = vertices[edges].sum(1)
        a, b, c = (len(vertices) + middle.reshape(faces.shape)).T
        i, j, k = faces.T
        quarters = [(i, c, b), (c, j, a), (b, a, k), (a, b, c)]
        faces = np.concatenate([np.stack(quarter, 1) for quarter in quarters])
        vertices = np.concatenate([vertices, new / np.linalg.norm(new, axis=1)[:, None]])
    return vertices, faces


def bent_pair(level: int, seed: int = 0) -> tuple[tuple, tuple, np.ndarray]:
    """A lumpy ellipsoid, the same slightly bent with its vertices in another order, and that order.

    Vertex i of the second is vertex `order[i]` of the first.
    """
    vertices, faces = icosphere(level)
    x, y, z = vertices.T
    lumpy = 1 + 0.15 * x * y + 0.1 * z * x + 0.1 * y**3 + 0.12 * np.sin(3 * z)
    first = lumpy[:, None] * vertices * np.array([1.0, 1.4, 2.0])
    angle = 0.2 * first[:, 2]  # bent about its long axis
    second = np.stack(
        [
            first[:, 0] * np.cos(angle) - first[:, 1] * np.sin(angle),
            first[:, 0] * np.sin(angle) + first[:, 1] * np.cos(angle),
            first[:, 2] + 0.05 * first[:, 0] ** 2,
        ],
        axis=1,
    )
    order = np.random.default_rng(seed).permutation(len(first))
    return (first, faces), (second[order], np.argsort(order)[faces]), order


def landmark_kernels(basis, landmarks: np.ndarray) -> np.ndarray:
    """Heat that spreads from each landmark, at three times, as shares of the surface's area."""
    values = np.asarray(basis.values) * float(np.sum(basis.mass))
    functions = np.asarray(basis.functions)
    spread = [np.exp(-t * values) for t in (0.003, 0.012, 0.05)]
    return np.concatenate([(functions * s) @ functions[landmarks].T for s in spread], axis=1)


def farthest(vertices: np.ndarray, count: int) -> np.ndarray:
    """Vertices that are far from each other, by straight distances."""
    chosen = [0]
    far = np.full(len(vertices), np.inf)
    for _ in range(count - 1):
        far = np.minimum(far, np.linalg.norm(vertices - vertices[chosen[-1]], axis=1))
        chosen.append(int(np.argmax(far)))
    return np.array(chosen)
