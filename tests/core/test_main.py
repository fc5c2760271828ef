"""`python -m jaxsci`."""

import re

import jax
import pytest

import jaxsci.__main__ as command
from jaxsci import PlatformReport
from jaxsci._doctor import CHECKS, Check, examine
from jaxsci.core._run.platform import HIGHEST_LINE

RIGHT = PlatformReport("0.10.1", "cpu", True, ())
WRONG = PlatformReport("0.10.2", "cpu", True, ("vmap(sum((M r)²)) in float64: error 0.7",))


@pytest.mark.parametrize(("report", "code"), [(RIGHT, 0), (WRONG, 1)])
def test_the_exit_code_is_the_verdict(monkeypatch, capsys, report, code):
    monkeypatch.setattr(command, "check_platform", lambda: report)
    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    assert command.main() == code
    text = capsys.readouterr().out
    assert "jaxlib" in text and jax.default_backend() in text
    assert ("WRONG NUMBERS: vmap(sum((M r)²))" in text) == bool(code)
    assert bool(re.search(r"pip install 'jax[!<>=]", text)) == bool(code)


def line(text, name):
    return next(line for line in text.splitlines() if line.startswith(name))


def test_a_default_of_float32_names_the_line_that_switches_float64_on():
    text = line(command.describe(RIGHT, default_x64=False), "precision")
    assert "float32 by default" in text and 'jax.config.update("jax_enable_x64", True)' in text
    assert "float32" not in line(command.describe(RIGHT, default_x64=True), "precision")


def test_the_verdict_says_in_which_precision():
    text = line(command.describe(RIGHT, default_x64=False), "verdict")
    assert "right numbers in float32 and float64" in text
    text = line(command.describe(RIGHT._replace(x64=False), default_x64=False), "verdict")
    assert "float64" not in text


def test_rounded_products_name_the_line_that_keeps_all_digits():
    report = RIGHT._replace(product_error=4e-4)
    assert HIGHEST_LINE in command.describe(report, default_x64=True)
    assert HIGHEST_LINE not in command.describe(RIGHT, default_x64=True)


def test_the_doctor_finds_every_known_answer():
    for finding in map(examine, CHECKS):
        assert finding.ok, str(finding)
        assert finding.error is not None, str(finding)


RIGHT_ONE = Check("pde", "one", lambda: (1.0, 1.0), 1e-12)
WRONG_ONE = Check("ntk", "two", lambda: (1.0, 2.0), 1e-12)
ABSENT = Check("dft", "H2O", lambda: (1.0, 1.0), 1e-12, "absent")


@pytest.mark.parametrize(
    ("checks", "text"),
    [
        ([RIGHT_ONE, RIGHT_ONE], "All 2 pillars are right."),
        ([RIGHT_ONE, ABSENT], "All pillars that could be checked are right; skipped: dft."),
        ([RIGHT_ONE, WRONG_ONE, ABSENT], "NOT right: ntk. Do not trust this installation."),
    ],
)
def test_the_last_line_is_the_conclusion(monkeypatch, capsys, checks, text):
    monkeypatch.setattr(command, "CHECKS", checks)
    monkeypatch.setattr(command, "check_platform", lambda: RIGHT)
    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    command.main(["doctor"])
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == text
    assert "computed in float64:" in said


def broken():
    raise OSError("libcint.so is missing")


@pytest.mark.parametrize(
    ("check", "ok", "text"),
    [
        (
            Check("pde", "one", lambda: (1.0, 1.0 + 1e-9), 1e-12),
            False,
            "WRONG, relative error 1.0e-09",
        ),
        (
            Check("pde", "one", lambda: (float("nan"), 1.0), 1e-12),
            False,
            "WRONG, relative error nan",
        ),
        (Check("dft", "H2O", broken, 1e-9), False, "FAILED, OSError: libcint.so is missing"),
        (Check("dft", "H2O", broken, 1e-9, "absent"), True, "skipped, absent is missing (pip"),
    ],
)
def test_the_doctor_says_what_is_wrong(monkeypatch, capsys, check, ok, text):
    monkeypatch.setattr(command, "CHECKS", [check])
    monkeypatch.setattr(command, "check_platform", lambda: RIGHT)
    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    assert command.main(["doctor"]) == (0 if ok else 1)
    assert text in capsys.readouterr().out
