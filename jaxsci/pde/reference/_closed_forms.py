"""Reference solutions of known accuracy, independent of any network."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def burgers_cole_hopf(
    x: Float[Array, " dim"], *, viscosity: float, nodes: int = 100
) -> Float[Array, ""]:
    """Burgers' equation from u(x, 0) = -sin(πx), exactly up to quadrature.

        u = -∫ sin(πy) F(y) e^(-z²) dz / ∫ F(y) e^(-z²) dz,
        y = x - √(4νt) z,   F(y) = exp(-cos(πy) / 2πν)

    **Arguments:**

    - `x`: one point (x, t), `(2,)`, t >= 0.
    - `viscosity`: ν, length² per time.
    - `nodes`: number of nodes of the Gauss-Hermite quadrature; for ν = 0.01/π, 80 reach rounding
        for t in (0, 1].

    **Returns:** u(x, t); on [-1, 1] it vanishes at both ends.

    **Raises:** `ValueError` for a viscosity or a number of nodes that is not positive.

    **Notes:** loses accuracy when √ν/t is far below the spacing of the nodes.

    **Source:** Basdevant et al., "Spectral and finite difference solutions of the Burgers equation"
    (1986), equation 2.7.

    ```python
    x = jnp.array([0.1, 0.5])
    u = jsci.pde.reference.burgers_cole_hopf(x, viscosity=0.01 / jnp.pi)
    ```
    """
    if nodes < 1 or not viscosity > 0:
        raise ValueError(f"viscosity and nodes must be positive, got {viscosity} and {nodes}.")
    z, weights = (jnp.asarray(a, x.dtype) for a in np.polynomial.hermite.hermgauss(nodes))
    y = x[0] - jnp.sqrt(4 * viscosity * x[1]) * z
    exponent = -jnp.cos(jnp.pi * y) / (2 * jnp.pi * viscosity)
    measure = weights * jnp.exp(exponent - jnp.max(exponent))
    return -jnp.sum(jnp.sin(jnp.pi * y) * measure) / jnp.sum(measure)


def manufactured(op: Callable, u: Callable) -> Callable:
    """The source for which a chosen field solves an equation: f(x) = op(u, x).

    **Arguments:**

    - `op`: the equation without source, `op(u, x)`.
    - `u`: the desired solution, a function of one point `(d,)`.

    **Returns:** f, a function of one point.

    ```python
    u = lambda x: jnp.sin(jnp.pi * x[0]) * jnp.sin(jnp.pi * x[1])
    source = jsci.pde.reference.manufactured(jsci.pde.poisson(0.0), u)  # 2π² u
    ```
    """
    return lambda x: op(u, x)


def chebyshev(
    n: int, *, interval: tuple[float, float] = (-1.0, 1.0)
) -> tuple[Float[Array, " m"], Float[Array, "m m"]]:
    """Chebyshev points and their differentiation matrix.

    **Arguments:**

    - `n`: the degree; there are n + 1 points, ascending.
    - `interval`: its two ends.

    **Returns:** the points `(n + 1,)` and the matrix D with (D u)ᵢ = u'(xᵢ), exact for polynomials
    of degree n.

    **Raises:** `ValueError` for n < 1 or an empty interval.

    **Source:** Trefethen, "Spectral methods in MATLAB" (2000), chapter 6.

    ```python
    x, d = jsci.pde.reference.chebyshev(16)
    slope = d @ jnp.sin(x)
    ```
    """
    start, end = interval
    if n < 1 or not start < end:
        raise ValueError(f"chebyshev needs n >= 1 and start < end, got {n} and {interval}.")
    k = np.arange(n + 1)
    x = -np.cos(np.pi * k / n)
    c = np.where((k == 0) | (k == n), 2.0, 1.0) * (-1.0) ** k
    difference = x[:, None] - x[None, :] + np.eye(n + 1)
    matrix = np.outer(c, 1 / c) / difference
    matrix -= np.diag(matrix.sum(axis=1))
    scale = 2 / (end - start)
    return jnp.asarray(start + (x + 1) / scale), jnp.asarray(matrix * scale)


def chebyshev_interpolant(
    values: Float[Array, " m"], *, interval: tuple[float, float] = (-1.0, 1.0)
) -> Callable[[Float[Array, ""]], Float[Array, ""]]:
    """The polynomial through values at the points of `chebyshev`, by the barycentric formula.

    **Arguments:**

    - `values`: values `(m,)` at the m = n + 1 ascending points.
    - `interval`: as given to `chebyshev`.

    **Returns:** a function of a scalar in the interval.

    **Source:** Berrut & Trefethen, "Barycentric Lagrange interpolation" (2004), equation 5.4.

    ```python
    x, _ = jsci.pde.reference.chebyshev(16)
    u = jsci.pde.reference.chebyshev_interpolant(jnp.sin(x))
    u(jnp.array(0.3))  # sin 0.3 = 0.29552...
    ```
    """
    n = values.size - 1
    points, _ = chebyshev(n, interval=interval)
    k = jnp.arange(n + 1)
    weights = jnp.where((k == 0) | (k == n), 0.5, 1.0) * (-1.0) ** k

    def interpolant(x):
        difference = x - points
        hit = difference == 0
        terms = weights / jnp.where(hit, 1, difference)
        smooth = jnp.sum(terms * values) / jnp.sum(terms)
        return jnp.where(jnp.any(hit), jnp.sum(jnp.where(hit, values, 0)), smooth)

    return interpolant


def poisson_chebyshev(
    source: Callable, *, n: int, lower: tuple[float, float], upper: tuple[float, float]
) -> tuple[Float[Array, " m"], Float[Array, " m"], Float[Array, "m m"]]:
    """-Δu = f on a rectangle with u = 0 on its boundary, by Chebyshev collocation.

    Spectrally accurate if f is smooth and compatible at the corners; order 4 to 5 for f = 1, whose
    solution has corner singularities.

    **Arguments:**

    - `source`: f, a function of one point `(2,)`.
    - `n`: the degree in each direction.
    - `lower`, `upper`: corners of the rectangle.

    **Returns:** the points along each side, `(n + 1,)` each, and u on their product grid, `(n + 1,
    n + 1)`, first coordinate first.

    **Raises:** as `chebyshev`.

    **Source:** Haidvogel & Zang, "The accurate solution of Poisson's equation by expansion in
    Chebyshev polynomials" (1979), the diagonalisation of the Kronecker sum.

    ```python
    x, y, u = jsci.pde.reference.poisson_chebyshev(
        lambda x: 1.0, n=24, lower=(0.0, 0.0), upper=(1.0, 1.0)
    )
    ```
    """
    axes = [chebyshev(n, interval=(a, b)) for a, b in zip(lower, upper, strict=True)]
    (x, dx), (y, dy) = axes
    inner = [np.linalg.eig(np.asarray(-d @ d)[1:-1, 1:-1]) for d in (dx, dy)]
    (lx, px), (ly, py) = inner
    grid = jnp.stack(jnp.meshgrid(x[1:-1], y[1:-1], indexing="ij"), axis=-1)
    f = jax.vmap(jax.vmap(lambda p: jnp.asarray(source(p), x.dtype)))(grid)
    transformed = np.linalg.solve(px, np.linalg.solve(py, np.asarray(f).T).T)
    u = px @ (transformed / (lx[:, None] + ly[None, :])) @ py.T
    return x, y, jnp.pad(jnp.asarray(u.real), 1)
