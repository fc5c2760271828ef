"""Which units of one network do what units of another do."""

from numbers import Integral
from typing import Literal

import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Shaped
from scipy.linalg import qr
from scipy.optimize import linear_sum_assignment

Left = Float[Array, "n p"] | Float[np.ndarray, "n p"]
Right = Float[Array, "m q"] | Float[np.ndarray, "m q"]
Method = Literal["one-to-one", "semi", "sparse", "spectral"]


def correlations(
    x: Shaped[np.ndarray, "samples p"], y: Shaped[np.ndarray, "samples q"]
) -> Float[np.ndarray, "p q"]:
    """Of every unit of one network with every unit of another; 0 for units that are constant."""
    for values in (x, y):
        if values.ndim != 2 or len(values) < 2 or not values.size or not np.isfinite(values).all():
            raise ValueError(
                "Correlations need finite activations of two samples or more, (samples, units), "
                f"got shape {values.shape} with {np.sum(~np.isfinite(values))} not finite."
            )
    x, y = _standardised(x), _standardised(y)
    return np.real(x.conj().T @ y) / len(x)


def assign(scores: Float[np.ndarray, "p q"]) -> Int[np.ndarray, " p"]:
    """The partner of each unit in the assignment of the largest sum."""
    return linear_sum_assignment(scores, maximize=True)[1]


def correspond(
    x: Left,
    y: Right,
    *,
    method: Method = "one-to-one",
    penalty: float = 0.1,
    clusters: int | None = None,
) -> Float[np.ndarray, "p q"]:
    """Explain the units of one network by those of another.

        z_i ≈ Σ_j W_ij z'_j   of activations with mean 0 and variance 1

    **Arguments:**

    - `x`, `y`: activations of two networks for the same samples in the same order, (samples, p) and
        (samples, q), such as `activations` returns.
    - `method`: "one-to-one" pairs units so that the sum of correlations is largest; "semi" gives
        every unit of `x` the most correlated one of `y`, which several may share; "sparse" gives
        it a few units of `y` with weights, by least squares with a penalty on their sizes,
        ½ E(z_i - Σ_j W_ij z'_j)² + λ Σ_j |W_ij|; "spectral" finds groups of units of `x` and of `y`
        that do the same together, many to many, from the leading singular vectors of the sizes of
        the correlations.
    - `penalty`: λ of "sparse", between 0 and 1: a unit whose correlations are all below it is
        explained by none.
    - `clusters`: number of groups that "spectral" finds, from 2 to the smaller number of units.

    **Returns:** W, (p, q). But for "sparse" its entries are the correlations of the pairs; for
    "spectral" of all pairs in one group, so that a group is a block of W.

    **Raises:** `ValueError` for different numbers of samples, an unknown method, a penalty that is
    not between 0 and 1, activations that are not finite, fewer than two samples, for "one-to-one"
    more units in `x` than in `y`, or for "spectral" a number of clusters out of range or above
    that of the groups which correlate differently; `TypeError` for activations that are complex or
    traced.

    **Notes:** pairs are found in networks that have nothing in common as well: with p units and few
    samples the largest correlations are far from 0. The null is an untrained network of the same
    kind (0.32 for two networks on images of digits whose trained ones have 0.59). Units that are
    constant have no partner in "semi", "sparse" and "spectral".

    **Source:** Li, Yosinski, Clune, Lipson and Hopcroft, "Convergent learning: do different neural
    networks learn the same representations?" (2016); "spectral": Dhillon, "Co-clustering documents
    and words using bipartite spectral graph partitioning" (2001), with the clusters of Damle,
    Minden and Ying, "Simple, direct and efficient multi-way spectral clustering" (2019).

    ```python
    h = jnp.tanh(x)
    jsci.analysis.correspond(h, h[:, ::-1]).argmax(1)  # 2, 1, 0
    ```
    """
    if np.iscomplexobj(x) or np.iscomplexobj(y):
        raise TypeError("x and y must be real: take real and imaginary parts as two units.")
    if isinstance(x, Tracer) or isinstance(y, Tracer):
        raise TypeError("x and y must be arrays that are known: call this outside jit and grad.")
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) != len(y):
        raise ValueError(f"x and y must be of the same samples, got {len(x)} and {len(y)}.")
    if not 0 < penalty < 1:
        raise ValueError(f"penalty must be between 0 and 1, got {penalty!r}.")
    found = correlations(x, y)
    if method == "semi":
        return np.where(np.arange(y.shape[1]) == found.argmax(1)[:, None], found, 0.0)
    if method == "sparse":
        return _lasso(found, correlations(y, y), penalty)
    if method == "spectral":
        return _co_clusters(found, clusters)
    if method != "one-to-one":
        raise ValueError(f"method must be one-to-one, semi, sparse or spectral, got {method!r}.")
    if x.shape[1] > y.shape[1]:
        raise ValueError(
            f"one-to-one needs a unit of y for each of x, got {y.shape[1]} for {x.shape[1]}: "
            "exchange them, or take method='semi'."
        )
    partners = assign(found)
    return np.where(np.arange(y.shape[1]) == partners[:, None], found, 0.0)


def _standardised(x: np.ndarray) -> np.ndarray:
    rounding = 8 * np.finfo(np.result_type(x, np.float32)).eps * np.abs(x).max(0)
    x = np.asarray(x, np.result_type(x, float))  # a mean in half precision stops growing
    x = x - x.mean(0)
    size = x.std(0)
    constant = (size <= 1e-12 * np.max(size, initial=0.0)) | (size <= rounding)
    return np.where(constant, 0.0, x / np.where(constant, 1.0, size))


def _lasso(
    cross: Float[np.ndarray, "p q"], gram: Float[np.ndarray, "q q"], penalty: float
) -> Float[np.ndarray, "p q"]:
    """Coordinate descent: minimises ½ W G Wᵀ - C Wᵀ + λ |W| row by row."""
    weights = np.zeros_like(cross)
    alive = np.flatnonzero(np.diag(gram) > 0.5)
    for _ in range(1000):
        largest = 0.0
        for j in alive:
            free = cross[:, j] - weights @ gram[:, j] + weights[:, j]
            new = np.sign(free) * np.maximum(np.abs(free) - penalty, 0)
            largest = max(largest, float(np.max(np.abs(new - weights[:, j]))))
            weights[:, j] = new
        if largest < 1e-10:
            break
    return weights


def _co_clusters(found: Float[np.ndarray, "p q"], clusters: int | None) -> np.ndarray:
    """The correlations within groups, by the normalised cut of the graph between both networks.

    The leading singular vectors are, up to a rotation, the indicators of the groups. The rotation
    is that of the units which a pivoted QR finds to be most unlike each other.
    """
    p, q = found.shape
    if not isinstance(clusters, Integral) or not 2 <= clusters <= min(p, q):
        raise ValueError(
            f"spectral needs the number of clusters, from 2 to {min(p, q)}, got {clusters!r}."
        )
    sizes = np.abs(found)
    left, right = (np.sqrt(sizes.sum(axis)) for axis in (1, 0))
    alive = (left > 0)[:, None] & (right > 0)
    scaled = np.divide(sizes, left[:, None] * right, out=np.zeros_like(sizes), where=alive)
    u, values, vt = np.linalg.svd(scaled, full_matrices=False)
    rank = np.sum(values > 1e-10)
    if 0 < rank < clusters:  # where nothing correlates, nothing is in a group
        raise ValueError(
            f"spectral finds at most {rank} groups in these correlations, got clusters={clusters}: "
            "units that correlate alike cannot be told apart. Take fewer clusters."
        )
    rows = np.concatenate([u[:, :clusters], vt[:clusters].T])
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    *_, order = qr(rows.T, pivoting=True)  # columns by how much each adds to those before
    typical = rows[order[:clusters]]
    a, _, bt = np.linalg.svd(typical.T)
    group = np.abs(rows @ a @ bt).argmax(1)
    return np.where((group[:p, None] == group[p:]) & alive, found, 0.0)
