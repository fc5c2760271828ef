"""Energies, forces and dispersion of many molecules and functionals against reference programs."""

import functools
import importlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import (
    DISTORTION,
    LEARNED,
    PREDICTED,
    alkane,
    benzene,
    parse_atoms,
)
from benchmarks.runner.case import Baseline, Case, Run, Size
from jaxsci.dft._basis.elements import NUMBERS
from jaxsci.dft._basis.units import BOHR_IN_ANGSTROM

FUNCTIONALS = ("svwn", "pbe", "b3lyp", "tpss", "r2scan", "hse06", "cam-b3lyp", "wb97x")
TOLERANCE = 1e-9  # Hartree
AUXILIARY = "def2-universal-jkfit"


class Entry(NamedTuple):
    """A molecule: positions in ångström, unpaired electrons, charge, basis, density fitting."""

    atoms: str
    spin: int = 0
    charge: int = 0
    basis: str = "6-31g"
    fit: bool = False


def _benzene() -> str:
    ring = [(np.cos(a), np.sin(a)) for a in np.arange(6) * np.pi / 3]
    atoms = [
        f"{s} {r * x:.6f} {r * y:.6f} 0" for s, r in (("C", 1.397), ("H", 2.484)) for x, y in ring
    ]
    return "; ".join(atoms)


def _nonanol() -> str:
    """C9H19OH, 30 atoms: a zigzag chain, an oxygen at its end."""
    across, along, up, side = 0.44, 1.256, 0.63, 0.89
    atoms = []
    for i in range(10):
        sign = (-1) ** i
        x, y = along * i, across * sign
        if i == 9:
            atoms += [("O", x, y, 0.0), ("H", x + 0.85, y - 0.4 * sign, 0.0)]
            continue
        atoms += [("C", x, y, 0.0), ("H", x, y + up * sign, side), ("H", x, y + up * sign, -side)]
    atoms.append(("H", -0.9, across - 0.6, 0.0))
    return "; ".join(f"{s} {x:.4f} {y:.4f} {z:.4f}" for s, x, y, z in atoms)


# What is solved in one program is padded to the largest of its group.
LIGHT = {
    **{name: Entry(atoms) for name, atoms in LEARNED.items()},
    **{name: Entry(PREDICTED[name]) for name in ("HCN", "CH2O", "LiF")},
    "OH-": Entry("O 0 0 0; H 0 0 .964", charge=-1),
    "NH4+": Entry(LEARNED["CH4"].replace("C", "N"), charge=1),
}
HEAVY = {
    **{
        name: Entry(PREDICTED[name]) for name in ("CO2", "N2O", "HOF", "FCN", "C2H4", "HNO", "CH3F")
    },
    "HCl": Entry("H 0 0 0; Cl 0 0 1.275"),
    "H2S": Entry("S 0 0 .103; H 0 .962 -.821; H 0 -.962 -.821"),
    "SiH4": Entry(
        "Si 0 0 0; H .855 .855 .855; H .855 -.855 -.855; H -.855 .855 -.855; H -.855 -.855 .855"
    ),
}
OPEN = {
    "O2": Entry("O 0 0 0; O 0 0 1.208", 2),
    "NO": Entry("N 0 0 0; O 0 0 1.151", 1),
    "CH3": Entry("C 0 0 0; H 1.079 0 0; H -.5395 .93444 0; H -.5395 -.93444 0", 1),
    "NH2": Entry("N 0 0 .1416; H 0 .8054 -.4955; H 0 -.8054 -.4955", 1),
    "CN": Entry("C 0 0 0; N 0 0 1.172", 1),
    "H2O+": Entry("O 0 0 .12; H 0 .8 -.46; H 0 -.8 -.46", 1, 1),
}
SPECIAL = {
    "Cu2": Entry("Cu 0 0 0; Cu 0 0 2.22"),
    "HI (ECP)": Entry("H 0 0 0; I 0 0 1.609", basis="def2-svp"),
    "benzene": Entry(_benzene()),
    "nonanol (fit)": Entry(_nonanol(), fit=True),
}
GROUPS = (LIGHT, HEAVY, OPEN, *({name: entry} for name, entry in SPECIAL.items()))
# Closed and open shell, charged, fitted, with a core potential.
FORCES = {
    "H2O": LIGHT["H2O"],
    "CH2O (fit)": LIGHT["CH2O"]._replace(fit=True),
    "OH-": LIGHT["OH-"],
    "HI (ECP)": SPECIAL["HI (ECP)"],
    "CH3": OPEN["CH3"],
    "O2 (fit)": OPEN["O2"]._replace(fit=True),
}


def pyscf_field(entry: Entry, functional: str, grid: int) -> Any:
    from pyscf import dft, gto

    mol = gto.M(
        atom=entry.atoms,
        basis=entry.basis,
        ecp=entry.basis if entry.basis.startswith("def2") else {},
        spin=entry.spin,
        charge=entry.charge,
        verbose=0,
    )
    field: Any = (dft.UKS if entry.spin else dft.RKS)(mol)
    if entry.fit:
        field = field.density_fit(auxbasis=AUXILIARY)
        _fit_ranges_alike(field)
    field.xc, field.grids.level = functional.replace("-", ""), grid
    field.conv_tol, field.max_cycle = 1e-12, 200
    return field


def _fit_ranges_alike(field: Any) -> None:
    """The short range as in jaxsci, the full less the long range; PySCF fits it separately."""
    by_fit = field.get_k

    def get_k(mol=None, dm=None, hermi=1, omega=None):
        if omega is not None and omega < 0:
            return by_fit(mol, dm, hermi) - by_fit(mol, dm, hermi, omega=-omega)
        return by_fit(mol, dm, hermi, omega=omega)

    field.get_k = get_k


def build(entry: Entry, functional: jsci.dft.Functional, grid: int) -> jsci.dft.Molecule:
    return jsci.dft.molecule(
        parse_atoms(entry.atoms),
        entry.basis,
        spin=entry.spin,
        charge=entry.charge,
        grid=grid,
        density_fit=AUXILIARY if entry.fit else False,
        omega=functional.omega,
    )


def energies(group: dict[str, Entry], name: str, grid: int) -> np.ndarray:
    # Compiled programs hold memory maps, and Linux lets a process crash that has 65,530 of them.
    jax.clear_caches()
    functional = jsci.dft.xc(name)
    solve = jsci.dft.energy(functional, tolerance=1e-12)
    batch = jsci.dft.stack([build(entry, functional, grid) for entry in group.values()])
    return np.asarray(jax.jit(jsci.vmap(lambda m: solve(None, m), batch_size=1))(batch))


def compare_energies(name: str, group: dict[str, Entry], grid: int) -> dict[str, float]:
    """|E - E of PySCF| where PySCF converges; NaN where only ours does not."""
    found = {}
    for e, (molecule, entry) in zip(energies(group, name, grid), group.items(), strict=True):
        field = pyscf_field(entry, name, grid)
        field.kernel()
        if not field.converged:  # Cu2 without exact exchange: nothing to compare with
            continue
        if not abs(e - field.e_tot) <= TOLERANCE:  # or not a number: it did not converge
            # A hole in a degenerate level (NO) may be oriented differently, to which the grid is
            # sensitive: start from PySCF's density, and see whether its solution is one of ours.
            functional = jsci.dft.xc(name)
            m = build(entry, functional, grid)
            again = jsci.dft.scf(
                m, functional, guess=field.make_rdm1(), tolerance=1e-12, throw=False
            )
            e = again.energy if again.converged else np.nan
            molecule += " from PySCF's density"
        found[molecule] = abs(float(e) - float(field.e_tot))
    return found


def compare_forces(name: str, entry: Entry, grid: int) -> float:
    """The largest difference of a force from PySCF's with grid response."""
    jax.clear_caches()
    functional = jsci.dft.xc(name)
    field = pyscf_field(entry, name, grid)
    field.conv_tol_grad = 1e-8
    field.kernel()
    gradient = field.nuc_grad_method()
    gradient.grid_response = True
    ours = jsci.dft.forces(build(entry, functional, grid), functional)
    return float(np.abs(np.asarray(ours) + gradient.kernel()).max())


def _worst(found: dict[tuple[str, str], float], functional: str) -> str:
    errors = {molecule: e for (f, molecule), e in found.items() if f == functional}
    worst = max(errors, key=lambda molecule: errors[molecule])
    return f"{errors[worst]:.1e} ({worst})"


def _largest(found: dict[tuple[str, str], float]) -> float:
    return float(np.max(list(found.values())))  # NaN, if there is one


def make_energies(size: Size) -> Run:
    groups = GROUPS if size == "full" else ({"H2O": LIGHT["H2O"]}, {"O2": OPEN["O2"]})
    names = FUNCTIONALS if size == "full" else ("b3lyp",)
    grid = 1 if size == "full" else 0
    count = sum(map(len, groups))

    def step():
        return {
            (name, molecule): e
            for name in names
            for group in groups
            for molecule, e in compare_energies(name, group, grid).items()
        }

    return Run(
        step,
        (),
        error=_largest,
        host=True,
        note=f"{count} molecules x {len(names)} functionals, grid {grid}; largest error of each",
        figures=lambda found: {
            "compared": f"{len(found)} of {count * len(names)}",
            **{name: _worst(found, name) for name in names},
        },
    )


def make_forces(size: Size) -> Run:
    entries = FORCES if size == "full" else {"CH3": FORCES["CH3"]}
    names = FUNCTIONALS if size == "full" else ("cam-b3lyp",)
    grid = 1 if size == "full" else 0

    def step():
        return {
            (name, molecule): compare_forces(name, entry, grid)
            for name in names
            for molecule, entry in entries.items()
        }

    return Run(
        step,
        (),
        error=_largest,
        host=True,
        note=f"{len(entries)} molecules x {len(names)} functionals, grid {grid}",
        figures=lambda found: {name: _worst(found, name) for name in names},
    )


def _structures(n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Distorted molecules of two to fourteen atoms: atomic numbers, and positions in Bohr."""
    rng = np.random.default_rng(0)
    known: list[Any] = [parse_atoms(text) for text in PREDICTED.values()]
    known += [alkane(2), alkane(3), alkane(4), benzene()]
    found = []
    for i in range(n):
        symbols, positions = zip(*known[i % len(known)], strict=True)
        moved = np.array(positions) + DISTORTION * rng.standard_normal((len(symbols), 3))
        found.append((np.array([NUMBERS[s] for s in symbols]), moved / BOHR_IN_ANGSTROM))
    return found


def _dispersion(method: str, size: Size) -> Run:
    reference = importlib.import_module(f"dft{method}.interface")
    of_name = {"d3": jsci.dft.d3, "d4": jsci.dft.d4}[method]
    structures = _structures(10 if size == "smoke" else 100)
    atoms = max(len(z) for z, _ in structures)
    elements = jnp.array([np.pad(z, (0, atoms - len(z))) for z, _ in structures])
    positions = np.full((len(structures), atoms, 3), 1e2) * np.arange(1, atoms + 1)[:, None]
    for row, (z, x) in zip(positions, structures, strict=True):
        row[: len(z)] = x

    def theirs():
        kind = reference.RationalDampingParam if method == "d3" else reference.DampingParam
        damping = kind(method="pbe")
        found = [reference.DispersionModel(*s).get_dispersion(damping, True) for s in structures]
        return [(float(r["energy"]), r["gradient"]) for r in found]

    exact = theirs()

    def error(out):
        """The largest error of an energy, or a tenth of that of a slope: the bars are 1 to 10."""
        return max(
            max(abs(float(e) - known), 0.1 * float(np.abs(g[: len(slopes)] - slopes).max()))
            for e, g, (known, slopes) in zip(*map(np.asarray, out), exact, strict=True)
        )

    return Run(
        jax.vmap(jax.value_and_grad(of_name("pbe").of_atoms)),
        (jnp.asarray(positions), elements),
        error=error,
        baseline=Baseline(f"dft{method}, a loop", theirs, (), host=True, error=lambda _: 0.0),
        note=f"energies and gradients of {len(structures)} molecules of 2 to {atoms} atoms",
    )


CASES = [
    *(
        Case(
            f"dft.dispersion-{method}",
            "dft",
            f"{method.upper()} dispersion of 100 molecules in one batch",
            functools.partial(_dispersion, method),
            "quick",
            reference=f"the program of its authors, dft{method}",
            tolerance=1e-9,
            error_name="Hartree, maximum over molecules",
        )
        for method in ("d3", "d4")
    ),
    Case(
        "dft.accuracy",
        "dft",
        "Energies of several molecules with eight functionals",
        make_energies,
        "quick",
        reference="PySCF on the same grid and integrals, converged to 1e-12",
        tolerance=TOLERANCE,
        error_name="Hartree, maximum over molecules",
    ),
    Case(
        "dft.accuracy_of_forces",
        "dft",
        "Forces with eight functionals, density fitting and effective core potentials",
        make_forces,
        "full",
        reference="PySCF with the response of the grid",
        tolerance=1e-6,
        error_name="Hartree/Bohr, maximum over atoms",
    ),
]
