"""Root mean squares in units of the target, at the boundary, and of integrals."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._fields.fields import root
from ._averages import AnyArray, average, check_epsilon, checked_pair, deviation


def nrmse(
    prediction: Float[AnyArray, "*grid channels"],
    target: Float[AnyArray, "..."],
    *,
    weights: Float[AnyArray, "..."] | None = None,
    epsilon: float = 1e-7,
) -> Float[Array, " channels"]:
    """Root mean square error in units of the target's root mean square.

        NRMSE = √(⟨(p - u)²⟩ / (⟨u²⟩ + ε)),   ⟨v⟩ = Σᵢ wᵢ v(xᵢ) / Σᵢ wᵢ

    **Arguments:**

    - `prediction`, `target`: one sample each, `(*grid, channels)`, in any unit.
    - `weights`: quadrature weights `(*grid,)` of the points, up to a factor; equal by default.
        Points of weight zero do not count, whatever their values.
    - `epsilon`: ε, in the squared unit of the fields. The default is that of The Well, for fields
        in units in which they are near one; 0 gives the ratio itself, as PDEBench defines it.

    **Returns:** one number per channel, `(channels,)`.

    **Raises:** `ValueError` for fields of different shapes, weights of another shape or sign, or a
    negative ε; `TypeError` for complex fields.

    **Notes:** of a target that is zero everywhere, ε alone is the unit: with ε = 0 the result is
    not finite.

    **Source:** Ohana et al., "The Well", NeurIPS 2024, section 4; Takamoto et al., "PDEBench",
    NeurIPS 2022, section 3.

    ```python
    jsci.operators.metrics.nrmse(1.1 * a, a)  # 0.100
    ```
    """
    prediction, target = checked_pair(prediction, target, weights, "nrmse")
    check_epsilon(epsilon, "nrmse")
    size = average(target**2, weights)
    return root(average((prediction - target) ** 2, weights) / (size + epsilon))


def vrmse(
    prediction: Float[AnyArray, "*grid channels"],
    target: Float[AnyArray, "..."],
    *,
    weights: Float[AnyArray, "..."] | None = None,
    epsilon: float = 1e-7,
) -> Float[Array, " channels"]:
    """Root mean square error in units of the target's standard deviation over the domain.

        VRMSE = √(⟨(p - u)²⟩ / (s² + ε)),   s² = n/(n - 1) ⟨(u - ⟨u⟩)²⟩

    over the n points that count. The mean of the target, predicted everywhere, has the error
    √((n - 1)/n), about one.

    **Arguments:**

    - `prediction`, `target`, `weights`: as in `nrmse`.
    - `epsilon`: ε, in the squared unit of the fields. The default is that of The Well.

    **Returns:** one number per channel, `(channels,)`.

    **Raises:** as `nrmse`.

    **Notes:** a constant target has no variance, and ε alone is the unit.

    **Source:** Ohana et al., "The Well", NeurIPS 2024, section 4, with the variance of its package,
    which divides by n - 1.

    ```python
    jsci.operators.metrics.vrmse(a + 0.1, a)  # 0.140
    ```
    """
    prediction, target = checked_pair(prediction, target, weights, "vrmse")
    check_epsilon(epsilon, "vrmse")
    variance = average(deviation(target, weights) ** 2, weights)
    count = target[..., 0].size if weights is None else jnp.sum(weights != 0)
    unbiased = variance * jnp.asarray(count / jnp.maximum(count - 1, 1), variance.dtype)
    return root(average((prediction - target) ** 2, weights) / (unbiased + epsilon))


def boundary_error(
    prediction: Float[AnyArray, "*grid channels"], target: Float[AnyArray, "..."]
) -> Float[Array, " channels"]:
    """Root mean square error over the first and last points of each axis.

        √(Σ_faces Σ_{x on the face} (p - u)² / number of these points)

    A corner counts once for each of its faces.

    **Arguments:**

    - `prediction`, `target`: one sample each, `(*grid, channels)`.

    **Returns:** one number per channel, `(channels,)`, in the unit of the channel.

    **Raises:** `ValueError` for fields of different shapes; `TypeError` for complex fields.

    **Source:** Takamoto et al., "PDEBench", NeurIPS 2022, section 3 (bRMSE).

    ```python
    jsci.operators.metrics.boundary_error(a + 0.1, a)  # 0.1
    ```
    """
    prediction, target = checked_pair(prediction, target, None, "boundary_error")
    squares, faces = (prediction - target) ** 2, []
    for axis in range(target.ndim - 1):
        ends = jnp.take(squares, jnp.array([0, -1]), axis)
        faces.append(ends.reshape(-1, target.shape[-1]))
    return root(jnp.mean(jnp.concatenate(faces), 0))


def conservation_error(
    prediction: Float[AnyArray, "*grid channels"],
    target: Float[AnyArray, "..."],
    *,
    weights: Float[AnyArray, "..."] | None = None,
) -> Float[Array, " channels"]:
    """How far the integral of each channel, such as a mass, is from that of the target.

        |⟨p⟩ - ⟨u⟩|

    **Arguments:**

    - `prediction`, `target`, `weights`: as in `nrmse`. For an energy or another function of the
        fields, give that function of both.

    **Returns:** one number per channel, `(channels,)`: the difference of the means over the domain.

    **Raises:** as `nrmse`.

    **Source:** Takamoto et al., "PDEBench", NeurIPS 2022, section 3 (cRMSE, which is the root mean
    square of this over the samples).

    ```python
    jsci.operators.metrics.conservation_error(a + 0.1, a)  # 0.1
    ```
    """
    prediction, target = checked_pair(prediction, target, weights, "conservation_error")
    return jnp.abs(average(prediction, weights) - average(target, weights))
