"""PINNacle's twenty problems, each posed in at most 25 lines."""

import ast
import pathlib

import pytest

from benchmarks.catalogue import load_cases

FOLDER = pathlib.Path(__file__).parents[2] / "benchmarks" / "cases" / "pde" / "pinnacle"
CASES = {case.name: case for case in load_cases() if case.name.startswith("pde.pinnacle-")}
FUNCTIONS = {
    f"pde.pinnacle-{part.name}": part
    for path in FOLDER.glob("[!_]*.py")
    for part in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(part, ast.FunctionDef)
}


def test_all_twenty_are_posed():
    assert len(CASES) == 20


@pytest.mark.parametrize("name", CASES)
def test_a_problem_is_posed_in_at_most_25_lines(name):
    body = FUNCTIONS[name].body[1:]  # without the docstring
    assert sum((part.end_lineno or 0) - part.lineno + 1 for part in body) <= 25


def test_a_few_features_leave_a_small_error():
    run = CASES["pde.pinnacle-poisson_nd"].make("smoke")
    assert run.error(run.step()) < 1e-3
