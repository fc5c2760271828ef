"""Kohn-Sham DFT from coordinates to energies and forces beside PySCF: rates, sizes, memory."""

import concurrent.futures
import os
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import (
    PYSCF_DEFAULT,
    Atoms,
    alkane,
    benzene,
    distorted_waters,
    pyscf_field,
)
from benchmarks.runner.case import Baseline, Case, Run, Size
from benchmarks.runner.measure.timing import interleave

PAIRS = 5
LEVELS = (1, 3)


def threads() -> int:
    """Processor cores that this process may use: PySCF, XLA and we get as many each."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _compare(ours: Callable[[], Any], theirs: Callable[[], Any], n: int) -> dict[str, Any]:
    """What the comparison of two loops over n molecules says, in interleaved pairs."""
    pairs = interleave(ours, theirs, pairs=PAIRS, seconds=0.0)
    r = pairs.ratio
    return {
        "molecules per second": n / float(np.median(pairs.a)),
        "PySCF": n / float(np.median(pairs.b)),
        "ratio": f"{r.median:.2f} [{r.low:.2f}, {r.high:.2f}]",
    }


def _solver(functional: str) -> Callable[[Any], Any]:
    f = jsci.dft.xc(functional)
    # One program for all that are alike; without a batch, the next molecule is made on the host
    # while another is solved.
    return eqx.filter_jit(lambda m: jsci.dft.scf(m, f, throw=False).energy)


def make_waters(size: Size) -> Run:
    n = {"smoke": 1, "quick": 8, "full": 64}[size]
    table = [
        (basis, functional, grid)
        for basis in ("sto-3g", "6-31g", "def2-svp")
        for functional in ("lda,vwn", "pbe")
        for grid in LEVELS
    ]
    if size != "full":
        table = [("def2-svp", "pbe", 1)] if size == "quick" else [("sto-3g", "lda,vwn", 1)]
    geometries = distorted_waters(n)
    figures: dict[str, Any] = {"molecules": n, "threads": threads()}

    def row(basis: str, functional: str, grid: int) -> float:
        solve = _solver(functional)

        def energy(atoms: Atoms) -> float:
            return float(solve(jsci.dft.molecule(atoms, basis, grid=grid)))

        def ours():
            with concurrent.futures.ThreadPoolExecutor(threads()) as pool:
                return list(pool.map(energy, geometries))

        def theirs():
            return [
                float(pyscf_field(a, basis, functional, grid, PYSCF_DEFAULT).kernel())
                for a in geometries
            ]

        error = float(np.abs(np.subtract(ours(), theirs())).max())  # and compiles
        figures[f"{basis} {functional} {grid}"] = _compare(ours, theirs, n)
        return error

    return Run(
        lambda: max(row(*entry) for entry in table),
        (),
        error=float,
        note=f"{n} distorted waters: integrals, grid and field; both with {threads()} threads",
        figures=lambda _: figures,
        host=True,
    )


def make_forces(size: Size) -> Run:
    n, basis, grid = (1, "sto-3g", 0) if size == "smoke" else (4, "def2-svp", 1)
    n = 64 if size == "full" else n
    geometries = distorted_waters(n)
    functional = jsci.dft.xc("pbe")

    @eqx.filter_jit
    def solve(m):
        return jsci.dft.forces(m, functional, tolerance=1e-9, throw=False)

    figures: dict[str, Any] = {"molecules": n, "threads": threads()}

    def one(atoms: Atoms):
        return np.asarray(solve(jsci.dft.molecule(atoms, basis, grid=grid)))

    def ours():
        with concurrent.futures.ThreadPoolExecutor(threads()) as pool:
            return np.stack(list(pool.map(one, geometries)))

    def theirs():
        found = []
        for atoms in geometries:
            field = pyscf_field(atoms, basis, "pbe", grid, PYSCF_DEFAULT)
            field.kernel()
            gradient = field.nuc_grad_method()
            gradient.grid_response = True
            found.append(-gradient.kernel())
        return np.stack(found)

    def step():
        both = np.stack([ours(), theirs()])
        figures.update(_compare(ours, theirs, n))
        return both

    return Run(
        step,
        (),
        error=lambda both: float(np.abs(both[0] - both[1]).max()),
        note=f"{n} distorted waters, PBE, {basis}, grid {grid}, from coordinates; PySCF with the "
        "response of its grid",
        figures=lambda _: figures,
        plot=lambda axes, both: _plot_forces(axes, geometries, *both),
        host=True,
    )


def _plot_forces(axes: Any, geometries: list[Atoms], ours: np.ndarray, theirs: np.ndarray) -> None:
    """The first waters in their plane, with the forces on their nuclei."""
    for i, atoms in enumerate(geometries[:4]):
        y, z = np.array([position for _, position in atoms])[:, 1:].T
        y, z = y + 3.2 * (i % 2), z - 2.0 * (i // 2)
        axes.plot(y[[1, 0, 2]], z[[1, 0, 2]], color="0.8", lw=4, zorder=1)
        axes.scatter(y, z, s=(260, 110, 110), c=("#e39b95", "w", "w"), edgecolors="0.5", zorder=2)
        for forces, colour, width in ((theirs[i], "0.4", 0.014), (ours[i], "#2f6fb0", 0.005)):
            arrows = forces[:, 1:].T / 0.08  # Hartree/Bohr for an ångström
            axes.quiver(
                y, z, *arrows, angles="xy", scale_units="xy", scale=1, minlength=0,
                color=colour, width=width, zorder=3,
            )  # fmt: skip
    axes.set_aspect("equal", "datalim")
    axes.margins(0.25)
    axes.axis("off")
    axes.set_title("forces on waters, over PySCF's in grey")


def make_molecule(atoms: Atoms, basis: str, grid: int, size: Size) -> Run:
    basis, grid = ("sto-3g", 0) if size == "smoke" else (basis, grid)
    start = time.perf_counter()
    molecule = jsci.dft.molecule(atoms, basis, grid=grid)
    build = time.perf_counter() - start
    field = pyscf_field(atoms, basis, "pbe", grid, PYSCF_DEFAULT)
    if molecule.fit is not None:
        field = field.density_fit(auxbasis="def2-universal-jkfit")
    reference = float(field.kernel())  # with its integrals and grid in memory from now on

    def theirs():
        field.mo_coeff = None  # or it starts from its solution
        return float(field.kernel())

    functional = jsci.dft.xc("pbe")

    def solve(m):
        result = jsci.dft.scf(m, functional, throw=False)
        return result.energy, result.steps

    return Run(
        solve,
        (molecule,),
        error=lambda out: abs(float(out[0] if isinstance(out, tuple) else out) - reference),
        baseline=Baseline("PySCF", theirs, (), host=True),
        note=f"{len(atoms)} atoms, PBE, {basis}, grid {grid}; both with integrals in memory",
        figures=lambda out: {
            "nao": molecule.size, "points": molecule.grid.size, "steps": out[1],
            "build in seconds": build, "threads": threads(),
        },
    )  # fmt: skip


CASES = [
    Case(
        "dft.waters_end_to_end",
        "dft",
        "Distorted waters from coordinates to energies",
        make_waters,
        "full",
        reference="PySCF, one by one",
        tolerance=1e-8,
        error_name="Hartree",
    ),
    Case(
        "dft.energies_and_forces",
        "dft",
        "Forces on distorted waters from coordinates",
        make_forces,
        "quick",
        reference="PySCF, one by one",
        tolerance=1e-4,
        error_name="Hartree/Bohr",
    ),
    Case(
        "dft.benzene",
        "dft",
        "Self-consistent field of benzene",
        lambda size: make_molecule(benzene(), "def2-svp", 3, size),
        "full",
        reference="PySCF on the same grid and integrals",
        tolerance=1e-8,
        error_name="Hartree",
    ),
    Case(
        "dft.decane",
        "dft",
        "Self-consistent field of decane, density-fitted",
        lambda size: make_molecule(alkane(10), "def2-svp", 1, size),
        "full",
        reference="PySCF on the same grid and integrals",
        tolerance=1e-8,
        error_name="Hartree",
    ),
]
