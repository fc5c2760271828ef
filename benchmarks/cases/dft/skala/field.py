"""Self-consistent fields of Skala: beside PySCF, broken bonds, and sixty atoms beside r2SCAN."""

import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import alkane
from benchmarks.cases.dft.skala._networks import SMALL, random
from benchmarks.runner.case import Case, Run, Size
from benchmarks.runner.measure.memory import peak_resident

WATER = "O 0 0 .1173; H 0 .7572 -.4692; H 0 -.7572 -.4692"
RADICAL = "N 0 0 0; H 0 .8 .65; H 0 -.8 .65"
_DISTANCES = 2.0, 3.0, 4.0  # of H2, in ångström
_TIGHT = 1e-11


def _difference(text: str, spin: int, basis: str, grid: int, functional, params) -> float:
    """Between the energies of PySCF's field and ours, in Hartree."""
    from pyscf import dft, gto

    m = jsci.dft.molecule(text, basis, spin=spin, grid=grid)
    ours = jsci.dft.scf(m, functional, params, tolerance=_TIGHT)
    mol = gto.M(atom=text, basis=basis, spin=spin, verbose=0)
    field: Any = (dft.UKS if spin else dft.RKS)(mol, xc="lda")
    field.grids.level, field.conv_tol = grid, _TIGHT
    field._numint = jsci.dft.to_pyscf_xc(functional, params)
    return abs(float(field.kernel()) - float(ours.energy))


def make_in_pyscf(size: Size) -> Run:
    """Water and a radical, solved by PySCF with energies and potentials from here."""
    basis, grid, sizes = ("sto-3g", 0, SMALL) if size == "smoke" else ("def2-svp", 1, {})
    functional, params = random(**sizes)

    def step():
        problems = {"H2O": (WATER, 0), "NH2": (RADICAL, 1)}
        return {k: _difference(*p, basis, grid, functional, params) for k, p in problems.items()}

    return Run(
        step,
        (),
        error=lambda found: max(found.values()),
        note=f"random parameters, {basis}, grid {grid}",
        figures=lambda found: {k: f"{x:.1e} Hartree" for k, x in found.items()},
        host=True,
    )


def make_broken_bond(size: Size) -> Run:
    """H2 pulled apart: each distance has to converge to a broken symmetry."""
    sizes = SMALL if size == "smoke" else {"width": 64, "channels": 8, "lmax": 2}
    distances = _DISTANCES[1:2] if size == "smoke" else _DISTANCES
    functional, params = random(**sizes)

    def one(distance):
        atoms = [("H", (0, 0, 0)), ("H", (0, 0, distance))]
        closed, open_shell = (
            jsci.dft.molecule(atoms, "6-31g", restricted=restricted, grid=0)
            for restricted in (True, False)
        )
        restricted = jsci.dft.scf(closed, functional, params)
        broken = jsci.dft.stable_scf(open_shell, functional, params)
        both = bool(restricted.converged & broken.converged)
        return both, float(restricted.energy - broken.energy)

    return Run(
        lambda: {d: one(d) for d in distances},
        (),
        error=lambda found: float(sum(not ok or below < 1e-4 for ok, below in found.values())),
        note=f"unrestricted, 6-31G, grid 0; random parameters, {sizes}",
        figures=lambda found: {
            f"{d:g} Å below the restricted solution": f"{1e3 * below:.1f} mHartree"
            for d, (_, below) in found.items()
        },
        host=True,
    )


def make_large(size: Size) -> Run:
    if size == "smoke":
        return beside_r2scan(1, "sto-3g", 0, SMALL)
    return beside_r2scan(20, "def2-svp", 3, {})


def beside_r2scan(carbons: int, basis: str, grid: int, sizes: dict[str, int]) -> Run:
    """A whole field beside one of r2SCAN, each as `scf` does it by default."""
    functional, params = random(**sizes)
    m = jsci.dft.molecule(alkane(carbons), basis, grid=grid, density_fit=True)
    solve = eqx.filter_jit(lambda f, p, m: jsci.dft.scf(m, f, p, throw=False))

    def timed(f, p):
        start = time.process_time()
        compiled = solve.lower(f, p, m).compile()
        compilation = time.process_time() - start
        start = time.process_time()
        result = jax.block_until_ready(compiled(f, p, m))
        return result, time.process_time() - start, compilation

    def step():
        own = timed(functional, params)
        return own, peak_resident(), timed(jsci.dft.xc("r2scan"), None)

    def error(found):
        """Against the energy that PySCF gives the same density."""
        result = found[0][0]
        held = jsci.dft.to_pyscf(m, functional, result, params)
        ok = bool(result.converged) and bool(found[2][0].converged)
        return abs(held.energy_tot() - float(result.energy)) if ok else np.inf

    def figures(found):
        (own, ours, compilation), peak, (other, theirs, _) = found
        return {
            "CPU-s of Skala, r2SCAN, ratio": f"{ours:.1f}, {theirs:.1f}, {ours / theirs:.2f}",
            "CPU-s for a step": f"{ours / own.steps:.2f}, {theirs / other.steps:.2f}",
            "steps": f"{own.steps}, {other.steps}",
            "compilation of Skala": f"{compilation:.0f} CPU-s",
            "peak memory": f"{peak / 2**30:.1f} GiB",
        }

    return Run(
        step,
        (),
        error=error,
        note=f"alkane with {carbons} carbons, {m.size} functions of {basis}, {m.grid.size} points, "
        f"density fitting; {_count(params)} random parameters",
        figures=figures,
        host=True,
    )


def _count(params) -> int:
    return sum(map(jnp.size, jax.tree.leaves(params)))


CASES = [
    Case(
        "dft.skala",
        "dft",
        "Skala in PySCF through to_pyscf_xc",
        make_in_pyscf,
        "full",
        reference="the same field here",
        tolerance=1e-8,
        error_name="Hartree",
    ),
    Case(
        "dft.skala_broken_bond",
        "dft",
        "H2 pulled apart by Skala",
        make_broken_bond,
        "full",
        reference="a broken symmetry at every distance",
        tolerance=0.5,
        error_name="distances without one",
    ),
    Case(
        "dft.skala_large",
        "dft",
        "A field of 62 atoms by Skala beside r2SCAN",
        make_large,
        "full",
        reference="PySCF's energy of the same density",
        tolerance=1e-6,
        error_name="Hartree",
    ),
]
