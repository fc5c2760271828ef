"""A forecast beside the truth: fields, error and spectra in one figure."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Float

AnyArray = Array | np.ndarray


def plot_forecast(
    prediction: Float[AnyArray, "times *grid channels"],
    target: Float[AnyArray, "..."],
    *,
    channel: int = 0,
    time_step: float = 1.0,
    lengths: float | Sequence[float] = 1.0,
) -> Any:
    """A figure of one channel: the truth, the forecast, their difference, error and spectra.

    In one dimension the fields are shown over space and time, in two and three at the last time, of
    three dimensions the middle of the last axis. The error is the root mean square over the domain,
    in units of the standard deviation of the truth (VRMSE), at each time. The spectra are those of
    the last state, over the wave number |k| in waves per unit length.

    **Arguments:**

    - `prediction`, `target`: one trajectory each, `(times, *grid, channels)`, of one to three grid
        axes, without the initial state, as `rollout` returns it.
    - `channel`: the number of the channel.
    - `time_step`: the time between two states.
    - `lengths`: of the domain, one for all axes or one per axis.

    **Returns:** a `matplotlib` figure: `.savefig("forecast.png")` writes it, and a notebook shows
    it.

    **Raises:** `ValueError` for fields of different shapes or dimensions, or a channel that is not
    there; `ImportError` without matplotlib, which the extra `plot` installs.

    ```python
    truth = jnp.stack([a, u, a])
    figure = jsci.operators.plot_forecast(1.1 * truth, truth, time_step=0.1)
    ```
    """
    p, u = np.asarray(prediction), np.asarray(target)
    if p.shape != u.shape or not 3 <= u.ndim <= 5 or not u.size:
        raise ValueError(
            "plot_forecast() takes two trajectories (times, *grid, channels) of one to three grid "
            f"axes; got shapes {p.shape} and {u.shape}."
        )
    if not -u.shape[-1] <= channel < u.shape[-1]:
        raise ValueError(f"There is no channel {channel}: the fields have {u.shape[-1]}.")
    p, u = p[..., channel].astype(float), u[..., channel].astype(float)
    sizes = np.broadcast_to(np.asarray(lengths, float), u.ndim - 1)
    figure = _matplotlib().Figure(figsize=(11, 5.5), layout="constrained")
    axes = figure.subplot_mosaic([["truth", "forecast", "difference"], ["error", "spectra", "."]])
    _draw_fields(figure, axes, p, u, time_step, sizes)
    _draw_error(axes["error"], p, u, time_step)
    _draw_spectra(axes["spectra"], p[-1], u[-1], sizes)
    return figure


def _matplotlib():
    try:
        return importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ImportError("plot_forecast() needs matplotlib: pip install 'jaxsci[plot]'") from error


def _draw_fields(figure, axes, p, u, time_step, lengths):
    if u.ndim == 2:
        extent, labels = (0, len(u) * time_step, 0, lengths[0]), ("t", "x")
    else:
        extent, labels = (0, lengths[0], 0, lengths[1]), ("x", "y")
        p, u = (v[-1] if v.ndim == 3 else v[-1, ..., v.shape[-1] // 2] for v in (p, u))
    p, u = p.T, u.T
    low, high = np.nanmin(u), np.nanmax(u)
    far = np.nanmax(np.abs(p - u), initial=0.0) or 1.0
    shown = {
        "truth": (u, low, high, "viridis"),
        "forecast": (p, low, high, "viridis"),
        "difference": (p - u, -far, far, "RdBu_r"),
    }
    for name, (values, least, most, colours) in shown.items():
        ax = axes[name]
        image = ax.imshow(
            values, origin="lower", extent=extent, aspect="auto",
            vmin=least, vmax=most, cmap=colours,
        )  # fmt: skip
        ax.set(title=name, xlabel=labels[0], ylabel=labels[1])
        figure.colorbar(image, ax=ax)


def _draw_error(ax, p, u, time_step):
    grid = tuple(range(1, u.ndim))
    spread = np.nanstd(u, grid)
    error = np.sqrt(np.nanmean((p - u) ** 2, grid)) / np.where(spread > 0, spread, np.nan)
    ax.semilogy(time_step * np.arange(1, len(u) + 1), error)
    ax.set(title="error / standard deviation", xlabel="t")


def _draw_spectra(ax, p, u, lengths):
    for name, field, style in (
        ("truth", u, "-"),
        ("forecast", p, "--"),
        ("difference", p - u, ":"),
    ):
        waves, energy = spectrum(field, lengths)
        ax.loglog(waves[1:], energy[1:], style, label=name)
    ax.set(title="spectra of the last state", xlabel="|k|")
    ax.legend()


def spectrum(field: np.ndarray, lengths: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Wave numbers and the energy of all waves near each; they sum to the mean square."""
    power = np.abs(np.fft.fftn(field, norm="forward")) ** 2
    waves = np.meshgrid(
        *(np.fft.fftfreq(n, s / n) for n, s in zip(field.shape, lengths, strict=True)),
        indexing="ij",
    )
    step = 1 / max(lengths)
    shell = np.rint(np.sqrt(sum(k**2 for k in waves)) / step).astype(int)
    energy = np.bincount(shell.ravel(), power.ravel())
    return step * np.arange(len(energy)), energy
