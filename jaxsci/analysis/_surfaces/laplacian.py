"""The Laplacian of a triangle mesh, by cotangents."""

import operator
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
from jax.core import Tracer
from jax.ops import segment_sum
from jaxtyping import Array, Float, Int, Shaped

from .triangles import triangles

_SLACK = 1e-5  # of a triangle inequality, in mean lengths of an edge


class Basis(NamedTuple):
    """Functions on a surface of n vertices, in which maps are small matrices.

    - `values`: eigenvalues of the Laplacian, ascending from 0, per area, (k,).
    - `functions`: its eigenfunctions, (n, k), orthonormal with the masses.
    - `mass`: the area of each vertex, (n,).
    """

    values: Float[Array, " k"]
    functions: Float[Array, "n k"]
    mass: Float[Array, " n"]


class MeshLaplacian(eqx.Module):
    """Stiffness and mass of a mesh of n vertices and e edges; made by `mesh_laplacian`.

    - `edges`: the vertices of each edge, (e, 2).
    - `weights`: w = (cot α + cot β)/2 of the angles opposite each edge, (e,).
    - `mass`: a third of the area of the faces around each vertex, (n,).

    ```python
    vertices = np.concatenate([np.eye(3), -np.eye(3)])  # an octahedron
    faces = [[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]]
    laplacian = jsci.analysis.mesh_laplacian(vertices, np.array(faces))
    laplacian(vertices[:, 2])[2]  # 2.309, of the height of the top
    ```
    """

    edges: Int[Array, "e 2"]
    weights: Float[Array, " e"]
    mass: Float[Array, " n"]

    def __call__(self, u: Float[Array | np.ndarray, "n *m"]) -> Float[Array, "n *m"]:
        """The stiffness times functions, Σⱼ wᵢⱼ (uᵢ - uⱼ); divided by the mass it is -Δu.

        **Arguments:**

        - `u`: one function or several, (n,) or (n, m).

        **Returns:** of the same shape.

        **Raises:** `ValueError` for functions on another number of vertices.
        """
        u, (i, j) = jnp.asarray(u), self.edges.T
        if u.ndim < 1 or len(u) != len(self.mass):
            raise ValueError(f"u must have a row for each of {len(self.mass)} vertices: {u.shape}.")
        flow = self.weights.reshape(-1, *[1] * (u.ndim - 1)) * (u[i] - u[j])
        return segment_sum(flow, i, len(self.mass)) - segment_sum(flow, j, len(self.mass))

    def basis(self, k: int) -> Basis:
        """The k smoothest eigenfunctions, W φ = λ M φ, computed on the host.

        **Arguments:**

        - `k`: how many, the constant one included.

        **Returns:** `Basis`; the sign of a function is that which makes its largest value positive.
        """
        if isinstance(self.weights, Tracer) or isinstance(self.mass, Tracer):
            raise TypeError("basis() is computed on the host: it cannot be traced, nor derived.")
        k, mass = operator.index(k), np.asarray(self.mass, float)
        if not 1 <= k <= len(mass):
            raise ValueError(f"k must be between 1 and the {len(mass)} vertices, got {k}.")
        values, functions = _smoothest(self._scaled(mass), k)
        functions = functions / np.sqrt(mass)[:, None]
        largest = np.take_along_axis(functions, np.abs(functions).argmax(0)[None], axis=0)
        functions = functions * np.sign(largest)
        dtype = self.mass.dtype
        return Basis(jnp.asarray(values, dtype), jnp.asarray(functions, dtype), self.mass)

    def _scaled(self, mass):
        """M^(-1/2) W M^(-1/2), sparse."""
        n = len(mass)
        i, j = np.asarray(self.edges).T
        w = np.asarray(self.weights, float)
        diagonal = np.bincount(i, w, n) + np.bincount(j, w, n)
        rows, columns = np.r_[i, j, np.arange(n)], np.r_[j, i, np.arange(n)]
        values = np.r_[-w, -w, diagonal] / np.sqrt(mass[rows] * mass[columns])
        return scipy.sparse.coo_array((values, (rows, columns)), (n, n)).tocsc()


def mesh_laplacian(
    vertices: Shaped[Array | np.ndarray, "..."], faces: Shaped[Array | np.ndarray, "..."]
) -> MeshLaplacian:
    """The Laplacian of functions on a surface, linear on each triangle.

        ∫ ∇u·∇v = uᵀ W v = Σ_edges (cot α + cot β)/2 (uᵢ - uⱼ)(vᵢ - vⱼ),   M = a third of the areas

    Differentiable in the vertices.

    **Arguments:**

    - `vertices`: their positions, (n, 3), or (n, 2) in a plane; any unit of length.
    - `faces`: the vertices of each triangle, (f, 3), from 0; their orientation does not matter.

    **Returns:** `MeshLaplacian`: a function that multiplies by W; `.mass`, `.basis(k)`.

    **Raises:** `ValueError` for a mesh that is not connected, not manifold, has vertices without
    faces, faces without vertices, or positions that are not finite or all the same; `TypeError` for
    faces that are not integers, or traced. Under `jit` positions that are not finite make it NaN.

    **Notes:** where a triangle is nearly a line, all edges are made longer by up to 1e-5 of their
    mean, so that cotangents stay finite. A weight between obtuse triangles is negative: then a
    harmonic function may exceed its boundary values. On a boundary the normal derivative is 0.

    **Source:** Pinkall & Polthier, Exp. Math. 2, 15 (1993); for longer edges Sharp & Crane, Comput.
    Graph. Forum 39 (5), 69 (2020).

    ```python
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    laplacian = jsci.analysis.mesh_laplacian(square, np.array([[0, 1, 2], [0, 2, 3]]))
    laplacian.mass.sum()  # 1.0
    square[:, 0] @ laplacian(square[:, 0])  # 1.0, the integral of the squared slope
    ```
    """
    x = jnp.asarray(vertices)
    if x.ndim != 2 or x.shape[1] not in (2, 3):
        raise ValueError(f"vertices must be (n, 3) or (n, 2), got {x.shape}.")
    if jnp.iscomplexobj(x):
        raise TypeError(f"vertices must be real, got {x.dtype}.")
    x = x.astype(jnp.result_type(x, 0.0))
    surface = triangles(faces, len(x))
    if not isinstance(x, Tracer):
        _check_positions(np.asarray(x))
    edges, opposite, faces = map(jnp.asarray, (surface.edges, surface.opposite, surface.faces))
    return MeshLaplacian(edges, *_weights_and_mass(x, faces, edges, opposite))


@jax.jit
def _weights_and_mass(x, faces, edges, opposite):
    """From the lengths of edges alone."""
    # In units of the size of the mesh, in which no product overflows.
    unit = jax.lax.stop_gradient(jnp.max(jnp.abs(x - x[:1])))
    square = jnp.sum(((x[edges[:, 0]] - x[edges[:, 1]]) / unit) ** 2, axis=1)
    # A derivative of 0 where two vertices are at one place, not NaN.
    apart = square != 0  # also where it is NaN
    length = jnp.where(apart, jnp.sqrt(jnp.where(apart, square, 1)), 0)
    sides = length[opposite]
    missing = _SLACK * jnp.mean(length) + 2 * jnp.max(sides, axis=1) - jnp.sum(sides, axis=1)
    sides = sides + jnp.maximum(jnp.max(missing), 0)
    area = _area(sides)
    squares = sides**2
    cotangent = (jnp.sum(squares, axis=1)[:, None] - 2 * squares) / (4 * area)[:, None]
    weights = 0.5 * segment_sum(cotangent.ravel(), opposite.ravel(), len(edges))
    return weights, unit**2 * segment_sum(jnp.repeat(area / 3, 3), faces.ravel(), len(x))


def _area(sides):
    """Heron's formula in the order in which it loses no digits."""
    c, b, a = jnp.sort(sides, axis=1).T
    return 0.25 * jnp.sqrt((a + (b + c)) * (c - (a - b)) * (c + (a - b)) * (a + (b - c)))


def _check_positions(x):
    if not np.isfinite(x).all():
        raise ValueError(f"vertices has {np.sum(~np.isfinite(x))} entries that are not finite.")
    if not np.ptp(x, axis=0).any():
        raise ValueError("All vertices are at one place.")


def _smoothest(scaled, k):
    """Eigenpairs of the smallest eigenvalues."""
    n = scaled.shape[0]
    if n <= 300 or 3 * k > n:
        values, functions = scipy.linalg.eigh(scaled.toarray(), subset_by_index=[0, k - 1])
    else:
        # Just below 0, so that the shifted matrix is not singular.
        shift = -1e-6 * scaled.diagonal().mean()
        first = np.random.default_rng(0).standard_normal(n)
        values, functions = scipy.sparse.linalg.eigsh(scaled, k, sigma=shift, v0=first)
        order = np.argsort(values)
        values, functions = values[order], functions[:, order]
    return np.maximum(values, 0), functions
