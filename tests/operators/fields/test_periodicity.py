"""Which fields are taken for periodic: no false alarms, and the three kinds that are not."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from jaxsci.operators import (
    FNO,
    UNO,
    DifferentialConv,
    KernelConv,
    UNet,
    h1,
    resample,
    spectral_derivative,
)

KEY = jax.random.key(0)
X = np.arange(48) / 48


def bump(centre, width):
    """A bell on the circle, of a width in points."""
    distance = np.abs((X - centre + 0.5) % 1 - 0.5) * len(X) / width
    return np.exp(-(distance**2) / 2)


REPEATING = {
    "constant": np.ones(48),
    "steepest at the seam": np.sin(2 * np.pi * X),
    "highest at the seam": np.cos(2 * np.pi * X),
    "mirrored about the seam": np.cos(2 * np.pi * (X + 0.5 / 48)),
    "shortest wave": np.cos(np.pi * 48 * X),
    "a bell of one spacing at the seam": bump(0, 1),
    "a bell between two points": bump(-0.5 / 48, 1),
    "a front at the seam": np.tanh(24 * np.sin(2 * np.pi * X)),
    "one point": np.eye(48)[0],
    "the last point": np.eye(48)[-1],
    "two phases": np.where(np.sin(2 * np.pi * X + 0.1) > 0, 12.0, 3.0),
    "a small wave on a large mean": 5e4 + 0.5 * np.sin(2 * np.pi * X),
    "even about the seam": np.exp(5 * np.cos(2 * np.pi * (X + 0.5 / 48))),
    "noise": np.random.default_rng(0).standard_normal(48),
    "not a number": np.full(48, np.nan),
    "infinite": np.where(X == 0.5, np.inf, 0),
}


@pytest.mark.parametrize("name", REPEATING)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fields_that_repeat_pass(name, dtype):
    spectral_derivative(jnp.asarray(REPEATING[name], dtype)[:, None])


NOT_REPEATING = {
    "a jump": np.exp(X),
    "a kink": X * (1 - X),
    "both ends of the period": np.sin(2 * np.pi * np.linspace(0, 1, 48)),
    "both ends at a maximum": np.cos(2 * np.pi * np.linspace(0, 1, 48)),
    "both ends, few points": np.sin(2 * np.pi * np.linspace(0, 1, 9)),
    "both ends of three waves": np.sin(6 * np.pi * np.linspace(0, 1, 48)),
}


@pytest.mark.parametrize("name", NOT_REPEATING)
def test_fields_that_do_not_repeat_are_named(name):
    """In one channel of two, along the second axis."""
    u = NOT_REPEATING[name]
    field = jnp.asarray(np.stack([np.ones_like(u), u], -1))[None] * jnp.ones((4, 1, 1))
    spectral_derivative(field, 0)
    with pytest.warns(UserWarning, match="axis 1 this one"):
        spectral_derivative(field, 1)


CALLERS = {
    "resample": lambda u: resample(u, (96,)),
    "h1": lambda u: h1(u, u, periodic=True),
    "KernelConv": KernelConv(1, 1, dim=1, radius=0.1, key=KEY),
    "DifferentialConv": DifferentialConv(1, 1, dim=1, key=KEY),
    "FNO without": FNO(1, 1, width=1, modes=2, depth=1, key=KEY),
    "UNO without": UNO(1, 1, width=1, modes=2, levels=1, key=KEY),
    "UNet": UNet(1, 1, dim=1, width=1, levels=1, radius=0.1, key=KEY),
}


@pytest.mark.parametrize("name", CALLERS)
def test_what_takes_fields_as_periodic_says_so_once(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CALLERS[name](jnp.exp(jnp.asarray(X))[:, None])
    assert [str(w.message)[: len(name)] for w in caught] == [name]


def test_other_boundaries_and_unknown_values_pass():
    u = jnp.exp(jnp.asarray(X))[:, None]
    for boundary in ("zero", "reflect"):
        KernelConv(1, 1, dim=1, radius=0.1, boundary=boundary, key=KEY)(u)
        DifferentialConv(1, 1, dim=1, boundary=boundary, key=KEY)(u)
    FNO(1, 1, width=1, modes=2, depth=1, padding=0.5, key=KEY)(u)
    h1(u, u)
    jax.jit(spectral_derivative)(u)
    jax.vmap(partial(resample, out_grid=(50,)))(u[None])


def test_lengths_scale_derivatives_axis_by_axis():
    """cos x cos 2y on [0, 2π) × [0, π)."""
    x, y = np.arange(12) * 2 * np.pi / 12, np.arange(10) * np.pi / 10
    u = jnp.asarray(np.outer(np.cos(x), np.cos(2 * y)))[..., None]
    second = spectral_derivative(u, 1, order=2, lengths=(2 * np.pi, np.pi))
    np.testing.assert_allclose(second, -4 * u, atol=1e-12)
    with pytest.raises(ValueError, match="one for each of the 2 grid axes"):
        spectral_derivative(u, 0, lengths=(1.0,))
    with pytest.raises(ValueError, match="got -1"):
        h1(u, u, lengths=-1)


def test_integers_are_refused(monkeypatch):
    """Matrices took the field's dtype, and were truncated to zeros and ones."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # of the tests alone
    whole = jnp.arange(8)[:, None]
    with pytest.raises(TypeError, match="astype"):
        resample(whole, (12,))
    with pytest.raises(TypeError, match="astype"):
        spectral_derivative(whole)
    with pytest.raises(TypeError, match="astype"):
        FNO(1, 1, width=1, modes=2, depth=1, key=KEY)(whole)


def test_resampling_to_no_points_is_refused():
    with pytest.raises(ValueError, match=r"out_grid=\(0,\)"):
        resample(jnp.ones((8, 1)), (0,))
