"""Features with kinks at known places, for solutions whose second derivative jumps."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._dense import as_floats


class KinkFeatures(eqx.Module):
    """x ↦ [x, max(x - aᵢ, 0)², …]: the coordinates and C¹ features with kinks at given places.

    A solution of -ψ″ + V ψ = E ψ has a second derivative that jumps where V does; a smooth network
    of these features has the same jump, and converges as if the solution were smooth.

    **Arguments:**

    - `places`: the aᵢ where the second derivative jumps, in the unit of x.
    - `axis`: the index of their coordinate.

    Called with one point `(in_size,)`; returns `(in_size + places,)`.

    **Raises:** `ValueError` without places, or for a point without that coordinate.

    ```python
    net = jsci.nn.MLP(
        1, "scalar", width=16, depth=2, embedding=jsci.nn.KinkFeatures((-0.5, 0.5)), key=key
    )
    ```
    """

    places: tuple[float, ...] = eqx.field(static=True)
    axis: int = eqx.field(static=True)

    def __init__(self, places: tuple[float, ...], *, axis: int = 0):
        if not places:
            raise ValueError("KinkFeatures needs at least one place where the solution bends.")
        self.places = tuple(map(float, places))
        self.axis = axis

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, " features"]:
        if not -len(x) <= self.axis < len(x):  # JAX would take the last coordinate
            raise ValueError(
                f"KinkFeatures: axis={self.axis} of a point with {len(x)} coordinates."
            )
        x = as_floats(x)
        beyond = jnp.maximum(x[self.axis] - jnp.asarray(self.places, x.dtype), 0)
        return jnp.concatenate([x, beyond**2])
