"""Run cases one after another; what goes wrong in one becomes its row and stops no other."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from .case import Baseline, Case, Run
from .curves import milestones, split_curves
from .environment import environment, load
from .measure.loop import WrongBatch
from .measure.memory import peak_resident, restart_peak
from .measure.program import Program, compile_program, host_program
from .measure.throughput import throughput
from .measure.timing import Clock, interleave, measure, ratio
from .optional import missing_package
from .peers import run_peer
from .picture import picture
from .progress import Progress
from .result import Against, CaseResult, Report
from .session import Session


def run_cases(
    cases: Sequence[Case],
    session: Session,
    *,
    progress: Progress | None = None,
    report: Report | None = None,
    save: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Run every case that the report does not have yet, and return the report.

    **Arguments:**

    - `session`: its budget is that of the whole run; each case gets its share of it.
    - `report`: filled row by row, so that an interrupted run still has its finished rows.
    - `save`: called with the report after each row.
    """
    report = Report(session.size, environment()) if report is None else report
    there = {row.name for row in report.cases}
    cases = [case for case in cases if case.name not in there]
    progress = Progress(len(cases)) if progress is None else progress
    before, start = report.seconds, session.clock()
    for index, case in enumerate(cases):
        progress.begin(case.name)
        share = session.budget.share(session.clock() - start, len(cases) - index)
        result = run_case(case, replace(session, budget=share, say=progress.say))
        report.cases.append(result)
        report.seconds = before + session.clock() - start
        report.load_after = load()
        save(report)
        progress.end(result)
        # So that no case's compile time profits from what an earlier one traced.
        jax.clear_caches()
    return report


def run_case(case: Case, session: Session) -> CaseResult:
    """Build, check, time: one row, whatever happens."""
    result = CaseResult(
        name=case.name,
        pillar=case.pillar,
        title=case.title,
        reference=case.reference,
        error_name=case.error_name,
        tolerance=case.tolerance,
        item=case.item,
    )
    start = session.clock()
    result.peak_is_own = restart_peak()
    try:
        _fill(result, case, session)
    except WrongBatch as problem:
        _withdraw_speed(result)
        result.status, result.message = "wrong", str(problem)
    except Exception as problem:
        _withdraw_speed(result)
        missing = missing_package(problem)
        result.status = "skipped" if missing else "failed"
        result.message = f"needs {missing}" if missing else _describe(problem)
    result.total_seconds = session.clock() - start
    return result


def _fill(result: CaseResult, case: Case, session: Session) -> None:
    session.say("building")
    run = case.make(session.size)
    result.note, result.host = run.note, run.host
    session.say("running" if run.host else "compiling")
    program = _program(run.step, run.args, run.host, session.clock)
    result.compile_seconds = program.compile_seconds
    result.temporary_bytes = program.bytes.temporary if program.bytes else None
    output, first = _once(program, session.clock)
    if run.host:
        output, result.curves = split_curves(output)
    result.error = float(run.error(output))
    figures = run.figures(output) if callable(run.figures) else run.figures
    result.figures = _plain(figures) | milestones(result.curves)
    if not result.error <= case.tolerance:
        result.status, result.curves = "wrong", {}
        result.message = f"{case.error_name} {result.error:.2e} above {case.tolerance:.2e}"
        return
    _time(result, run, program, first, session)
    if run.batched is not None:
        result.scaling = throughput(case, run, session)
    result.peak_resident_bytes = peak_resident()
    if session.peers:
        result.peers = [run_peer(case, peer, program, result, session) for peer in case.peers]
    if run.plot is not None:
        result.picture = picture(run.plot, output)
    result.status = "ok"


def _once(program: Program, clock: Clock) -> tuple[Any, float]:
    start = clock()
    output = program()
    return output, clock() - start


def _time(result: CaseResult, run: Run, program: Program, first: float, session: Session) -> None:
    """Run time, and the baseline's in turn with it; a host case keeps its one run, `first`."""
    clock, budget = session.clock, session.budget
    result.seconds, result.samples = first, 1
    if run.baseline is None:
        if not run.host:
            session.say("timing")
            wanted = 4 * budget.pairs
            times = measure(program, samples=wanted, seconds=budget.pair_seconds, clock=clock)
            result.seconds, result.samples = float(np.median(times)), len(times)
        return
    given = run.baseline
    baseline = given if isinstance(given, Baseline) else Baseline(*given)
    session.say(f"against {baseline.label}")
    other = _program(baseline.function, baseline.args, baseline.host, clock)
    output, theirs = _once(other, clock)
    error = float((baseline.error or run.error)(output))
    if run.host:
        once = ratio((first,), (theirs,))
        result.baseline = Against(baseline.label, theirs, once, error, baseline.part)
        return
    pairs = interleave(program, other, pairs=budget.pairs, seconds=budget.pair_seconds, clock=clock)
    result.seconds, result.samples = float(np.median(pairs.a)), len(pairs.a)
    seconds = float(np.median(pairs.b))
    result.baseline = Against(baseline.label, seconds, pairs.ratio, error, baseline.part)


def _program(
    function: Callable[..., Any], args: tuple[Any, ...], host: bool, clock: Clock
) -> Program:
    return host_program(function, args) if host else compile_program(function, args, clock=clock)


def _withdraw_speed(result: CaseResult) -> None:
    """No speed stands beside a result that is wrong or missing."""
    result.seconds, result.samples = None, 0
    result.baseline, result.scaling = None, None
    result.peers, result.curves = [], {}


def _plain(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as Python numbers and strings."""
    return {
        name: value if isinstance(value, str | int | float | bool) else np.asarray(value).tolist()
        for name, value in figures.items()
    }


def _describe(problem: BaseException) -> str:
    """The error's message, and where it was raised."""
    where = traceback.extract_tb(problem.__traceback__)[-1]
    return f"{type(problem).__name__}: {problem} ({where.filename}:{where.lineno})"
