"""The first steps of Levenberg-Marquardt in a new process, and what a change costs after them."""

from benchmarks.cases._first_answer import first_answers
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


CASES = [
    Case(
        "pde.first_answer",
        "pde",
        "Five steps in a new process, then with another seed, coefficient or points",
        make,
        reference="the same training in the other process",
        error_name="relative difference of the losses",
        tolerance=1e-6,
    ),
]
