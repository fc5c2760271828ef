"""The floors: imports only go down, pillars never import each other, and importing stays light."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1] / "jaxsci"
PILLARS = {"pde", "dft", "operators", "ntk"}
ALLOWED = {"core": {"core"}, "nn": {"core", "nn"}} | {p: {"core", "nn", p} for p in PILLARS}
HEAVY = ("flax", "pyscf", "matplotlib")


def imported_floors(path):
    """The jaxsci sub-packages that a file imports, and its other top-level imports."""
    package = ("jaxsci", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else ())))
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("floor", sorted(ALLOWED))
def test_imports_only_go_down(floor):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / floor).rglob("*.py")
        for name in imported_floors(path)
        if name.startswith("jaxsci.") and name.split(".")[1] not in ALLOWED[floor]
    ]
    assert not wrong


def test_pillars_use_only_public_names_of_core():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for pillar in PILLARS | {"nn"}
        for path in (ROOT / pillar).rglob("*.py")
        for name in imported_floors(path)
        if name.startswith("jaxsci.core._")
    ]
    assert not wrong


def test_ci_skips_no_test_for_want_of_a_package():
    everything = os.environ.get("JSCI_TEST_REQUIRE")
    with pytest.raises(ModuleNotFoundError if everything else pytest.skip.Exception):
        pytest.importorskip("a_package_that_nobody_has")


def test_importing_is_light():
    program = f"import jaxsci, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
