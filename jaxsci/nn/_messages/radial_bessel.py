"""Functions of a distance that vanish smoothly at a cutoff."""

import equinox as eqx
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from .._dense import check_sizes


class RadialBessel(eqx.Module):
    """Spherical Bessel functions of a distance, times an envelope that vanishes at the cutoff.

        bₙ(r) = s(r/c) √(2/c) sin(fₙ r/c)/r,   fₙ = n π at first
        s(x) = 1 - (p+1)(p+2)/2 xᵖ + p(p+2) xᵖ⁺¹ - p(p+1)/2 xᵖ⁺² below x = 1, else 0

    At the cutoff s, s′ and s″ vanish, so what is made of b is twice continuously differentiable.

    **Arguments:**

    - `count`: the number of functions.
    - `cutoff`: c, in units of r.
    - `power`: p, at least 2: the larger, the later the envelope falls.
    - `dtype`: of the frequencies; by default JAX's default float type.

    Called with one distance r > 0; returns `(count,)`.

    **Raises:** `ValueError` for a count, cutoff or power out of range.

    **Notes:** the frequencies are parameters.

    **Good values:** `power=5` to 8, eight functions or more.

    **Source:** Gasteiger, Gross & Günnemann, "Directional message passing for molecular graphs"
    (2020), equations 7 and 8.

    ```python
    basis = jsci.nn.RadialBessel(8, 5.0)
    features = jax.vmap(basis)(jnp.array([1.0, 4.9, 6.0]))
    ```
    """

    frequencies: Float[Array, " count"]
    cutoff: float = eqx.field(static=True)
    power: int = eqx.field(static=True)

    def __init__(
        self, count: int, cutoff: float, *, power: int = 8, dtype: DTypeLike | None = None
    ):
        check_sizes(count=count, power=power)
        if not cutoff > 0 or power < 2:
            raise ValueError(f"cutoff must be positive, power at least 2: got {cutoff}, {power}.")
        dtype = jnp.dtype(dtype or jnp.result_type(float))
        self.frequencies = jnp.pi * jnp.arange(1, count + 1, dtype=dtype)
        self.cutoff, self.power = float(cutoff), int(power)

    def __call__(self, r: Float[Array, ""]) -> Float[Array, " count"]:
        x, p = r / self.cutoff, self.power
        fall = x**p * ((p + 1) * (p + 2) / 2 - p * (p + 2) * x + p * (p + 1) / 2 * x * x)
        envelope = jnp.where(x >= 1, 0.0, 1 - fall)  # NaN stays NaN
        return envelope * (2 / self.cutoff) ** 0.5 * jnp.sin(self.frequencies * x) / r
