"""Molecules whose SCF solutions are hard to find, and the stable ones that PySCF finds."""

from typing import Any

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
