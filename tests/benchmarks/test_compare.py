"""A case that has become slower against its own baseline fails the run; noise and load do not."""

import json
import math

import numpy as np
import pytest

import benchmarks.__main__ as command
from benchmarks.report.compare import BOUND, check_kept, compare, slower, text
from benchmarks.runner.measure.timing import Ratio, ratio
from benchmarks.runner.result import SCHEMA, Against, CaseResult, Report

ENVIRONMENT = {"commit": "abc", "time": "2026-01-01T00", "processor": "a processor", "cores": 2}


def timed(name, faster, *, spread=1.03, label="naive", seconds=1.0):
    interval = Ratio(faster, faster / spread, faster * spread, 20)
    return CaseResult(name, "pde", "", status="ok", baseline=Against(label, seconds, interval, 0.0))


def report(*cases, size="quick", **environment):
    return Report(size, ENVIRONMENT | environment, list(cases)).as_json()


KEPT = report(timed("pde.a", 4.0), timed("pde.b", 2.0), timed("pde.c", 0.5))


def bad(new, kept=KEPT):
    return [change.name for change in compare(kept, new) if change.bad]


def test_a_case_twice_as_slow_is_found_and_no_other():
    assert bad(report(timed("pde.a", 2.0), timed("pde.b", 2.0), timed("pde.c", 0.5))) == ["pde.a"]
    assert bad(report(timed("pde.a", 4.0), timed("pde.b", 2.0), timed("pde.c", 0.25))) == ["pde.c"]


def test_a_slower_machine_and_a_faster_case_pass():
    loaded = [timed("pde.a", 4.0, seconds=30.0), timed("pde.b", 3.0), timed("pde.c", 0.5)]
    assert bad(report(*loaded)) == []
    assert "another baseline" not in text(KEPT, report(*loaded))


def test_within_the_bound_or_within_the_noise_passes():
    assert bad(report(timed("pde.a", 4.0 / 1.1))) == []
    assert bad(report(timed("pde.a", 4.0 / 1.3, spread=1.5))) == []
    assert bad(report(timed("pde.a", 4.0 / 1.3))) == ["pde.a"]


def test_one_pair_is_too_few_and_another_baseline_is_another_thing():
    once = CaseResult("pde.a", "pde", "", status="ok")
    once.baseline = Against("naive", 1.0, Ratio(0.1, None, None, 1), 0.0)
    new = report(once, timed("pde.b", 0.1, label="PySCF"), CaseResult("pde.c", "pde", "", "wrong"))
    assert bad(new) == []
    said = text(KEPT, new)
    assert "too few pairs to judge" in said
    assert "another baseline: PySCF, was naive" in said and "not timed: wrong" in said


def test_the_interval_covers_the_true_change_as_often_as_it_says():
    rng = np.random.default_rng(0)

    def measured(times_faster):
        noise = rng.lognormal(0.0, 0.1, (2, 20))
        return ratio(tuple(noise[0]), tuple(times_faster * noise[1]), resamples=400)

    found = [slower(measured(3.0), measured(2.0)) for _ in range(300)]
    covered = sum(f.low < 1.5 < f.high for f in found) / len(found)
    # 300 draws at 95 % deviate by 0.0126; four deviations below. Too long an interval is no harm.
    assert covered > 0.95 - 4 * 0.0126


def test_the_change_of_a_run_with_itself_is_one():
    same = slower(Ratio(2.0, 1.8, 2.4, 9), Ratio(2.0, 1.8, 2.4, 7))
    assert (same.median, same.pairs) == (1.0, 7)
    width = math.hypot(math.log(2.0 / 1.8), math.log(2.4 / 2.0))
    assert math.isclose(same.high, math.exp(width)) and math.isclose(same.low, math.exp(-width))


def test_another_machine_is_said():
    assert "Another machine: a processor, 64 cores here" in text(KEPT, report(cores=64))
    assert "Another machine" not in text(KEPT, report())


def test_a_report_of_another_tier_or_kind_is_refused():
    check_kept(KEPT, "quick")
    with pytest.raises(ValueError, match="the kept run is --quick, this one is --full"):
        check_kept(KEPT, "full")
    with pytest.raises(ValueError, match="needs a report.json of cases"):
        check_kept({"schema": "jaxsci-scaling/1"}, "quick")
    assert KEPT["schema"] == SCHEMA


@pytest.mark.parametrize(("faster", "code"), [(4.0, 0), (2.0, 1)])
def test_the_exit_code_is_one_if_a_case_is_slower(tmp_path, capsys, faster, code):
    (tmp_path / "report.json").write_text(json.dumps(report(timed("pde.a", faster))))
    assert command.compare_and_write(KEPT, tmp_path) == code
    said = capsys.readouterr().out
    assert ("SLOWER than 1.15 times the kept run: pde.a" in said) == bool(code)
    assert (tmp_path / "compare.txt").read_text().strip() in said
    assert BOUND == 1.15


def test_a_kept_report_that_is_not_there_is_refused_before_anything_is_measured(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        command.read_kept(tmp_path / "none.json", "quick")
    assert command.read_kept(None, "quick") is None
