"""A peer in another interpreter: its output, its failures, its place in a row."""

import sys

import numpy as np
import pytest

from benchmarks.remote import Environment, Remote, remote_run
from benchmarks.runner.optional import NotHere, missing_package

MODULE = "tests.benchmarks.doubling_peer"


def test_output_and_error(monkeypatch):
    monkeypatch.setenv("DOUBLING_PYTHON", sys.executable)
    x = np.arange(3.0)
    run = remote_run(
        "DOUBLING_PYTHON", MODULE, "doubling", {"x": x}, lambda y: float(np.abs(y - 2 * x).max())
    )
    assert run.host
    assert run.error(run.step()) == 0


def test_failures_are_told():
    with pytest.raises(RuntimeError, match="ValueError: no such case"):
        Remote(sys.executable, MODULE, "broken", {"x": np.ones(1)})
    with pytest.raises(RuntimeError, match="ended without an answer"):
        Remote(sys.executable, "tests.benchmarks.no_such_peer", "", {"x": np.ones(1)})


def test_data_of_another_package(monkeypatch):
    doubling = Environment("DOUBLING_PYTHON", "doubling==1", "numpy")
    monkeypatch.setenv("DOUBLING_PYTHON", sys.executable)
    x = np.arange(3.0)
    np.testing.assert_array_equal(doubling.answer(MODULE, "doubling", {"x": x}), 2 * x)
    monkeypatch.delenv("DOUBLING_PYTHON")
    with pytest.raises(NotHere, match="doubling==1: set DOUBLING_PYTHON") as told:
        doubling.answer(MODULE, "doubling", {"x": x})
    assert missing_package(told.value) == str(told.value)
