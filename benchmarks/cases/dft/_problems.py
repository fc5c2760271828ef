"""Molecules that several cases and the tests solve, PySCF's side of them, and how guesses learn."""

import dataclasses
import time
from typing import Any

import equinox as eqx
import numpy as np
import optax

import jaxsci as jsci
from benchmarks.remote import Environment, remote_run
from benchmarks.runner.case import Baseline, Run
from jaxsci.dft._basis.units import BOHR_IN_ANGSTROM

Atoms = list[tuple[str, list[float]]]

WATER = np.array([[0.0, 0.0, 0.1173], [0.0, 0.7572, -0.4692], [0.0, -0.7572, -0.4692]])

# PySCF's own convergence threshold: what remains of it is most of the difference between us.
PYSCF_TOLERANCE = 1e-10

PYSCF_DEFAULT = 1e-9  # of the energy: the same as ours


def distorted_waters(n: int) -> list[list[tuple[str, list[float]]]]:
    """Geometries distorted by a normal deviate of 0.03 ångström in every coordinate."""
    rng = np.random.default_rng(0)
    shapes = WATER + 0.03 * rng.standard_normal((n, 3, 3))
    return [list(zip("OHH", shape.tolist(), strict=True)) for shape in shapes]


def water_arrays() -> dict[str, Any]:
    """The molecule of `water_in` for another interpreter, in Bohr."""
    symbols, positions = zip(*distorted_waters(1)[0], strict=True)
    return {
        "symbols": np.array(symbols),
        "charges": np.array([8, 1, 1]),
        "coordinates": np.array(positions) / BOHR_IN_ANGSTROM,
    }


def pyscf_field(
    atoms: Any, basis: str, functional: str, grid: int, tolerance: float = PYSCF_TOLERANCE
) -> Any:
    """A mean field without any results yet."""
    from pyscf import dft, gto

    field = dft.RKS(gto.M(atom=atoms, basis=basis, verbose=0))
    field.xc, field.grids.level, field.conv_tol = functional, grid, tolerance
    return field


def _pyscf_prepared(atoms: Any, basis: str, functional: str, grid: int) -> Any:
    """A mean field with its integrals and grid in memory: its kernel() times the SCF alone."""
    field = pyscf_field(atoms, basis, functional, grid)
    field.grids.build()
    field._eri = field.mol.intor("int2e", aosym="s8")
    core, overlap = field.get_hcore(), field.get_ovlp()
    field.get_hcore = lambda mol=None: core
    field.get_ovlp = lambda mol=None: overlap
    return field


def water_in(basis: str, grid: int) -> Run:
    """The PBE SCF of a water molecule in this basis."""
    atoms = distorted_waters(1)[0]
    prepared = _pyscf_prepared(atoms, basis, "pbe", grid)
    reference = float(prepared.kernel())
    prepared.conv_tol = 1e-9  # as ours

    def theirs():
        prepared.mo_coeff = None  # or it starts from its solution
        return float(prepared.kernel())

    functional = jsci.dft.xc("pbe")
    start = time.perf_counter()
    water = jsci.dft.molecule(atoms, basis, grid=grid)
    build = time.perf_counter() - start

    def energy(molecule):
        result = jsci.dft.scf(molecule, functional, throw=False)
        return result.energy, result.steps

    def batched(n):
        molecules = [jsci.dft.molecule(a, basis, grid=grid) for a in distorted_waters(n)]
        return jsci.vmap(energy, batch_size=1), (jsci.dft.stack(molecules),)

    return Run(
        energy,
        (water,),
        error=lambda out: abs(float(out[0] if isinstance(out, tuple) else out) - reference),
        batched=batched,
        baseline=Baseline("PySCF", theirs, (), host=True),
        note=f"PBE, {basis}, grid {grid}; both with integrals and grid in memory",
        figures=lambda out: {"steps": out[1], "build in seconds": build, "nao": water.size},
    )


def remote_water(environment: Environment, module: str, basis: str, grid: int) -> Run:
    """The same SCF by a peer."""
    error = water_in(basis, grid).error
    case = f"energy {basis} {grid}"
    return remote_run(environment.variable, module, case, water_arrays(), error)


def benzene() -> Atoms:
    """In its plane, ångström."""
    angles = np.arange(6) * np.pi / 3
    ring = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    return [("C", list(1.396 * x)) for x in ring] + [("H", list(2.48 * x)) for x in ring]


def naphthacenequinone() -> Atoms:
    """5,12-naphthacenequinone, C₁₈H₁₀O₂: four rings of a honeycomb of 1.4 ångström in a row."""
    bond, right = 1.4, 1.4 * np.sqrt(3) * np.array([1.0, 0.0, 0.0])
    angles = np.pi / 6 + np.arange(6) * np.pi / 3
    ring = bond * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    carbons = np.unique(np.concatenate([ring + k * right for k in range(4)]).round(6), axis=0)
    outside = []
    for x in carbons:
        distances = np.linalg.norm(carbons - x, axis=1)
        bonded = carbons[abs(distances - bond) < 0.1]
        if len(bonded) == 2:
            outward = (2 * x - bonded.sum(0)) / bond
            quinone = abs(x - right)[0] < 0.1
            outside.append(
                ("O", list(x + 1.22 * outward)) if quinone else ("H", list(x + 1.09 * outward))
            )
    return [("C", list(x)) for x in carbons] + outside


def alkane(n: int) -> Atoms:
    """CₙH₂ₙ₊₂, all trans, ångström."""
    half, bond, hydrogen = np.deg2rad(111.5) / 2, 1.53, 1.09
    side = hydrogen * np.array([0.0, np.sin(np.deg2rad(53.5)), np.cos(np.deg2rad(53.5))])
    atoms, chain = [], []
    for i in range(n):
        up = 1 if i % 2 else -1
        x = np.array([i * bond * np.sin(half), 0.0, (i % 2) * bond * np.cos(half)])
        chain.append(("C", list(x)))
        atoms += [("H", list(x + side * [1, s, up])) for s in (1, -1)]
        end = hydrogen * np.array([np.sin(half), 0.0, -up * np.cos(half)])
        atoms += [
            ("H", list(x + end * [s, 1, 1])) for s, last in ((-1, 0), (1, n - 1)) if i == last
        ]
    return chain + atoms


# Positions in ångström. None of those to predict is among those to learn from.
LEARNED = {
    "H2": "H 0 0 0; H 0 0 .741",
    "HF": "H 0 0 0; F 0 0 .917",
    "H2O": "O 0 0 .1173; H 0 .7572 -.4692; H 0 -.7572 -.4692",
    "NH3": "N 0 0 .116; H 0 .9397 -.2711; H .8138 -.4699 -.2711; H -.8138 -.4699 -.2711",
    "CH4": "C 0 0 0; H .628 .628 .628; H .628 -.628 -.628; H -.628 .628 -.628; H -.628 -.628 .628",
    "N2": "N 0 0 0; N 0 0 1.098",
    "CO": "C 0 0 0; O 0 0 1.128",
    "C2H2": "C 0 0 .6013; C 0 0 -.6013; H 0 0 1.6644; H 0 0 -1.6644",
    "F2": "F 0 0 0; F 0 0 1.412",
    "LiH": "Li 0 0 0; H 0 0 1.595",
}

PREDICTED = {
    "HCN": "H 0 0 -1.065; C 0 0 0; N 0 0 1.156",
    "CH2O": "O 0 0 .6744; C 0 0 -.5278; H 0 .9362 -1.1121; H 0 -.9362 -1.1121",
    "CO2": "C 0 0 0; O 0 0 1.162; O 0 0 -1.162",
    "N2O": "N 0 0 -1.128; N 0 0 0; O 0 0 1.184",
    "LiF": "Li 0 0 0; F 0 0 1.564",
    "HOF": "O 0 0 0; F 0 0 1.435; H 0 .956 -.125",
    "FCN": "F 0 0 -1.262; C 0 0 0; N 0 0 1.159",
    "C2H4": "C 0 0 .6695; C 0 0 -.6695; H 0 .9289 1.2321; H 0 -.9289 1.2321; "
    "H 0 .9289 -1.2321; H 0 -.9289 -1.2321",
    "HNO": "N 0 0 0; O 0 0 1.212; H 0 1.001 -.342",
    "CH3F": "C 0 0 0; F 0 0 1.383; H 1.029 0 -.37; H -.5145 .891 -.37; H -.5145 -.891 -.37",
}


def parse_atoms(text: str) -> list[tuple[str, tuple[float, ...]]]:
    """Symbols and positions of "H 0 0 0; F 0 0 .917"."""
    return [(s, tuple(map(float, xyz))) for s, *xyz in map(str.split, text.split(";"))]


FAMILIES = {
    "H2O": LEARNED["H2O"],
    "NH3": LEARNED["NH3"],
    "CH4": LEARNED["CH4"],
    "C2H6": "C 0 0 .765; C 0 0 -.765; H 0 1.02 1.16; H .883 -.51 1.16; H -.883 -.51 1.16; "
    "H 0 -1.02 -1.16; H .883 .51 -1.16; H -.883 .51 -1.16",
}

TRAINED = "def2-svp", "pbe"

# Ångström by which every coordinate is moved, normally distributed.
DISTORTION = 0.06


def distorted(geometry: str, rng, count: int):
    atoms = [atom.split() for atom in geometry.split(";")]
    places = np.array([[float(x) for x in xyz] for _, *xyz in atoms])
    return [
        [
            (s, tuple(x))
            for (s, *_), x in zip(
                atoms, places + DISTORTION * rng.standard_normal(places.shape), strict=True
            )
        ]
        for _ in range(count)
    ]


@eqx.filter_jit
def solve(molecule, functional, guess):
    r = jsci.dft.scf(molecule, functional, guess=guess, throw=False)
    return r.steps, r.converged, r.density_matrix


def one_grid(atoms, basis, grid=1):
    """On one grid: with a coarse one beside it, most steps are cheap and count as much."""
    m = jsci.dft.molecule(atoms, basis, grid=grid)
    return dataclasses.replace(m, grid=dataclasses.replace(m.grid, coarse=None))


def trained(loss, params, draw, key, steps, rate=3e-3, *behind):
    """The averaged parameters of Adam with a decaying rate; the last where something is behind it.

    Gates that open and close, which may be chained there, have no average.
    """
    adam = optax.adam(optax.cosine_decay_schedule(rate, steps))
    chain = optax.chain(optax.clip_by_global_norm(1.0), adam, *behind)
    optimizer = jsci.averaged(chain, 0.99)
    result = jsci.fit(loss, params, draw, optimizer, steps=steps, key=key)
    return result.params if behind else result.state.params
