"""`python -m jaxsci`."""

import jax
import pytest

import jaxsci.__main__ as command
from jaxsci import PlatformReport
from jaxsci._doctor import CHECKS, Check, examine
from jaxsci.core._platform import HIGHEST_LINE

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
    assert ("pip install 'jax>=0.10.1,!=0.10.2" in text) == bool(code)


def test_float32_names_the_line_that_mends_it():
    text = command.describe(RIGHT, default_x64=False)
    assert 'jax.config.update("jax_enable_x64", True)' in text
    assert "float32" not in command.describe(RIGHT, default_x64=True)


def test_rounded_products_name_the_line_that_mends_them():
    report = RIGHT._replace(product_error=4e-4)
    assert HIGHEST_LINE in command.describe(report, default_x64=True)
    assert HIGHEST_LINE not in command.describe(RIGHT, default_x64=True)


def test_the_doctor_finds_every_known_answer():
    for finding in map(examine, CHECKS):
        assert finding.ok, str(finding)
        assert finding.error is not None, str(finding)


def broken():
    raise OSError("libcint.so is missing")


@pytest.mark.parametrize(
    ("check", "ok", "text"),
    [
        (Check("pde", "one", lambda: (1.0, 1.0 + 1e-9), 1e-12), False, "WRONG, error 1.0e-09"),
        (Check("pde", "one", lambda: (float("nan"), 1.0), 1e-12), False, "WRONG, error nan"),
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
