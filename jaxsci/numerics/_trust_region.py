"""The step of a trust-region Newton method, from products with the Hessian."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

_PRODUCTS = 30  # with the Hessian, for one step


class _Search(NamedTuple):
    step: Array
    image: Array
    direction: Array
    residual: Array
    decrease: Float[Array, ""]
    products: Array
    finished: Bool[Array, ""]


def trust_region_step(
    hessian: Callable[[Array], Array],
    gradient: Float[Array, "*shape"],
    scale: Float[Array, "*shape"],
    radius: Float[Array, ""],
    active: Bool[Array, ""],
) -> tuple[Float[Array, "*shape"], Float[Array, ""]]:
    """The step of a trust-region Newton method, by preconditioned conjugate gradients.

        x = argmin ⟨g, x⟩ + ½ ⟨x, H x⟩   within   Σ d x² <= r²,   approximately

    Where the curvature is negative the step goes to the boundary, so it leaves saddle points.

    **Arguments:**

    - `hessian`: x ↦ H x, a symmetric linear map.
    - `gradient`: g.
    - `scale`: d, positive: the preconditioner and the measure of length.
    - `radius`: r, of the trust region.
    - `active`: whether to compute anything; otherwise the step is zero and costs no product.

    **Returns:** the step x, and the change of the quadratic model.

    **Source:** Steihaug, SIAM J. Numer. Anal. 20, 626 (1983).

    ```python
    from jaxsci.numerics import trust_region_step

    curvature = jnp.array([2.0, -1.0])
    step, change = trust_region_step(
        lambda x: curvature * x, jnp.array([1.0, 0.1]), jnp.ones(2), jnp.array(0.5), jnp.array(True)
    )
    ```
    """
    size = jnp.linalg.norm(gradient)
    # Loose far from the minimum, where the model is inaccurate anyway; then superlinear.
    target = jnp.minimum(0.1, jnp.sqrt(size)) * size

    def inner(x, y):
        return jnp.sum(x * y)

    def unfinished(s):
        return ~s.finished & (s.products < _PRODUCTS)

    def advance(s):
        image = hessian(s.direction)
        curvature = inner(s.direction, image)
        length = s.decrease / jnp.where(curvature > 0, curvature, 1)
        # The length at which the boundary is reached: a root of a quadratic equation.
        a, b, c = (
            inner(scale * s.direction, s.direction),
            inner(scale * s.step, s.direction),
            inner(scale * s.step, s.step) - radius**2,
        )
        border = (jnp.sqrt(jnp.maximum(b**2 - a * c, 0)) - b) / jnp.where(a > 0, a, 1)
        outside = (curvature <= 0) | (length >= border)
        length = jnp.where(outside, border, length)
        step, total = s.step + length * s.direction, s.image + length * image
        residual = s.residual + length * image
        decrease = inner(residual, residual / scale)
        direction = decrease / s.decrease * s.direction - residual / scale
        small = jnp.linalg.norm(residual) <= target
        return _Search(step, total, direction, residual, decrease, s.products + 1, outside | small)

    zero = jnp.zeros_like(gradient)
    start = _Search(
        step=zero,
        image=zero,
        direction=-gradient / scale,
        residual=gradient,
        decrease=inner(gradient, gradient / scale),
        products=jnp.array(0),
        finished=~active | (size == 0),
    )
    end = jax.lax.while_loop(unfinished, advance, start)
    return end.step, inner(gradient, end.step) + 0.5 * inner(end.step, end.image)
