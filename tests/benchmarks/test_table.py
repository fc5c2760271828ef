"""The tables of README and the pages are those that the kept reports give."""

import json
import re
from pathlib import Path

import pytest

import benchmarks.__main__ as command
from benchmarks.report.pages import fill, filled
from benchmarks.report.table import table
from benchmarks.scaling.study import Study

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TABLES = [p for p in PAGES if "<!-- table: " in p.read_text(encoding="utf-8")]
QUICK = "quick-amd-epyc"


def kept(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def test_every_kept_report_is_on_a_page():
    text = "".join(page.read_text(encoding="utf-8") for page in TABLES)
    assert set(re.findall(r"<!-- table: (\S+)", text)) == {p.stem for p in RESULTS.glob("*.json")}


@pytest.mark.parametrize("page", TABLES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_tables_of_a_page_are_those_of_the_kept_reports(page):
    text = page.read_text(encoding="utf-8")
    assert filled(text, RESULTS) == text, "run python -m benchmarks --pages"


def test_a_changed_table_is_written_anew(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "results").symlink_to(RESULTS)
    page = tmp_path / "README.md"
    page.write_text(f"a\n<!-- table: {QUICK} dft.water -->\nold\n<!-- end of table -->\nb\n")
    assert fill(tmp_path) == [page]
    assert "`dft.water`" in page.read_text() and "`ntk.mlp`" not in page.read_text()
    assert "old" not in page.read_text() and page.read_text().endswith("\nb\n")
    assert fill(tmp_path) == []


def test_numbers_in_the_introduction_of_readme_are_kept():
    introduction = (ROOT / "README.md").read_text(encoding="utf-8").partition("## ")[0]
    numbers = re.findall(r"\d+\.\d+e-\d+|\d+\.\d+", introduction)
    assert len(numbers) >= 4
    found = table(kept(QUICK))
    assert [n for n in numbers if n not in found] == []


def test_the_command_prints_a_kept_report(capsys):
    assert command.main(["--table", str(RESULTS / f"{QUICK}.json"), "--only", "ntk"]) == 0
    assert capsys.readouterr().out.strip() == table(kept(QUICK), ["ntk"])


def test_what_a_report_does_not_have_is_refused():
    for name in (QUICK, "earlier-amd-epyc"):
        with pytest.raises(ValueError, match="no-such-case"):
            table(kept(name), ["no-such-case"])


def test_every_kept_report_is_of_a_commit_as_it_stands_and_has_its_text():
    for path in RESULTS.glob("*.json"):
        report = kept(path.stem)
        if "environment" not in report:  # carried over from runs whose reports were not kept
            assert report["source"]
            continue
        assert re.fullmatch("[0-9a-f]{12}", report["environment"]["commit"])
        text = (RESULTS / f"{path.stem}.txt").read_text(encoding="utf-8")
        assert report["environment"]["command"] in text


def test_nothing_kept_is_wrong():
    assert {case["status"] for case in kept(QUICK)["cases"]} == {"ok"}
    for path in RESULTS.glob("scaling-*.json"):
        assert not Study.of_json(kept(path.stem)).bad


def test_a_wrong_case_has_no_time_and_a_bar_does_not_break_the_table():
    report = kept(QUICK)
    case = report["cases"][0]
    case |= {"status": "wrong", "seconds": None, "title": "|u|"}
    row = next(line for line in table(report).splitlines() if case["name"] in line)
    assert r"\|u\|" in row and "| WRONG |" in row
    assert len(re.findall(r"(?<!\\)\|", row)) == 7
