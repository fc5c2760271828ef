"""SCF of growing molecules and of many, in processes of their own: time, memory, cold start."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases._first_answer import first_answers
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

# The first hundred by name of those molecules and radicals of the G2/97 test set that have 2 to 9
# atoms: MP2(full)/6-31G(d) geometries in ångström, and numbers of unpaired electrons. Source:
# Curtiss, Raghavachari, Redfern & Pople, J. Chem. Phys. 106, 1063 (1997), as ASE has them.
_TABLE = Path(__file__).with_name("small_molecules.csv")
# Of different size, computed with and without padding.
_COMPARED = ("H2CO", "CH3", "BF3")

_MANY = f"""
import csv, math

rows = list(csv.DictReader(open({str(_TABLE)!r}, encoding="utf-8")))
names = [row["name"] for row in rows]

def atoms(row):
    parts = [line.split() for line in row["atoms"].split(";")]
    return [(symbol, tuple(map(float, position))) for symbol, *position in parts]

def build(rows, **options):
    spins = [int(row["unpaired"]) for row in rows]
    settings = dict(spin=spins, grid=0, workers=1, progress=False)
    return jsci.dft.molecules([atoms(row) for row in rows], "sto-3g", **settings, **options)

network, params = jsci.pure(jsci.nn.MLP(2, "scalar", width=8, depth=2, key=jax.random.key(0)))
params = jax.tree.map(lambda p: 0.1 * p, params)
functional = jsci.dft.neural_functional(network, base=jsci.dft.xc("lda"), level="lda")
gradient = jax.jit(jax.value_and_grad(jsci.dft.energy(functional)))
molecules, few = [], [names.index(name) for name in {_COMPARED!r}]

def make():
    molecules.extend(build(rows, buckets=6))
    return len(molecules)

def solve(chosen):
    found = [gradient(params, m) for m in chosen]
    # A few radicals with a degenerate level do not converge, and give NaN.
    return sum(float(e) for e, _ in found if not math.isnan(e))

timed("a hundred molecules", make)
timed("their energies and gradients", solve, molecules)
timed("again", solve, molecules)
timed("three of them", solve, [molecules[i] for i in few])
timed("three without padding", solve, build([rows[i] for i in few]))
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


def make_first_answer(size: Size) -> Run:
    def error(values):
        """Between the processes, and of padded molecules from those without padding."""
        padded, alone = "three of them", "three without padding"
        pairs = [(values[k], values[f"kept: {k}"]) for k in ("their energies and gradients", alone)]
        pairs.append((values[padded], values[alone]))
        return max(abs(a - b) for a, b in pairs)

    note = "100 molecules of G2/97, 2 to 9 atoms, STO-3G, grid 0, neural LDA, buckets=6"
    return first_answers(_MANY, error, note)


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
    Case(
        "dft.first_answer",
        "dft",
        "Energies and gradients of 100 different molecules in a new process",
        make_first_answer,
        "full",
        reference="the same molecules without padding, and the other process",
        error_name="Hartree",
        tolerance=1e-9,
    ),
]
