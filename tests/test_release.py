"""What carries a release says the same everywhere."""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# The extras that a run of the tests needs.
TESTED = ("flax", "dft", "ase", "atoms", "files", "plot", "bench", "test")


def lines(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return {line for line in text.splitlines() if line and not line.startswith("#")}


def test_the_lowest_versions_are_the_lower_bounds():
    optional = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *(need for extra in TESTED for need in optional[extra])]
    bounds = (re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", need) for need in needed)
    assert lines("constraints-lowest.txt") == {f"{b[1]}=={b[2]}" for b in bounds if b}


def test_every_dependency_has_a_lower_bound_and_a_tested_version():
    tested = {line.partition("==")[0].lower() for line in lines("constraints.txt")}
    for need in PROJECT["dependencies"]:
        name = re.match(r"[\w-]+", need)[0]
        assert ">=" in need and name in tested, need


def test_how_to_cite_names_the_version():
    assert f"version: {PROJECT['version']}" in lines("CITATION.cff")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pytest"], "-c constraints.txt "),
        (["pytest", "constraints-lowest.txt"], "-c constraints-lowest.txt "),
        (["pytest", "newest"], "--upgrade "),
        (["benchmarks"], "-m benchmarks --quick"),
    ],
)
def test_the_workflows_run_the_commands_of_README(arguments, words):
    script = ROOT / ".github" / "readme-command"
    said = subprocess.run(["bash", script, *arguments], capture_output=True, text=True, check=True)
    assert words in said.stdout and len(said.stdout.splitlines()) == 1
    assert said.stdout.startswith("python3 -m venv .venv && .venv/bin/pip install")


def test_the_hooks_before_a_commit_use_the_ruff_of_the_tests():
    (ruff,) = (line for line in lines("constraints.txt") if line.startswith("ruff=="))
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.search(rf"rev: v{re.escape(ruff.removeprefix('ruff=='))}\b", hooks)


def check_notebooks(*paths):
    command = [sys.executable, ROOT / "notebooks" / "check.py", *paths]
    return subprocess.run(command, capture_output=True, text=True)


def test_notebooks_are_kept_as_a_fresh_kernel_ran_them():
    said = check_notebooks()
    assert said.returncode == 0, said.stdout


def test_a_notebook_that_was_not_run_in_order_is_found(tmp_path):
    notebook = json.loads((ROOT / "notebooks" / "pde.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    code[0]["execution_count"] = 7
    code[1]["outputs"] = [{"output_type": "error"}]
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    said = check_notebooks(tmp_path / "a.ipynb")
    assert said.returncode == 1
    assert "from top to bottom" in said.stdout and "a cell that failed" in said.stdout
