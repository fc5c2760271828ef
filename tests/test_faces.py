"""The faces of the packages: completion and help() show their public names and nothing else."""

import pydoc
import re
import rlcompleter
import types

import pytest
from public import packages

import jaxsci

PACKAGES = list(packages())


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_a_package_lists_what_it_imports_for_its_users(package):
    imported = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    listed = {n for n in package.__all__ if not isinstance(getattr(package, n), types.ModuleType)}
    assert imported == listed
    assert len(set(package.__all__)) == len(package.__all__)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_completion_offers_public_names_and_no_modules_behind_them(package):
    completer = rlcompleter.Completer({"package": package})
    offered = {word.removeprefix("package.").rstrip("()") for word in completions(completer)}
    assert offered == set(package.__all__)


def completions(completer):
    count = 0
    while (word := completer.complete("package.", count)) is not None:
        yield word
        count += 1


def test_help_begins_with_the_packages_and_verbs():
    """All names but those of classes, most of which verbs return."""
    page = pydoc.plain(pydoc.render_doc(jaxsci))
    beginning = page[: page.index("PACKAGE CONTENTS")]
    verbs = [name for name in jaxsci.__all__ if name.islower()]
    assert [name for name in verbs if not re.search(rf"\b{name}\b", beginning)] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_help_of_a_package_describes_each_function(package):
    page = pydoc.plain(pydoc.render_doc(package))
    functions = [n for n in package.__all__ if isinstance(getattr(package, n), types.FunctionType)]
    assert [n for n in functions if f"{n}(" not in page and f"{n} = " not in page] == []
