"""Another seed, coefficient, structure or molecule compiles nothing: further verbs of the pillars.

Rows as in `test_compiled_once`, of verbs that take data of a pillar.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from atoms._crystals import argon

import jaxsci as jsci
from jaxsci import analysis, atoms, bayes, dft, nn, ntk, operators, pde

LINE = pde.Interval(0.0, 1.0)


def zero_at_ends(f):
    return pde.dirichlet(f, LINE)


def least_squares(seed, c):
    features = pde.polynomial_features(LINE, [12])
    points = jax.random.uniform(jax.random.key(seed), (40, 1))
    op = pde.poisson(lambda x: c * x[0])
    return pde.least_squares(op, zero_at_ends, features, points).params


def eigenpairs(seed, c):
    features = pde.polynomial_features(LINE, [16])
    points = jax.random.uniform(jax.random.key(seed), (64, 1))
    op = pde.schroedinger(lambda x: c * x[0])
    return pde.eigenpairs(op, zero_at_ends, features, points, states=2).values


def sobolev_gradient(seed, c):
    network, params = jsci.pure(nn.MLP(1, "scalar", width=4, depth=1, key=jax.random.key(seed)))
    u, rule = pde.dirichlet(network, LINE), pde.gauss_legendre(LINE, 16)
    energy = pde.ritz(lambda v, x: jnp.sum(jsci.grad(v)(x) ** 2) / 2 - c * v(x), u)
    descent = pde.sobolev_gradient(u, rule, damping=1e-5)
    return jsci.fit(energy, params, rule, descent, steps=2, progress=False).params


def averaged(seed, c):
    f, params = jsci.pure(nn.MLP(1, "scalar", width=4, depth=1, key=jax.random.key(seed)))
    loss = jsci.objective({"data": lambda p, x: f(p, x) - c})
    batch = {"data": jax.random.uniform(jax.random.key(seed), (20, 1))}
    optimizer = jsci.averaged(optax.adam(1e-2), 0.9)
    return jsci.fit(loss, params, batch, optimizer, steps=2, progress=False).params


def gradient_descent(seed, c):
    x = jax.random.normal(jax.random.key(seed), (12, 20))
    y = c * x[:, 0]
    return ntk.gradient_descent(x @ x.T, y, learning_rate=0.1 * c, steps=5)


def spectrum(seed, c):
    x = jax.random.normal(jax.random.key(seed), (12, 20))
    return ntk.spectrum(c * x @ x.T), ntk.max_learning_rate(c * x @ x.T)


def posterior(seed, c):
    x = jax.random.normal(jax.random.key(seed), (12, 20))
    kernel = x @ x.T
    return ntk.posterior(kernel[:8, :8], kernel[8:, :8], kernel[8:, 8:], c * x[:8, 0])


def kernel_recursion(seed, c):
    slope, variance, first = jnp.array(c), jnp.array(1.5 + seed), 1.0 + seed
    activation = lambda z: jnp.tanh(slope * z)  # noqa: E731
    options = {"depth": 4, "weight_variance": variance}
    kernels = ntk.kernel_recursion(activation, first, **options)
    return kernels, ntk.four_point_recursion(activation, first, **options)


def deep_kernel(seed, c):
    correlation = jnp.array([0.1, 0.3 + 0.1 * seed])
    return ntk.deep_kernel(lambda z: jnp.tanh(c * z), correlation, depth=3)


def distances(seed, c):
    x, y = jax.random.normal(jax.random.key(seed), (2, 10, 3))
    return bayes.energy_distance(c * x, y), bayes.sinkhorn_distance(c * x, y)


def crystal(seed, c):
    """Argon off its lattice, with neighbours and an interaction of its own strength."""
    shaken = argon()
    moves = 0.05 * np.random.default_rng(seed).normal(size=shaken.positions.shape)
    structure = atoms.Atoms(shaken.positions + moves, shaken.numbers, shaken.cell)
    energy, params = atoms.lennard_jones(epsilon=0.01 * c, sigma=3.4, cutoff=5.0, onset=4.0)
    return atoms.properties(energy), params, structure


def properties(seed, c):
    f, params, structure = crystal(seed, c)
    graph = atoms.neighbours(structure, 5.0, edges=400)
    found = f(params, structure, graph)
    return found.energy, found.forces, found.stress


def elastic_constants(seed, c):
    f, params, structure = crystal(seed, c)
    graph = atoms.neighbours(structure, 5.0, edges=400)
    return atoms.elastic_constants(f, params, structure, graph, relaxed=False)


def relax(seed, c):
    f, params, structure = crystal(seed, c)
    nearby = atoms.NeighbourList(argon(), 5.0)
    return atoms.relax(f, params, structure, nearby, steps=5).atoms.positions


def dynamics(seed, c):
    f, params, structure = crystal(seed, c)
    nearby = atoms.NeighbourList(argon(), 5.0)
    walk = atoms.langevin(f, nearby, dt=2.0, temperature=60.0)
    key = jax.random.key(seed)
    state = walk.init(params, structure, atoms.thermal_velocities(key, structure, 60.0), key)
    return atoms.simulate(walk, params, state, 4, every=2, progress=False).atoms.positions


def factorise(seed, c):
    x = c * jax.random.uniform(jax.random.key(seed), (8, 6))
    return analysis.factorise(x, 2, jax.random.key(seed), max_steps=5)


def block_model(seed, c):
    x = c * jax.random.normal(jax.random.key(seed), (12, 12))
    return analysis.block_model(x + x.T, 2, jax.random.key(seed), restarts=2, max_steps=5)


def similarity(seed, c):
    x, y = jax.random.normal(jax.random.key(seed), (2, 20, 3))
    return analysis.cka(x, y + c * x), analysis.cca(x, y + c * x)


def consensus(seed, c):
    del c
    labels = np.random.default_rng(seed).permutation(np.arange(60) % 3)
    return analysis.consensus(np.repeat(np.arange(20), 3), np.tile(np.arange(3), 20), labels)


def rollout(seed, c):
    params = {"rate": jnp.array(c)}
    u0 = jax.random.normal(jax.random.key(seed), (16, 1))
    return operators.rollout(lambda p, u: u - p["rate"] * jnp.sin(u), params, u0, 4)


def conformal_width(seed, c):
    x, y = jax.random.normal(jax.random.key(seed), (2, 20, 8, 1))
    return operators.conformal_width(c * x, y, 0.8)


VERBS = [
    least_squares,
    eigenpairs,
    sobolev_gradient,
    averaged,
    gradient_descent,
    spectrum,
    posterior,
    kernel_recursion,
    deep_kernel,
    distances,
    pytest.param(properties, marks=pytest.mark.slow),
    pytest.param(elastic_constants, marks=pytest.mark.slow),
    pytest.param(relax, marks=pytest.mark.slow),
    dynamics,
    factorise,
    pytest.param(block_model, marks=pytest.mark.slow),
    similarity,
    consensus,
    rollout,
    conformal_width,
]


def hydrogen(seed, c):
    """The molecule at another distance, and a neural functional of other parameters."""
    molecule = dft.molecule(f"H 0 0 0; H 0 0 {0.74 + 0.05 * seed}", "6-31g", grid=0)
    network, params = jsci.pure(nn.MLP(2, "scalar", width=4, depth=1, key=jax.random.key(seed)))
    functional = dft.neural_functional(network, base=dft.xc("lda"), level="lda")
    return molecule, functional, jax.tree.map(lambda p: 0.1 * c * p, params)


def scf(seed, c):
    result = dft.scf(*hydrogen(seed, c))
    return result.energy, dft.dipole(hydrogen(seed, c)[0], result.density_matrix)


def forces(seed, c):
    return dft.forces(*hydrogen(seed, c))


def polarisability(seed, c):
    return dft.polarisability(*hydrogen(seed, c))


DFT_VERBS = [scf, forces, polarisability]


def compiles_nothing_again(verb, compilations):
    first = jax.block_until_ready(verb(0, 0.31))
    with compilations() as count:
        other = jax.block_until_ready(verb(1, 0.72))
    assert count() == 0
    # What was not compiled again was computed again.
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(other), strict=True)
    assert any(not np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_another_seed_and_coefficient_compile_nothing(verb, compilations):
    compiles_nothing_again(verb, compilations)


@pytest.mark.slow
@pytest.mark.parametrize("verb", DFT_VERBS, ids=lambda verb: verb.__name__)
def test_another_geometry_and_network_compile_nothing(verb, compilations):
    compiles_nothing_again(verb, compilations)
