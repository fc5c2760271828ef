"""CHGNet before and after its readout has seen forces of density functional theory."""

import time
from typing import NamedTuple

import jax
import numpy as np
import optax

import jaxsci as jsci
from benchmarks.cases.atoms._force_set import RMS, TRAIN, force_set
from benchmarks.cases.atoms._problems import SINGLE, in_single
from benchmarks.runner.case import Case, Run, Size

FROZEN = ["elements", "bonds", "angles", "layers"]
STEPS, RATE = 120, 1e-3


class Errors(NamedTuple):
    """On supercells that were held out."""

    forces: float  # of the rms force
    energy: float  # meV/atom, standard deviation: the two have different zeros


def stacked(frames, energy) -> jsci.atoms.Batch:
    """All of one shape, in float32."""
    (batch,) = jsci.atoms.batch(frames, energy.cutoff, angle_cutoff=energy.angle_cutoff, buckets=1)
    return in_single(batch)


def errors(compiled, params, batch) -> Errors:
    found = compiled(params, batch)
    forces, gaps = np.asarray(batch.labels.forces), np.asarray(found.energy - batch.labels.energy)
    relative = np.linalg.norm(found.forces - forces) / np.linalg.norm(forces)
    return Errors(float(relative), 1e3 * float(np.std(gaps)) / batch.atoms.numbers.shape[1])


def fine_tuned(steps: int):
    """`(before, after, CPU-seconds)` with only the last layer and the readout trained."""
    frames = force_set().frames
    whole, weights = jsci.atoms.chgnet(dtype=SINGLE)
    energy, params = jsci.atoms.frozen(whole, weights, FROZEN)
    f = jsci.atoms.properties(energy)
    test = stacked(frames[TRAIN:], whole)
    compiled = jax.jit(lambda p, b: jax.lax.map(lambda one: f(p, *one), (b.atoms, b.graph)))
    before = errors(compiled, params, test)
    begin = time.process_time()
    data = jsci.atoms.minibatches([stacked(frames[:TRAIN], whole)], 1)
    r = jsci.atoms.property_errors(f, energy=0.0, forces=1 / RMS**2)
    loss = jsci.objective(dict.fromkeys(data.weights, r), data.weights)
    rate = optax.cosine_decay_schedule(RATE, steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
    result = jsci.fit(
        loss, params, data, optimizer, steps=steps, key=jax.random.key(0), progress=False
    )
    seconds = time.process_time() - begin
    return before, errors(compiled, result.params, test), seconds


def _fine_tuning(size: Size):
    steps = 2 if size == "smoke" else STEPS

    def figures(out):
        before, after, seconds = out
        return {
            "rms error of forces, %, before": f"{100 * before.forces:.1f}",
            "after": f"{100 * after.forces:.1f}",
            "energy, meV/atom, standard deviation, before": f"{before.energy:.3f}",
            "energy, after": f"{after.energy:.3f}",
            "CPU-seconds": f"{seconds:.0f}",
        }

    return Run(
        step=lambda: fine_tuned(steps),
        args=(),
        error=lambda out: out[1].forces / out[0].forces,
        figures=figures,
        note=f"{TRAIN} supercells of 64 atoms, the rest held out; {steps} steps of one on forces "
        "alone, the last layer of atoms and the readout, float32",
        host=True,
    )


CASES = [
    Case("atoms.fine_tuning", "atoms", "CHGNet fine-tuned on forces of NaCl", _fine_tuning, "full",
         reference="VASP by phono3py's example", tolerance=0.3,
         error_name="error of forces after over that before"),
]  # fmt: skip
