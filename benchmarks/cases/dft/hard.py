"""Fields that do not converge by themselves, or to a saddle point, beside PySCF's stable ones."""

from typing import Any

import numpy as np

import jaxsci as jsci
from benchmarks.runner.case import Case, Run, Size

# Stretched bonds, small gaps, biradicals and a multiple bond of metals, in ångström.
HARD: dict[str, tuple[str, list[tuple[str, tuple[float, float, float]]]]] = {
    "LiH at three times its length": (
        "6-31g",
        [("Li", (0, 0, 0)), ("H", (0, 0, 4.8))],
    ),
    "N2 at twice its length": ("6-31g", [("N", (0, 0, 0)), ("N", (0, 0, 2.2))]),
    "CH2, singlet": ("6-31g", [("C", (0, 0, 0)), ("H", (0.86, 0, 0.6)), ("H", (-0.86, 0, 0.6))]),
    "O3": ("6-31g", [("O", (0, 0, 0)), ("O", (1.08, 0, 0.67)), ("O", (-1.08, 0, 0.67))]),
    "C2H4, twisted by 90 degrees": (
        "6-31g",
        [
            ("C", (0, 0, 0.67)),
            ("C", (0, 0, -0.67)),
            ("H", (0.92, 0, 1.24)),
            ("H", (-0.92, 0, 1.24)),
            ("H", (0, 0.92, -1.24)),
            ("H", (0, -0.92, -1.24)),
        ],
    ),
    "Cr2": ("def2-svp", [("Cr", (0, 0, 0)), ("Cr", (0, 0, 1.68))]),
}
GRID = 0


def pyscf_stable(atoms: Any, basis: str, functional: str, *, restricted: bool) -> float:
    """PySCF's energy once its own stability analysis finds nothing below."""
    from pyscf import dft, gto

    mol = gto.M(atom=atoms, basis=basis, verbose=0)
    field: Any = (dft.RKS if restricted else dft.UKS)(mol)
    field.xc, field.grids.level, field.conv_tol, field.max_cycle = functional, GRID, 1e-11, 100
    field.kernel()
    newton = field.newton()
    newton.conv_tol = 1e-11
    if not field.converged:
        newton.kernel(field.mo_coeff, field.mo_occ)
        field = newton
    for _ in range(6):
        orbitals, _, stable, _ = field.stability(return_status=True)
        if stable:
            return float(field.e_tot)
        newton.kernel(orbitals, field.mo_occ)
        field = newton
    return float("nan")


def make_hard(size: Size) -> Run:
    count = {"smoke": 1, "quick": 3, "full": len(HARD)}[size]
    functionals = ("hf",) if size == "smoke" else ("hf", "pbe")
    jobs = [
        (basis, atoms, name, restricted)
        for basis, atoms in list(HARD.values())[:count]
        for name in functionals
        for restricted in (True, False)
    ]
    molecules = [
        jsci.dft.molecule(atoms, basis, grid=GRID, restricted=restricted)
        for basis, atoms, _, restricted in jobs
    ]

    def ours():
        results = [
            jsci.dft.stable_scf(m, jsci.dft.xc(name), throw=False)
            for m, (_, _, name, _) in zip(molecules, jobs, strict=True)
        ]
        energies = np.array([float(r.energy) for r in results])
        return energies, np.array([bool(r.converged) for r in results])

    reference = np.array([pyscf_stable(a, b, f, restricted=r) for b, a, f, r in jobs])

    def error(out):
        """How far the worst energy called converged lies above PySCF's."""
        energies, converged = out
        return float(np.max(np.where(converged, energies - reference, 0).clip(0)))

    return Run(
        ours,
        (),
        error=error,
        note=f"{count} molecules, {', '.join(functionals)}, restricted and not; stable minima",
        figures=lambda out: {
            "fields": len(jobs),
            "flagged": int(np.sum(~out[1])),
            "below PySCF": int(np.sum(out[1] & (out[0] < reference - 1e-6))),
        },
        host=True,
    )


CASES = [
    Case(
        "dft.hard",
        "dft",
        "Hard fields: followed down to a minimum, or flagged",
        make_hard,
        "full",
        reference="PySCF with its own stability analysis",
        tolerance=1e-6,
        error_name="Hartree",
        item="fields",
    ),
]
