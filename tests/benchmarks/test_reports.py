"""The three reports, and the command line."""

import dataclasses
import json
import re

import jax
import pytest

import benchmarks.__main__ as command
from benchmarks.catalogue import Broken, choose, load_cases
from benchmarks.report.html import html
from benchmarks.report.terminal import terminal
from benchmarks.runner.case import Case, Peer, Run, Size
from benchmarks.runner.environment import command as line
from benchmarks.runner.measure.timing import Ratio
from benchmarks.runner.peers import explain
from benchmarks.runner.result import (
    SCHEMA,
    Against,
    BatchPoint,
    CaseResult,
    Loop,
    PeerResult,
    Report,
    Throughput,
)
from benchmarks.runner.units import bytes_, per_second, ratio, seconds

ENVIRONMENT = {
    "time": "2026-01-01T00:00:00+00:00",
    "command": "python -m benchmarks --smoke",
    "commit": None,
    "python": "3.11.0",
    "system": "Linux",
    "versions": {"jaxsci": "0.1.0", "jax": "0.10.1", "jaxlib": "0.10.1", "numpy": "2.4.0"},
    "flags": {},
    "x64": True,
    "devices": ["cpu: cpu"],
    "processor": "a processor",
    "cores": 2,
    "memory_bytes": 2**34,
    "load": 0.5,
}


def rows():
    right = CaseResult(
        "pde.right",
        "pde",
        "Right <and> fast",
        status="ok",
        reference="Cole-Hopf",
        error=1e-4,
        tolerance=1e-3,
        compile_seconds=1.5,
        seconds=0.002,
        baseline=Against("naive", 0.004, Ratio(2.0, 1.8, 2.2, 20), 1e-4),
        scaling=Throughput(
            (BatchPoint(1, 0.1, 10.0, 1.0, 0), BatchPoint(4, 0.2, 20.0, 1.0, 2**20)),
            "time: 16 would take about 9.0 s",
            Loop(4, Ratio(1.5, 1.4, 1.6, 5), 1e-12),
        ),
        curves={"adam": [(0.1, 1e-1), (1.0, 1e-4)]},
        picture="aGVsbG8=",
        peers=[PeerResult("DeepXDE", "skipped", "not installed: pip install deepxde", None)],
    )
    wrong = CaseResult(
        "dft.wrong",
        "dft",
        "Wrong",
        status="wrong",
        message="Hartree 1.0e+00 above 1.0e-08",
        error=float("nan"),
    )
    return [right, wrong]


def report():
    return Report("smoke", ENVIRONMENT, rows(), 12.0, 0.7)


def test_json_keeps_its_schema_and_is_strict():
    text = json.dumps(report().as_json(), allow_nan=False)
    data = json.loads(text)
    assert data["schema"] == SCHEMA == "jaxsci-benchmarks/1"
    assert set(data) == {"schema", "size", "environment", "cases", "seconds", "load_after"}
    right, wrong = data["cases"]
    assert right["baseline"]["ratio"] == {"median": 2.0, "low": 1.8, "high": 2.2, "pairs": 20}
    assert [point["n"] for point in right["scaling"]["points"]] == [1, 4]
    assert right["curves"] == {"adam": [[0.1, 1e-1], [1.0, 1e-4]]}
    assert (wrong["status"], wrong["error"], wrong["seconds"]) == ("wrong", None, None)
    assert "picture" not in right


def test_rows_read_back_are_the_rows_written():
    right = report().as_json()["cases"][0]
    again = CaseResult.of_json(json.loads(json.dumps(right)))
    assert again == dataclasses.replace(rows()[0], picture=None)


def test_the_page_needs_nothing_from_outside():
    page = html(report())
    # Names of XML namespaces are not fetched; every other address would be.
    addresses = re.findall(r"https?://[^\s\"'<>)]+", re.sub(r'xmlns(:\w+)?="[^"]*"', "", page))
    assert addresses == []
    assert not re.search(r"<(script|link|iframe)\b", page)
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]+)"', page))
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]+)"', page))
    assert "Right &lt;and&gt; fast" in page and "<and>" not in page
    assert page.count("<svg") == 3 and "WRONG" in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_page_without_matplotlib_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("benchmarks.report.charts.have_matplotlib", lambda: False)
    page = html(report())
    assert "<svg" not in page and "pip install 'jaxsci[plot]'" in page


def test_a_wrong_row_is_red_on_a_terminal_and_colourless_elsewhere():
    plain = terminal(report())
    assert "\x1b" not in plain
    assert "\x1b[31;1mWRONG\x1b[0m" in terminal(report(), colour=True)
    assert re.search(r"pde\.right +ok +1\.0e-04 +1\.0e-03 +1\.50 s +2\.00 ms +naive", plain)
    assert re.search(r"dft\.wrong +WRONG +nan .* - +- ", plain)
    assert "2.00 [1.80, 2.20]" in plain and "1.50 [1.40, 1.60] at 4" in plain
    assert plain.endswith("1 ok, 1 WRONG")


def test_each_pillar_has_one_heading_however_the_cases_ran():
    mixed = [CaseResult(name, name[:3], "", status="ok") for name in ("pde.a", "dft.b", "pde.c")]
    scattered = Report("smoke", ENVIRONMENT, mixed)
    assert re.findall(r'<tr class="pillar"><td colspan="10">(\w+)', html(scattered)) == [
        "pde",
        "dft",
    ]
    lines = terminal(scattered).splitlines()
    assert [line for line in lines if line in ("pde", "dft")] == ["pde", "dft"]
    assert [case.name for case in scattered.cases] == ["pde.a", "dft.b", "pde.c"]


def test_a_baseline_that_is_a_part_of_the_case_is_no_slower_bar():
    against = Against("value alone", 0.004, Ratio(0.5, 0.4, 0.8, 20), 0.0, part=True)
    page = html(Report("smoke", ENVIRONMENT, [CaseResult("dft.g", "dft", "", baseline=against)]))
    assert "Against the baselines" not in page
    assert "<b>dft.g</b> takes 2.00 [1.25, 2.50] times as long as value alone" in page


def test_charts_come_before_the_table_and_figures_stand_apart_from_the_problem():
    case = CaseResult("pde.a", "pde", "", note="3 x 20", figures={"parameters": 921})
    case.curves = {"a": [(0.5, 1e-1), (1.0, 1e-3)], "b": [(0.1, 1e-1), (90.0, 1e-2)]}
    case.tolerance = 1e-2
    page = html(Report("smoke", ENVIRONMENT, [case]))
    assert page.index("Work and precision") < page.index("<h2>Results</h2>")
    assert "<small>Problem: 3 x 20</small>" in page
    assert '<span class="figure">parameters <b>921</b></span>' in page


def test_an_empty_report_is_still_a_report():
    empty = Report("smoke", ENVIRONMENT)
    assert "no case was run" in terminal(empty)
    assert "<h2>Environment</h2>" in html(empty)


def test_numbers_as_people_read_them():
    assert [seconds(v) for v in (None, 75.0, 0.0123, 4.5e-6, 3e-9)] == [
        "-",
        "75.0 s",
        "12.3 ms",
        "4.50 µs",
        "3.00 ns",
    ]
    assert [bytes_(v) for v in (None, 5, 2**10, 3 * 2**29)] == ["-", "5 B", "1.00 KiB", "1.50 GiB"]
    assert [per_second(v) for v in (3.0, 4.5e3, 7e6)] == ["3.00", "4.50k", "7.00M"]
    assert ratio(Ratio(2.0, None, None, 1)) == "2.00 (1 pair)"


def fake_case(name, tier: Size = "smoke", error=0.0, peers=()):
    run = Run(lambda: 0.0, (), error=lambda _: error, host=True)
    pillar = name.partition(".")[0]
    return Case(name, pillar, "A case", lambda size: run, tier, tolerance=1e-9, peers=peers)


CASES = [fake_case("pde.a"), fake_case("pde.b", "quick"), fake_case("dft.c", "full")]


def names(size, *only):
    return [case.name for case in choose(CASES, size, only)]


def test_tiers_contain_each_other_and_only_restricts():
    assert names("smoke") == ["pde.a"]
    assert names("quick") == ["pde.a", "pde.b"]
    assert names("full") == ["pde.a", "pde.b", "dft.c"]
    assert names("full", "dft") == ["dft.c"]
    assert names("smoke", "dft.c", "pde") == ["pde.a", "dft.c"]


def test_an_unknown_name_is_refused_with_the_known_ones(monkeypatch, capsys):
    with pytest.raises(ValueError, match="--only dtf: neither a pillar nor a case. Known: dft,"):
        names("quick", "dtf")
    monkeypatch.setattr(command, "load_cases", lambda: CASES)
    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    with pytest.raises(SystemExit) as stop:
        command.main(["--only", "dtf"])
    assert stop.value.code == 2 and "Known: dft, pde" in capsys.readouterr().err


def test_the_command_line():
    read = command.parser().parse_args
    assert (read([]).size, read([]).only, read([]).peers) == ("quick", [], False)
    assert read(["--smoke"]).size == "smoke"
    assert read(["--full", "--only", "pde", "--only", "ntk"]).only == ["pde", "ntk"]
    with pytest.raises(SystemExit):
        read(["--smoke", "--full"])


def test_list_names_the_cases_without_running_them(monkeypatch, capsys):
    monkeypatch.setattr(command, "load_cases", lambda: CASES)
    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    assert command.main(["--list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "pde.a  smoke  A case",
        "pde.b  quick  A case",
    ]


def test_the_exit_code_is_one_if_any_case_is_wrong(tmp_path, capsys):
    run = command.measure_and_write
    right, wrong = fake_case("pde.a"), fake_case("pde.b", error=1.0)
    assert run([right], "smoke", tmp_path / "right", peers=False) == 0
    assert run([right, wrong], "smoke", tmp_path / "wrong", peers=False) == 1
    written = sorted(path.name for path in (tmp_path / "wrong").iterdir())
    assert written == ["report.html", "report.json", "report.txt"]
    data = json.loads((tmp_path / "wrong" / "report.json").read_text())
    assert [case["status"] for case in data["cases"]] == ["ok", "wrong"]
    assert "1 ok, 1 WRONG" in capsys.readouterr().out


def test_an_interrupted_run_reports_what_it_has(tmp_path, capsys):
    def interrupt(size):
        raise KeyboardInterrupt

    stopped = Case("pde.b", "pde", "", interrupt, "smoke", tolerance=1.0)
    code = command.measure_and_write([fake_case("pde.a"), stopped], "smoke", tmp_path, peers=False)
    assert code == 130
    data = json.loads((tmp_path / "report.json").read_text())
    assert [case["name"] for case in data["cases"]] == ["pde.a"]
    assert "interrupted" in capsys.readouterr().err


def test_an_interrupted_run_is_continued_with_its_right_rows(tmp_path, capsys):
    cases = [fake_case("pde.a"), fake_case("pde.b", error=1.0)]
    assert command.measure_and_write(cases, "smoke", tmp_path, peers=False) == 1
    path = tmp_path / "report.json"
    first = json.loads(path.read_text())
    cases = [fake_case("pde.a", error=1.0), fake_case("pde.b"), fake_case("pde.c")]
    begun = command.read_begun(tmp_path, "smoke")
    assert command.measure_and_write(cases, "smoke", tmp_path, peers=False, begun=begun) == 0
    second = json.loads(path.read_text())
    assert [case["name"] for case in second["cases"]] == ["pde.a", "pde.b", "pde.c"]
    assert second["cases"][0] == first["cases"][0]  # not run again: it would have been wrong
    assert second["seconds"] > first["seconds"]
    assert second["environment"] == first["environment"]


def test_a_report_names_no_folder_of_the_machine():
    words = ["--full", "--only", "pde.seeds", "--out", "/somebody/there/full"]
    assert line(words) == "python -m benchmarks --full --only pde.seeds --out full"


def test_a_run_under_other_conditions_is_not_continued(tmp_path, capsys):
    with pytest.raises(ValueError, match="--out was not given"):
        command.read_begun(None, "smoke")
    with pytest.raises(ValueError, match=r"report\.json: No such file"):
        command.read_begun(tmp_path, "smoke")
    command.measure_and_write([fake_case("pde.a")], "smoke", tmp_path, peers=False)
    with pytest.raises(ValueError, match="is smoke, and not full"):
        command.read_begun(tmp_path, "full")
    path = tmp_path / "report.json"
    old = json.loads(path.read_text())
    old["environment"]["commit"] = "0123456789ab"
    path.write_text(json.dumps(old))
    with pytest.raises(ValueError, match="commit was 0123456789ab and is .* begin anew"):
        command.read_begun(tmp_path, "smoke")


def test_a_module_of_cases_that_does_not_import_becomes_a_failing_case():
    with pytest.raises(SyntaxError, match="a slip"):
        Broken(SyntaxError("a slip"))("smoke")


def test_the_shipped_cases_are_well_formed():
    cases = load_cases()
    assert len({case.name for case in cases}) == len(cases)
    broken = [case.make.error for case in cases if isinstance(case.make, Broken)]
    assert broken == []
    assert all(case.name.startswith(f"{case.pillar}.") for case in cases)
    assert all(case.reference for case in cases)


def test_peers_are_explained_with_their_own_environment_where_pins_clash():
    def make(size: Size) -> Run:
        raise NotImplementedError("explaining must not run a peer")

    clashing = Peer("Old", "old==1", make, interpreter="NO_OLD_PYTHON", beside="'jax<0.5'")
    plain = Peer("New", "new", make, module="no_new")
    here = Peer("NumPy", "numpy", make, module="numpy")
    cloned = Peer("Code", "https://a.b/c@1f", make, interpreter="NO_CODE_PYTHON", beside="torch")
    twice = dataclasses.replace(clashing, name="Old, its own solver")
    text = explain([fake_case("pde.a", peers=(clashing, plain, here, cloned, twice))])
    assert "pip install new" in text and "NumPy: installed" in text
    assert "Old; Old, its own solver: not installed" in text  # one package, installed once
    assert text.count("python -m venv ../no-old-environment") == 1 and "'jax<0.5'" in text
    assert "export NO_OLD_PYTHON=" in text
    assert "git clone https://a.b/c ../no-code-environment/source" in text
    assert "pip install --no-deps https" not in text and "checkout 1f" in text
    assert explain(CASES) == "No case chosen has a peer."
