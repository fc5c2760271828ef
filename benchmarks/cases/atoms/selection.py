"""Which structures to label: by the variance of a trained potential, and at random."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsci as jsci
from benchmarks.cases.atoms._problems import LATTICE, varied_frames
from benchmarks.runner.case import Case, Run, Size

CUTOFF = 5.0  # Å
POOL, TEST = 160, 80  # candidates, and structures held out
FIRST, MORE = 16, 16  # labels that there are, and that are added
STEPS = 500
NOISE = 2e-3  # eV per atom, of labels and of what the network cannot express
PRIOR = 1.0  # precision of parameters, which begin with numbers of about one


class MeanEnergy(eqx.Module):
    """The energy per atom as a function of parameters and one structure of a batch."""

    energy: Callable[..., jax.Array]

    def __call__(self, params, one):
        return self.energy(params, one.atoms, one.graph) / jnp.sum(one.atoms.mask)


def ranks(values):
    return np.argsort(np.argsort(values))


def correlation(a, b):
    """Spearman's rank correlation."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


class Outcome(NamedTuple):
    """The rank correlation of variance and error, and errors of energies, eV per atom."""

    spearman: float
    first: float
    selected: float
    random: float


class Study:
    """A network, a pool of alloys of which most are alike, and alloys of the same kind to test."""

    def __init__(self, steps: int):
        self.steps = steps
        frames = varied_frames(POOL + TEST, 7)
        self.references = jsci.atoms.composition_energies(frames[:POOL])
        (batch,) = jsci.atoms.batch(frames, CUTOFF, buckets=1)
        order = np.argsort(np.asarray(batch.index))
        self.all = jax.tree.map(lambda leaf: leaf[order[-len(frames) :]], batch)
        self.test = self.rows(np.arange(POOL, POOL + TEST))
        self.pool = self.rows(np.arange(POOL))

    def rows(self, chosen):
        return jax.tree.map(lambda leaf: leaf[np.asarray(chosen)], self.all)

    def seed(self, seed: int) -> Outcome:
        """One first set of labels, and what is gained by more of either kind."""
        rng = np.random.default_rng(seed)
        model = jsci.atoms.GraphPotential(
            list(LATTICE), cutoff=CUTOFF, width=8, depth=1, order=2, key=jax.random.key(seed)
        )
        raw, start = jsci.pure(model)
        energy = jsci.atoms.with_references(raw, self.references)
        order = rng.permutation(POOL)
        first, others = order[:FIRST], order[FIRST:]
        params = self.train(energy, start, np.concatenate([first, first]))
        f = MeanEnergy(energy)
        posterior = jsci.laplace(f, params, self.rows(first), prior=PRIOR, noise=NOISE)
        spread = np.sqrt(posterior.variance(self.test))
        miss = self.errors(energy, params)
        kernel = jsci.gram(f, params, self.pool) / PRIOR
        chosen = jsci.atoms.select(kernel, MORE, known=first, noise=NOISE**2).index
        after = [
            self.errors(energy, self.train(energy, start, np.concatenate([first, more])))
            for more in (np.asarray(chosen), others[:MORE])
        ]
        squares = [float(np.sqrt(np.mean(e**2))) for e in (miss, *after)]
        return Outcome(correlation(spread, miss), *squares)

    def train(self, energy, params, chosen):
        r = jsci.atoms.property_errors(jsci.atoms.properties(energy), energy=50.0, forces=1.0)
        loss = jsci.objective({"ef": r})
        optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, self.steps))
        data = {"ef": self.rows(chosen)}
        return jsci.fit(loss, params, data, optimizer, steps=self.steps, progress=False).params

    def errors(self, energy, params):
        """Of the energy per atom of each structure held out, eV."""
        found = jax.jit(jax.vmap(MeanEnergy(energy), (None, 0)))(params, self.test)
        truth = self.test.labels.energy / self.test.atoms.mask.sum(1)
        return np.abs(np.asarray(found - truth))


def _study(size: Size):
    seeds, steps = (1, 3) if size == "smoke" else (5, STEPS)

    def step():
        study = Study(steps)
        return [study.seed(seed) for seed in range(seeds)]

    def figures(outcomes):
        texts = [f"{o.spearman:.2f}" for o in outcomes]
        energies = [
            " / ".join(f"{1e3 * e:.0f}" for e in (o.first, o.selected, o.random)) for o in outcomes
        ]
        return {
            "Spearman of variance and error": ", ".join(texts),
            "meV/atom at first / selected / random": ", ".join(energies),
        }

    return Run(
        step=step,
        args=(),
        error=lambda out: max(
            0.5 / float(np.mean([o.spearman for o in out])), *(o.selected / o.random for o in out)
        ),
        figures=figures,
        note=f"{FIRST} labels and {MORE} more of a pool of {POOL}; {seeds} seeds, {steps} steps",
        host=True,
    )


CASES = [
    Case("atoms.selection", "atoms", "labels by variance, and at random", _study, "full",
         reference="ASE's EMT, held-out alloys", tolerance=1.0,
         error_name="worst of selected / random, 0.5 / mean Spearman"),
]  # fmt: skip
