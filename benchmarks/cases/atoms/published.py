"""Published potentials against the numbers of their own programs."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.atoms._problems import GPA, OXIDES_AND_HALIDES, rock_salt
from benchmarks.remote import CHGNET, remote_run
from benchmarks.runner.case import Case, Run

_NUMBERS = Path(__file__).parents[3] / "tests" / "atoms" / "data" / "chgnet.npz"
# eV per atom, eV/Å, GPa, μ_B.
BARS = {"energy": 1e-7, "forces": 1e-7, "stress": 1e-6, "magmoms": 1e-7}


def _structures():
    with np.load(_NUMBERS) as z:
        names = sorted({key.partition("/")[0] for key in z.files})
        parts = ("positions", "numbers", "cell")
        return {n: jsci.atoms.Atoms(*(z[f"{n}/{part}"] for part in parts)) for n in names}


def _differences(found, index, structures):
    """The largest of each property over all structures, in the units of `BARS`."""
    worst = dict.fromkeys(BARS, 0.0)
    with np.load(_NUMBERS) as z:
        for place, number in enumerate(index):
            name = list(structures)[number]
            n = len(structures[name].numbers)
            for key in BARS:
                ours, theirs = np.asarray(getattr(found, key)[place]), z[f"{name}/0.3.0/{key}"]
                if key == "energy":
                    ours, theirs = ours / n, theirs / n
                elif key == "stress":
                    ours = GPA * ours
                else:
                    ours = ours[:n]
                worst[key] = max(worst[key], float(np.abs(ours - theirs).max()))
    return worst


def chgnet(size):
    energy, params = jsci.atoms.chgnet("0.3.0", dtype=jnp.float64)
    structures = _structures()
    (batch,) = jsci.atoms.batch(
        list(structures.values()), energy.cutoff, angle_cutoff=energy.angle_cutoff, buckets=1
    )
    f = jax.vmap(jsci.atoms.properties(energy), (None, 0, 0))
    index = np.asarray(batch.index)

    def error(found):
        worst = _differences(found, index, structures)
        return max(worst[key] / bar for key, bar in BARS.items())

    def figures(found):
        worst = _differences(found, index, structures)
        units = ("eV/atom", "eV/Å", "GPa", "μ_B")
        return {f"{key} {unit}": f"{worst[key]:.1e}" for key, unit in zip(BARS, units, strict=True)}

    return Run(
        step=f,
        args=(params, batch.atoms, batch.graph),
        error=error,
        figures=figures,
        note="eight crystals of 2 to 8 atoms, padded to one shape, float64",
    )


@functools.cache
def _crystals(several, size):
    rng = np.random.default_rng(0)
    if several:
        return [rock_salt(rng, names, a, (1, 1, 1)) for names, a in OXIDES_AND_HALIDES.items()]
    repeat = {"smoke": (1, 1, 1), "quick": (2, 2, 1), "full": (2, 2, 2)}[size]
    return [rock_salt(rng, ("Mg", "O"), 4.21, repeat)]


def _rows(results):
    """Of each structure: energy per atom, forces, stress (GPa) and moments, as chgnet has them."""
    parts = [
        [np.ravel(r.energy / len(r.forces)), r.forces, GPA * r.stress, r.magmoms] for r in results
    ]
    return np.concatenate([np.ravel(one[k]) for k in range(4) for one in parts])


@functools.cache
def _in_double(several, size):
    energy, params = jsci.atoms.chgnet(dtype=jnp.float64)
    f = jax.jit(jsci.atoms.properties(energy))
    crystals = _crystals(several, size)
    graph = functools.partial(jsci.atoms.neighbours, cutoff=6.0, angle_cutoff=3.0)
    graphs = [graph(one) for one in crystals]
    edges, angles = (max(len(getattr(g, name)) for g in graphs) for name in ("i", "first"))
    return _rows([f(params, one, graph(one, edges=edges, angles=angles)) for one in crystals])


def _speed(several):
    """One crystal, or eight one after another: small arrays stay in the cache of a CPU."""

    def make(size):
        crystals = _crystals(several, size)
        energy, params = jsci.atoms.chgnet(dtype=jnp.float32)
        f = jsci.atoms.properties(energy)
        padded = jsci.atoms.batch(
            crystals, energy.cutoff, angle_cutoff=energy.angle_cutoff, buckets=2
        )
        batches = [(one.atoms, one.graph) for one in padded]
        order = np.concatenate([one.index for one in padded])

        def step(params, batches):
            return [jax.lax.map(lambda one: f(params, *one), batch) for batch in batches]

        def error(found):
            flat = [jax.tree.map(lambda x, k=k: x[k], b) for b in found for k in range(len(b[0]))]
            ours = _rows([flat[k] for k in np.argsort(order)])
            return float(np.abs(ours - _in_double(several, size)).max())

        note = f"{len(crystals)} of {len(crystals[0].numbers)} atoms, float32, without the lists"
        return Run(step, (params, batches), error=error, note=note)

    return make


def _peer_speed(several):
    def make(size):
        crystals = _crystals(several, size)
        arrays = {
            "sizes": [len(one.numbers) for one in crystals],
            "numbers": np.concatenate([one.numbers for one in crystals]),
            "positions": np.concatenate([one.positions for one in crystals]),
            "cells": np.stack([np.asarray(one.cell) for one in crystals]),
        }
        wanted = _in_double(several, size)
        return remote_run(
            CHGNET.variable, "benchmarks.remote.peers.atoms.chgnet", "properties", arrays,
            lambda found: float(np.abs(found - wanted).max()),
        )  # fmt: skip

    return make


def _peers(several):
    return (CHGNET.peer("chgnet", _peer_speed(several)),)


CASES = [
    Case("atoms.chgnet", "atoms", "CHGNet 0.3.0: energy, forces, stress, moments", chgnet, "quick",
         reference="chgnet 0.4.2 in float64", tolerance=1.0,
         error_name="worst of 1e-7 eV/atom, 1e-7 eV/Å, 1e-6 GPa, 1e-7 μ_B", item="batches"),
    Case("atoms.chgnet_crystal", "atoms", "CHGNet on a crystal of MgO", _speed(False), "full",
         reference="the same in float64", tolerance=2e-3, peers=_peers(False),
         error_name="eV/atom, eV/Å, GPa, μ_B, largest"),
    Case("atoms.chgnet_crystals", "atoms", "CHGNet on eight crystals", _speed(True), "full",
         reference="the same in float64", tolerance=2e-3, peers=_peers(True),
         error_name="eV/atom, eV/Å, GPa, μ_B, largest"),
]  # fmt: skip
