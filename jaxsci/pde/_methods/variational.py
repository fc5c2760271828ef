"""Variational problems: minimise an energy instead of a squared residual."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._points.quadrature import Quadrature


def ritz(density: Callable, field: Callable) -> Callable:
    """The energy of a trial function, whose minimum is the weak solution (deep Ritz).

        E(params) = ∫ e(u, x) dx,   u = field(params, ·)

    **Arguments:**

    - `density`: `e(u, x)` of a field and a point: ½|∇u|² - f u for Poisson's equation, |∇u|ᵖ/p for
        the p-Laplacian. First derivatives are enough where the equation needs second ones.
    - `field`: `u(params, x)`, with the essential boundary conditions built in.

    **Returns:** `energy(params, quadrature)`, a loss for `fit`, whose data are the points and
    weights of `gauss_legendre` or a sampler of such pairs.

    **Raises:** `ValueError` if the density is not a scalar.

    **Good values:** `optax.lbfgs()` or Adam; more quadrature points than parameters, or the minimum
    lies between the points. Second-order optimisers do not apply: the energy is not a sum of
    squares.

    **Source:** E & Yu, "The deep Ritz method" (2018), equation 3.

    ```python
    energy = jsci.pde.ritz(lambda u, x: 0.5 * jnp.sum(jsci.grad(u)(x) ** 2) - u(x), u)
    points = jsci.pde.gauss_legendre(square, 24)
    fit = jsci.fit(energy, params, points, optax.lbfgs(), steps=500)
    ```
    """

    def at(params: PyTree, x: Float[Array, " dim"]) -> Array:
        return density(lambda y: field(params, y), x)

    def energy(params: PyTree, quadrature: Quadrature) -> Float[Array, ""]:
        points, weights = quadrature
        values = jax.vmap(at, (None, 0))(params, points)
        if values.ndim != 1:
            raise ValueError(
                f"The energy density must be a scalar, but it returned shape {values.shape[1:]}."
            )
        return jnp.sum(weights * values)

    return energy
