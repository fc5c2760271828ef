"""Kernels of density functional theory in a new process: water, then ammonia, padded alike."""

import functools
import os
import sys

import numpy as np

from benchmarks.cases._first_answer import cold_peer, cold_start
from benchmarks.cases.dft._problems import pyscf_field
from benchmarks.remote import PYSCFAD
from benchmarks.runner.case import Case, Peer

_WATER = "O 0 0 0.1173; H 0 0.7572 -0.4692; H 0 -0.7572 -0.4692"
_AMMONIA = "N 0 0 0.1125; H 0 0.9377 -0.2625; H 0.8121 -0.4689 -0.2625; H -0.8121 -0.4689 -0.2625"

_MOLECULES = """
molecules = {molecules!r}
water, ammonia = jsci.dft.molecules(
    molecules, {basis!r}, grid={grid}, buckets=1, workers=1, progress=False
)
"""

_ENERGY = """
def solve(m):
    return jsci.dft.scf(m, jsci.dft.xc("pbe")).energy

timed("SCF", solve, water)
timed("again", solve, water)
timed("another molecule", solve, ammonia)
"""

_FORCES = """
def forces(m):
    return jnp.abs(jsci.dft.forces(m, jsci.dft.xc("pbe"))).max()

timed("forces", forces, water)
timed("again", forces, water)
timed("another molecule", forces, ammonia)
"""

_TRAINING = """
import optax

def train(seed, m):
    key = jax.random.key(seed)
    network, params = jsci.pure(jsci.nn.MLP(2, "scalar", width=8, depth=2, key=key))
    params = jax.tree.map(lambda p: 0.1 * p, params)
    functional = jsci.dft.neural_functional(network, base=jsci.dft.xc("lda"), level="lda")
    energy = jsci.dft.energy(functional)

    def loss(params, m):
        return (energy(params, m) + 75.0) ** 2

    return jsci.fit(loss, params, m, optax.adam(1e-3), steps=1, progress=False).history["loss"][0]

timed("training step", train, 0, water)
timed("again", train, 0, water)
timed("another seed", train, 1, water)
timed("another molecule", train, 0, ammonia)
"""


def _setting(size):
    return ("sto-3g", 0) if size == "smoke" else ("def2-svp", 1)


@functools.cache
def _reference(basis, grid):
    field = pyscf_field(_WATER, basis, "pbe", grid)
    return float(field.kernel()), float(np.abs(field.nuc_grad_method().kernel()).max())


def _make(program, size, error, what):
    basis, grid = _setting(size)
    molecules = _MOLECULES.format(molecules=[_WATER, _AMMONIA], basis=basis, grid=grid)
    return cold_start(molecules + program, error, f"{what}, {basis}, grid {grid}")


def _error(which, size):
    return lambda value: abs(value - _reference(*_setting(size))[which])


def make_scf(size):
    return _make(_ENERGY, size, _error(0, size), "PBE")


def make_forces(size):
    return _make(_FORCES, size, _error(1, size), "PBE, largest component")


def make_training(size):
    """The network is that of the program, in this process."""
    import jax

    import jaxsci as jsci

    basis, grid = _setting(size)
    network, params = jsci.pure(jsci.nn.MLP(2, "scalar", width=8, depth=2, key=jax.random.key(0)))
    functional = jsci.dft.neural_functional(network, base=jsci.dft.xc("lda"), level="lda")

    def error(loss):
        small = jax.tree.map(lambda p: 0.1 * p, params)
        alone = jsci.dft.molecule(_WATER, basis, grid=grid)
        energy = jsci.dft.scf(alone, functional, small).energy
        return abs(loss - float(energy + 75.0) ** 2)

    return _make(_TRAINING, size, error, "neural LDA 2-8-8-1, squared error of the energy")


def _peer(variable, module, quantity, which, size):
    python = os.environ[variable] if variable else sys.executable
    basis, grid = _setting(size)
    command = [
        python,
        "-m",
        f"benchmarks.remote.peers.first.{module}",
        quantity,
        basis,
        str(grid),
        _WATER,
    ]
    return cold_peer(command, _error(which, size))


def _peers(quantity, which):
    def make(variable, module):
        return functools.partial(_peer, variable, module, quantity, which)

    return (
        Peer("PySCF", "pyscf", make("", "pyscf_first"), module="pyscf"),
        PYSCFAD.peer("PySCFAD", make(PYSCFAD.variable, "pyscfad_first")),
    )


CASES = [
    Case(
        "dft.first_scf",
        "dft",
        "First SCF of a new process",
        make_scf,
        "full",
        reference="PySCF",
        tolerance=1e-7,
        error_name="Hartree",
        peers=_peers("energy", 0),
    ),
    Case(
        "dft.first_forces",
        "dft",
        "First forces of a new process",
        make_forces,
        "full",
        reference="PySCF, which leaves out how its grid moves",
        tolerance=1e-3,
        error_name="Hartree/Bohr",
        peers=_peers("forces", 1),
    ),
    Case(
        "dft.first_training_step",
        "dft",
        "First training step of a neural functional in a new process",
        make_training,
        "full",
        reference="SCF of the molecule without padding",
        tolerance=1e-8,
        error_name="squared Hartree",
    ),
]
