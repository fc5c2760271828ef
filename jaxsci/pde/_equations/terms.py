"""What equations are made of: second derivatives, sources, and refusals of what does not fit."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import laplacian
from .smoothness import require_smooth

Operator = Callable[[Callable, Float[Array, " dim"]], Array]
Source = Callable[[Float[Array, " dim"]], Array] | float


def smooth_laplacian(u: Callable, x: Float[Array, " dim"]) -> Array:
    """Δu, of a field that has second derivatives."""
    require_smooth(u, x)
    return laplacian(u)(x)


def space_laplacian(u: Callable, x: Float[Array, " dim"]) -> Array:
    """Second derivatives in all coordinates but the last, time."""
    if x.size < 2:
        raise ValueError(f"An evolution equation needs points (x, t), got a point of {x.shape}.")
    return smooth_laplacian(lambda y: u(jnp.append(y, x[-1:])), x[:-1])


def at(source: Source, x: Float[Array, " dim"]) -> Array | float:
    """A number, or a function at a point."""
    return source(x) if callable(source) else source


def require_dimension(x: Float[Array, " dim"], dim: int, name: str) -> None:
    """Refuse a point of another dimension."""
    if jnp.shape(x) != (dim,):
        raise ValueError(f"{name} needs points of shape ({dim},), got {jnp.shape(x)}.")


def require_positive(**values: Source) -> None:
    """Refuse coefficients that are not positive."""
    for name, value in values.items():
        # A traced value is an unknown coefficient of an inverse problem.
        if isinstance(value, int | float) and not value > 0:
            raise ValueError(f"{name} must be positive, got {value}.")
