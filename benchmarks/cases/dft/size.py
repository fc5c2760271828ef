"""SCF of growing molecules, each in its own process: time, memory, cold start."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.runner.case import Case, Run, Size

# The program of the process: ours first, so that the peak memory is ours.
_PROGRAM = """
import sys, time
start = time.perf_counter()
import json, jax
jax.config.update("jax_enable_x64", True)
import equinox as eqx, jaxsci as jsci
from benchmarks.cases.dft._problems import (
    PYSCF_DEFAULT, alkane, benzene, distorted_waters, pyscf_field
)
from benchmarks.runner.measure.memory import peak_resident

name, basis, grid, fit = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "fit"
known = {"water": lambda: distorted_waters(1)[0], "benzene": benzene}
atoms = known[name]() if name in known else alkane(int(name))
solve = eqx.filter_jit(lambda m: jsci.dft.scf(m, jsci.dft.xc("pbe"), throw=False))
imported = time.perf_counter()
m = jsci.dft.molecule(atoms, basis, grid=grid, density_fit=fit)
built = time.perf_counter()
r = jax.block_until_ready(solve(m))
cold = time.perf_counter()
jax.block_until_ready(solve(m))
warm = time.perf_counter()
peak = peak_resident() / 2**30
field = pyscf_field(atoms, basis, "pbe", grid, PYSCF_DEFAULT)
if fit:
    field = field.density_fit(auxbasis="def2-universal-jkfit")
reference = float(field.kernel())
theirs = time.perf_counter() - warm
print(json.dumps({
    "nao": m.size, "points": m.grid.size, "steps": int(r.steps),
    "error": abs(float(r.energy) - reference) if bool(r.converged) else float("inf"),
    "import": imported - start, "build": built - imported, "compile and solve": cold - built,
    "solve": warm - cold, "PySCF": theirs, "peak in GiB": peak}))
"""


def _run(name: str, basis: str, grid: int, fit: bool) -> dict[str, Any]:
    command = [sys.executable, "-c", _PROGRAM, name, basis, str(grid), "fit" if fit else "full"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _processes(
    entries: dict[str, tuple[str, str, int, bool]],
    note: str,
    more: Callable[[dict[str, dict[str, Any]]], dict[str, Any]] = lambda found: {},
) -> Run:
    found: dict[str, dict[str, Any]] = {}

    def step() -> float:
        for label, entry in entries.items():
            found[label] = _run(*entry)
        return max(x["error"] for x in found.values())

    return Run(
        step,
        (),
        error=float,
        note=f"{note}; PBE; seconds, PySCF's with integrals and grid",
        figures=lambda _: {**more(found), **found},
        host=True,
    )


def make_cold_start(size: Size) -> Run:
    basis, grid = ("sto-3g", 0) if size == "smoke" else ("def2-svp", 3)
    return _processes({"H2O": ("water", basis, grid, False)}, f"{basis}, grid {grid}")


def make_large(size: Size) -> Run:
    small = size == "smoke"
    entries = {
        "benzene": ("benzene", "sto-3g" if small else "def2-tzvp", 3, True),
        "C20H42": ("2" if small else "20", "sto-3g" if small else "def2-svp", 1, True),
    }
    return _processes(entries, "density fitting, def2-TZVP and def2-SVP; the bar is 8 GiB")


def make_alkanes(size: Size) -> Run:
    lengths = (2, 4, 6, 8, 12, 16) if size == "full" else (2, 4)
    basis = "def2-svp" if size == "full" else "sto-3g"

    def powers(found):
        nao = np.log([x["nao"] for x in found.values()])

        def power(what):
            return float(np.polyfit(nao, np.log([x[what] for x in found.values()]), 1)[0])

        return {f"power of {what}": power(what) for what in ("solve", "build", "peak in GiB")}

    entries = {f"C{n}H{2 * n + 2}": (str(n), basis, 1, True) for n in lengths}
    return _processes(entries, f"{basis}, grid 1, density fitting", powers)


CASES = [
    Case(
        "dft.cold_start",
        "dft",
        "Water in a new process: import, build, compile, solve",
        make_cold_start,
        "full",
        reference="PySCF",
        tolerance=1e-8,
        error_name="Hartree",
    ),
    Case(
        "dft.large",
        "dft",
        "Benzene in def2-TZVP and an alkane of 62 atoms",
        make_large,
        "full",
        reference="PySCF",
        tolerance=1e-7,
        error_name="Hartree",
    ),
    Case(
        "dft.alkanes",
        "dft",
        "Alkanes C2 to C16: powers of the number of basis functions",
        make_alkanes,
        "full",
        reference="PySCF",
        tolerance=1e-7,
        error_name="Hartree",
    ),
]
