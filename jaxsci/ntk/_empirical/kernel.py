"""The tangent kernel of a finite model."""

from collections.abc import Callable, Sequence
from typing import Literal

from jax.sharding import Mesh
from jaxtyping import Array, Float, PyTree

from ...core import gram


def kernel(
    f: Callable,
    params: PyTree,
    x1: PyTree,
    x2: PyTree | None = None,
    *,
    trace_axes: int | Sequence[int] = (),
    diagonal_axes: int | Sequence[int] = (),
    implementation: Literal["auto", "structured", "jacobian", "products"] = "auto",
    batch_size: int | None = None,
    mesh: Mesh | None = None,
    progress: bool = False,
) -> PyTree[Float[Array, "..."]]:
    """The neural tangent kernel Θ(x, x') = J(x) J(x')ᵀ of any pure function of one example.

        Θ(x, x')ₐᵦ = Σₚ ∂fₐ(x)/∂θₚ ∂fᵦ(x')/∂θₚ

    The same as `jsci.gram`. f can be a Flax or Equinox model made pure by `jsci.pure`, a PINN
    residual, a neural operator, or the SCF energy of a molecule.

    **Arguments:**

    - `f`: a function `f(params, x)` of ONE example, returning an array or a pytree of arrays.
    - `params`: pytree of real floating-point arrays.
    - `x1`, `x2`: pytrees with leading axes of n and m examples; without `x2` it is `x1`.
    - `trace_axes`: output axes to average over: `-1` gives a classifier one (n, m) kernel, the
        usual surrogate for wide networks, whose kernel is nearly diagonal in the outputs.
    - `diagonal_axes`: output axes for which only equal indices are kept.
    - `implementation`, `batch_size`, `mesh`, `progress`: how the kernel is computed, as in
        `jsci.gram`. `progress=True` shows a bar, for thousands of examples of a large model.

    **Returns:** `(n, m, o₁, o₁', ...)`, each output axis twice and interleaved; blocks
    `K[a][b]` for a pytree of outputs.

    **Raises:** `TypeError` for parameters that are not real floats, `ValueError` for axes or
    batches that do not fit.

    **Notes:** `f` must treat examples one by one. Batch normalisation in training mode does not:
    use its running averages.

    **Source:** Jacot, Gabriel and Hongler, "Neural tangent kernel" (2018).

    ```python
    f, params = jsci.pure(eqx.nn.MLP(3, 2, 32, 1, key=key))
    theta = jsci.ntk.kernel(f, params, x, trace_axes=-1)
    ```
    """
    return gram(
        f,
        params,
        x1,
        x2,
        trace_axes=trace_axes,
        diagonal_axes=diagonal_axes,
        implementation=implementation,
        batch_size=batch_size,
        mesh=mesh,
        progress=progress,
    )
