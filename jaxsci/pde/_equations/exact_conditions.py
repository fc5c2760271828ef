"""Exact conditions by trial functions: they hold whatever the network is."""

from collections.abc import Callable

from jaxtyping import Array, Float, PyTree

from .._geometry.contacts import require_clear_faces
from .._geometry.domains import Domain, SpaceTime
from .._geometry.regions import check_point


def hard(f: Callable, *, lift: Callable, factor: Callable) -> Callable:
    """A trial function that equals `lift` wherever `factor` is zero.

        u(params, x) = lift(x) + factor(x) f(params, x)

    **Arguments:**

    - `f`: `f(params, x)`, the free part.
    - `lift`: a function of one point `(d,)` that satisfies the condition.
    - `factor`: a function of one point, zero exactly where the condition is imposed.

    **Returns:** `u(params, x)`.

    **Raises:** `TypeError` if one of them is not a function.

    **Source:** Lagaris, Likas & Fotiadis, "Artificial neural networks for solving ordinary and
    partial differential equations" (1998), equation 2.

    ```python
    start = lambda x: -jnp.sin(jnp.pi * x[0])
    u = jsci.pde.hard(f, lift=start, factor=lambda x: (1 - x[0] ** 2) * x[1])
    ```
    """
    for name, value in (("f", f), ("lift", lift), ("factor", factor)):
        if not callable(value):
            raise TypeError(f"hard() takes functions; {name} is a {type(value).__name__}.")

    def u(params: PyTree, x: Float[Array, " dim"]) -> Array:
        return lift(x) + factor(x) * f(params, x)

    return u


def dirichlet(f: Callable, domain: Domain, values: Callable | float = 0.0) -> Callable:
    """A trial function with exact values on the boundary of a domain.

        u(params, x) = g(x) + φ(x) f(params, x),   φ = 0 on the boundary, φ > 0 inside

    On space-time the initial values are exact too: φ = (t - t₀) φ_space. For a combination of
    domains φ is smooth except at corners of the boundary: Rvachev's function, or for a union a norm
    of the parts' own, which has three continuous derivatives.

    **Arguments:**

    - `f`: `f(params, x)`, a function of one point `(d,)`.
    - `domain`: the domain of u.
    - `values`: g, a number or a function of one point, defined on the whole domain and equal to the
        prescribed values on its boundary (on space-time: the sides and the initial time).

    **Returns:** `u(params, x)`.

    **Raises:** `TypeError` if `domain` is not a domain; `ValueError` if its parts only touch (boxes
    may), or share a face on which φ would have a wrong slope; on use, `ValueError` for a point of
    another dimension.

    ```python
    square = jsci.pde.Box((0.0, 0.0), (1.0, 1.0))
    u = jsci.pde.dirichlet(f, square)
    ```
    """
    if not isinstance(domain, Domain):
        raise TypeError(
            f"dirichlet() needs a domain such as Box((0, 0), (1, 1)), got {type(domain).__name__}."
        )
    require_clear_faces(domain)

    def lift(x):
        check_point(x, domain.dim)
        return values(x) if callable(values) else values

    return hard(f, lift=lift, factor=_factor(domain))


def _factor(domain: Domain) -> Callable:
    if isinstance(domain, SpaceTime):
        # Zero at the initial time and on the sides, free at the final time.
        return lambda x: (x[-1] - domain.start) * domain.space.level(x[:-1])
    return domain.level
