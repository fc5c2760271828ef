"""What a kernel learns first: its eigenvalues, and where a target lies among its modes."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def spectrum(kernel: Float[Array, "n n"]) -> Float[Array, " n"]:
    """The eigenvalues of a kernel, largest first.

    A mode with eigenvalue λ is learnt by gradient flow at the rate λ/n.

    **Arguments:**

    - `kernel`: a symmetric matrix, such as `kernel(f, params, x, trace_axes=-1)`.

    **Returns:** n eigenvalues, descending.

    ```python
    rates = jsci.ntk.spectrum(theta) / len(theta)
    ```
    """
    return jnp.linalg.eigvalsh(kernel)[::-1]


def effective_dimension(kernel: Float[Array, "n n"], ridge: float) -> Float[Array, ""]:
    """How many modes the data determine: tr K (K + λ)⁻¹.

    **Arguments:**

    - `kernel`: a symmetric positive semi-definite matrix.
    - `ridge`: λ, positive.

    **Returns:** a number between 0 and n.

    **Raises:** `ValueError` if the ridge is not positive.

    ```python
    d = jsci.ntk.effective_dimension(theta, 1e-3)
    ```
    """
    if not ridge > 0:
        raise ValueError(f"ridge must be positive, got {ridge}.")
    values = jnp.clip(jnp.linalg.eigvalsh(kernel), 0)
    return jnp.sum(values / (values + ridge))


def target_power(kernel: Float[Array, "n n"], y: Float[Array, " n"]) -> Float[Array, " n"]:
    """The share of a target's power in each mode of the kernel, leading mode first.

        pₖ = (vₖ·y)² / ‖y‖²,   Σ pₖ = 1

    A target whose power lies in the leading modes is learnt fast and generalises.

    **Arguments:**

    - `kernel`: a symmetric matrix.
    - `y`: the target on the same examples.

    **Returns:** n shares in the order of `spectrum`.

    ```python
    cumulative = jnp.cumsum(jsci.ntk.target_power(theta, y))
    ```
    """
    _, vectors = jnp.linalg.eigh(kernel)
    return ((vectors.T @ y)[::-1] ** 2) / jnp.sum(y**2)
