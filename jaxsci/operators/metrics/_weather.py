"""Scores of weather forecasts on a grid of latitudes and longitudes, and of ensembles."""

import warnings

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._fields.fields import check_weights, root
from ._averages import AnyArray, average, checked_pair


def latitude_weights(latitude: Float[AnyArray, " latitudes"]) -> Float[np.ndarray, " latitudes"]:
    """The areas of the cells around latitudes, of mean one.

        wᵢ ∝ sin φᵢ₊½ - sin φᵢ₋½,   φᵢ₊½ = (φᵢ + φᵢ₊₁)/2

    The cell at an end reaches to the pole if that is less than one spacing away, as on every global
    grid; otherwise, of a region, as far beyond its latitude as towards the next.

    **Arguments:**

    - `latitude`: in degrees, rising or falling, `(latitudes,)`.

    **Returns:** one weight per latitude. As quadrature weights of a grid they are
    `jnp.broadcast_to(w[:, None], (latitudes, longitudes))`.

    **Raises:** `ValueError` for latitudes that are not in order or beyond the poles, or are those
    of a global grid in radians. It warns of others that may be in radians.

    **Source:** Rasp et al., "WeatherBench 2", JAMES 2024, section 3, for global grids.

    ```python
    w = jsci.operators.metrics.latitude_weights(np.linspace(-90, 90, 5))
    w  # 0.190, 1.353, 1.913, 1.353, 0.190
    ```
    """
    degrees = np.asarray(latitude, float)
    steps = np.diff(np.atleast_1d(degrees))
    if degrees.ndim != 1 or len(degrees) < 2 or not (all(steps > 0) or all(steps < 0)):
        raise ValueError(
            "latitude is one axis of two or more values in degrees, rising or falling; got "
            f"{latitude!r}."
        )
    if max(abs(degrees)) > 90 + 1e-4:
        raise ValueError(
            f"latitude is in degrees between -90 and 90; got {degrees.min()} to {degrees.max()}. "
            "A colatitude θ in radians is np.rad2deg(np.pi / 2 - θ)."
        )
    _check_unit(np.sort(degrees))
    between = (degrees[1:] + degrees[:-1]) / 2
    ends = _end(degrees[0], -steps[0]), _end(degrees[-1], steps[-1])
    bounds = np.deg2rad([ends[0], *between, ends[1]])
    areas = np.abs(np.diff(np.sin(bounds)))
    return areas / areas.mean()


def _end(latitude, step):
    """Where the outermost cell ends, `step` being outwards."""
    pole = np.sign(step) * 90
    return pole if abs(pole - latitude) < abs(step) else latitude + step / 2


def _check_unit(rising):
    """Refuses the points of a global grid in radians, and warns of others that may be such."""
    if max(abs(rising)) > np.pi / 2 + 1e-4:
        return
    span, n = f"{rising[0]:.4g} to {rising[-1]:.4g}", len(rising)
    half, spacing = np.pi / 2, np.pi / n
    grids = (
        np.linspace(-half, half, n),
        spacing * (np.arange(n) + 0.5) - half,
        np.arcsin(np.polynomial.legendre.leggauss(n)[0]),
    )
    if any(np.abs(rising - grid).max() < 0.01 * spacing for grid in grids):
        raise ValueError(
            f"latitude is in degrees, and {span} are those of a global grid in radians: "
            "np.rad2deg(latitude)."
        )
    warnings.warn(
        f"latitude is in degrees: {span} is taken as a strip along the equator. If it is in "
        "radians, give np.rad2deg(latitude).",
        stacklevel=3,
    )


def latitude_weighted_rmse(
    prediction: Float[AnyArray, "latitudes longitudes channels"],
    target: Float[AnyArray, "..."],
    latitude: Float[AnyArray, "..."],
    *,
    weights: Float[AnyArray, "..."] | None = None,
) -> Float[Array, " channels"]:
    """Root mean square error over the sphere, each point weighted by the area of its cell.

        RMSE = √(Σᵢⱼ wᵢ (p - u)²ᵢⱼ / Σᵢⱼ wᵢ)

    **Arguments:**

    - `prediction`, `target`: one sample each, `(latitudes, longitudes, channels)`, at longitudes of
        equal spacing.
    - `latitude`: in degrees, as in `latitude_weights`.
    - `weights`: further weights `(latitudes, longitudes)`, such as 1 on the ocean and 0 on land.
        Points of weight zero do not count, whatever their values.

    **Returns:** one number per channel, `(channels,)`, in the unit of the channel.

    **Raises:** `ValueError` for fields of different shapes or another number of latitudes;
    `TypeError` for complex fields.

    **Notes:** for several times, average the squares first, as WeatherBench does.

    **Source:** Rasp et al., "WeatherBench 2", JAMES 2024, section 3.

    ```python
    field = jnp.ones((5, 8, 1))
    latitude = np.linspace(-90, 90, 5)
    jsci.operators.metrics.latitude_weighted_rmse(field + 2, field, latitude)  # 2.0
    ```
    """
    areas = _areas(target, latitude, weights, "latitude_weighted_rmse")
    prediction, target = checked_pair(prediction, target, areas, "latitude_weighted_rmse")
    return root(average((prediction - target) ** 2, areas))


def acc(
    prediction: Float[AnyArray, "latitudes longitudes channels"],
    target: Float[AnyArray, "..."],
    climatology: Float[AnyArray, "..."],
    latitude: Float[AnyArray, "..."],
    *,
    weights: Float[AnyArray, "..."] | None = None,
) -> Float[Array, " channels"]:
    """Anomaly correlation coefficient: of the departures from the climatology, over the sphere.

        ACC = ⟨p′u′⟩ / √(⟨p′²⟩ ⟨u′²⟩),   v′ = v - climatology

    **Arguments:**

    - `prediction`, `target`, `latitude`, `weights`: as in `latitude_weighted_rmse`.
    - `climatology`: the mean state for this time of the year, `(latitudes, longitudes, channels)`.

    **Returns:** one number per channel, `(channels,)`, between -1 and 1; NaN where a prediction or
    target is the climatology itself, which has no anomaly.

    **Raises:** as `latitude_weighted_rmse`.

    **Notes:** the mean anomaly is not subtracted.

    **Source:** Rasp et al., "WeatherBench 2", JAMES 2024, section 3.

    ```python
    wave = jnp.sin(jnp.arange(8.0))[:, None] * jnp.ones((5, 8, 1))
    climate, latitude = jnp.zeros((5, 8, 1)), np.linspace(-90, 90, 5)
    jsci.operators.metrics.acc(2 * wave, wave, climate, latitude)  # 1.0
    ```
    """
    areas = _areas(target, latitude, weights, "acc")
    prediction, target = checked_pair(prediction, target, areas, "acc")
    climatology, _ = checked_pair(climatology, target, areas, "acc")
    p, u = prediction - climatology, target - climatology
    return average(p * u, areas) / jnp.sqrt(average(p**2, areas) * average(u**2, areas))


def crps(
    ensemble: Float[AnyArray, "members *grid channels"],
    target: Float[AnyArray, "..."],
    *,
    weights: Float[AnyArray, "..."] | None = None,
) -> Float[Array, " channels"]:
    """Continuous ranked probability score of an ensemble, averaged over the domain.

        CRPS = ⟨M⁻¹ Σₘ |pₘ - u| - (2M(M - 1))⁻¹ Σₘₙ |pₘ - pₙ|⟩

    The estimate is fair: its expectation does not depend on the number M of members.

    **Arguments:**

    - `ensemble`: the members' predictions of one sample, `(members, *grid, channels)`.
    - `target`: `(*grid, channels)`.
    - `weights`: quadrature weights `(*grid,)`, as in `nrmse`; on a sphere, `latitude_weights`.

    **Returns:** one number per channel, `(channels,)`, in the unit of the channel; of one member,
    its mean absolute error.

    **Raises:** `ValueError` for fields of different shapes; `TypeError` for complex fields.

    **Source:** Zamo and Naveau, Mathematical Geosciences 50, 209 (2018); Rasp et al.,
    "WeatherBench 2", JAMES 2024, section 3.

    ```python
    jsci.operators.metrics.crps(jnp.stack([a - 1, a + 1]), a)  # 0.0
    ```
    """
    ensemble = jnp.asarray(ensemble)
    if ensemble.ndim < 3 or not len(ensemble):
        raise ValueError(
            f"crps() takes an ensemble (members, *grid, channels); got shape {ensemble.shape}."
        )
    _, target = checked_pair(ensemble[0], target, weights, "crps")
    members = len(ensemble)
    skill = jnp.mean(jnp.abs(ensemble - target[None]), 0)
    # Sorted, the double sum of distances is one sum: the m-th member is above m - 1 others.
    rank = jnp.arange(1, members + 1).reshape(-1, *(1,) * target.ndim)
    spread = jnp.mean((2 * rank - members - 1) * jnp.sort(ensemble, 0), 0)
    return average(skill - spread / max(members - 1, 1), weights)


def _areas(target, latitude, weights, name):
    """Weights of the points `(latitudes, longitudes)`: areas of the cells, and those given."""
    areas, grid = latitude_weights(latitude), jnp.shape(target)[:-1]
    if len(grid) != 2 or grid[0] != len(areas):
        raise ValueError(
            f"{name}() takes fields (latitudes, longitudes, channels), here {len(areas)} "
            f"latitudes; got shape {jnp.shape(target)}."
        )
    check_weights(weights, grid, f"{name}()")
    areas = jnp.broadcast_to(jnp.asarray(areas, jnp.result_type(target))[:, None], grid)
    return areas if weights is None else areas * weights
