"""The runner on tiny cases: what is wrong or raises becomes a row and stops nothing."""

import dataclasses
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.runner.case import Baseline, Case, Peer, Run
from benchmarks.runner.measure.budget import Budget
from benchmarks.runner.progress import Progress
from benchmarks.runner.result import CaseResult
from benchmarks.runner.runner import run_case, run_cases
from benchmarks.runner.session import Session

TINY = Budget(pairs=5, pair_seconds=0.01, batch_seconds=0.5, memory_bytes=2**28, total_seconds=1e9)
SESSION = Session("smoke", TINY)


def square(x):
    return x**2


def squares(n):
    return jax.vmap(square), (jnp.arange(1.0, n + 1.0),)


def make(size="smoke", **changes):
    run = Run(square, (jnp.asarray(3.0),), error=lambda y: abs(float(y) - 9.0))
    return dataclasses.replace(run, **changes)


def case(make, name="pde.square", **changes):
    fields = {"tier": "smoke", "reference": "arithmetic", "tolerance": 1e-9} | changes
    return Case(name, "pde", "A square", make, **fields)


def test_a_right_case_has_error_compile_time_and_run_time():
    row = run_case(case(make), SESSION)
    assert (row.status, row.error, row.message) == ("ok", 0.0, "")
    assert row.compile_seconds is not None and row.compile_seconds > 0
    assert row.seconds is not None and row.seconds > 0
    assert row.temporary_bytes is not None
    assert row.peak_resident_bytes is not None and row.peak_resident_bytes > 2**20


@pytest.mark.parametrize("error", [1.0, float("nan")])
def test_a_wrong_case_is_reported_wrong_without_a_speed(error):
    run = make(error=lambda y: error, batched=squares, baseline=("x*x", lambda x: x * x, (2.0,)))
    row = run_case(case(lambda size: run), SESSION)
    assert row.status == "wrong"
    assert "above 1.00e-09" in row.message
    assert row.seconds is None and row.baseline is None and row.scaling is None


def test_a_raising_case_is_a_row_and_the_others_run():
    def broken(size):
        raise RuntimeError("no such mesh")

    def broken_step(x):
        raise ValueError("bad step")

    def broken_step_case(size):
        return make(step=broken_step)

    cases = [
        case(broken, "pde.make"),
        case(broken_step_case, "pde.step"),
        case(make, "pde.right"),
    ]
    report = run_cases(cases, SESSION, progress=Progress(3, io.StringIO()))
    assert [row.status for row in report.cases] == ["failed", "failed", "ok"]
    assert report.cases[0].message.startswith("RuntimeError: no such mesh")
    assert "test_runner.py" in report.cases[0].message
    assert "bad step" in report.cases[1].message
    assert [row.name for row in report.bad] == ["pde.make", "pde.step"]


def test_a_missing_optional_package_is_said_and_is_no_fault():
    def needs_pyscf(size):
        raise ModuleNotFoundError("No module named 'pyscf'", name="pyscf")

    def needs_extra(size):
        raise ImportError("flax models need Flax: pip install 'jaxsci[flax]'")

    def broken_import(size):
        raise ModuleNotFoundError("No module named 'jaxsci.gone'", name="jaxsci.gone")

    rows = [run_case(case(f), SESSION) for f in (needs_pyscf, needs_extra, broken_import)]
    assert [row.status for row in rows] == ["skipped", "skipped", "failed"]
    assert rows[0].message == "needs pyscf"
    assert "jaxsci[flax]" in rows[1].message


def test_the_baseline_is_timed_in_pairs_and_its_error_is_kept():
    off = Baseline("off by one", lambda x: x * x + 1, (jnp.asarray(3.0),))
    row = run_case(case(lambda size: make(baseline=off)), SESSION)
    assert row.baseline is not None
    assert row.baseline.error == 1.0
    assert row.baseline.ratio.pairs >= 5
    assert row.baseline.ratio.low is not None and row.baseline.ratio.high is not None
    assert row.baseline.ratio.low <= row.baseline.ratio.median <= row.baseline.ratio.high


def test_a_host_case_runs_once_and_returns_its_curve():
    calls = []

    def train(start):
        calls.append(start)
        return start, {"adam": [(0.1, 1e-1), (0.2, np.float64(1e-3))]}

    run = Run(train, (9.0,), error=lambda y: y - 9.0, host=True)
    row = run_case(case(lambda size: run), SESSION)
    assert row.status == "ok" and calls == [9.0]
    assert row.compile_seconds is None and row.samples == 1
    assert row.curves == {"adam": [(0.1, 1e-1), (0.2, 1e-3)]}


def test_figures_may_be_made_from_the_output():
    row = run_case(case(lambda size: make(figures=lambda y: {"value": y, "steps": 3})), SESSION)
    assert row.figures == {"value": 9.0, "steps": 3}


def test_peers_missing_wrong_and_timed():
    def off(size):
        return make(error=lambda y: 1.0)

    peers = (
        Peer("nowhere", "nowhere", make, module="no_such_module_anywhere"),
        Peer("off", "numpy", off, module="numpy"),
        Peer("NumPy", "numpy", make, module="numpy"),
    )
    row = run_case(case(make, peers=peers), dataclasses.replace(SESSION, peers=True))
    assert [peer.status for peer in row.peers] == ["skipped", "wrong", "ok"]
    assert row.peers[0].message == "not installed: pip install nowhere"
    assert row.peers[1].against is None
    assert row.peers[2].against is not None and row.peers[2].against.ratio.pairs >= 5


def test_progress_is_one_line_a_case_off_a_terminal():
    stream = io.StringIO()
    progress = Progress(1, stream)
    progress.begin("pde.square")
    progress.say("compiling")
    progress.end(CaseResult("pde.square", "pde", "", status="ok"))
    assert stream.getvalue() == "[1/1] pde.square: ok, 0.0 s\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tier": "fast"}, "tier 'fast' is none of smoke, quick, full"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
        ({"batches": (4, 1)}, "batches must be positive and ascending"),
    ],
)
def test_a_case_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        case(make, **changes)
