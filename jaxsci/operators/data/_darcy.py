"""Flow through a porous medium: coefficient to pressure."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ...core import compiled_call
from .._fields.matrix_products import along_axis
from ._grf import grf_at
from ._sampling import as_field, generate, stride


def darcy(
    key: PRNGKeyArray,
    n: int,
    resolution: int,
    *,
    fine: int = 128,
    low: float = 3.0,
    high: float = 12.0,
    tau: float = 3.0,
    tolerance: float = 1e-6,
) -> tuple[Float[Array, "n x y 1"], Float[Array, "n x y 1"]]:
    """Pairs (coefficient a, pressure u) of Darcy flow in the unit square.

        -∇·(a(x) ∇u(x)) = 1 in (0, 1)²,   u = 0 on the boundary

    a takes two values, split by the sign of a Gaussian random field N(0, (-Δ + τ²)⁻²) with zero
    slope at the boundary. Each pair is solved on one fixed fine grid and then subsampled, so the
    same key gives the same functions at every resolution.

    **Arguments:**

    - `key`: PRNG key.
    - `n`: number of pairs.
    - `resolution`: number of points along each axis, at xᵢ = i/resolution; it divides `fine`.
    - `fine`: number of cells along each axis of the grid on which the equation is solved. Across
        jumps of a the solution is first order in their width.
    - `low`, `high`: the two values of a, both positive.
    - `tau`: inverse length scale of the field.
    - `tolerance`: relative error of the linear solver, in the energy norm.

    **Returns:** `(a, u)`, both `(n, resolution, resolution, 1)`.

    **Raises:** `ValueError` if `resolution` does not divide `fine` or a value of a is not positive.

    **Source:** Li et al., "Fourier Neural Operator", ICLR 2021, section 5.2 (there 12 and 3 as
    here).

    ```python
    a, u = jsci.operators.data.darcy(jax.random.key(0), 100, 32)
    ```
    """
    if not 0 < low <= high:
        raise ValueError(f"darcy() needs 0 < low <= high, got low={low} and high={high}.")
    step = stride("darcy", resolution, fine)
    sample = partial(
        _sample, fine=fine, step=step, low=low, high=high, tau=tau, tolerance=tolerance
    )
    return generate(sample, key, n, chunk=16)


def solve_darcy(
    a: Num[Array | np.ndarray, "nodes nodes"],
    f: Num[Array | np.ndarray, "interior interior"],
    *,
    tolerance: float = 1e-6,
) -> Float[Array, "interior interior"]:
    """Solve -∇·(a∇u) = f in the unit square with u = 0 on its boundary, by finite volumes.

    Five-point scheme with harmonic means of a on the faces: second order for smooth a. Conjugate
    gradients, preconditioned by the exact inverse of -Δ (sine transforms as matrix products): the
    number of steps depends on max a / min a, not on the grid. Differentiable in a and f.

    **Arguments:**

    - `a`: coefficient at the (N+1)² nodes xᵢ = i/N, positive. The scheme does not use the four
      corners, but they must be positive too.
    - `f`: source at the (N-1)² interior nodes.
    - `tolerance`: relative error, in the energy norm, at which the iteration stops.

    **Returns:** u at the (N-1)² interior nodes; NaN if `tolerance` is not reached in 200 steps or a
    coefficient is not positive and finite.

    **Raises:** `ValueError` if the two shapes do not belong to one grid, for complex values, or for
    a tolerance outside [0, 1).

    ```python
    u = jsci.operators.data.solve_darcy(jnp.ones((65, 65)), jnp.ones((63, 63)))
    ```
    """
    a, f = (as_field("solve_darcy", *given) for given in (("a", a), ("f", f)))
    cells = len(a) - 1 if a.ndim else 0
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance must be a relative error in [0, 1), got {tolerance}.")
    if a.shape != (cells + 1, cells + 1) or cells < 2:
        raise ValueError(f"solve_darcy() needs a at (N+1)² nodes with N >= 2, got {a.shape}.")
    if f.shape != (cells - 1, cells - 1):
        raise ValueError(
            f"solve_darcy() needs f at the interior nodes: a of shape {a.shape} goes with f of "
            f"shape {(cells - 1, cells - 1)}, got {f.shape}."
        )

    dtype = jnp.result_type(a, f)

    def solve(a, f):
        # In units of the largest coefficient, as u of c·a is that of a over c: else steps of
        # 1/1e-300 overflow.
        largest = jax.lax.stop_gradient(jnp.max(a))
        unit = jnp.where(largest > 0, largest, 1)
        operator = partial(_apply, *_faces(a / unit))
        u = jax.lax.custom_linear_solve(
            operator,
            f,
            lambda matvec, b: _conjugate_gradients(matvec, b, tolerance),
            symmetric=True,
        )
        return jnp.where(jnp.all((a > 0) & (a < jnp.inf)), u / unit, jnp.nan)

    return compiled_call(solve, a.astype(dtype), f.astype(dtype))


def _sample(key, *, fine, step, low, high, tau, tolerance):
    nodes = np.arange(fine + 1) / fine
    # 32 modes on any grid: the interface depends only on the key.
    g = grf_at(key, [nodes, nodes], boundary="neumann", alpha=2.0, tau=tau, modes=32)
    a = jnp.where(g >= 0, *jnp.asarray([high, low], g.dtype))
    u = solve_darcy(a, jnp.ones((fine - 1, fine - 1), g.dtype), tolerance=tolerance)
    u = jnp.pad(u, ((1, 0), (1, 0)))
    return a[:-1:step, :-1:step, None], u[::step, ::step, None]


def _faces(a):
    """Conductivities of the faces around interior nodes, over h²."""
    mean = lambda p, q: 2 * p * (q / (p + q))  # noqa: E731  # p q may underflow
    squared_cells = (a.shape[0] - 1) ** 2
    along_x = mean(a[1:, 1:-1], a[:-1, 1:-1]) * squared_cells
    along_y = mean(a[1:-1, 1:], a[1:-1, :-1]) * squared_cells
    return along_x, along_y


def _apply(along_x, along_y, u):
    flux_x = along_x * jnp.diff(jnp.pad(u, ((1, 1), (0, 0))), axis=0)
    flux_y = along_y * jnp.diff(jnp.pad(u, ((0, 0), (1, 1))), axis=1)
    return -jnp.diff(flux_x, axis=0) - jnp.diff(flux_y, axis=1)


def _inverse_laplacian(r):
    """(-Δ_h)⁻¹ r by its eigenvectors sin(πkx) sin(πly)."""
    cells = r.shape[0] + 1
    k = np.arange(1, cells)
    sine = np.sqrt(2 / cells) * np.sin(np.pi / cells * np.outer(k, k))
    line = (2 * cells * np.sin(np.pi * k / (2 * cells))) ** 2
    eigenvalues = jnp.asarray(line[:, None] + line[None, :], r.dtype)
    transform = lambda v: along_axis(sine, along_axis(sine, v, 0), 1)  # noqa: E731
    return transform(transform(r) / eigenvalues)


def _conjugate_gradients(matvec, b, tolerance, max_steps=200):
    # In units of the largest source: squares of 1e-170 would be zero, and so would u.
    largest = jnp.max(jnp.abs(b))
    unit = jnp.where(largest > 0, largest, 1)
    b = b / unit
    z = _inverse_laplacian(b)
    norm = jnp.vdot(b, z)
    goal = tolerance**2 * norm

    def proceed(state):
        return ~(state[-2] <= goal) & (state[-1] < max_steps)  # a NaN never reaches the goal

    def step(state):
        u, r, p, norm, i = state
        q = matvec(p)
        length = norm / jnp.vdot(p, q)
        u, r = u + length * p, r - length * q
        z = _inverse_laplacian(r)
        new = jnp.vdot(r, z)
        return u, r, z + new / norm * p, new, i + 1

    u, *_, norm, _ = jax.lax.while_loop(proceed, step, (jnp.zeros_like(b), b, z, norm, 0))
    return jnp.where(norm <= goal, unit * u, jnp.nan)
