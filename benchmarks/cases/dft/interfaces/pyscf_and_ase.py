"""Doors to other programs: what goes through them keeps its energy."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft.chemistry._beside_pyscf import TIGHT
from benchmarks.runner.case import Case, Run, Size
from jaxsci.dft._basis.units import BOHR_IN_ANGSTROM

DIMER = (
    "O -1.551007 -.11452 0; H -1.934259 .762503 0; H -.599677 .040712 0; ",
    "O 1.350625 .111469 0; H 1.680398 -.373741 -.758561; H 1.680398 -.373741 .758561; ",
)
WATER = "O 0 0 .1173; H 0 .7572 -.4692; H 0 -.7572 -.4692"


def ghosts(text: str) -> str:
    return text.replace("O ", "ghost-O ").replace("H ", "ghost-H ")


def by_pyscf(text: str, basis: str, grid: int, definition: Any = None) -> float:
    from pyscf import dft, gto

    field: Any = dft.RKS(gto.M(atom=text, basis=basis, verbose=0), xc="pbe")
    field.grids.level, field.conv_tol = grid, 1e-12
    if definition is not None:
        field.xc = "lda"
        field.define_xc_(*definition)
    return float(field.kernel())


def make_counterpoise(size: Size) -> Run:
    basis, grid = ("6-31g", 0) if size == "smoke" else ("aug-cc-pvdz", 1)
    a, b = DIMER
    texts = (a + b, a + ghosts(b), ghosts(a) + b)
    pbe = jsci.dft.xc("pbe")

    def interaction(energies):
        return energies[0] - energies[1] - energies[2]

    def step():
        molecules = (jsci.dft.molecule(text, basis, grid=grid) for text in texts)
        solved = [jsci.dft.scf(m, pbe, tolerance=1e-12) for m in molecules]
        return interaction([float(r.energy) for r in solved])

    reference = interaction([by_pyscf(text, basis, grid) for text in texts])
    return Run(
        step,
        (),
        error=lambda found: abs(found - reference),
        host=True,
        note=f"PBE, {basis}, grid {grid}; interaction energy {reference * 627.509:.3f} kcal/mol",
    )


def make_round_trip(size: Size) -> Run:
    """A network on PBE, solved here, given to PySCF, and solved there from its own guess."""
    basis, grid = ("sto-3g", 0) if size == "smoke" else ("def2-svp", 1)
    mlp = jsci.nn.MLP(3, "scalar", width=8, depth=1, key=jax.random.key(0))
    f, params = jsci.pure(mlp)
    params = jax.tree.map(lambda x: 0.3 * x, params)
    functional = jsci.dft.neural_functional(f)
    molecule = jsci.dft.molecule(WATER, basis, grid=grid)

    def step():
        result = jsci.dft.scf(molecule, functional, params, tolerance=1e-12)
        held = jsci.dft.to_pyscf(molecule, functional, result, params).energy_tot()
        definition = jsci.dft.to_pyscf_xc(functional, params)
        there = by_pyscf(WATER, basis, grid, definition)
        return float(result.energy), float(held), there

    return Run(
        step,
        (),
        error=lambda e: max(abs(e[1] - e[0]), abs(e[2] - e[0])),
        host=True,
        note=f"water, {basis}, grid {grid}",
        figures=lambda e: {
            "energy of to_pyscf": f"{abs(e[1] - e[0]):.1e} Hartree",
            "SCF in PySCF": f"{abs(e[2] - e[0]):.1e} Hartree",
        },
    )


def water_for_ase(basis: str, grid: int) -> Any:
    import ase

    atoms = ase.Atoms("OH2", [(0, 0, 0.1173), (0, 0.7572, -0.4692), (0, -0.7572, -0.4692)])
    atoms.calc = jsci.dft.calculator(jsci.dft.xc("pbe"), basis=basis, grid=grid)
    return atoms


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """A list that grows with each program that is compiled in this context."""
    compiled: list[str] = []

    def listen(event: str, duration_secs: float, **kwargs: Any) -> None:
        if event.endswith("backend_compile_duration"):
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def make_trajectory(_: Size) -> Run:
    """Water at constant energy through ASE, from 300 K."""
    from ase import units
    from ase.md.verlet import VelocityVerlet

    basis, grid, steps = "6-31g", 1, 500
    atoms = water_for_ase(basis, grid)
    thermal = np.random.default_rng(0).normal(size=(3, 3)) * np.sqrt(300 * units.kB)
    velocities = thermal / np.sqrt(atoms.get_masses())[:, None]

    def step():
        atoms.set_velocities(velocities - velocities.mean(axis=0))
        dynamics = VelocityVerlet(atoms, timestep=0.25 * units.fs)
        dynamics.run(1)
        energies = []
        with compilations() as compiled:
            for _ in range(steps):
                dynamics.run(1)
                energies.append(atoms.get_total_energy() / units.Hartree)
        return np.array(energies), len(compiled)

    def drift(found):
        """The slope of a straight line, over the whole trajectory."""
        energies, _ = found
        return float(abs(np.polyfit(np.arange(steps), energies, 1)[0]) * steps)

    return Run(
        step,
        (),
        error=drift,
        host=True,
        note=f"PBE, {basis}, grid {grid}, {steps} steps of 0.25 fs",
        figures=lambda found: {
            "oscillation of Verlet": f"{np.ptp(found[0]):.1e} Hartree",
            "compiled after the first step": found[1],
        },
    )


def make_held(size: Size) -> Run:
    """One bond of water is held, the other and the angle relax: by ASE, and by `relax`."""
    from ase.constraints import FixBondLength
    from ase.optimize import BFGS

    basis, grid = ("sto-3g", 0) if size == "smoke" else ("def2-svp", 3)

    def by_ase():
        atoms = water_for_ase(basis, grid)
        atoms.set_constraint(FixBondLength(0, 1))
        dynamics = BFGS(atoms, logfile=None)
        dynamics.run(fmax=0.05, steps=1)
        with compilations() as compiled:
            dynamics.run(fmax=1e-3, steps=60)
        return atoms.get_all_distances(), dynamics.nsteps, len(compiled)

    def step():
        water = jsci.dft.molecule(WATER, basis, grid=grid)
        relaxed = jsci.dft.relax(
            water,
            jsci.dft.xc("pbe"),
            held=[(0, 1)],
            criteria=jsci.dft.Criteria(**TIGHT),
            progress=False,
        )
        x = np.asarray(relaxed.positions) * BOHR_IN_ANGSTROM
        return np.linalg.norm(x[:, None] - x, axis=-1), int(relaxed.steps), by_ase()

    return Run(
        step,
        (),
        error=lambda found: float(np.abs(found[0] - found[2][0]).max()),
        host=True,
        note=f"PBE, {basis}, grid {grid}; one bond of water held by FixBondLength, 1e-3 eV/Å",
        figures=lambda found: {
            "geometries": f"{found[1]}, BFGS of ASE {found[2][1]}",
            "compiled after the first step": found[2][2],
        },
    )


CASES = [
    Case(
        "dft.counterpoise",
        "dft",
        "Counterpoise-corrected interaction of two waters, by ghosts in text",
        make_counterpoise,
        "full",
        reference="PySCF on the same grid, converged to 1e-12",
        tolerance=1e-8,
        error_name="Hartree",
    ),
    Case(
        "dft.round_trip",
        "dft",
        "A network's functional and solution in PySCF",
        make_round_trip,
        "full",
        reference="the energy here",
        tolerance=1e-8,
        error_name="Hartree",
    ),
    Case(
        "dft.trajectory",
        "dft",
        "Water at constant energy through ASE",
        make_trajectory,
        "full",
        reference="no drift",
        tolerance=1e-5,
        error_name="drift, Hartree",
        item="steps",
    ),
    Case(
        "dft.held_by_ase",
        "dft",
        "Water with a bond held, relaxed by ASE's BFGS through the calculator",
        make_held,
        "full",
        reference="relax with the same bond held",
        tolerance=1e-3,
        error_name="ångström between any two atoms",
    ),
]
