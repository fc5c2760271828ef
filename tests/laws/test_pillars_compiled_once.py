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

LINE, data = pde.Interval(0.0, 1.0), operators.data


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


def march(seed, c):
    slab = LINE.during(0.0, 1.0)
    features = pde.random_features(slab, 60, key=jax.random.key(seed), scale=2.0)
    points = jax.random.uniform(jax.random.key(seed), (200, 2))

    def trial(f):
        return pde.hard(
            f, lift=lambda x: jnp.sin(jnp.pi * x[0]), factor=lambda x: x[0] * (1 - x[0])
        )

    times = [0.0, 0.3 + 0.1 * c, 0.9]
    return pde.march(pde.heat(0.1 * c), trial, features, points, times).params


def adversarial(seed, c):
    key = jax.random.key(seed)
    f, params = jsci.pure(nn.MLP(1, "scalar", width=4, depth=1, key=key))
    options = {"steps": 2, "width": 4, "depth": 2}
    points = pde.adversarial(LINE, 16, lambda p, x: f(p, x) - c, key=key, **options)
    return points.sample(key, points.train(key, points.flow, params))


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
    activation = lambda z: jnp.tanh(c * z)  # noqa: E731
    variances = {"weight_variance": 1.5 + seed, "bias_variance": c * seed}
    kernels = ntk.kernel_recursion(activation, 1.0 + seed, depth=4, **variances)
    return kernels, ntk.four_point_recursion(activation, 1.0 + seed, depth=4, **variances)


def susceptibilities(seed, c):
    activation = lambda z: jnp.tanh(c * z)  # noqa: E731
    moments = ntk.moment_map(activation, 0.1 * c, 1.0 + seed)
    return moments, ntk.susceptibilities(activation, 1.0 + seed, weight_variance=1.0 + seed)


def deep_kernel(seed, c):
    correlation = jnp.array([0.1, 0.3 + 0.1 * seed])
    return ntk.deep_kernel(lambda z: jnp.tanh(c * z), correlation, depth=3)


def distances(seed, c):
    x, y = jax.random.normal(jax.random.key(seed), (2, 10, 3))
    return bayes.energy_distance(c * x, y), bayes.sinkhorn_distance(c * x, y)


def chains(seed, c):
    start = lambda key: 3.0 * jax.random.normal(key, (2,))  # noqa: E731
    log_density = lambda p: -c * jnp.sum((p - 1.0) ** 2)  # noqa: E731
    options = {"steps": 16, "keep_every": 2, "progress": False}
    sampler = bayes.langevin(adapt=4)
    return bayes.chains(jax.random.key(seed), sampler, log_density, start, **options).params


def match_prior(seed, c):
    target = lambda key, x: 3.0 * c * jax.random.normal(key) * x[:, 0]  # noqa: E731
    start, at = bayes.prior({"a": jnp.zeros(())}), jnp.ones((2, 1))
    options = {"steps": 3, "draws": 4, "learning_rate": 0.1 * c}
    key = jax.random.key(seed)
    return bayes.match_prior(key, lambda p, x: c * p["a"] * x[0], start, target, at, **options)


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


def phonons(seed, c):
    f, params, structure = crystal(seed, c)
    constants = atoms.force_constants(f, params, structure, 5.0, supercell=(1, 1, 1))
    return atoms.phonons(constants, jnp.array([[0.0, 0.0, 0.1 + 0.1 * seed]]))


def elastic_band(seed, c):
    f, params, first = crystal(seed, c)
    path = atoms.interpolate(first, crystal(seed + 5, c)[2], 3)
    nearby = atoms.NeighbourList(argon(), 5.0)
    return atoms.elastic_band(f, params, path, nearby, steps=3).atoms.positions


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


def periodic_data(seed, c):
    key = jax.random.key(seed)
    found = data.burgers(key, 2, 8, viscosity=c, amplitude=1.0 + seed, time=c, fine=16, steps=3)
    chaos = {"length": 10 * c, "settle": 1.0, "time": 1.0, "fine": 16, "step": 0.5}
    return found, data.kuramoto_sivashinsky(key, 2, 8, **chaos), data.grf(key, 8, tau=5 * c)


def darcy(seed, c):
    key = jax.random.key(seed)
    pairs = data.darcy(key, 2, 8, fine=16, low=1.0 + seed, high=6 + c)
    permeability = c + jax.random.uniform(key, (9, 9))
    return pairs, data.solve_darcy(permeability, jnp.ones((7, 7)))


def linear_data(seed, c):
    key = jax.random.key(seed)
    return data.antiderivative(key, 3, 8, tau=5 * c), data.advection(key, 3, 8, speed=c)


def navier_stokes(seed, c):
    key = jax.random.key(seed)
    options = {"viscosity": c, "steps": 3}
    pairs = data.navier_stokes(key, 2, 8, amplitude=1.0 + seed, fine=16, **options)
    start = jax.random.normal(key, (8, 8))
    return pairs, data.solve_navier_stokes(start, c * start, time=0.1 * c, **options)


def shallow_water(seed, c):
    options = {"coriolis": 1.0 + seed, "viscosity": c, "amplitude": 1.0 + seed}
    return data.shallow_water(jax.random.key(seed), 2, 8, fine=16, steps=3, **options)


def on_the_sphere(seed, c):
    options = {"degree": 7, "settle": 3600.0, "times": 1, "jet": 20.0 + seed, "damping": 1e-4 * c}
    both = data.barotropic_sphere, data.shallow_water_sphere
    return [f(jax.random.key(seed), 2, 12, 24, **options) for f in both]


def units(seed, c):
    f, params = jsci.pure(nn.MLP(2, "scalar", width=4, depth=2, key=jax.random.key(seed)))
    other = jax.tree.map(lambda a: a + c, params)
    found = analysis.units(jax.vmap(f, (None, 0)), params, c * jnp.ones((5, 2)))
    return analysis.permute(other, found, analysis.match(params, other, found).permutations)


VERBS = [
    least_squares,
    eigenpairs,
    pytest.param(march, marks=pytest.mark.slow),
    pytest.param(adversarial, marks=pytest.mark.slow),
    sobolev_gradient,
    averaged,
    gradient_descent,
    spectrum,
    posterior,
    kernel_recursion,
    susceptibilities,
    deep_kernel,
    distances,
    pytest.param(chains, marks=pytest.mark.slow),
    match_prior,
    pytest.param(properties, marks=pytest.mark.slow),
    pytest.param(elastic_constants, marks=pytest.mark.slow),
    pytest.param(relax, marks=pytest.mark.slow),
    phonons,
    pytest.param(elastic_band, marks=pytest.mark.slow),
    pytest.param(dynamics, marks=pytest.mark.slow),
    factorise,
    pytest.param(block_model, marks=pytest.mark.slow),
    similarity,
    consensus,
    rollout,
    conformal_width,
    periodic_data,
    darcy,
    linear_data,
    navier_stokes,
    shallow_water,
    pytest.param(on_the_sphere, marks=pytest.mark.slow),
    units,
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


def hessian(seed, c):
    return dft.hessian(*hydrogen(seed, c)), dft.vibrations(*hydrogen(seed, c)).hessian


def relaxed_geometry(seed, c):
    relaxed = dft.relax(*hydrogen(seed, c), max_steps=2, progress=False)
    return relaxed.positions, relaxed.energy


def scan(seed, c):
    bond = {"coordinate": (0, 1), "values": [0.8 + 0.1 * seed, 0.9], "relaxed": False}
    return dft.scan(*hydrogen(seed, c), **bond, progress=False).energies


def excitations(seed, c):
    result = dft.scf(*hydrogen(seed, c))
    return dft.excitations(*hydrogen(seed, c), result=result, nstates=1).energies


def stability(seed, c):
    return dft.stability(*hydrogen(seed, c), result=dft.scf(*hydrogen(seed, c))).internal


def fit_through_the_scf(seed, c):
    molecule, functional, params = hydrogen(seed, c)
    batch = {"energy": dft.training_batch([molecule], energies=[-1.0 - 0.1 * seed])}
    loss = jsci.objective({"energy": dft.energy_error(functional)})
    found = jsci.fit(loss, params, batch, optax.adam(1e-3), steps=2, progress=False)
    own, energy = {"energy": jax.tree.map(lambda x: x[None], molecule)}, dft.energy(functional)
    # No lambda around it: checks of types wrap rules of derivatives, which are then not shared.
    loss = jsci.objective({"energy": energy})
    other = jsci.fit(loss, params, own, optax.adam(1e-3), steps=2, progress=False)
    return found.history["loss"], other.history["loss"]


DFT_VERBS = [
    scf,
    forces,
    polarisability,
    hessian,
    relaxed_geometry,
    scan,
    excitations,
    stability,
    fit_through_the_scf,
]


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
@pytest.mark.filterwarnings("ignore:the geometry is not stationary", "ignore:.* are not relaxed")
@pytest.mark.parametrize("verb", DFT_VERBS, ids=lambda verb: verb.__name__)
def test_another_geometry_and_network_compile_nothing(verb, compilations):
    compiles_nothing_again(verb, compilations)
