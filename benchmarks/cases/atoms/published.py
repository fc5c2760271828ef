"""Published potentials against the numbers of their own programs."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.atoms._problems import GPA
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


CASES = [
    Case("atoms.chgnet", "atoms", "CHGNet 0.3.0: energy, forces, stress, moments", chgnet, "quick",
         reference="chgnet 0.4.2 in float64", tolerance=1.0,
         error_name="worst of 1e-7 eV/atom, 1e-7 eV/Å, 1e-6 GPa, 1e-7 μ_B", item="batches"),
]  # fmt: skip
