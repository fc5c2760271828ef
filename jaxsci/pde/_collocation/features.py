"""Features: the fixed functions that a linear solver combines."""

from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._geometry.domains import Domain
from .._geometry.partition import Breaks, Windows, partition

Activation = Literal["sine", "tanh"]

# Polynomials of a piece are those of a somewhat longer one, since its window reaches beyond it.
_REACH = 1.3


class RandomFeatures(eqx.Module):
    """Waves or steps of random directions, made by `random_features`: `features(x)` for one point.

    - `weights`: `(n, d)`.
    - `biases`: `(n,)`.
    - `activation`: "sine" or "tanh".
    - `windows`: of the pieces to which the features belong, in equal shares; `None` for one piece.

    ```python
    features = jsci.pde.random_features(jsci.pde.Interval(0.0, 1.0), 60, key=jax.random.key(0))
    features(jnp.array([0.3]))  # shape (60,)
    ```
    """

    weights: Float[Array, "n dim"]
    biases: Float[Array, " n"]
    activation: Activation = eqx.field(static=True)
    windows: Windows | None = None

    def __call__(self, x: Float[Array, " dim"]) -> Float[Array, " n"]:
        shape = jnp.sin if self.activation == "sine" else jnp.tanh
        values = shape(self.weights @ x + self.biases)
        if self.windows is None:
            return values
        windows = self.windows(x)
        return (windows[:, None] * values.reshape(len(windows), -1)).ravel()


class PolynomialFeatures(eqx.Module):
    """Products of Chebyshev polynomials and waves, made by `polynomial_features`.

    - `middles`, `halves`: of the pieces, `(pieces, d)`.
    - `sizes`: functions per coordinate.
    - `periodic`: which coordinates have waves.
    - `windows`: of the pieces; `None` for one piece.

    ```python
    features = jsci.pde.polynomial_features(jsci.pde.Interval(0.0, 1.0), [9])
    features(jnp.array([0.3]))  # shape (9,)
    ```
    """

    middles: Float[Array, "pieces dim"]
    halves: Float[Array, "pieces dim"]
    sizes: tuple[int, ...] = eqx.field(static=True)
    periodic: tuple[bool, ...] = eqx.field(static=True)
    windows: Windows | None

    def __call__(self, x: Float[Array, " dim"]) -> Float[Array, " n"]:
        if x.shape != (len(self.sizes),):
            raise ValueError(
                f"These features take one point of shape ({len(self.sizes)},), got {x.shape}: "
                "jax.vmap(features) takes several."
            )
        inside = (x[None] - self.middles) / self.halves
        values = jnp.ones((len(inside), 1), x.dtype) if self.windows is None else self._windows(x)
        for a, (size, periodic) in enumerate(zip(self.sizes, self.periodic, strict=True)):
            along = _waves(inside[:, a], size) if periodic else _chebyshev(inside[:, a], size)
            values = (values[:, :, None] * along[:, None]).reshape(len(inside), -1)
        return values.ravel()

    def _windows(self, x: Float[Array, " dim"]) -> Float[Array, "pieces 1"]:
        return self.windows(x)[:, None]  # pyright: ignore[reportOptionalCall]


def _chebyshev(x: Float[Array, " pieces"], size: int) -> Float[Array, "pieces size"]:
    """T_0 to T_(size - 1) by T_(n+k) = 2 T_n T_k - T_(n-k), from n to 2 n at once.

    Arccosines would have no slope at the ends, and the recurrence by one a program as long as the
    degree.
    """
    values = jnp.stack([jnp.ones_like(x), x], axis=-1)
    while (top := values.shape[1] - 1) < size - 1:
        more = 2 * values[:, -1:] * values[:, 1:] - values[:, top - 1 :: -1]
        values = jnp.concatenate([values, more], axis=1)
    return values[:, :size]


def _waves(x: Float[Array, " pieces"], size: int) -> Float[Array, "pieces size"]:
    """1, cos πx, sin πx, cos 2πx, …: `size` of them, with the period of -1 to 1."""
    order = np.pi * ((np.arange(size) + 1) // 2)
    shift = np.pi / 2 * (np.arange(size) % 2)  # cosines at the odd places
    waves = jnp.sin(x[:, None] * order[None] + shift[None])
    return waves.at[:, 0].set(1.0)


def polynomial_features(
    domain: Domain,
    sizes: Sequence[int],
    *,
    periodic: Sequence[bool] | None = None,
    breaks: Breaks | None = None,
) -> PolynomialFeatures:
    """Products of Chebyshev polynomials of each coordinate, of waves where it is periodic.

        φ_k(x) = Π_a T_(k_a)((x_a - m_a) / h_a)

    For smooth solutions in one or two coordinates these need several times fewer coefficients than
    random features. With `breaks` each piece of the bounding box has polynomials of its own, times
    a window that fades over its neighbours, and the windows sum to one: short pieces resolve a
    front.

    **Arguments:**

    - `domain`: a domain, of which `bounds` are used.
    - `sizes`: functions per coordinate: polynomials up to the degree `size - 1`, or for a periodic
        coordinate 1 and (size - 1) / 2 pairs of cosine and sine.
    - `periodic`: whether each coordinate is periodic over the bounds; none by default.
    - `breaks`: per coordinate the number of equal pieces, or the places between pieces.

    **Returns:** a `PolynomialFeatures`, `features(x) -> (n,)` with n the product of the sizes,
    times the number of pieces.

    **Raises:** `TypeError` if `domain` is not a domain; `ValueError` for a size below 1, a number
    of sizes that is not that of the coordinates, an even size or pieces along a periodic
    coordinate, or breaks that do not ascend within the domain.

    **Good values:** 8 to 14 per coordinate and piece, twice as many points as features, from
    `graded` with the same breaks. Without pieces a square grid of 1.3 to 1.5 points along an axis
    for each of its functions: a thousand times closer for waves, and a hundred for polynomials of
    a solution that they do not resolve fully.

    **Source:** Boyd, "Chebyshev and Fourier spectral methods" (2001); Chen, Chi, E & Yang (2022),
    as in `march`, for the partition of unity.

    ```python
    slab = jsci.pde.Interval(0.0, 1.0).during(0.0, 1.0)
    features = jsci.pde.polynomial_features(slab, [12, 6], breaks=[[0.1, 0.3], 1])
    features(jnp.array([0.05, 0.5]))  # shape (216,)
    ```
    """
    lower, upper = _bounds("polynomial_features()", domain)
    sizes = tuple(np.ravel(sizes).tolist())
    periodic = (False,) * len(sizes) if periodic is None else tuple(map(bool, np.ravel(periodic)))
    counts = all(isinstance(size, int) and size >= 1 for size in sizes)
    if not (len(sizes) == len(periodic) == domain.dim and counts):
        raise ValueError(
            f"sizes and periodic must have one entry for each of {domain.dim} coordinates, sizes "
            f"whole numbers of at least 1, got {sizes} and {periodic}."
        )
    if any(p and size % 2 == 0 for p, size in zip(periodic, sizes, strict=True)):
        raise ValueError(
            f"A periodic coordinate takes an odd size, 1 and pairs of cosine and sine, got {sizes}."
        )
    windows = None
    if breaks is not None:
        windows, lower, upper = partition(lower, upper, breaks)
        if any(p and np.ptp(lower[:, a]) for a, p in enumerate(periodic)):
            raise ValueError(
                "A periodic coordinate has one piece: its waves belong to the whole period."
            )
    lower, upper = np.atleast_2d(lower), np.atleast_2d(upper)
    reach = 1.0 if windows is None else _REACH
    halves = np.where(periodic, 1.0, reach) * (upper - lower) / 2
    middles = (upper + lower) / 2
    return PolynomialFeatures(jnp.asarray(middles), jnp.asarray(halves), sizes, periodic, windows)


def random_features(
    domain: Domain,
    n: int,
    *,
    key: PRNGKeyArray,
    scale: float = 4.0,
    activation: Activation = "sine",
    breaks: Breaks | None = None,
) -> RandomFeatures:
    """The hidden layer of a network that is drawn once and not trained.

        φ_j(x) = a(w_j · x + b_j)

    Waves ("sine") have w ~ N(0, scale²) per half-width of the domain and any phase. Steps ("tanh")
    have w uniform in ± scale per half-width, and are steepest somewhere in the domain.

    **Arguments:**

    - `domain`: a domain, of which `bounds` are used.
    - `n`: the number of features.
    - `key`: the random key.
    - `scale`: of the weights, per half-width of the domain along each axis. A wave of this weight
        has scale/π periods over the domain.
    - `activation`: "sine" for smooth solutions, "tanh" where they change quickly in places.
    - `breaks`: per coordinate the number of equal pieces, or the places between pieces. Each piece
        has n features of its own, scaled by its own half-width, times a window that fades over its
        neighbours; the windows sum to one.

    **Returns:** a `RandomFeatures`, `features(x) -> (n,)`, or `(pieces n,)`.

    **Raises:** `TypeError` if `domain` is not a domain; `ValueError` if n or scale is not positive,
    the activation is unknown, or breaks do not ascend within the domain.

    **Good values:** 60 in one dimension, 300 to 1,000 in two, 2,000 in three; a scale near π times
    the periods of the solution. Where these are unknown, give `least_squares` several.

    **Source:** Rahimi & Recht, "Random features for large-scale kernel machines" (2007); Dwivedi &
    Srinivasan, "Physics informed extreme learning machine (PIELM)" (2020).

    ```python
    square = jsci.pde.Box((0.0, 0.0), (1.0, 1.0))
    features = jsci.pde.random_features(square, 300, key=jax.random.key(0))
    ```
    """
    lower, upper = _bounds("random_features()", domain)
    if n < 1 or not scale > 0:
        raise ValueError(f"n and scale must be positive, got n = {n} and scale = {scale}.")
    if activation not in ("sine", "tanh"):
        raise ValueError(f"activation must be 'sine' or 'tanh', got {activation!r}.")
    windows = None
    if breaks is not None:
        windows, lower, upper = partition(lower, upper, breaks)
    low, high = (jnp.repeat(jnp.atleast_2d(b), n, axis=0) for b in (lower, upper))
    half = (high - low) / 2
    of_weights, of_biases = jax.random.split(key)
    if activation == "sine":
        weights = scale * jax.random.normal(of_weights, half.shape) / half
        biases = 2 * np.pi * jax.random.uniform(of_biases, (len(half),))
    else:
        weights = scale * jax.random.uniform(of_weights, half.shape, minval=-1.0) / half
        centres = low + 2 * half * jax.random.uniform(of_biases, half.shape)
        biases = -jnp.sum(weights * centres, axis=1)
    return RandomFeatures(weights, biases, activation, windows)


def _bounds(name: str, domain: Domain) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(domain, Domain):
        raise TypeError(f"{name} needs a domain, got a {type(domain).__name__}.")
    return domain.bounds
