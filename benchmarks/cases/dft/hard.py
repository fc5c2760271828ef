"""Hard SCF problems, without convergence or with saddle points, beside PySCF's stable solutions."""

import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._hard import GRID, HARD, pyscf_stable
from benchmarks.runner.case import Case, Run, Size


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
        """How far the worst energy that is reported as converged lies above PySCF's."""
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
        "Hard SCF problems: followed to a minimum, or flagged",
        make_hard,
        "full",
        reference="PySCF with its own stability analysis",
        tolerance=1e-6,
        error_name="Hartree",
        item="fields",
    ),
]
