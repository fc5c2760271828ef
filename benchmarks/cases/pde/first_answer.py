"""The first steps of Levenberg-Marquardt in a new process, and what a change costs after them."""

import functools
import os

from benchmarks.cases._first_answer import cold_peer, cold_start, first_answers
from benchmarks.remote import DEEPXDE, JINNS
from benchmarks.runner.case import Case

PROGRAM = """
square = jsci.pde.Box((0.0, 0.0), (1.0, 1.0))

def train(seed, coefficient, points):
    network = eqx.nn.MLP(2, "scalar", 16, 2, jnp.tanh, key=jax.random.key(seed))
    f, params = jsci.pure(network)
    u = jsci.pde.dirichlet(f, square)

    def helmholtz(u, x):
        source = jnp.sin(jnp.pi * x[0]) * jnp.sin(jnp.pi * x[1])
        return jsci.laplacian(u)(x) + coefficient * u(x) + source

    loss = jsci.objective({"pde": jsci.residual(helmholtz, u)})
    batch = {"pde": jax.random.uniform(jax.random.key(points), (400, 2))}
    optimizer = jsci.levenberg_marquardt()
    return jsci.fit(loss, params, batch, optimizer, steps=5, progress=False).history["loss"][-1]

timed("first", train, 0, 0.3, 0)
timed("again", train, 0, 0.3, 0)
timed("another seed", train, 1, 0.3, 0)
timed("another coefficient", train, 0, 0.7, 0)
timed("other points", train, 0, 0.3, 1)
"""


def make(size):
    def error(values):
        """Between the processes, and between the two equal trainings of each."""
        pairs = [(values[name], values[f"kept: {name}"]) for name in ("first", "another seed")]
        pairs.append((values["first"], values["again"]))
        return max(abs(a - b) / b for a, b in pairs)

    note = "Helmholtz equation, MLP 2-16-16-1, 400 points, 5 steps"
    return first_answers(PROGRAM, error, note)


STEP = """
def train(seed, count):
    square = jsci.pde.Box((0.0, 0.0), (1.0, 1.0))
    f, params = jsci.pure(eqx.nn.MLP(2, "scalar", 16, 2, jnp.tanh, key=jax.random.key(seed)))
    u = jsci.pde.dirichlet(f, square)

    def poisson(u, x):
        return jsci.laplacian(u)(x) + 2 * jnp.pi**2 * jnp.prod(jnp.sin(jnp.pi * x))

    loss = jsci.objective({"pde": jsci.residual(poisson, u)})
    batch = {"pde": jsci.pde.uniform(square, count)(jax.random.key(0))}
    params = jsci.fit(
        loss, params, batch, jsci.levenberg_marquardt(), steps=1, progress=False
    ).params
    x = jax.random.uniform(jax.random.key(1), (400, 2))
    exact = jnp.prod(jnp.sin(jnp.pi * x), axis=1)
    return jnp.linalg.norm(jax.vmap(u, (None, 0))(params, x) - exact) / jnp.linalg.norm(exact)

timed("training step", train, 0, 600)
timed("again", train, 0, 600)
timed("another seed", train, 1, 600)
timed("another number of points", train, 0, 700)
"""


def make_step(size):
    return cold_start(STEP, float, "Poisson on the square, 600 points, MLP 2-16-16-1, one step")


def _peers():
    def make(variable, module, size):
        return cold_peer(
            [os.environ[variable], "-m", f"benchmarks.remote.peers.first.{module}"], float
        )

    named = (("jinns", JINNS, "jinns_first"), ("DeepXDE", DEEPXDE, "deepxde_first"))
    return tuple(
        environment.peer(name, functools.partial(make, environment.variable, module))
        for name, environment, module in named
    )


CASES = [
    Case(
        "pde.first_answer",
        "pde",
        "Five steps in a new process, then with another seed, coefficient or points",
        make,
        "full",
        reference="the same training in the other process",
        error_name="relative difference of the losses",
        tolerance=1e-6,
    ),
    Case(
        "pde.first_training_step",
        "pde",
        "First training step of a network for an equation in a new process",
        make_step,
        "full",
        reference="analytic",
        error_name="relative L2 after one step",
        # One step solves nothing: it has to compute something of the right size.
        tolerance=2.0,
        peers=_peers(),
    ),
]
