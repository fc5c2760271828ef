"""A learned initial density of larger molecules than it was trained on: SCF steps of the whole."""

import dataclasses
import time
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import DISTORTION, TRAINED, solve, trained
from benchmarks.cases.dft.starts._learned_set import batches, build, densities, learned
from benchmarks.cases.dft.starts._organic import Structure, tested
from benchmarks.runner.case import Case, Run, Size

_GRID = 1
_GROUPS = 3  # of training molecules by size
_SHAPES = 4  # of tested molecules
_BATCH = 16
# For a hybrid, the initial potential is that of a functional without exact exchange.
_START = {"b3lyp": "blyp"}
_GUESS_BUILDS = 1  # the learned guess costs one potential, of an auxiliary density


def _known(structures: Sequence[Structure]):
    return densities(structures, TRAINED[1], TRAINED[0], _GRID)


def _train(structures, key, steps):
    groups = batches(structures, _known(structures), min(_GROUPS, len(structures)))
    examples = [
        jax.tree.map(lambda x, i=i: x[i], aux) for aux, known in groups for i in range(len(known))
    ]
    model = jsci.dft.DensityModel(examples, key=key)
    # The largest molecules have all elements.
    f, params = jsci.pure(jsci.dft.set_means(model, *groups[-1]))
    counts = [len(known) for _, known in groups]
    drawn = [max(1, round(_BATCH * n / sum(counts))) for n in counts]
    weights = {str(i): n / sum(drawn) for i, n in enumerate(drawn)}
    loss = jsci.objective(dict.fromkeys(weights, jsci.dft.coefficient_error(f)), weights=weights)

    def draw(key):
        keys = jax.random.split(key, len(groups))
        chosen = [
            jax.random.choice(k, count, (min(n, count),), replace=False)
            for k, count, n in zip(keys, counts, drawn, strict=True)
        ]
        return {str(i): jax.tree.map(lambda x, c=c: x[c], groups[i]) for i, c in enumerate(chosen)}

    return f, trained(loss, params, draw, key, steps)


@eqx.filter_jit
def _guess(m, aux, coefficients, functional):
    return jsci.dft.density_guess(m, aux, coefficients, functional=functional)


def _steps(f, params, structures, basis: str, functional: str) -> np.ndarray:
    """SCF steps of each from "minao", from the learned density, and from the exact one of PBE."""
    xc, start = jsci.dft.xc(functional), jsci.dft.xc(_START.get(functional, functional))
    exact = _known(structures)
    counts = np.zeros((len(structures), 3), int)
    order = np.argsort([c.size for c in exact], kind="stable")
    for part in np.array_split(order, min(_SHAPES, len(order))):
        made = [build(structures[i].atoms, basis, _GRID) for i in part]
        aux = jsci.dft.stack_auxiliary([jsci.dft.auxiliary(m) for m in made])
        batch = jsci.dft.stack([_on_one_grid(m) for m in made])
        for k, i in enumerate(part):
            m, a = jax.tree.map(lambda x, k=k: x[k], (batch, aux))
            size = a.charge.size
            known = jnp.pad(exact[i], (0, size - exact[i].size))
            guesses = [_guess(m, a, c, start) for c in (f(params, a), known)]
            solved = [solve(m, xc, g) for g in (m.guess, *guesses)]
            assert all(bool(converged) for _, converged, _ in solved), structures[i].name
            counts[i] = [int(steps) for steps, *_ in solved]
    return counts


def _on_one_grid(m):
    return dataclasses.replace(m, grid=dataclasses.replace(m.grid, coarse=None))


def _effective(counts: np.ndarray, column: int) -> np.ndarray:
    """Fock matrices from a guess, with that of the guess itself, as a share of minao's."""
    return (counts[:, column] + _GUESS_BUILDS) / counts[:, 0]


def _through_the_field(f, params, structures, key, steps):
    """Train on the orbital gradients of the first three SCF steps."""
    made = [build(s.atoms, TRAINED[0], 0) for s in structures]
    aux = jsci.dft.stack_auxiliary([jsci.dft.auxiliary(m) for m in made])
    batch = jsci.dft.stack([_on_one_grid(m) for m in made])

    def draw(key):
        chosen = jax.random.choice(key, len(made), (min(4, len(made)),), replace=False)
        return {"field": jax.tree.map(lambda x: x[chosen], (batch, aux))}

    error = jsci.dft.guess_error(f, jsci.dft.xc(TRAINED[1]), steps=3)
    loss = jsci.objective({"field": error}, batch_size=1)
    return trained(loss, params, draw, key, steps, 3e-4)


def make_transfer(size: Size) -> Run:
    small = size == "smoke"
    steps, further = (20, 1) if small else (3000, 60)
    structures = learned(1 if small else 3, DISTORTION)
    rng = np.random.default_rng(5)
    tests = [s.distorted(rng, DISTORTION) for s in tested(5 if small else 30)]
    if small:
        structures = [s for s in structures if s.name in ("CO", "HCN", "H2O")]
        tests = tests[1:2]

    def learn():
        start = time.process_time()
        f, params = _train(structures, jax.random.key(0), steps)
        few = [s for s in structures if s.heavy <= 2][:: 1 if small else 3]
        params = _through_the_field(f, params, few, jax.random.key(1), further)
        spent = time.process_time() - start
        return (f, params, spent, _steps(f, params, tests, *TRAINED))

    def figures(result):
        return {}

    return Run(
        learn,
        (),
        error=lambda result: float(np.mean(_effective(result[3], 1))),
        figures=figures,
        host=True,
    )
