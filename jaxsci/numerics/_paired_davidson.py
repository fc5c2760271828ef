"""Several lowest eigenpairs of the response equations of electrons, a problem of paired vectors."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ._block_davidson import GUARD
from ._subspace import Ritz, bound, divided, initial_block, search

_FLAT = 1e-10  # curvature of A - B below which its square root is not taken
_STILL = 1e-8  # |ω²| below which ω is not divided by


def lowest_paired_eigenpairs(
    products: Callable[[Array], tuple[Array, Array]],
    diagonal: Float[Array, "*shape"],
    support: Bool[Array, "*shape"],
    count: int,
    *,
    tolerance: float,
    max_steps: int,
) -> tuple[
    Float[Array, " count"],
    Float[Array, "count *shape"],
    Float[Array, "count *shape"],
    Float[Array, " count"],
    Int[Array, ""],
]:
    """The lowest pairs of the full linear response, by Davidson's method in blocks of pairs.

        (A+B) z = ω w,   (A-B) w = ω z,   z = X+Y,   w = X-Y,   ⟨z, w⟩ = 1

    In the subspace the problem is symmetric, (A-B)^½ (A+B) (A-B)^½ T = ω² T. Each step extends it
    by the corrections of X and of Y.

    **Arguments:**

    - `products`: (A+B) x and (A-B) x of an array x of shape `*shape`, both symmetric maps that
        preserve vectors which vanish outside `support`.
    - `diagonal`: an approximation of the diagonal of A.
    - `support`: the entries in which vectors may differ from zero.
    - `count`: pairs that are wanted.
    - `tolerance`: largest norm of the residual of X and Y, in the unit of A.
    - `max_steps`: most blocks.

    **Returns:** ascending ω, z, w, the norms of the residuals, and the number of blocks. Where ω²
    is negative, as it is if A+B is not positive, ω is -|ω| and ⟨z, w⟩ = -1; ω is NaN where A-B is
    not positive, and infinite beyond the size of the support.

    **Source:** Olsen, Jensen & Jørgensen, J. Comput. Phys. 74, 265 (1988); Stratmann, Scuseria &
    Frisch, J. Chem. Phys. 109, 8218 (1998).

    ```python
    from jaxsci.numerics import lowest_paired_eigenpairs

    d, v = jnp.arange(1.0, 41.0), jnp.full(40, 0.1)
    omega, z, w, residuals, _ = lowest_paired_eigenpairs(
        lambda x: (d * x + v * (v @ x), d * x), d, d > 0, 3, tolerance=1e-8, max_steps=50
    )
    ```
    """
    shape, pairs = diagonal.shape, count + GUARD
    block = 2 * pairs
    flat, inside = diagonal.ravel(), support.ravel()

    def apply(vectors):
        both = jax.vmap(products)(vectors.reshape(-1, *shape))
        return tuple(x.reshape(vectors.shape) for x in both)

    def ritz(basis, images, used):
        plus, minus = images
        squares, z, w = _projected(basis @ plus.T, basis @ minus.T, used)
        kept = jnp.concatenate([z[:, :block], w[:, :block]], axis=1)
        squares, z, w = squares[:pairs], z[:, :pairs].T, w[:, :pairs].T
        omega = _root(squares)[:, None]
        sign = jnp.sign(squares)[:, None]
        of_z, of_w = z @ plus - omega * (w @ basis), w @ minus - sign * omega * (z @ basis)
        of_x, of_y = 0.5 * (of_z + of_w), 0.5 * (of_z - of_w)
        corrections = [
            divided(of_x, flat[None] - omega, inside),
            divided(of_y, flat[None] + omega, inside),
        ]
        sizes = jnp.sqrt(jnp.sum(of_x**2 + of_y**2, axis=1))
        vectors = z @ basis, w @ basis
        squares = jnp.where(jnp.arange(pairs) < jnp.sum(used), squares, jnp.inf)
        return Ritz(squares, vectors, sizes, jnp.concatenate(corrections), kept)

    found, steps = search(
        apply,
        ritz,
        initial_block(flat, inside, block),
        wanted=count,
        tolerance=tolerance,
        max_steps=max_steps,
    )
    omega = jnp.sign(found.values) * _root(found.values)
    z, w = (x.reshape(-1, *shape)[:count] for x in found.vectors)
    return omega[:count], z, w, found.sizes[:count], steps


def _root(squares: Array) -> Array:
    """|ω|."""
    return jnp.sqrt(jnp.maximum(jnp.abs(squares), _STILL))


def _projected(plus: Array, minus: Array, used: Array) -> tuple[Array, Array, Array]:
    """ω², and coefficients of z and w in columns, of projected A+B and A-B."""
    plus, minus = 0.5 * (plus + plus.T), 0.5 * (minus + minus.T)
    plus = plus + jnp.diag(jnp.where(used, 0, bound(plus) * bound(minus)))
    minus = minus + jnp.diag(jnp.where(used, 0, 1.0))
    curvatures, v = jnp.linalg.eigh(minus)
    # NaN unless A-B is positive: then there is no such form.
    curvatures = jnp.where(curvatures[0] > _FLAT, curvatures, jnp.nan)
    half = jnp.sqrt(curvatures)[None]
    root, inverse = (v * half) @ v.T, (v / half) @ v.T
    product = root @ plus @ root
    squares, t = jnp.linalg.eigh(0.5 * (product + product.T))
    scale = jnp.sqrt(_root(squares))[None]
    return squares, root @ t / scale, inverse @ t * (jnp.sign(squares)[None] * scale)
