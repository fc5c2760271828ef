"""The tables of README and of the page on scaling are those that the kept reports give."""

import json
import re
from pathlib import Path

import pytest

import benchmarks.__main__ as command
from benchmarks.report.table import table
from benchmarks.scaling.study import Study

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = {"quick-amd-epyc": "README.md", "scaling-amd-epyc": "docs/scaling.md"}


def kept(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_the_command_that_prints_its_table(name, capsys):
    page = (ROOT / PAGES[name]).read_text(encoding="utf-8")
    (path,) = re.findall(r"python -m benchmarks --table (\S+?)`", page)
    assert path == f"benchmarks/results/{name}.json"
    assert command.main(["--table", str(ROOT / path)]) == 0
    assert capsys.readouterr().out in page


def test_every_kept_report_is_of_a_commit_as_it_stands_and_has_its_text():
    assert {path.stem for path in RESULTS.iterdir()} == set(PAGES)
    for name in PAGES:
        report = kept(name)
        assert re.fullmatch("[0-9a-f]{12}", report["environment"]["commit"])
        text = (RESULTS / f"{name}.txt").read_text(encoding="utf-8")
        assert report["environment"]["command"] in text


def test_nothing_kept_is_wrong():
    assert {case["status"] for case in kept("quick-amd-epyc")["cases"]} == {"ok"}
    assert not Study.of_json(kept("scaling-amd-epyc")).bad


def test_a_wrong_case_has_no_time_and_a_bar_does_not_break_the_table():
    report = kept("quick-amd-epyc")
    case = report["cases"][0]
    case |= {"status": "wrong", "seconds": None, "title": "|u|"}
    row = next(line for line in table(report).splitlines() if case["name"] in line)
    assert r"\|u\|" in row and "| WRONG |" in row
    assert len(re.findall(r"(?<!\\)\|", row)) == 7
