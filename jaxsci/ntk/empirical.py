"""The tangent kernel of a model as it stands: finite width, any architecture."""

from collections.abc import Callable, Sequence
from typing import Literal

from jax.sharding import Mesh
from jaxtyping import Array, Float, PyTree

from ..core import gram


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
) -> PyTree[Float[Array, "..."]]:
    """The empirical neural tangent kernel Θ(x, x') = ∂f(x)/∂θ · ∂f(x')/∂θ.

    This is `jsci.gram` under the name of its field: it takes the Flax or Equinox model you have
    (through `jsci.pure`), a PINN's residual, or an SCF energy, with no layer library of its own.

    **Arguments:**

    - `f`, `params`: a function of ONE example, and its parameters.
    - `x1`, `x2`: batches of examples; without `x2` the kernel of `x1` with itself.
    - `trace_axes`: output axes to average over. Unlike elsewhere none is averaged by default, so
        the result is the kernel itself.
    - `diagonal_axes`, `implementation`, `batch_size`, `mesh`: as in `jsci.gram`.

    **Returns:** `(n, m, o₁, o₁', …)`, each output axis twice; `(n, m)` with `trace_axes=-1` or for
    a scalar output.

    **Raises:** as `jsci.gram`. A model that mixes the examples of a batch, such as batch
    normalisation in training mode, has no kernel of one example: put it in inference mode.

    Source: Jacot, Gabriel and Hongler, "Neural tangent kernel" (2018), equation 4.

    ```python
    f, params = jsci.pure(flax_model, key, x[0], dtype=jnp.float64)
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
    )
