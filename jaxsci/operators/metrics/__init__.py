"""Errors of forecasts as benchmarks define them: one number per channel, batches by `vmap`."""

from ._correlation_time import correlation_time
from ._norms import boundary_error, conservation_error, nrmse, vrmse
from ._spectral import spectral_error
from ._weather import acc, crps, latitude_weighted_rmse, latitude_weights

__all__ = [
    # Of any fields
    "vrmse", "nrmse", "spectral_error", "boundary_error", "conservation_error",
    # Of trajectories
    "correlation_time",
    # Of the weather, and of ensembles
    "latitude_weighted_rmse", "latitude_weights", "acc", "crps",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
