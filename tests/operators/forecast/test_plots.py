"""The figure of a forecast shows the numbers that it was given."""

import numpy as np
import pytest

from jaxsci.operators import metrics, plot_forecast
from jaxsci.operators._forecast.plots import spectrum

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("grid", [(16,), (8, 6), (6, 5, 4)])
def test_fields_and_errors(grid):
    p, u = RNG.standard_normal((2, 5, *grid, 2))
    figure = plot_forecast(p, u, channel=1, time_step=0.1, lengths=2)
    axes = {ax.get_title(): ax for ax in figure.axes if ax.get_title()}
    shown = u[..., 1] if len(grid) == 1 else u[-1, ..., 1] if len(grid) == 2 else u[-1, ..., 2, 1]
    np.testing.assert_allclose(axes["truth"].images[0].get_array(), shown.T)
    times, error = axes["error / standard deviation"].lines[0].get_data()
    np.testing.assert_allclose(times, 0.1 * np.arange(1, 6))
    unbiased = np.sqrt(1 - 1 / np.prod(grid))  # VRMSE divides by n - 1
    expected = [metrics.vrmse(a, b, epsilon=0)[1] / unbiased for a, b in zip(p, u, strict=True)]
    np.testing.assert_allclose(error, expected, rtol=1e-6)


def test_the_energies_of_all_waves_are_the_mean_square():
    field = RNG.standard_normal((8, 6))
    _, energy = spectrum(field, (2.0, 1.0))
    np.testing.assert_allclose(energy.sum(), np.mean(field**2), rtol=1e-12)
    x = np.arange(32) / 32
    waves, energy = spectrum(np.sin(2 * np.pi * 3 * x), (2.0,))
    np.testing.assert_allclose(energy[waves == 1.5], 0.5, rtol=1e-12)


def test_bad_input_is_refused():
    u = np.zeros((3, 8, 1))
    with pytest.raises(ValueError, match="two trajectories"):
        plot_forecast(u[:2], u)
    with pytest.raises(ValueError, match="no channel 1"):
        plot_forecast(u, u, channel=1)
