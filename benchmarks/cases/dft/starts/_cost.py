"""Time and memory of a learned guess, on the grids that a molecule has by default."""

import time
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import TRAINED, alkane, solve
from benchmarks.cases.dft.starts._organic import Structure

_ROUNDS = 3


def share_of_time(f, params, structures: Sequence[Structure]) -> np.ndarray:
    """CPU time of the model, its guess and the SCF from it, as a share of the SCF from "minao".

    Runs take turns. The integrals of the auxiliary basis, by the host, are not counted.
    """
    basis, functional = TRAINED
    xc = jsci.dft.xc(functional)
    made = [jsci.dft.molecule(s.atoms, basis, density_fit=True) for s in structures]
    stacked = jsci.dft.stack(made), jsci.dft.stack_auxiliary([jsci.dft.auxiliary(m) for m in made])
    items = [jax.tree.map(lambda x, k=k: x[k], stacked) for k in range(len(made))]
    predict = eqx.filter_jit(f)

    def usual(m, _):
        return solve(m, xc, m.guess)

    def learned(m, aux):
        return solve(m, xc, jsci.dft.density_guess(m, aux, predict(params, aux)))

    for run in (usual, learned):
        jax.block_until_ready(run(*items[0]))  # compiles
    return np.array(
        [_seconds(learned, x) / _seconds(usual, x) for _ in range(_ROUNDS) for x in items]
    )


def _seconds(run, item) -> float:
    start = time.process_time()
    jax.block_until_ready(run(*item))
    return time.process_time() - start


def gibibytes_of_guess(carbons: int) -> float:
    """What the guess of an alkane takes by the count of the compiler, with its arguments."""
    m = jsci.dft.molecule(alkane(carbons), TRAINED[0], density_fit=True)
    aux = jsci.dft.auxiliary(m)
    guess = jax.jit(jsci.dft.density_guess)
    return jsci.peak_memory(guess, m, aux, jnp.zeros(aux.charge.size)) / 2**30
