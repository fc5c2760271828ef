"""The source distribution is a whole checkout, so that its own tests pass from it."""

import pathlib
import subprocess
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
ALWAYS = {"pyproject.toml", ".gitignore"}  # hatchling adds these itself


def included():
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {
        name.strip("/") for name in tables["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    }


def test_what_the_source_distribution_names_exists():
    assert not {name for name in included() if not (ROOT / name).exists()}


def test_the_source_distribution_has_all_that_git_tracks():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert {line.split("/")[0] for line in listed.stdout.splitlines()} <= included() | ALWAYS
