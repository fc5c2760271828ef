"""README's table of the quick run is the one that the kept report gives."""

import json
import re
from pathlib import Path

import pytest

import benchmarks.__main__ as command
from benchmarks.table import table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
KEPT = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def test_readme_names_the_command_that_prints_its_table(capsys):
    named = re.findall(r"python -m benchmarks --table (\S+?)`", README)
    assert [ROOT / path for path in named] == KEPT
    assert command.main(["--table", str(KEPT[0])]) == 0
    assert capsys.readouterr().out in README


@pytest.mark.parametrize("path", KEPT, ids=lambda p: p.stem)
def test_a_kept_run_is_of_a_commit_as_it_stands_and_has_nothing_wrong(path):
    report = json.loads(path.read_text(encoding="utf-8"))
    assert re.fullmatch("[0-9a-f]{12}", report["environment"]["commit"])
    assert {case["status"] for case in report["cases"]} == {"ok"}
    text = path.with_suffix(".txt").read_text(encoding="utf-8")
    assert text.startswith(f"{len(report['cases'])} cases, {report['size']}, ")


def test_a_wrong_case_has_no_time_and_a_bar_does_not_break_the_table():
    report = json.loads(KEPT[0].read_text(encoding="utf-8"))
    case = report["cases"][0]
    case |= {"status": "wrong", "seconds": None, "title": "|u|"}
    row = next(line for line in table(report).splitlines() if case["name"] in line)
    assert r"\|u\|" in row and "| WRONG |" in row
    assert len(re.findall(r"(?<!\\)\|", row)) == 7
