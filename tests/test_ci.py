"""What a run of CI leaves to the next ones, they do take."""

import pathlib
import re
import subprocess

import pytest
from parts import check_part, in_part

ROOT = pathlib.Path(__file__).parents[1]


def test_every_slow_test_falls_into_one_part():
    names = [f"tests/test_a.py::test_{i}[{i % 7}]" for i in range(300)]
    parts = [[name for name in names if in_part(name, k, 5)] for k in range(1, 6)]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert min(map(len, parts)) > 30


@pytest.mark.parametrize("wanted", ["0/4", "5/4", "a/4", "3", "1/0", "-1/4", "1/4/2"])
def test_parts_that_do_not_exist_are_refused(wanted):
    assert check_part("4/4") == (4, 4)
    with pytest.raises(ValueError, match=f"JSCI_SLOW_PART={wanted}: must be"):
        check_part(wanted)


def test_runs_in_turn_take_all_slow_tests_and_all_notebooks():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    choose = script[script.index("parts=") : script.index('step "README')]
    loop = f"for GITHUB_RUN_NUMBER in $(seq 41 64); do\n{choose}\ndone"
    said = subprocess.run(["bash", "-euc", loop], cwd=ROOT, capture_output=True, text=True)
    assert len(said.stdout.splitlines()) == 24, said.stderr
    assert set(re.findall(r"part (\d+)/24", said.stdout)) == {str(k) for k in range(1, 25)}
    notebooks = {str(path.relative_to(ROOT)) for path in ROOT.glob("notebooks/*.ipynb")}
    runs = -(-len(notebooks) // 2)
    first = "".join(said.stdout.splitlines()[:runs])
    assert set(re.findall(r"notebooks/\w+\.ipynb", first)) == notebooks
