"""How alike what two networks compute is, whatever their units are called."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

Left = Inexact[Array, "n p"] | Inexact[np.ndarray, "n p"]
Right = Inexact[Array, "m q"] | Inexact[np.ndarray, "m q"]


def cka(x: Left, y: Right) -> Float[Array, ""]:
    """Linear centred kernel alignment of two sets of activations.

        CKA = ‖XᵀY‖² / (‖XᵀX‖ ‖YᵀY‖),   Frobenius norms of centred activations

    **Arguments:**

    - `x`, `y`: activations of two networks, or of two layers, for the same samples in the same
        order, (samples, p) and (samples, q).

    **Returns:** a number from 0 to 1, which is 1 if one is a rotation of the other times a number;
    NaN where one of them is constant.

    **Raises:** `ValueError` for different numbers of samples, none, or arrays that are not
    (samples, units).

    **Notes:** a high value means little by itself: what an untrained network of the same kind
    reaches is the null (0.73 and 0.52 for two layers on images of digits where trained ones have
    0.95 and 0.94), not 0. With few samples for the number of units it is too high.

    **Source:** Kornblith et al., "Similarity of neural network representations revisited" (2019).

    ```python
    h = jnp.tanh(x)
    jsci.analysis.cka(h, 2 * h[:, ::-1])  # 1.0
    ```
    """
    a, b = _centred(x, y)
    dtype = jnp.result_type(a, b)
    a, b = _of_size_one(a), _of_size_one(b)
    cross, left, right = (jnp.linalg.norm(u.conj().T @ v) for u, v in ((a, b), (a, a), (b, b)))
    return (cross**2 / (left * right)).astype(jnp.finfo(dtype).dtype)


def cca(x: Left, y: Right) -> Float[Array, " least"]:
    """Canonical correlations of two sets of activations.

        ρ₁ = max corr(X a, Y b), and so on among what is uncorrelated with the directions before

    **Arguments:**

    - `x`, `y`: activations of two networks, or of two layers, for the same samples in the same
        order, (samples, p) and (samples, q).

    **Returns:** the correlations, largest first, (min(p, q),), with zeros for directions that are
    constant or repeated. Their mean is one number for both.

    **Raises:** `ValueError` for different numbers of samples, arrays that are not (samples, units),
    or not more samples than p + q: then some of the correlations are 1 for any activations.

    **Notes:** no linear map of either changes them, so that directions of little variance, which
    are mostly noise, count as much as others. Compare with an untrained network, as for `cka`.

    **Source:** Hotelling, "Relations between two sets of variates" (1936); for networks: Raghu et
    al., "SVCCA" (2017).

    ```python
    h = jnp.tanh(x)
    jsci.analysis.cca(h, h @ jnp.array([[1.0, 2.0], [0.0, 1.0], [3.0, 1.0]]))  # 1.0, 1.0
    ```
    """
    _check_samples(x, y)
    if jnp.shape(x)[0] <= jnp.shape(x)[1] + jnp.shape(y)[1]:
        raise ValueError(
            f"cca() needs more samples than units together, got {jnp.shape(x)[0]} samples of "
            f"{jnp.shape(x)[1]} and {jnp.shape(y)[1]} units: correlations would be 1 by chance. "
            "Take more samples, or the first principal components."
        )
    a, b = map(_orthonormal, _centred(x, y))
    return jnp.clip(jnp.linalg.svd(a.conj().T @ b, compute_uv=False), 0, 1)


def _centred(x: Left, y: Right) -> tuple[Array, Array]:
    _check_samples(x, y)
    return _deviations(jnp.asarray(x)), _deviations(jnp.asarray(y))


def _deviations(x: Array) -> Array:
    """From the mean of each column; 0 where a column is constant to rounding."""
    centred = x - jnp.mean(x, 0, keepdims=True)
    rounding = 8 * jnp.finfo(centred.dtype).eps * jnp.max(jnp.abs(x), 0, initial=0)
    return jnp.where(jnp.max(jnp.abs(centred), 0, initial=0) <= rounding, 0, centred)


def _of_size_one(a: Array) -> Array:
    """Whose products neither overflow nor vanish; in half precision sums of them would."""
    a = a.astype(jnp.promote_types(a.dtype, jnp.float32))
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(a)))
    return a / jnp.where(largest > 0, largest, 1)


def _check_samples(x: Left, y: Right) -> None:
    if jnp.ndim(x) != 2 or jnp.ndim(y) != 2:
        raise ValueError(
            f"x and y must be (samples, units), got shapes {jnp.shape(x)} and {jnp.shape(y)}."
        )
    if 0 in (*jnp.shape(x), *jnp.shape(y)):
        raise ValueError(
            f"x and y must have samples and units, got shapes {jnp.shape(x)} and {jnp.shape(y)}."
        )
    if jnp.shape(x)[0] != jnp.shape(y)[0]:
        raise ValueError(
            f"x and y must be of the same samples, got {jnp.shape(x)[0]} and {jnp.shape(y)[0]}."
        )


def _orthonormal(a: Array) -> Array:
    """A basis of the columns; directions that only rounding makes are zero."""
    basis, values, _ = jnp.linalg.svd(a, full_matrices=False)
    least = jnp.finfo(a.dtype).eps * max(a.shape) * jnp.max(values)
    return jnp.where(values <= least, 0, basis)  # NaN stays
