"""The error in bands of wave numbers."""

import functools
import itertools
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._averages import AnyArray, check_epsilon, checked_pair


def spectral_error(
    prediction: Float[AnyArray, "*grid channels"],
    target: Float[AnyArray, "..."],
    *,
    edges: Sequence[float] | None = None,
    relative: bool = True,
    epsilon: float = 1e-7,
) -> Float[Array, "bands channels"]:
    """Mean square error in bands of wave numbers, by default relative to the target's energy there.

        E_b[v] = N⁻² Σ_{|k| in band b} |v̂(k)|²,   error_b = E_b[p - u] / (E_b[u] + ε)

    with N the number of points and v̂ the discrete Fourier transform. Where the bands hold all
    waves, the E_b[p - u] sum to the mean square error.

    **Arguments:**

    - `prediction`, `target`: one sample each, `(*grid, channels)`, periodic, on equal spacings.
    - `edges`: the ends of the bands, rising, in radians per spacing: band b is [edges[b],
        edges[b+1]). By default three bands, as in The Well: from 0 to π√dim, with edges between
        spaced evenly in log |k| from 2π over the points of the longest axis.
    - `relative`: whether to divide by the energy of the target; otherwise E_b[p - u].
    - `epsilon`: ε, in the squared unit of the fields.

    **Returns:** `(bands, channels)`, mean squares.

    **Raises:** `ValueError` for fields of different shapes, edges that do not rise, a band without
    waves on this grid, or a negative ε; `TypeError` for complex fields.

    **Source:** Ohana et al., "The Well", NeurIPS 2024, section 4, `binned_spectral_mse`.

    ```python
    jsci.operators.metrics.spectral_error(1.1 * a, a)[0]  # 0.010
    ```
    """
    prediction, target = checked_pair(prediction, target, None, "spectral_error")
    check_epsilon(epsilon, "spectral_error")
    grid = target.shape[:-1]
    bands = _bands(grid, _default_edges(grid) if edges is None else tuple(map(float, edges)))
    error = _energy(prediction - target, bands)
    return error / (_energy(target, bands) + epsilon) if relative else error


def _default_edges(grid):
    edges = np.geomspace(2 * np.pi / max(grid), np.pi * np.sqrt(len(grid)) + 1e-6, 4)
    return (0.0, *edges[1:].tolist())


@functools.cache
def _bands(grid: tuple[int, ...], edges: tuple[float, ...]) -> np.ndarray:
    """Whether a wave is in a band, `(bands, waves)`."""
    if len(edges) < 2 or min(np.diff(edges)) <= 0:
        raise ValueError(
            f"spectral_error() needs edges of bands that rise, such as (0, 0.5, 1); got {edges}."
        )
    waves = np.meshgrid(*(2 * np.pi * np.fft.fftfreq(n) for n in grid), indexing="ij")
    length = np.sqrt(sum(k**2 for k in waves)).ravel()
    bands = np.stack([(low <= length) & (length < high) for low, high in itertools.pairwise(edges)])
    if (empty := ~bands.any(1)).any():
        b = int(np.argmax(empty))
        raise ValueError(
            f"spectral_error(): the band from {edges[b]:.4g} to {edges[b + 1]:.4g} radians per "
            f"spacing has no waves on a grid of {grid} points: merge bands."
        )
    return bands


def _energy(field, bands):
    grid = tuple(range(field.ndim - 1))
    power = jnp.abs(jnp.fft.fftn(field, axes=grid, norm="forward")) ** 2
    return jnp.asarray(bands, power.dtype) @ power.reshape(-1, field.shape[-1])
