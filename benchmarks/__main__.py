"""`python -m benchmarks`: measure jaxsci on real problems, error first."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

# PySCF's OpenMP threads would otherwise spin on the cores that XLA computes on, and look up to six
# times slower than they are. Read once, when the first OpenMP library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import jax

import jaxsci as jsci

from .catalogue import choose, load_cases
from .report.compare import check_kept, compare, text as comparison
from .report.html import html
from .report.pages import fill
from .report.table import table
from .report.terminal import terminal
from .runner.case import ORDER, SIZES, Case, Size
from .runner.environment import environment
from .runner.measure.speed import slowness
from .runner.peers import explain
from .runner.result import CaseResult, Report
from .runner.runner import run_cases
from .runner.session import Session
from .scaling import report as scaling_report
from .scaling.problems import Problem
from .scaling.study import chosen, study

INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """The command line."""
    command = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    tier = command.add_mutually_exclusive_group()
    about = {
        "smoke": "smallest problems, about a minute: does everything still run and agree?",
        "quick": "the default: under five minutes on two cores, repeating less on slow ones",
        "full": "large problems and twenty pairs a comparison: the numbers to quote",
    }
    for size in SIZES:
        tier.add_argument(
            f"--{size}", dest="size", action="store_const", const=size, help=about[size]
        )
    command.set_defaults(size="quick")
    command.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PILLAR",
        help=f"{', '.join(ORDER)}, or the name of a case; may be repeated",
    )
    command.add_argument(
        "--peers",
        action="store_true",
        help="say how to install other packages for the same problems, and run those that are",
    )
    command.add_argument(
        "--scaling",
        action="store_true",
        help="instead: one problem a pillar over 1, 2, 4, 8 virtual devices of this processor, and "
        "what they send each other",
    )
    command.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for report.json, report.html and report.txt (.cache/benchmarks/<time>)",
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="continue the run whose report is in --out: its right rows stay, the others run",
    )
    command.add_argument(
        "--compare",
        type=Path,
        metavar="FILE",
        help="fail if a case has become slower against its baseline than in this kept report.json",
    )
    command.add_argument("--list", action="store_true", help="name the cases and stop")
    command.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="print a report.json as Markdown, with --only in part, and stop",
    )
    command.add_argument(
        "--pages",
        action="store_true",
        help="fill the tables of README and docs from benchmarks/results and stop",
    )
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 if any case is wrong, failed, or slower than kept."""
    command = parser()
    options = command.parse_args(arguments)
    if options.table:
        print(table(json.loads(options.table.read_text(encoding="utf-8")), options.only))
        return 0
    if options.pages:
        print("\n".join(map(str, fill(Path(__file__).parents[1]))))
        return 0
    out = options.out or Path(".cache/benchmarks") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    if options.scaling:
        try:
            return study_and_write(options.size, chosen(options.only), out)
        except ValueError as problem:
            command.error(str(problem))
    # Before the first array exists: DFT and second-order solvers need float64, and a cached
    # program would make compile times untrue.
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        cases = choose(load_cases(), options.size, options.only)
        kept = read_kept(options.compare, options.size)
        begun = read_begun(options.out, options.size) if options.resume else None
    except ValueError as problem:
        command.error(str(problem))
    if options.list:
        print(listing(cases))
        return 0
    platform = jsci.check_platform()
    if not platform.ok:
        print(
            f"This platform computes wrong numbers, so nothing is timed: {platform.failures}",
            file=sys.stderr,
        )
        return 1
    if options.peers:
        print(explain(cases), end="\n\n")
    code = measure_and_write(cases, options.size, out, peers=options.peers, begun=begun)
    return code or (compare_and_write(kept, out) if kept else 0)


def measure_and_write(
    cases: Sequence[Case], size: Size, out: Path, *, peers: bool, begun: Report | None = None
) -> int:
    """Run the cases and write the three reports, also of a run that is interrupted.

    The platform has been checked before, and the reports say so. `begun` is the report of an
    interrupted run, to be completed.
    """
    slow = slowness()
    found = {"check_platform": "right numbers", "slowness": round(slow, 2)}
    report = begun or Report(size, environment() | found)
    code = 0
    out.mkdir(parents=True, exist_ok=True)
    # A time limit ends a run as Ctrl-C does: hours of finished cases are not lost. Nor are they
    # where a run is killed, since each row is written as it comes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        session = Session.of(size, peers=peers, slowness=slow)
        run_cases(cases, session, report=report, save=lambda report: write_json(report, out))
    except KeyboardInterrupt:
        print("\ninterrupted: reporting the cases that finished", file=sys.stderr)
        code = INTERRUPTED
    print(terminal(report, colour=sys.stdout.isatty()))
    write_json(report, out)
    (out / "report.txt").write_text(terminal(report) + "\n", encoding="utf-8")
    (out / "report.html").write_text(html(report), encoding="utf-8")
    print(f"\nReport: {out / 'report.html'}")
    return code or int(bool(report.bad))


def write_json(report: Report, out: Path) -> None:
    """Write report.json, whole or not at all."""
    new = out / "report.json.new"
    new.write_text(json.dumps(report.as_json(), indent=1, allow_nan=False), encoding="utf-8")
    new.replace(out / "report.json")


def read_begun(out: Path | None, size: Size) -> Report:
    """The report of an interrupted run: its right rows, to which the others are added.

    **Raises:** `ValueError` if it is not there, or of another tier, commit, machine or package.
    """
    if out is None:
        raise ValueError("--resume continues the run in --out DIR, and --out was not given.")
    try:
        plain = json.loads((out / "report.json").read_text(encoding="utf-8"))
    except OSError as problem:
        raise ValueError(f"--resume: {out / 'report.json'}: {problem.strerror}") from problem
    then, now = plain["environment"], environment()
    same = ("commit", "processor", "cores", "python", "versions", "flags", "devices")
    if plain["size"] != size:
        raise ValueError(f"--resume: the run in {out} is {plain['size']}, and not {size}.")
    for name in same:
        if then[name] != now[name]:
            raise ValueError(
                f"--resume: {name} was {then[name]} and is {now[name]}. Rows of one report are "
                "made under the same conditions: begin anew, with another --out."
            )
    right = [CaseResult.of_json(row) for row in plain["cases"] if row["status"] == "ok"]
    return Report(size, then, right, plain["seconds"])


def read_kept(path: Path | None, size: Size) -> dict[str, Any] | None:
    """The report to compare with, read before hours are spent on measuring.

    **Raises:** `ValueError` if it is not there, or cannot be compared with.
    """
    if path is None:
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ValueError(f"--compare {path}: {problem.strerror}") from problem
    check_kept(kept, size)
    return kept


def compare_and_write(kept: dict[str, Any], out: Path) -> int:
    """Compare the report just written with the kept one; the exit code is 1 if a case is slower."""
    new = json.loads((out / "report.json").read_text(encoding="utf-8"))
    said = comparison(kept, new)
    print(f"\n{said}")
    (out / "compare.txt").write_text(said + "\n", encoding="utf-8")
    return int(any(change.bad for change in compare(kept, new)))


def study_and_write(size: Size, problems: Sequence[Problem], out: Path) -> int:
    """Run the study over device counts and write its two reports."""
    found = study(size, problems, environment(), say=lambda stage: print(stage, file=sys.stderr))
    text = scaling_report.text(found)
    print(text)
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.txt").write_text(text + "\n", encoding="utf-8")
    (out / "report.json").write_text(json.dumps(found.as_json(), indent=1), encoding="utf-8")
    print(f"\nReport: {out / 'report.json'}")
    return int(found.bad)


def listing(cases: Sequence[Case]) -> str:
    """The cases with their tiers and titles."""
    width = max((len(case.name) for case in cases), default=0)
    return "\n".join(f"{case.name:<{width}}  {case.tier:<5}  {case.title}" for case in cases)


if __name__ == "__main__":
    sys.exit(main())
