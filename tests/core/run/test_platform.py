"""The platform guard: it passes here, and it would see a wrong backend."""

import subprocess
import sys

import jax
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.core._run import platform as _platform


def test_this_platform_is_right():
    report = jsci.check_platform(throw=True)
    assert report.ok and report.failures == () and not report.rounds_products


def test_rounded_products_are_said_and_no_failure(monkeypatch):
    """A GPU multiplies float32 matrices in TF32, of 10 bits, unless told otherwise."""
    monkeypatch.setattr(_platform, "_product_error", lambda factor: 4e-4)
    report = jsci.check_platform()
    assert report.ok and report.rounds_products


def test_norm_of_rows_at_the_miscompiled_size():
    """jax-ml/jax#39103: on jaxlib 0.10.2 rows past 16384 come out wrong."""
    rows = np.random.default_rng(1).standard_normal((20_000, 3))
    matrix = np.random.default_rng(2).standard_normal((3, 3))
    got = jax.jit(jax.vmap(lambda r: jax.numpy.sum((matrix @ r) ** 2)))(rows)
    np.testing.assert_allclose(got, ((rows @ matrix.T) ** 2).sum(-1), rtol=1e-12)


def test_a_wrong_program_is_reported(monkeypatch):
    wrong = {"one row off": (lambda r, m: r.at[-1].add(1.0), lambda r, m: r)}
    monkeypatch.setattr(_platform, "_PROGRAMS", wrong)
    monkeypatch.setattr(jax, "jit", lambda f: lambda r, m: f(jax.numpy.asarray(r), m))
    report = jsci.check_platform()
    assert not report.ok and "one row off in float64" in report.failures[1]
    with pytest.raises(RuntimeError, match="computes wrong numbers: one row off"):
        jsci.check_platform(throw=True)


def test_import_warns_only_for_known_wrong_versions(recwarn):
    _platform.warn_if_known_wrong("0.10.1")
    assert not recwarn.list
    with pytest.warns(UserWarning, match="0.10.2 silently computes wrong numbers"):
        _platform.warn_if_known_wrong("0.10.2")


def test_require_x64_names_the_line():
    jsci.require_x64()
    program = "import jaxsci; jaxsci.require_x64('SCF')"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "SCF needs float64" in result.stderr
    assert 'jax.config.update("jax_enable_x64", True)' in result.stderr
