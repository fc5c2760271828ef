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
STEPS, RATE = 36_000, 1e-2
RMS = 0.045  # eV/Å, of forces
ENERGY = 1e4  # weight of the energy per atom
CUTOFF, ANGLES = 6.8, 3.8  # Å, of the network
FAR = 8.0  # Å, of the edges of Ewald's sum
# The aims, of the rms force and in THz.
FORCES, PHONONS = 0.03, 0.1


class ForceSet(NamedTuple):
    """The cubic cell, its displaced supercells with labels, and what phonopy takes them from.

    `charge` is the Born charge of sodium over √ε∞, both of the same functional.
    """

    cell: jsci.atoms.Atoms
    charge: float
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
    born = found["nac"]["born_effective_charge"][0][0][0]
    charge = born / found["nac"]["dielectric_constant"][0][0] ** 0.5
    return ForceSet(_structure(found["unit_cell"]), charge, frames, u, forces)


def _structure(entry: Any) -> jsci.atoms.Atoms:
    lattice = np.array(entry["lattice"])
    fraction = np.array([point["coordinates"] for point in entry["points"]])
    return jsci.atoms.Atoms(fraction @ lattice, [p["symbol"] for p in entry["points"]], lattice)


def stacked(frames) -> jsci.atoms.Batch:
    """All of one shape."""
    (batch,) = jsci.atoms.batch(frames, CUTOFF, angle_cutoff=ANGLES, buckets=1)
    return batch


def electrostatics(data: ForceSet):
    """`(energy, params)` of the charges, which stay as they are."""
    charges = {"Na": data.charge, "Cl": -data.charge}
    return jsci.atoms.point_charges(charges, data.frames[0].atoms, cutoff=FAR)


def without_charges(data: ForceSet, frames) -> list[jsci.atoms.Frame]:
    """The same supercells, labelled with what the charges leave of energies and forces."""
    energy, params = electrostatics(data)
    f = jsci.atoms.properties(energy)
    (batch,) = jsci.atoms.batch(frames, FAR, buckets=1)
    far = jax.jit(lambda b: jax.lax.map(lambda one: f(params, *one), (b.atoms, b.graph)))(batch)
    return [
        jsci.atoms.Frame(one.atoms, energy=one.energy - float(energy), forces=one.forces - forces)
        for one, energy, forces in zip(frames, far.energy, far.forces, strict=True)
    ]


def trained(frames, steps: int):
    """`(energy, params, CPU-seconds)`; the energy takes parameters of any precision."""
    begin = time.process_time()
    model = jsci.atoms.GraphPotential(
        ["Na", "Cl"], cutoff=CUTOFF, angle_cutoff=ANGLES, width=16, depth=1, dtype=SINGLE,
        key=jax.random.key(0),
    )  # fmt: skip
    raw, params = jsci.pure(model)
    energy = jsci.atoms.with_references(raw, jsci.atoms.composition_energies(frames))
    data = jsci.atoms.minibatches(in_single([stacked(frames)]), 1)
    r = jsci.atoms.property_errors(jsci.atoms.properties(energy), energy=ENERGY, forces=1 / RMS**2)
    loss = jsci.objective(dict.fromkeys(data.weights, r), data.weights)
    rate = optax.cosine_onecycle_schedule(steps, RATE, 0.1)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
    result = jsci.fit(
        loss, params, data, optimizer, steps=steps, key=jax.random.key(1), progress=False
    )
    return energy, result.params, time.process_time() - begin


def relative_error(energy, params, data: ForceSet, frames) -> float:
    """The rms error of forces over the rms force, of the charges and the network together."""
    (batch,) = in_single([stacked(without_charges(data, frames))])
    f = jsci.atoms.properties(energy)
    found = jax.jit(lambda b: jax.lax.map(lambda one: f(params, *one), (b.atoms, b.graph)))(batch)
    whole = np.linalg.norm([np.asarray(one.forces) for one in frames])
    return float(jnp.linalg.norm(found.forces - batch.labels.forces)) / float(whole)


def frequencies(energy, params, data: ForceSet, q) -> np.ndarray:
    """(points, modes), THz, by exact second derivatives in double precision."""
    network = jax.tree.map(lambda x: x.astype(jnp.float64), params)
    far, charges = electrostatics(data)

    def total(params, atoms, graph):
        return energy(params["network"], atoms, graph) + far(params["charges"], atoms, graph)

    constants = jsci.atoms.force_constants(
        jsci.atoms.properties(total), {"network": network, "charges": charges}, data.cell, FAR,
        angle_cutoff=ANGLES, supercell=REPEATS,
    )  # fmt: skip
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
        energy, params, seconds = trained(without_charges(data, data.frames[:TRAIN]), steps)
        gaps = frequencies(energy, params, data, q) - frequencies_of_phonopy(data, TRAIN, q)
        return relative_error(energy, params, data, data.frames[TRAIN:]), gaps, seconds

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
