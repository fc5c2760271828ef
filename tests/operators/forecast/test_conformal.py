"""Split conformal intervals: their rank, and how often they hold."""

import jaxtyping
import numpy as np
import pytest

from jaxsci.operators import conformal_width


def test_the_rank_is_that_of_the_formula():
    errors = np.random.default_rng(0).permutation(np.arange(1.0, 20))[:, None, None]
    zero = np.zeros((19, 1, 1))
    assert conformal_width(errors, zero) == 18  # ceil(20 x 0.9) of 19
    assert conformal_width(-errors, zero, 0.5) == 10
    errors[errors > 17.5] = np.nan
    assert np.isinf(conformal_width(errors, zero))


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_hold_as_often_as_stated(level):
    """2,000 calibrations of 39 errors that are neither normal nor even: (n + 1) level is whole."""
    rng = np.random.default_rng(1)
    draw = lambda n: np.exp(rng.standard_normal((n, 2000, 1))) - 1  # noqa: E731
    width = np.asarray(conformal_width(draw(39), np.zeros((39, 2000, 1)), level))
    covered = np.mean(np.abs(draw(50)) <= width)
    deviation = np.sqrt(level * (1 - level) / 41 / 2000 + level * (1 - level) / 1e5)
    assert abs(covered - level) < 4 * deviation


def test_bad_input_is_refused(monkeypatch):
    u = np.zeros((9, 4, 1))
    assert conformal_width(u, u, 0.9).shape == (4, 1)
    with pytest.raises(ValueError, match="at least 9 calibration samples; got 8"):
        conformal_width(u[1:], u[1:], 0.9)
    with pytest.raises(ValueError, match="level between 0 and 1; got 1"):
        conformal_width(u, u, 1)
    with pytest.raises(ValueError, match="of one shape"):
        conformal_width(u, u[:, :2])
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # which would refuse them too
    with pytest.raises(TypeError, match="takes fields of floats, got uint8"):
        conformal_width(u.astype(np.uint8), u.astype(np.uint8))
