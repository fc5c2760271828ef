"""Frequencies and thermochemistry of relaxed molecules beside PySCF's analytic Hessian."""

from typing import Any

import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import parse_atoms, pyscf_field
from benchmarks.cases.dft.chemistry._beside_pyscf import GEOMETRIES, TIGHT, both
from benchmarks.runner.case import Case, Run, Size
from jaxsci.dft._basis.units import BOHR_IN_ANGSTROM

KINDS = ["H2", "H2O", "HF", "NH3", "CH4", "N2", "CO", "C2H2", "HCN", "CH2O"]
# cm⁻¹ and Hartree that are allowed between the two.
WAVENUMBER, ENERGY = 0.5, 1e-5


def by_pyscf(atoms: Any, basis: str, functional: str, grid: int) -> tuple[np.ndarray, float, int]:
    """Wavenumbers, free energy and its symmetry number, without the response of the grid."""
    from pyscf.hessian import thermo

    field = pyscf_field(atoms, basis, functional, grid, 1e-12)
    field.kernel()
    modes = thermo.harmonic_analysis(field.mol, field.Hessian().kernel())
    found = thermo.thermo(field, modes["freq_au"], 298.15, 101325)
    turns = int(thermo.rotational_symmetry_number(field.mol))
    return np.sort(modes["freq_wavenumber"].real), float(found["G_tot"][0]), turns


def make_vibrations(size: Size) -> Run:
    basis, functional, grid = ("sto-3g", "hf", 0) if size == "smoke" else ("6-31g", "pbe", 3)
    kinds = {"smoke": KINDS[:1], "quick": KINDS[:2], "full": KINDS}[size]
    exc = jsci.dft.xc(functional)
    parsed = [parse_atoms(GEOMETRIES[kind]) for kind in kinds]
    batch = jsci.dft.stack([jsci.dft.molecule(a, basis, grid=grid) for a in parsed])
    criteria = jsci.dft.Criteria(**TIGHT)
    relaxed = jsci.dft.relax(batch, exc, criteria=criteria, progress=False)
    places = [
        [(s, tuple(p)) for (s, _), p in zip(a, np.asarray(x) * BOHR_IN_ANGSTROM, strict=False)]
        for a, x in zip(parsed, relaxed.positions, strict=True)
    ]
    molecules = [jsci.dft.molecule(a, basis, grid=grid) for a in places]
    figures: dict[str, Any] = {}

    def ours():
        return [jsci.dft.vibrations(m, exc) for m in molecules]

    def theirs():
        return [by_pyscf(a, basis, functional, grid) for a in places]

    def step():
        found, reference = both(ours, theirs, len(kinds), figures)
        pairs = list(zip(found, reference, strict=True))
        wavenumbers = max(np.abs(np.asarray(v.frequencies) - r[0]).max() for v, r in pairs)
        # With PySCF's symmetry numbers: it may miss some where a geometry is relaxed, not exact.
        energies = max(
            abs(v.thermochemistry(symmetry_number=r[2]).free_energy - r[1]) for v, r in pairs
        )
        own = [v.thermochemistry().symmetry_number for v in found]
        others = [
            f"{kind} {n}, PySCF {r[2]}"
            for kind, n, r in zip(kinds, own, reference, strict=True)
            if n != r[2]
        ]
        figures.update(
            {
                "frequencies": f"{wavenumbers:.1e} 1/cm",
                "free energies": f"{energies:.1e} Hartree",
                "other symmetry numbers": ", ".join(others) or "none",
            }
        )
        return max(wavenumbers / WAVENUMBER, energies / ENERGY)

    return Run(
        step,
        (),
        error=float,
        host=True,
        note=f"{', '.join(kinds)}; {functional}, {basis}, grid {grid}, SCF to 1e-12 on both sides; "
        "PySCF's Hessian without the response of the grid",
        figures=lambda _: figures,
    )


CASES = [
    Case(
        "dft.vibrations",
        "dft",
        "Frequencies and free energies of relaxed molecules",
        make_vibrations,
        "full",
        reference="PySCF's analytic Hessians on the same geometries",
        tolerance=1.0,
        error_name="share of 0.5 1/cm and 1e-5 Hartree",
    ),
]
