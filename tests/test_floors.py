"""The floors: imports only go down, between packages and between the rooms of each."""

import ast
import os
import pathlib
import pkgutil
import subprocess
import sys
import types

import pytest
from public import packages

ROOT = pathlib.Path(__file__).parents[1] / "jaxsci"
BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"
TESTS = pathlib.Path(__file__).parent
PILLARS = {"pde", "dft", "operators", "ntk", "atoms", "bayes", "analysis"}
BELOW = {"core", "numerics", "nn"}
ALLOWED = {"core": {"core"}, "numerics": {"core", "numerics"}, "nn": BELOW}
ALLOWED |= {pillar: BELOW | {pillar} for pillar in PILLARS}
HEAVY = ("flax", "pyscf", "ase", "torch", "matplotlib", "vesin")


def imported(path, root=ROOT):
    """The absolute dotted names that a file imports."""
    package = (root.name, *path.relative_to(root).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else ())))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def rooms(package, root=ROOT):
    """Which rooms of a package each of its rooms imports; a file beside rooms is a room."""
    depth = len(package.relative_to(root.parent).parts)
    name = ".".join(package.relative_to(root.parent).parts)
    arrows = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        if parts == ("__init__",):
            continue
        for other in imported(path, root):
            if other.startswith(f"{name}.") and (room := other.split(".")[depth]) != parts[0]:
                arrows.setdefault(parts[0], set()).add(room)
    return arrows


def circle(arrows):
    """Some rooms that import each other in a circle, or none."""
    done = set()

    def walk(room, above):
        if room in above:
            return above[above.index(room) :]
        if room in done:
            return []
        found = next(filter(None, (walk(b, [*above, room]) for b in arrows.get(room, ()))), [])
        done.add(room)
        return found

    return next(filter(None, (walk(room, []) for room in arrows)), [])


@pytest.mark.parametrize("floor", sorted(ALLOWED))
def test_imports_only_go_down(floor):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / floor).rglob("*.py")
        for name in imported(path)
        if name.startswith("jaxsci.") and name.split(".")[1] not in ALLOWED[floor]
    ]
    assert not wrong


@pytest.mark.parametrize("floor", sorted(ALLOWED))
def test_rooms_do_not_import_each_other_in_circles(floor):
    assert not circle(rooms(ROOT / floor))


def test_rooms_of_the_benchmarks_do_not_import_each_other_in_circles():
    assert not circle(rooms(BENCHMARKS, BENCHMARKS))


@pytest.mark.parametrize("root", [BENCHMARKS / "cases", TESTS], ids=["cases", "tests"])
def test_modules_of_cases_are_imported_by_none(root):
    """What several cases, or cases and tests, share lies in modules whose names begin with _."""
    wrong = [
        f"{path.relative_to(root)} imports {name}"
        for path in root.rglob("*.py")
        for name in imported(path, TESTS if root == TESTS else BENCHMARKS)
        if name.startswith("benchmarks.cases.") and "._" not in name
    ]
    assert not wrong


def test_pillars_use_only_public_names_of_the_floors_below():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for pillar in PILLARS | {"nn"}
        for path in (ROOT / pillar).rglob("*.py")
        for name in imported(path)
        for floor in ("core", "numerics")
        if name.startswith(f"jaxsci.{floor}._")
    ]
    assert not wrong


@pytest.mark.parametrize("package", list(packages()), ids=lambda package: package.__name__)
def test_only_packages_are_public_and_none_hides_a_name(package):
    """A public module beside its package's names would hide, or be hidden by, one of them."""
    inside = {m.name: m.ispkg for m in pkgutil.iter_modules(package.__path__)}
    inside = {name: ispkg for name, ispkg in inside.items() if not name.startswith("_")}
    assert not [name for name, ispkg in inside.items() if not ispkg]
    hidden = [n for n in inside if not isinstance(getattr(package, n, package), types.ModuleType)]
    assert not hidden


@pytest.mark.parametrize("root", [ROOT, BENCHMARKS], ids=["jaxsci", "benchmarks"])
def test_no_folder_is_too_full_to_find_ones_way_in(root):
    """About twelve files; exchange-correlation functionals are one file each."""
    catalogues = {"_xc"}
    full = {
        str(folder.relative_to(root.parent)): count
        for folder in [root, *root.rglob("*")]
        if folder.is_dir() and folder.name not in catalogues
        if (count := len([p for p in folder.glob("*.py") if p.stem != "__init__"])) > 13
    }
    assert not full


def test_ci_skips_no_test_for_want_of_a_package():
    everything = os.environ.get("JSCI_TEST_REQUIRE")
    with pytest.raises(ModuleNotFoundError if everything else pytest.skip.Exception):
        pytest.importorskip("a_package_that_nobody_has")


def test_importing_is_light():
    program = f"import jaxsci, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
