"""Derivatives of fractional order, in time and in space."""

import math
from collections.abc import Callable
from numbers import Real

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from scipy.special import roots_jacobi

from ...core import derivative
from .._geometry.domains import Interval
from .._geometry.regions import check_floats

_STEP = 0.1  # of the quadrature: its error is that of rounding
_NEGLIGIBLE = 39.0  # exp(-39) is 1e-17


def caputo(u: Callable, order: float) -> Callable:
    """The fractional derivative of Caputo by the last coordinate, the time from 0 on.

        D^α u(x, t) = 1/Γ(1 - α) ∫₀ᵗ u_t(x, s) (t - s)^(-α) ds

    By double exponential quadrature, which takes the singularity at s = t, and that of a u_t which
    grows like s^(α - 1) at s = 0, as those of most solutions do.

    **Arguments:**

    - `u`: a field of one point (x, t) or (t), returning a number.
    - `order`: α, between 0.1 and 0.9.

    **Returns:** `D(x)`, the fractional derivative of u at x, in units of u / time^α.

    **Raises:** `ValueError` for another order, `TypeError` for one that is no number; on use,
        `ValueError` for an x that is no point, and `TypeError` for one that is no array of floats
        or a u that is no number.

    **Notes:** about a hundred derivatives of u for one point. It sees all earlier times, so that
    `march`, whose slabs know their own alone, does not apply: `least_squares` does, best with
    features that hold powers of t^α. In single precision the ends of the quadrature underflow.

    **Source:** Caputo, Geophys. J. R. Astron. Soc. 13, 529 (1967); Takahasi & Mori, "Double
    exponential formulas for numerical integration" (1974).

    ```python
    u = lambda x: x[0] ** 2
    jsci.pde.caputo(u, 0.5)(jnp.array([1.0]))  # 2/Γ(5/2) = 1.5045
    ```
    """
    _require_number("caputo()", order)
    if not 0.1 <= order <= 0.9:
        raise ValueError(
            f"caputo() takes an order between 0.1 and 0.9, got {order}: a derivative of order 1 "
            "is jsci.derivative, and one of order 1 + α is caputo of that."
        )
    shares, _, weights = _double_exponential(float(order), 1 - float(order))

    def derivative_of_u(x):
        x = _as_point("caputo(u, order) is called at one point (x, t) or (t,)", "the time last", x)
        slope, time = derivative(u, x.size - 1), x[-1]
        slopes = jax.vmap(lambda share: slope(x.at[-1].set(share * time)))(
            jnp.asarray(shares, x.dtype)
        )
        integral = jnp.asarray(weights, x.dtype) @ slopes
        return time ** (1 - order) / math.gamma(1 - order) * integral

    return derivative_of_u


def fractional_laplacian(u: Callable, order: float, space: Interval) -> Callable:
    """The fractional Laplacian of a field on an interval, zero outside, by the first coordinate.

        (-Δ)^(α/2) u(x) = C ∫₀^∞ (2u(x) - u(x + r) - u(x - r)) r^(-1 - α) dr,
        C = 2^α Γ((1 + α)/2) / (√π |Γ(-α/2)|)

    From both sides of x Gauss-Jacobi quadrature up to half the distance d to the nearer end, double
    exponential quadrature in log r from there to the end, which takes a u that behaves like d^(α/2)
    as solutions do, and the rest in closed form.

    **Arguments:**

    - `u`: a field of one point (x), (x, t), …, returning a number.
    - `order`: α, between 0.1 and 1.9; 2 is `-laplacian`.
    - `space`: the interval outside of which u is zero, whatever its formula says there.

    **Returns:** a function `L(x)`, the value of (-Δ)^(α/2) u, in units of u / length^α.

    **Raises:** `ValueError` for another order, `TypeError` for one that is no number or a space
        that is no `Interval`; on use, as `caputo`.

    **Notes:** each evaluation calls u about 130 times and takes no derivatives. The result is NaN
    outside the interval, at its ends, and where they are so near that rounding would leave less
    than a digit: on [-1, 1] within 3e-10 for order 1 and 6e-7 for 1.9, in float32 within 2e-4 and
    1e-2; beside an end at 0, where x has all its digits, on [0, 2] within 1e-10 for 1.9, in float32
    within 4e-9 for order 1 and 4e-3 for 1.9. From there on a u like d^(α/2) that is computed from
    the distances of x from the ends has an error of some percent at most.
    Its derivative in x is NaN where u has an infinite slope at an end. Up to 0.95 of the way to an
    end it has ten digits, in float32 five for orders up to 1 and two to four for 1.9.
    It sees all places, so that features are best functions of the whole interval, with the factor
    d^(α/2) at its ends. In single precision the ends of the quadrature underflow.

    **Source:** Kwaśnicki, "Ten equivalent definitions of the fractional Laplace operator" (2017),
    definition by singular integrals; Takahasi & Mori (1974).

    ```python
    line = jsci.pde.Interval(-1.0, 1.0)
    u = lambda x: jnp.sqrt(1 - x[0] ** 2)
    jsci.pde.fractional_laplacian(u, 1.0, line)(jnp.array([0.3]))  # 1
    ```
    """
    _require_number("fractional_laplacian()", order)
    if not 0.1 <= order <= 1.9:
        raise ValueError(
            f"fractional_laplacian() takes an order between 0.1 and 1.9, got {order}: of order 2 "
            "it is -jsci.laplacian."
        )
    if not isinstance(space, Interval):
        raise TypeError(
            f"fractional_laplacian() takes an Interval of space, got a {type(space).__name__}."
        )
    power = float(order)
    lower, upper = (float(end[0]) for end in space.bounds)
    beyond = _double_exponential(1, 1)
    front = (
        2**power * math.gamma((1 + power) / 2) / math.sqrt(math.pi) / abs(math.gamma(-power / 2))
    )

    def laplacian_of_u(x):
        name = "fractional_laplacian(u, order, space)"
        x = _as_point(f"{name} is called at one point (x,) or (x, t)", "the place first", x)
        near, near_weights, shares, rest, weights = (
            jnp.asarray(a, x.dtype) for a in (*_beside(power, x.dtype), *beyond)
        )
        at = jax.vmap(lambda y: u(x.at[0].set(y)))
        here, ends = u(x), (x[0] - lower, upper - x[0])
        if jnp.ndim(here):
            raise TypeError(
                f"{name} needs a scalar field, but it returned shape {jnp.shape(here)}: select "
                "one entry, e.g. lambda x: u(x)[0]."
            )
        # x + r is rounded as x is, and second differences of what grows like d^(α/2) feel it.
        distance = jnp.maximum(jnp.minimum(*ends), 0)
        rounding = front * jnp.finfo(x.dtype).eps * (near_weights @ near**-2)
        # The result is less than its terms by this factor; they have the rounding of x, and
        # their own beside the errors of the quadrature: where percents are left, a value is given.
        cancelled = (distance / (upper - lower) * 2) ** (power / 2)
        of_terms = jnp.maximum(100 * rounding, 3e-10)
        noise = jnp.maximum(3 * rounding * jnp.abs(x[0]), of_terms * distance)
        inside = cancelled * distance > noise
        middle = jnp.where(inside, distance / 2, 1)
        r = middle * near
        second = (2 * here - at(x[0] + r) - at(x[0] - r)) / r**2
        total = middle ** (2 - power) * (near_weights @ second)
        for end, sign, length in ((lower, 1, ends[0]), (upper, -1, ends[1])):
            decades = jnp.log(jnp.where(inside, length / middle, 2))
            r = middle * jnp.exp(decades * shares)
            # From the nearer of x and the end: the other one's rounding would be all there is.
            away = -length * jnp.expm1(-decades * rest)
            places = jnp.where(r < length / 2, x[0] - sign * r, end + sign * away)
            jumps = (here - at(places)) * r**-power
            total += decades * (weights @ jumps)
            total += here * length**-power / power
        return jnp.where(inside, front * total, jnp.nan)

    return laplacian_of_u


def _require_number(name: str, order) -> None:
    """Refuse an order that no quadrature can be made for."""
    numbers = Real | np.ndarray | jax.Array
    if isinstance(order, Tracer) or not isinstance(order, numbers) or np.ndim(order):
        raise TypeError(
            f"{name} takes a number as its order, got {order!r:.60} of {type(order).__name__}: "
            "its quadrature is made for it, so that it cannot be an unknown, nor differ by point."
        )


def _as_point(call: str, where: str, x) -> jax.Array:
    """x as an array; raise unless it is one point of floats."""
    check_floats(x)
    x = jnp.asarray(x)
    if x.ndim != 1 or not x.size:
        raise ValueError(
            f"{call}, an array of shape (dim,) with {where}, got shape {x.shape}: for many points "
            "use jsci.vmap, and jnp.array([t]) for a coordinate alone."
        )
    return x


def _beside(order: float, dtype) -> tuple[np.ndarray, np.ndarray]:
    """σ and w with Σ w f(σ) = ∫₀¹ f(σ) σ^(1 - α) dσ, f even and analytic for |σ| < 2.

    By Gauss-Jacobi quadrature in σ², with as few nodes as the precision needs: the more there are,
    the closer they come to σ = 0, where second differences are rounding.
    """
    convergence = 7 + math.sqrt(48)  # of the ellipse with foci 0 and 1 through σ² = 4
    n = math.ceil(-math.log(jnp.finfo(dtype).eps) / (2 * math.log(convergence))) + 1
    nodes, factors = roots_jacobi(n, 0, -order / 2)
    return np.sqrt((nodes + 1) / 2), factors / 2 ** (2 - order / 2)


def _double_exponential(first: float, last: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """σ, 1 - σ and w with Σ w f(σ) = ∫₀¹ f(σ) (1 - σ)^(last - 1) dσ, f as σ^(first - 1) at 0."""
    reach = [np.arcsinh(_NEGLIGIBLE / (np.pi * power)) for power in (first, last)]
    y = np.arange(-np.ceil(reach[0] / _STEP), np.ceil(reach[1] / _STEP) + 1) * _STEP
    shares, rest = (1 / (1 + np.exp(sign * np.pi * np.sinh(y))) for sign in (-1, 1))
    return shares, rest, _STEP * np.pi * np.cosh(y) * shares * rest**last
