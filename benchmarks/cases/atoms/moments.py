"""Magnetic moments of a toy, made by a rule in the manner of Heisenberg and Landau."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsci as jsci
from benchmarks.cases.atoms._problems import CORNERS
from benchmarks.runner.case import Case, Run, Size

CUTOFF = 4.5  # Å
TRAIN, TEST, STEPS = 240, 60, 1000
IRON = 26
# A moment alone has the energy -A m²/2 + B m⁴/4, and neighbours -J(r) m m'.
ALONE, QUARTIC, COUPLING = 0.1, 0.02, 0.02  # eV by powers of μ_B
BAR = 5.0  # times better than the mean


def spins(params, atoms, graph):
    """The energy and the moments at its minimum, where only iron has any, of a Lennard-Jones solid.

    Moments depend on the moments of neighbours, found by 60 iterations of their stationarity.
    """
    del params
    r = jnp.linalg.norm(graph.vectors(atoms), axis=-1)
    iron = (atoms.numbers == IRON).astype(r.dtype)
    fall = jnp.where(r < CUTOFF, (1 - (r / CUTOFF) ** 2) ** 3, 0.0)
    pairs = COUPLING * jnp.exp(-(r - 2.5) / 0.6) * fall * iron[graph.i] * iron[graph.j]
    n = len(iron)

    def iterate(_, m):
        field = jax.ops.segment_sum(pairs * m[graph.j], graph.i, n)
        return iron * jnp.cbrt((ALONE * m + field) / QUARTIC)

    start = iron * (ALONE / QUARTIC) ** 0.5
    m = jax.lax.stop_gradient(jax.lax.fori_loop(0, 60, iterate, start))
    own = jnp.sum(-0.5 * ALONE * m**2 + 0.25 * QUARTIC * m**4)
    energy, given = jsci.atoms.lennard_jones(
        epsilon=0.1, sigma=2.2, cutoff=CUTOFF, onset=0.8 * CUTOFF
    )
    shared = 0.5 * jnp.sum(pairs * m[graph.i] * m[graph.j])
    return own - shared + energy(given, atoms, graph), m


def frames(count: int, seed: int) -> list[jsci.atoms.Frame]:
    """Face-centred cells of four iron and aluminium atoms, strained and rattled."""
    rng = np.random.default_rng(seed)
    f, found = jax.jit(jsci.atoms.properties(spins)), []
    structures = []
    for _ in range(count):
        cell = 3.6 * (np.eye(3) + 0.03 * rng.standard_normal((3, 3)))
        places = CORNERS @ cell + 0.12 * rng.standard_normal((4, 3))
        symbols = rng.choice(["Fe", "Al"], 4, p=[0.7, 0.3]).tolist()
        structures.append(jsci.atoms.Atoms(places, symbols, cell))
    (batch,) = jsci.atoms.batch(structures, CUTOFF, buckets=1)
    for place, index in enumerate(np.asarray(batch.index)):
        one = jax.tree.map(lambda leaf, p=place: leaf[p], (batch.atoms, batch.graph))
        labels = f(None, *one)
        found.append(
            jsci.atoms.Frame(
                structures[index], energy=float(labels.energy),
                forces=np.asarray(labels.forces), magmoms=np.asarray(labels.magmoms),
            )
        )  # fmt: skip
    return found


def trained(steps: int):
    """`(f, params, test batch, mean moment of iron)` of a training from all labels."""
    data, others = frames(TRAIN, 0), frames(TEST, 1)
    model = jsci.atoms.GraphPotential(
        ["Fe", "Al"], cutoff=CUTOFF, width=12, depth=2, order=2, moments=True,
        key=jax.random.key(0),
    )  # fmt: skip
    raw, params = jsci.pure(model)
    f = jsci.atoms.properties(
        jsci.atoms.with_references(raw, jsci.atoms.composition_energies(data))
    )
    r = jsci.atoms.property_errors(f, energy=1.0, forces=0.1, magmoms=10.0)
    batches = jsci.atoms.minibatches(jsci.atoms.batch(data, CUTOFF, buckets=1), 8)
    loss = jsci.objective(dict.fromkeys(batches.weights, r), batches.weights)
    rate = optax.cosine_onecycle_schedule(steps, 1e-2, 0.1)
    result = jsci.fit(
        loss, params, batches, optax.adam(rate), steps=steps, key=jax.random.key(1), progress=False
    )
    (test,) = jsci.atoms.batch(others, CUTOFF, buckets=1)
    moments = np.concatenate([np.asarray(one.magmoms)[one.atoms.numbers == IRON] for one in data])
    return f, result.params, test, float(moments.mean())


def errors(f, params, test, mean):
    """Mean absolute errors of iron's moments by the network and by their mean, μ_B."""
    found = jax.jit(jax.vmap(f, (None, 0, 0)))(params, test.atoms, test.graph)
    iron = np.asarray(test.atoms.numbers == IRON)
    truth = np.asarray(test.labels.magmoms)[iron]
    ours = float(np.abs(np.asarray(found.magmoms)[iron] - truth).mean())
    return ours, float(np.abs(mean - truth).mean())


def _moments(size: Size):
    steps = 3 if size == "smoke" else STEPS

    def figures(out):
        ours, mean = errors(*out)
        return {"mean error, μ_B": f"{ours:.3g}", "of the mean, μ_B": f"{mean:.3g}"}

    def error(out):
        ours, mean = errors(*out)
        return BAR * ours / mean

    return Run(
        step=lambda: trained(steps),
        args=(),
        error=error,
        figures=figures,
        note=f"{TRAIN} cells of four atoms, {TEST} held out, {steps} steps",
        host=True,
    )


CASES = [
    Case("atoms.moments", "atoms", "magnetic moments of a toy", _moments, "full",
         reference="the rule that made them, held-out cells", tolerance=1.0,
         error_name="error over a fifth of that of the mean"),
]  # fmt: skip
