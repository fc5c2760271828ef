"""Classical potentials: beside ASE, which has the same formula, and their cost against the size."""

import itertools
import time

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.runner.case import Baseline, Case, Run

_FACES = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
_A, _EPSILON = 5.43095, 2.1683  # of silicon, Å and eV
_LJ = {"epsilon": 0.0104, "sigma": 3.4}


def _crystal(base, a, symbol, repeat):
    cells = np.array(list(itertools.product(range(repeat), repeat=3)))
    fraction = (base[None] + cells[:, None]).reshape(-1, 3) / repeat
    shaken = np.random.default_rng(0).normal(size=fraction.shape) * 0.05
    positions = fraction * repeat * a + shaken
    return jsci.atoms.Atoms(positions, [symbol] * len(positions), repeat * a * np.eye(3))


def _argon(size):
    repeat = {"smoke": 1, "quick": 3, "full": 5}[size]
    atoms = _crystal(_FACES, 5.3, "Ar", repeat)
    energy, params = jsci.atoms.lennard_jones(**_LJ, cutoff=8.0, onset=6.0)
    graph = jsci.atoms.neighbours(atoms, 8.0)
    theirs = _by_ase(atoms)

    def ase():
        return _by_ase(atoms)

    def error(out):
        found = (out.energy / len(atoms.numbers), out.forces, out.stress)
        return max(float(np.max(np.abs(a - b))) for a, b in zip(found, theirs, strict=True))

    return Run(
        jsci.atoms.properties(energy),
        (params, atoms, graph),
        error=error,
        baseline=Baseline("ASE, with its neighbour list", ase, (), host=True, error=lambda _: 0.0),
        note=f"{len(atoms.numbers)} atoms, {len(graph.i)} edges; ours without the list",
    )


def _calculator():
    from ase.calculators.lj import LennardJones

    return LennardJones(**_LJ, rc=8.0, ro=6.0, smooth=True)


def _by_ase(atoms):
    (frame,) = jsci.atoms.label([atoms], _calculator())
    assert frame.energy is not None
    return frame.energy / len(atoms.numbers), frame.forces, frame.stress


def _silicon(size):
    """Neighbours and properties of 64 to 4,096 atoms, whose forces add up to nothing."""
    repeats = {"smoke": (1, 2), "quick": (2, 4), "full": (2, 4, 8)}[size]
    energy, params = jsci.atoms.stillinger_weber()
    f = jsci.atoms.properties(energy)
    figures = {}

    def step():
        counts, seconds, memory, forces = [], [], [], []
        for repeat in repeats:
            atoms = _crystal(np.concatenate([_FACES, _FACES + 0.25]), _A, "Si", repeat)
            nearby = jsci.atoms.NeighbourList(
                atoms, energy.cutoff, angle_cutoff=energy.cutoff, skin=0.05
            )
            whole = jax.jit(lambda a, nearby=nearby: f(params, a, nearby(a)))
            compiled = whole.lower(atoms).compile()
            found = jax.block_until_ready(compiled(atoms))
            counts.append(len(atoms.numbers))
            seconds.append(_fastest(lambda call=compiled, a=atoms: call(a)))
            memory.append(compiled.memory_analysis())
            forces.append(float(jnp.max(jnp.abs(jnp.sum(found.forces, axis=0)))))
        figures.update(
            {
                "atoms": counts,
                "CPU-ms": [round(1e3 * s, 3) for s in seconds],
                "power of time": _power(counts, seconds),
                "power of memory": _power(counts, [m.temp_size_in_bytes for m in memory]),
            }
        )
        return max(forces)

    return Run(step, (), error=float, host=True, figures=lambda _: figures)


def _fastest(call, tries=15):
    """CPU seconds of the fastest of several calls."""
    best = np.inf
    for _ in range(tries):
        start = time.process_time()
        jax.block_until_ready(call())
        best = min(best, time.process_time() - start)
    return best


def _power(sizes, values):
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


CASES = [
    Case(
        "atoms.lennard_jones", "atoms", "Lennard-Jones argon: energy, forces, stress", _argon,
        "smoke", reference="ASE", tolerance=1e-10, error_name="eV, eV/Å, eV/Å³, largest",
    ),
    Case(
        "atoms.size", "atoms", "Stillinger-Weber silicon against the number of atoms", _silicon,
        "smoke", reference="no force on the whole", tolerance=1e-9, error_name="eV/Å",
    ),
]  # fmt: skip
