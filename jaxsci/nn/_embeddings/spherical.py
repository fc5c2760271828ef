"""Spherical harmonics of a direction, as features of networks on the sphere."""

from numbers import Integral

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ...numerics import spherical_harmonics
from .._dense import as_floats, check_vector


class SphericalEmbedding(eqx.Module):
    """x ↦ Y_lm(x/|x|), all real orthonormal spherical harmonics up to a degree.

    A function of the direction alone, smooth on the whole sphere: no pole is special, and there is
    no seam in longitude. On the unit sphere its gradient is the surface gradient and its Laplacian
    the surface Laplacian, -l(l + 1) Y_lm.

    **Arguments:**

    - `degree`: highest l, at least 0. Good values: 5 to 20; 40 keeps 1e-4 in float32.

    Called with one point `(3,)`, of any length but zero; returns `((degree + 1)²,)`, Y_lm at index
    l² + l + m, without the Condon-Shortley sign. A latitude ϑ and a longitude φ are the point
    (cos ϑ cos φ, cos ϑ sin φ, sin ϑ).

    **Raises:** `ValueError` for a degree that is not a whole number >= 0, a point of another size,
    or, outside jit, the origin, which has no direction. Under jit the origin gives NaN.

    **Source:** Rußwurm et al., "Geographic Location Encoding with Spherical Harmonics and
    Sinusoidal Representation Networks", ICLR 2024, section 3, in Cartesian form.

    ```python
    embedding = jsci.nn.SphericalEmbedding(10)
    net = jsci.nn.SIREN(3, "scalar", width=32, depth=2, embedding=embedding, key=key)
    u = net(jnp.array([0.0, 0.6, 0.8]))
    ```
    """

    degree: int = eqx.field(static=True)

    def __init__(self, degree: int):
        if not isinstance(degree, Integral) or degree < 0:
            raise ValueError(f"degree must be a whole number >= 0, got {degree!r}.")
        self.degree = int(degree)

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, " harmonics"]:
        check_vector(x, 3, "SphericalEmbedding")
        if not isinstance(x, Tracer) and not np.any(np.asarray(x)):
            raise ValueError(
                "SphericalEmbedding: the origin has no direction; got a point of zeros."
            )
        x = as_floats(x)
        unit = x / jnp.sqrt(jnp.sum(x**2))
        return spherical_harmonics(unit[None], degree=self.degree)[0]
