"""The one way to deprecate, and that nothing outlives its removal."""

import ast
import inspect
import pathlib
import tomllib
import warnings

import pytest

from jaxsci.core import _deprecation
from jaxsci.core._deprecation import removal

# The shape checks of the test run add stack frames that users do not have.
warn_deprecated = inspect.unwrap(_deprecation.warn_deprecated)
ROOT = pathlib.Path(__file__).parents[2]


def area(width, height=None, *, tall=None):
    """A public function whose keyword `tall` became `height`."""
    if tall is not None:
        warn_deprecated("area(tall=)", instead="area(height=)", since="0.2")
        height = tall
    return width * height


def test_the_old_keyword_works_and_the_warning_says_what_to_write_and_until_when():
    with pytest.warns(DeprecationWarning, match="tall") as caught:
        assert area(2, tall=3) == 6
    (warning,) = caught
    assert str(warning.message) == (
        "area(tall=) is deprecated since jaxsci 0.2 and will be removed in 0.4. "
        "Use area(height=) instead."
    )
    assert warning.filename == __file__  # the caller's line, so that Python shows it to them


def test_the_new_keyword_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert area(2, height=3) == 6


def test_what_is_deprecated_is_kept_for_two_minor_releases():
    assert [removal(since) for since in ("0.2", "0.9", "1.0")] == ["0.4", "0.11", "1.2"]


@pytest.mark.parametrize("since", ["0.2.0", "next", ""])
def test_a_release_that_is_none_is_refused(since):
    with pytest.raises(ValueError, match="must be a release such as"):
        warn_deprecated("a", instead="b", since=since)


def calls(path):
    """Every call of `warn_deprecated` in a file, with its keywords."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "warn_deprecated":
            yield node.lineno, {word.arg: word.value for word in node.keywords}


def test_nothing_deprecated_outlives_its_removal():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    now = tuple(map(int, version["project"]["version"].split(".")[:2]))
    due = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in (ROOT / "jaxsci").rglob("*.py")
        for line, words in calls(path)
        if tuple(map(int, removal(ast.literal_eval(words["since"])).split("."))) <= now
    ]
    assert not due, "these have been deprecated for two minor releases: remove them"
