"""Forces of density functional theory that come with phono3py: rattled supercells of NaCl."""

import lzma
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsci as jsci
from benchmarks.cases.atoms._problems import SINGLE, in_single
from benchmarks.runner.case import Case, Run, Size
from benchmarks.runner.optional import NotHere

VARIABLE = "PHONO3PY_FOLDER"
FILE = "example/NaCl-rd/phono3py_params_NaCl.yaml.xz"
TRAIN = 80  # supercells of 100, in the order of the file
REPEATS = (2, 2, 2)
STEPS, RATE = 1000, 1e-2
RMS = 0.045  # eV/Å, of forces
ENERGY = 1e4  # weight of the energy per atom
CUTOFF = 7.0  # Å
# The aims, of the rms force and in THz, of which both are missed: 0.17 and 0.19, still falling.
FORCES, PHONONS = 0.03, 0.1


class ForceSet(NamedTuple):
    """The cubic cell, its displaced supercells with labels, and what phonopy takes them from."""

    cell: jsci.atoms.Atoms
    frames: list[jsci.atoms.Frame]
    displacements: np.ndarray
    forces: np.ndarray


def force_set() -> ForceSet:
    """100 supercells of 64 atoms, each moved by 0.03 Å in a random direction.

    PBEsol by VASP: Togo & Seko, J. Chem. Phys. 160, 211001 (2024), says the folder's README.
    """
    import yaml

    file = Path(os.environ.get(VARIABLE, "")) / FILE
    if not file.is_file():
        raise NotHere(
            f"{FILE}: set {VARIABLE} to the folder of `git clone "
            "https://github.com/phonopy/phono3py`, or of its source distribution, unpacked"
        )
    with lzma.open(file, "rt") as lines:
        found = yaml.load(lines, yaml.CSafeLoader)
    big, data = _structure(found["supercell"]), found["dataset"]
    u, forces = np.array(data["displacements"]), np.array(data["forces"])
    places = np.asarray(big.positions)
    frames = [
        jsci.atoms.Frame(
            jsci.atoms.Atoms(places + moves, big.numbers, big.cell), energy=energy, forces=force
        )
        for moves, energy, force in zip(u, data["supercell_energies"], forces, strict=True)
    ]
    return ForceSet(_structure(found["unit_cell"]), frames, u, forces)


def _structure(entry: Any) -> jsci.atoms.Atoms:
    lattice = np.array(entry["lattice"])
    fraction = np.array([point["coordinates"] for point in entry["points"]])
    return jsci.atoms.Atoms(fraction @ lattice, [p["symbol"] for p in entry["points"]], lattice)


def stacked(frames) -> jsci.atoms.Batch:
    """All of one shape, in float32."""
    (batch,) = in_single(jsci.atoms.batch(frames, CUTOFF, buckets=1))
    return batch


def trained(frames, steps: int):
    """`(f, params, CPU-seconds)`, where f takes parameters of any precision."""
    begin = time.process_time()
    model = jsci.atoms.GraphPotential(
        ["Na", "Cl"], cutoff=CUTOFF, order=2, width=16, depth=2, dtype=SINGLE,
        key=jax.random.key(0),
    )  # fmt: skip
    raw, params = jsci.pure(model)
    f = jsci.atoms.properties(
        jsci.atoms.with_references(raw, jsci.atoms.composition_energies(frames))
    )
    data = jsci.atoms.minibatches([stacked(frames)], 1)
    r = jsci.atoms.property_errors(f, energy=ENERGY, forces=1 / RMS**2)
    loss = jsci.objective(dict.fromkeys(data.weights, r), data.weights)
    rate = optax.cosine_onecycle_schedule(steps, RATE, 0.1)
    result = jsci.fit(
        loss, params, data, optax.adam(rate), steps=steps, key=jax.random.key(1), progress=False
    )
    return f, result.params, time.process_time() - begin


def relative_error(f, params, frames) -> float:
    """The rms error of forces over the rms force."""
    batch = stacked(frames)
    found = jax.jit(lambda b: jax.lax.map(lambda one: f(params, *one), (b.atoms, b.graph)))(batch)
    gaps = found.forces - batch.labels.forces
    return float(jnp.linalg.norm(gaps) / jnp.linalg.norm(batch.labels.forces))


def frequencies(f, params, cell, q) -> np.ndarray:
    """(points, modes), THz, by exact second derivatives in double precision."""
    wide = jax.tree.map(lambda x: x.astype(jnp.float64), params)
    constants = jsci.atoms.force_constants(f, wide, cell, CUTOFF, supercell=REPEATS)
    return np.asarray(jsci.atoms.phonons(constants, q))


def frequencies_of_phonopy(data: ForceSet, count: int, q) -> np.ndarray:
    """(points, modes), THz, of force constants fitted to the first supercells by symfc."""
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    cell = data.cell
    given = PhonopyAtoms(
        numbers=np.asarray(cell.numbers), positions=np.asarray(cell.positions),
        cell=np.asarray(cell.cell),
    )  # fmt: skip
    phonon = Phonopy(given, np.diag(REPEATS), primitive_matrix="P", log_level=0)
    phonon.dataset = {
        "displacements": data.displacements[:count], "forces": data.forces[:count],
    }  # fmt: skip
    phonon.produce_force_constants(fc_calculator="symfc")
    phonon.run_qpoints(q)
    return np.asarray(phonon.get_qpoints_dict()["frequencies"])


def _forces(size: Size):
    steps = 3 if size == "smoke" else STEPS
    q = jsci.atoms.mesh((4, 4, 4))

    def step():
        data = force_set()
        f, params, seconds = trained(data.frames[:TRAIN], steps)
        gaps = frequencies(f, params, data.cell, q) - frequencies_of_phonopy(data, TRAIN, q)
        return relative_error(f, params, data.frames[TRAIN:]), gaps, seconds

    def figures(out):
        forces, gaps, seconds = out
        return {
            "rms error of forces, %": f"{100 * forces:.2f}",
            "frequencies from phonopy's, THz, mean": f"{np.abs(gaps).mean():.3f}",
            "largest": f"{np.abs(gaps).max():.3f}",
            "CPU-seconds": f"{seconds:.0f}",
        }

    return Run(
        step=step,
        args=(),
        error=lambda out: max(out[0] / FORCES, float(np.abs(out[1]).mean()) / PHONONS),
        figures=figures,
        note=f"{TRAIN} supercells of 64 atoms, {100 - TRAIN} held out; {steps} steps of one, "
        "float32; phonons of both from a supercell of 64, without the long range of dipoles",
        host=True,
    )


CASES = [
    Case("atoms.force_sets", "atoms", "NaCl of PBEsol: forces and phonons", _forces, "full",
         reference="VASP by phono3py's example; phonopy", tolerance=6.0,
         error_name="larger of force error over 3 %, mean frequency error over 0.1 THz"),
]  # fmt: skip
