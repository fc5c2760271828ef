"""Excited states of molecules in a few shapes, in full linear response and without B."""

from typing import Any

import equinox as eqx
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import Atoms, pyscf_field
from benchmarks.cases.dft.chemistry._beside_pyscf import both, several
from benchmarks.runner.case import Case, Run, Size

KINDS = ["H2O", "CH2O", "NH3", "HF", "CH4", "N2", "CO", "C2H2", "HCN", "LiH"]
STATES = 5
# Hartree, and oscillator strengths, that are allowed between the two.
ENERGY, STRENGTH = 1e-6, 1e-4
TOLERANCE = 1e-5  # of a residual: PySCF's default
BUCKETS = 3


def by_pyscf(
    atoms: Atoms, basis: str, functional: str, grid: int, tda: bool, more: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Energies and oscillator strengths, SCF included."""
    field = pyscf_field(atoms, basis, functional, grid, 1e-12)
    field.kernel()
    states: Any = field.TDA() if tda else field.TDDFT()
    states.nstates = STATES + more
    states.kernel()
    order = np.argsort(states.e)[:STATES]
    return states.e[order], np.asarray(states.oscillator_strength())[order]


def make_excitations(tda: bool, functional: str, size: Size) -> Run:
    basis, grid = ("6-31g", 0) if size == "smoke" else ("def2-svp", 1)
    kinds = {"smoke": KINDS[:1], "quick": KINDS[:3], "full": KINDS}[size]
    atoms, exc = several(kinds, 1), jsci.dft.xc(functional)
    figures: dict[str, Any] = {}

    @eqx.filter_jit
    def states(m):
        result = jsci.dft.scf(m, exc, tolerance=1e-12, throw=False)
        found = jsci.dft.excitations(
            m, exc, result=result, nstates=STATES, tda=tda, tolerance=TOLERANCE
        )
        return found.energies, found.oscillator_strengths, found.converged

    def ours():
        molecules = [jsci.dft.molecule(a, basis, grid=grid) for a in atoms]
        found = [states(m) for m in jsci.dft.pad_to_buckets(molecules, BUCKETS)]
        return [np.stack(values) for values in zip(*found, strict=True)]

    def theirs():
        return [by_pyscf(a, basis, functional, grid, tda) for a in atoms]

    def step():
        (energies, strengths, converged), _ = both(ours, theirs, len(atoms), figures)
        # PySCF may miss a state unless a few more are asked for.
        reference = [by_pyscf(a, basis, functional, grid, tda, more=3) for a in atoms]
        apart = np.abs(energies - [e for e, _ in reference]).max()
        weaker = np.abs(strengths - [f for _, f in reference]).max()
        figures.update(
            {
                "converged": int(converged.sum()),
                "energies": f"{apart:.1e} Hartree",
                "strengths": f"{weaker:.1e}",
            }
        )
        return max(apart / ENERGY, weaker / STRENGTH)

    return Run(
        step,
        (),
        error=float,
        host=True,
        note=f"{STATES} states of {', '.join(kinds)}, distorted; {functional}, {basis}, grid "
        f"{grid}; integrals and SCF to 1e-12 included, residuals to {TOLERANCE:g}, on both "
        f"sides; ours in {BUCKETS} shapes",
        figures=lambda _: figures,
    )


def _case(name: str, title: str, tda: bool, functional: str) -> Case:
    return Case(
        name,
        "dft",
        title,
        lambda size: make_excitations(tda, functional, size),
        "full",
        reference="PySCF, one by one",
        tolerance=1.0,
        error_name="share of 1e-6 Hartree and 1e-4 in strength",
    )


CASES = [
    _case("dft.excitations_tda", "Excited states without B (PBE)", True, "pbe"),
    _case("dft.excitations", "Excited states in full response (PBE0)", False, "pbe0"),
]
