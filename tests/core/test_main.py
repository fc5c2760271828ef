"""`python -m jaxsci`."""

import jax
import pytest

import jaxsci.__main__ as command
from jaxsci import PlatformReport

RIGHT = PlatformReport("0.10.1", "cpu", True, ())
WRONG = PlatformReport("0.10.2", "cpu", True, ("vmap(sum((M r)²)) in float64: error 0.7",))


@pytest.mark.parametrize(("report", "code"), [(RIGHT, 0), (WRONG, 1)])
def test_the_exit_code_is_the_verdict(monkeypatch, capsys, report, code):
    monkeypatch.setattr(command, "check_platform", lambda: report)
    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    assert command.main() == code
    text = capsys.readouterr().out
    assert "jaxlib" in text and "cpu" in text
    assert ("WRONG NUMBERS: vmap(sum((M r)²))" in text) == bool(code)
    assert ("pip install 'jax>=0.10,!=0.10.2" in text) == bool(code)


def test_float32_names_the_line_that_mends_it():
    text = command.describe(RIGHT, default_x64=False)
    assert 'jax.config.update("jax_enable_x64", True)' in text
    assert "float32" not in command.describe(RIGHT, default_x64=True)
