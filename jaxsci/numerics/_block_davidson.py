"""Several lowest eigenpairs of a symmetric operator with a large diagonal."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ._subspace import Ritz, bound, divided, initial_block, search

GUARD = 2  # states beyond those asked for, which make the last of these converge


def lowest_eigenpairs(
    operator: Callable[[Array], Array],
    diagonal: Float[Array, "*shape"],
    support: Bool[Array, "*shape"],
    count: int,
    *,
    tolerance: float,
    max_steps: int,
    unit: Callable[[Array], Array] = jnp.ones_like,
) -> tuple[
    Float[Array, " count"], Float[Array, "count *shape"], Float[Array, " count"], Int[Array, ""]
]:
    """The lowest eigenpairs of a symmetric operator, by Davidson's method in blocks.

        A x = λ x,   corrections (A x - λ x) / (diagonal - λ)

    Each step extends the subspace by one correction per state. Shapes are static: what has
    converged, or does not exist, adds rows of zeros.

    **Arguments:**

    - `operator`: A, a symmetric linear map of arrays of shape `*shape` that preserves vectors which
        vanish outside `support`.
    - `diagonal`: an approximation of the diagonal of A.
    - `support`: the entries in which vectors may differ from zero.
    - `count`: eigenpairs that are wanted.
    - `tolerance`: largest norm of (A x - λ x)/unit(λ).
    - `max_steps`: most blocks.
    - `unit`: of the residuals, from the eigenvalues; 1 by default.

    **Returns:** ascending λ, unit eigenvectors, the norms of their residuals, and the number of
    blocks. λ is infinite beyond the size of the support.

    **Source:** Davidson, J. Comput. Phys. 17, 87 (1975); Liu, LBL-8158 (1978).

    ```python
    from jaxsci.numerics import lowest_eigenpairs

    d, v = jnp.arange(1.0, 41.0), jnp.full(40, 0.1)
    values, vectors, residuals, _ = lowest_eigenpairs(
        lambda x: d * x + v * (v @ x), d, d > 0, 3, tolerance=1e-8, max_steps=50
    )
    ```
    """
    shape, block = diagonal.shape, count + GUARD
    flat, inside = diagonal.ravel(), support.ravel()

    def apply(vectors):
        return jax.vmap(operator)(vectors.reshape(-1, *shape)).reshape(vectors.shape)

    def ritz(basis, images, used):
        projected = basis @ images.T
        projected = 0.5 * (projected + projected.T)
        unused = jnp.diag(jnp.where(used, 0, bound(projected)))
        values, coefficients = jnp.linalg.eigh(projected + unused)
        values, lowest = values[:block], coefficients[:, :block].T
        vectors = lowest @ basis
        residual = lowest @ images - values[:, None] * vectors
        sizes = jnp.linalg.norm(residual, axis=1) / unit(values)
        corrections = divided(residual, flat[None] - values[:, None], inside)
        values = jnp.where(jnp.arange(block) < jnp.sum(used), values, jnp.inf)
        return Ritz(values, vectors, sizes, corrections, coefficients[:, : 2 * block])

    found, steps = search(
        apply,
        ritz,
        initial_block(flat, inside, block),
        wanted=count,
        tolerance=tolerance,
        max_steps=max_steps,
    )
    vectors = found.vectors.reshape(-1, *shape)
    return found.values[:count], vectors[:count], found.sizes[:count], steps
