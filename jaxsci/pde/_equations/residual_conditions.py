"""Conditions as operators op(u, x), for residuals beside that of the equation.

Prefer exact conditions where possible: `dirichlet` and `hard` for values,
`jsci.nn.PeriodicEmbedding` for periods. These are for the rest. Data need no helper: `lambda
params, s: f(params, s[0]) - s[1]`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import grad
from .._geometry.boundaries import Piece
from .._geometry.regions import check_floats
from .._points.quadrature import Quadrature

Values = Callable[[Float[Array, " dim"]], Array] | float


def robin(piece: Piece, value: Values, flux: Values, target: Values) -> Callable:
    """Robin's condition a u + b ∂u/∂n = g on a boundary piece; a = 0, b = 1 is Neumann's.

    **Arguments:**

    - `piece`: a boundary piece, whose outward normal is n.
    - `value`, `flux`, `target`: a, b, g, numbers or functions of one point `(d,)`.

    **Returns:** `op(u, x)` = a u + b n·∇u - g.

    ```python
    wall = square.boundary["x0_upper"]
    r = jsci.residual(jsci.pde.robin(wall, 0.0, 1.0, 0.0), f)
    on_wall = jsci.pde.uniform(wall, 50)
    ```
    """

    def op(u, x):
        slope = piece.normal(x) @ grad(u)(x)
        return _at(value, x) * u(x) + _at(flux, x) * slope - _at(target, x)

    return op


def periodic(shift: tuple[float, ...]) -> Callable:
    """Equal values and slopes at x and at x + shift.

    **Arguments:**

    - `shift`: the period as a vector `(d,)`, zero along the other coordinates. Sample x on the side
        where it starts.

    **Returns:** `op(u, x)` with two entries: u(x + L) - u(x), and the difference of the slopes
    along L.

    **Raises:** `ValueError` for a shift of another dimension than x, or zero.

    ```python
    r = jsci.residual(jsci.pde.periodic((2.0, 0.0)), f)  # at points (x, t) of the left side
    ```
    """
    if not any(shift):
        raise ValueError(f"periodic() needs a shift that is not zero, got {shift}.")

    def op(u, x):
        check_floats(x)
        if x.size != len(shift):
            raise ValueError(
                f"The shift has {len(shift)} coordinates, but the point has {x.size}: on "
                "space-time give one for the time too, 0."
            )
        step = jnp.asarray(shift, x.dtype)
        along = step / jnp.linalg.norm(step)
        here, there = (jax.jvp(u, (y,), (along,)) for y in (x, x + step))
        return jnp.stack([b - a for a, b in zip(here, there, strict=True)])

    return op


def interface(piece: Piece, inner: Values, outer: Values) -> Callable:
    """Equal values and fluxes of two fields where their domains meet.

        u₁ = u₂,   κ₁ ∂u₁/∂n = κ₂ ∂u₂/∂n

    **Arguments:**

    - `piece`: the common boundary piece.
    - `inner`, `outer`: κ₁, κ₂, numbers or functions of one point `(d,)`.

    **Returns:** `op(u, x)` for a field of two components (u₁, u₂), with two entries.

    **Raises:** `ValueError` if the field does not have two components.

    ```python
    both = lambda params, x: jnp.stack([f(params["in"], x), f(params["out"], x)])
    r = jsci.residual(jsci.pde.interface(disk.boundary["sphere"], 1.0, 10.0), both)
    ```
    """

    def op(u, x):
        values, slopes = jax.jvp(u, (x,), (piece.normal(x),))
        if values.shape != (2,):
            raise ValueError(
                f"interface() needs a field of two components, one for each side, got shape "
                f"{values.shape}."
            )
        jump = _at(inner, x) * slopes[0] - _at(outer, x) * slopes[1]
        return jnp.stack([values[0] - values[1], jump])

    return op


def integral(value: float) -> Callable:
    """A prescribed integral, ∫ u dx = c, which fixes the constant of a Neumann problem.

    **Arguments:**

    - `value`: c, in the unit of u times the volume of x.

    **Returns:** `op(u, quadrature)` = Σᵢ wᵢ u(xᵢ) - c. One quadrature is one sample, so its points
    and weights have a leading axis of length one in the batch.

    ```python
    x, w = jsci.pde.gauss_legendre(square, 16)
    loss = jsci.objective({"pde": r, "mean": jsci.residual(jsci.pde.integral(0.0), f)})
    batch = {"pde": points, "mean": (x[None], w[None])}
    ```
    """

    def op(u, quadrature: Quadrature):
        points, weights = quadrature
        return weights @ jax.vmap(u)(points) - value

    return op


def _at(value: Values, x):
    return value(x) if callable(value) else value
