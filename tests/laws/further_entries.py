"""More rows in the form of `entries`, which are fuzzed by `pytest -m slow` alone."""

import dataclasses
import functools

import entries
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from entries import KERNEL, KEY, LINEAR, TARGET, WEIGHTS, Entry

import jaxsci as jsci

RNG = np.random.default_rng(1)
BOX = jsci.pde.Box((0.0, 0.0), (1.0, 1.0))
SQUARES = lambda p, x: p @ x**2  # noqa: E731


def _rows(*shape):
    return RNG.uniform(-1, 1, shape)


def _field(x):
    return x[0] ** 3 * x[1] ** 2


def _powers(size):
    return lambda x: jnp.prod(x) ** jnp.arange(2, 2 + size)


def _equation(op, answer):
    return Entry(
        f"pde.{op.__qualname__.partition('.')[0]}", lambda x: op(_field, x), _rows(2), answer
    )


def _of_space_and_time(x):
    if len(x) != 2:
        raise IndexError("more dimensions of space")
    return np.array([6 * x[0] * x[1] ** 2, 2 * x[0] ** 3, 2 * x[0] ** 3 * x[1]])  # u_xx, u_tt, u_t


EQUATIONS = [
    _equation(
        jsci.pde.advection((2.0,)),
        lambda x: 2 * x[0] ** 3 * x[1] + 6 * x[0] ** 2 * x[1] ** 2,
    ),
    _equation(
        jsci.pde.heat(0.1), lambda x: _of_space_and_time(x)[2] - 0.1 * _of_space_and_time(x)[0]
    ),
    _equation(
        jsci.pde.wave(2.0), lambda x: _of_space_and_time(x)[1] - 4 * _of_space_and_time(x)[0]
    ),
    Entry("pde.allen_cahn", lambda x: jsci.pde.allen_cahn(0.1)(_field, x), _rows(2)),
    Entry("pde.helmholtz", lambda x: jsci.pde.helmholtz(2.0)(_field, x), _rows(2)),
    Entry(
        "pde.kuramoto_sivashinsky",
        lambda x: jsci.pde.kuramoto_sivashinsky()(_field, x),
        _rows(2),
    ),
    Entry("pde.caputo", lambda x: jsci.pde.caputo(_field, 0.5)(x), _rows(2)),
    Entry(
        "pde.fractional_laplacian",
        lambda x: jsci.pde.fractional_laplacian(_field, 1.2, jsci.pde.Interval(-2.0, 2.0))(x),
        _rows(2),
    ),
    Entry("pde.schroedinger", lambda x: jsci.pde.schroedinger(1.0)(_field, x), _rows(2)),
    Entry("pde.navier_stokes", lambda x: jsci.pde.navier_stokes(0.1)(_powers(3), x), _rows(2)),
    Entry("pde.stream_function", lambda x: jsci.pde.stream_function(0.1)(_field, x), _rows(2)),
    Entry("pde.elasticity", lambda x: jsci.pde.elasticity(1.0, 0.5)(_powers(2), x), _rows(2)),
    Entry("pde.maxwell", lambda x: jsci.pde.maxwell()(_powers(6), x), _rows(4)),
    Entry(
        "pde.time_harmonic_maxwell",
        lambda x: jsci.pde.time_harmonic_maxwell(2.0)(_powers(2), x),
        _rows(2),
    ),
    Entry(
        "pde.reaction_diffusion",
        lambda x: jsci.pde.reaction_diffusion((0.1, 0.2), lambda u, x: u**2)(_powers(2), x),
        _rows(2),
    ),
]


def _grown(weight):
    small, large = (jsci.operators.SpectralConv(1, 1, modes=m, key=KEY) for m in (2, 4))
    small = eqx.tree_at(lambda layer: layer.weight, small, weight)
    return jsci.operators.grow_modes(small, large).weight


def _grown_levels(weight):
    small, large = (jsci.operators.VCycle(1, 1, dim=1, levels=n, key=KEY) for n in (1, 2))
    small = eqx.tree_at(lambda cycle: cycle.levels[0].operator, small, weight)
    return jsci.operators.grow_levels(small, large).levels[1].operator


def _loss(x):
    return jsci.objective({"a": LINEAR, "b": SQUARES}), {"a": x, "b": jnp.ones((2, 3))}


def _weights_by_norm(x):
    loss, batch = _loss(x)
    return jsci.pde.gradient_norm_weights(loss, WEIGHTS, batch)


def _deviation(x):
    loss = jsci.objective({"a": LINEAR})
    return jsci.pde.laplace_deviation(LINEAR, loss, WEIGHTS, {"a": x}, noise=0.1)(WEIGHTS)


def _causal_weights(residuals):
    """Without the residuals of the last slice, on which no weight depends."""
    residuals = jnp.append(residuals, jnp.zeros(2))
    return jsci.pde.causal_weights(
        residuals, jnp.linspace(0, 1, 8), tolerance=1.0, start=0.0, end=1.0, slices=4
    )


def _posterior(x):
    posterior = jsci.laplace(LINEAR, WEIGHTS, x, prior=1.0, noise=0.5)
    return posterior.variance(x), posterior.log_evidence


def _score(x):
    found = jsci.bayes.predict(LINEAR, jnp.stack([WEIGHTS, 2 * WEIGHTS]), x, noise=0.5)
    return found.mean, found.variance, found.log_score(jnp.ones(4)), found.crps(jnp.ones(4))


BAYES = [
    Entry("bayes.health", lambda x: jsci.bayes.health(x), _rows(2, 10, 1)),
    Entry("bayes.sinkhorn_distance", lambda x: jsci.bayes.sinkhorn_distance(x, 2 * x), _rows(3, 2)),
    Entry("bayes.energy_distance", lambda x: jsci.bayes.energy_distance(x, 2 * x), _rows(3, 2)),
    Entry("bayes.predict", _score, _rows(4, 3)),
]
CORE = [Entry("laplace", _posterior, _rows(2, 3))]
PDE = [
    *EQUATIONS,
    Entry(
        "pde.hard",
        lambda x: jsci.pde.hard(LINEAR, lift=jnp.sum, factor=jnp.prod)(WEIGHTS, x),
        _rows(3),
        lambda x: x.sum() + x.prod() * (x @ np.array(WEIGHTS)),
    ),
    Entry(
        "pde.ritz",
        lambda x: jsci.pde.ritz(lambda u, x: u(x) ** 2, LINEAR)(WEIGHTS, (x, jnp.ones(4))),
        _rows(4, 3),
        lambda x: np.sum((x @ np.array(WEIGHTS)) ** 2),
    ),
    Entry("pde.periodic", lambda x: jsci.pde.periodic((1.0, 0.0))(_field, x), _rows(2)),
    Entry(
        "pde.causal_weights",
        _causal_weights,
        _rows(6),
    ),
    Entry("pde.gradient_norm_weights", _weights_by_norm, _rows(4, 3)),
    Entry("pde.laplace_deviation", _deviation, _rows(4, 3)),
    Entry(
        "pde.reference.chebyshev_interpolant",
        lambda v: jsci.pde.reference.chebyshev_interpolant(v)(jnp.array(0.3)),
        _rows(6),
    ),
    Entry(
        "pde.reference.etdrk4",
        lambda u: jsci.pde.reference.etdrk4(
            lambda k: -(k**2), lambda u, *_: 0 * u, u, length=1.0, time=0.1, steps=2
        ),
        _rows(8),
    ),
]


def _infinite(*layers):
    net = jsci.ntk.infinite.serial(*layers, jsci.ntk.infinite.Dense(1))
    return lambda x: net.kernel(x)


def _activation(name, *arguments):
    def call(x):
        layer = getattr(jsci.ntk.infinite, name)(*arguments)
        return _infinite(jsci.ntk.infinite.Dense(1), layer)(x)

    return Entry(f"ntk.infinite.{name}", call, _rows(3, 2))


def _images(name, *layers):
    def call(x):
        return _infinite(
            jsci.ntk.infinite.Conv(1, (3,)), jsci.ntk.infinite.Relu(), *(make() for make in layers)
        )(x)

    return Entry(f"ntk.infinite.{name}", call, _rows(3, 4, 2))


def _branches(join):
    def call(x):
        dense, relu = jsci.ntk.infinite.Dense(1), jsci.ntk.infinite.Relu()
        return _infinite(join(dense, jsci.ntk.infinite.serial(dense, relu)))(x)

    return call


ACTIVATIONS = "Abs Cos Elu Erf Gelu LeakyRelu Rbf Selu Sigmoid Sin Tanh"


def _bundled(x):
    features = jsci.ntk.ArcCosineNeuronFeatures(3, 8, key=KEY)
    return jsci.ntk.BundledDense(features, 2, key=KEY)(x)


NTK = [
    Entry(
        "ntk.kernel", lambda x: jsci.ntk.kernel(LINEAR, WEIGHTS, x), _rows(4, 3), lambda x: x @ x.T
    ),
    Entry(
        "ntk.linearize",
        lambda x: jsci.ntk.linearize(LINEAR, WEIGHTS)(2 * WEIGHTS, x),
        _rows(3),
        lambda x: 2 * x @ np.array(WEIGHTS),
    ),
    Entry(
        "ntk.taylor",
        lambda x: jsci.ntk.taylor(LINEAR, WEIGHTS, order=2)(2 * WEIGHTS, x),
        _rows(3),
        lambda x: 2 * x @ np.array(WEIGHTS),
    ),
    Entry(
        "ntk.gradient_descent",
        lambda y: jsci.ntk.gradient_descent(
            jnp.asarray(KERNEL), y, learning_rate=0.1, steps=3, kernel_test=jnp.asarray(KERNEL)
        ),
        TARGET,
    ),
    Entry(
        "ntk.susceptibilities",
        lambda k: jsci.ntk.susceptibilities(jnp.tanh, k),
        np.array(0.5),
    ),
    Entry(
        "ntk.kernel_recursion",
        lambda k: jsci.ntk.kernel_recursion(jnp.tanh, k, depth=3, weight_variance=1.0),
        np.array(0.5),
    ),
    Entry(
        "ntk.four_point_recursion",
        lambda k: jsci.ntk.four_point_recursion(jnp.tanh, k, depth=3, weight_variance=1.0),
        np.array(0.5),
    ),
    Entry(
        "ntk.deep_kernel",
        lambda c: jsci.ntk.deep_kernel(jnp.tanh, c, depth=3),
        RNG.uniform(-0.9, 0.9, 3),
    ),
    Entry(
        "ntk.random_features",
        lambda x: jsci.ntk.random_features(
            jsci.ntk.infinite.serial(
                jsci.ntk.infinite.Dense(1), jsci.ntk.infinite.Relu(), jsci.ntk.infinite.Dense(1)
            ),
            3,
            8,
            key=KEY,
        )(x),
        _rows(3),
    ),
    Entry("ntk.BundledDense ntk.ArcCosineNeuronFeatures", _bundled, _rows(3)),
    *(
        _activation(name)
        for name in [
            "Abs",
            "Cos",
            "Elu",
            "Erf",
            "Gelu",
            "LeakyRelu",
            "Rbf",
            "Selu",
            "Sigmoid",
            "Sin",
            "Tanh",
        ]
    ),
    _activation("Elementwise", jnp.tanh),
    _activation("Polynomial", (0.0, 1.0, 0.5)),
    _activation("LayerNorm"),
    _activation("Identity"),
    _images("Conv ntk.infinite.Flatten", lambda: jsci.ntk.infinite.Flatten()),
    _images(
        "AvgPool", lambda: jsci.ntk.infinite.AvgPool((2,)), lambda: jsci.ntk.infinite.Flatten()
    ),
    _images("GlobalAvgPool", lambda: jsci.ntk.infinite.GlobalAvgPool()),
    _images(
        "SelfAttention",
        lambda: jsci.ntk.infinite.SelfAttention(1, keys=4),
        lambda: jsci.ntk.infinite.Flatten(),
    ),
    Entry("ntk.infinite.parallel", _branches(jsci.ntk.infinite.parallel), _rows(3, 2)),
    Entry("ntk.infinite.concatenate", _branches(jsci.ntk.infinite.concatenate), _rows(3, 2)),
]


@functools.cache
def _forecaster():
    with jax.ensure_compile_time_eval():
        return jsci.operators.Forecaster(("q",), width=2, degree=1, depth=1, leads=(0, 1), key=KEY)


SOLVERS = jsci.operators.data
METRICS = jsci.operators.metrics
LATITUDES = np.linspace(-0.9, 0.9, 4)
OPERATORS = [
    Entry(
        "operators.attention",
        lambda q: jsci.operators.attention(
            q, jnp.ones((1, 4, 2)), jnp.ones((1, 4, 1)), jnp.full(4, 0.25)
        ),
        _rows(1, 3, 2),
    ),
    Entry(
        "operators.VCycle",
        entries._parameters(lambda: jsci.operators.VCycle(1, 1, dim=1, levels=2, key=KEY)),
        _rows(7, 1),
    ),
    Entry(
        "operators.Forecaster",
        lambda x: _forecaster()(x, ("q",), 1.0, "gauss"),
        _rows(4, 6, 1),
    ),
    Entry(
        "operators.SliceAttention",
        lambda h: jsci.operators.SliceAttention(2, heads=1, slices=2, key=KEY)(h, jnp.ones(4)),
        _rows(4, 2),
    ),
    Entry("operators.pod_modes", lambda u: jsci.operators.pod_modes(u, 2), _rows(4, 6, 1)),
    Entry(
        "operators.spherical_harmonics",
        lambda x: jsci.operators.spherical_harmonics(x[0], x[1], degree=2),
        RNG.uniform(0, 3, (2, 4)),
    ),
    *(
        Entry(
            f"operators.metrics.{name}",
            lambda x, name=name: getattr(METRICS, name)(x, jnp.ones((4, 5, 1))),
            _rows(4, 5, 1),
        )
        for name in ("nrmse", "vrmse", "spectral_error", "conservation_error")
    ),
    Entry(
        "operators.metrics.boundary_error",
        lambda x: METRICS.boundary_error(x, jnp.ones((2, 2, 1))),
        _rows(2, 2, 1),
    ),
    Entry(
        "operators.metrics.correlation_time",
        lambda x: METRICS.correlation_time(jnp.arange(8.0).reshape(2, 4, 1), x),
        _rows(2, 4, 1),
    ),
    Entry(
        "operators.metrics.latitude_weighted_rmse",
        lambda x: METRICS.latitude_weighted_rmse(x, jnp.ones((4, 5, 1)), 90 * LATITUDES),
        _rows(4, 5, 1),
    ),
    Entry(
        "operators.metrics.acc",
        lambda x: METRICS.acc(x, jnp.ones((4, 5, 1)), jnp.zeros((4, 5, 1)), 90 * LATITUDES),
        _rows(4, 5, 1),
    ),
    Entry(
        "operators.metrics.crps",
        lambda x: METRICS.crps(x, jnp.ones((4, 1))),
        _rows(3, 4, 1),
    ),
    Entry(
        "operators.rollout",
        lambda x: jsci.operators.rollout(lambda _, u: u**2, None, x, 3),
        _rows(4, 1),
    ),
    Entry(
        "operators.conformal_width",
        lambda x: jsci.operators.conformal_width(x, jnp.ones((3, 4, 1)), 0.75),
        _rows(3, 4, 1),
    ),
    Entry("operators.grow_modes", _grown, _rows(3, 1, 2, 1)),
    Entry("operators.grow_levels", _grown_levels, _rows(3, 1, 1)),
    Entry(
        "operators.unrolled_loss",
        lambda x: jsci.operators.unrolled_loss(lambda _, u: u**2, 2)(None, x),
        _rows(3, 4, 1),
    ),
    Entry(
        "operators.data.solve_burgers",
        lambda u: jsci.operators.data.solve_burgers(u, viscosity=0.1, time=0.1, steps=20),
        _rows(16),
    ),
    Entry(
        "operators.data.solve_darcy",
        lambda a: jsci.operators.data.solve_darcy(a, jnp.ones((3, 3))),
        RNG.uniform(1, 2, (5, 5)),
    ),
    Entry(
        "operators.data.solve_kuramoto_sivashinsky",
        lambda u: jsci.operators.data.solve_kuramoto_sivashinsky(u, length=6.0, time=0.1, steps=10),
        _rows(16),
    ),
    Entry(
        "operators.data.solve_navier_stokes",
        lambda w: jsci.operators.data.solve_navier_stokes(
            w, jnp.zeros((8, 8)), viscosity=0.1, time=0.1, steps=10
        ),
        _rows(8, 8),
    ),
    Entry(
        "operators.data.solve_shallow_water",
        lambda w: jsci.operators.data.solve_shallow_water(
            w, coriolis=0.1, viscosity=0.1, time=0.01, steps=10
        ),
        0.1 * _rows(8, 8, 3),
    ),
    Entry(
        "operators.data.solve_shallow_water_sphere",
        lambda w: jsci.operators.data.solve_shallow_water_sphere(
            jnp.broadcast_to(jnp.asarray(w)[:, None], (4, 8, 3)),
            sphere=jsci.operators.Sphere(4, 8),
            depth=1.0,
            time=1.0,
            steps=2,
        ),
        _rows(4, 3),
    ),
    Entry(
        "operators.data.solve_barotropic_sphere",
        lambda w: jsci.operators.data.solve_barotropic_sphere(
            jnp.broadcast_to(jnp.asarray(w)[:, None], (4, 8, 2)),
            sphere=jsci.operators.Sphere(4, 8),
            time=1.0,
            steps=2,
        ),
        _rows(4, 2),
    ),
    Entry(
        "operators.data.balanced_height",
        lambda w: jsci.operators.data.balanced_height(
            w, sphere=jsci.operators.Sphere(4, 8), depth=1.0
        ),
        _rows(4, 8),
    ),
    Entry(
        "operators.data.etdrk4",
        lambda v: jsci.operators.data.etdrk4(-np.ones(4), lambda v: v**2, v, time=0.1, steps=2),
        _rows(4),
    ),
]


@functools.cache
def _hydrogen():
    with jax.ensure_compile_time_eval():
        return jsci.dft.molecule([("H", (0, 0, 0)), ("H", (0, 0, 0.74))], "sto-3g", grid=0)


def _of_density(name):
    """A quantity of hydrogen and a density matrix."""

    def call(p):
        function = getattr(jsci.dft, name)
        if name.endswith(("energy", "fixed_density_hamiltonian")):
            return function(_hydrogen(), jsci.dft.xc("pbe"), density_matrix=p)
        return function(_hydrogen(), p)

    return Entry(f"dft.{name}", call, np.array([[0.6, 0.6], [0.6, 0.6]]))


def _of_places(name, quantity):
    """A quantity of hydrogen with its nuclei, not its integrals, moved."""

    def call(x):
        return quantity(dataclasses.replace(_hydrogen(), coordinates=x), jsci.dft.xc("pbe"))

    return Entry(f"dft.{name}", call, np.array([[0.0, 0, 0], [0, 0, 1.4]]))


def _of_features(name, call, reads=(0, 1, 2, 3, 4)):
    """A quantity of a density and its gradients, which reads some of these five numbers."""

    def at(x):
        a, b, *gradients = (x[reads.index(i)] if i in reads else 0.3 for i in range(5))
        return call(jsci.dft.Features(0.1 + a**2, 0.1 + b**2, *gradients))

    return Entry(f"dft.{name}", at, RNG.uniform(0, 1, len(reads)))


def _neural(name, reads=(0, 1, 2, 3, 4)):
    def call(features):
        return getattr(jsci.dft, name)(LINEAR)(WEIGHTS, features)

    return _of_features(name, call, reads)


def _constraint(name):
    constraint = getattr(jsci.dft.constraints, name)
    return _of_features(
        f"constraints.{name}",
        lambda features: constraint(jsci.dft.xc("pbe"), None, features),
        (0, 1) if name in OF_DENSITIES else (0, 1, 2, 3, 4),
    )


OF_DENSITIES = {
    "exchange_of_uniform_gas",
    "exchange_gradient_expansion",
    "exchange_nonuniform_scaling",
    "correlation_of_uniform_gas",
    "correlation_gradient_expansion",
    "correlation_rapidly_varying",
}
CONSTRAINTS = (
    "exchange_sign exchange_spin_scaling exchange_uniform_scaling exchange_of_uniform_gas "
    "exchange_gradient_expansion exchange_nonuniform_scaling exchange_lieb_oxford "
    "exchange_of_two_electrons correlation_sign correlation_of_uniform_gas "
    "correlation_gradient_expansion correlation_of_one_electron correlation_high_density_limit "
    "correlation_low_density_limit correlation_scaling_inequality "
    "correlation_adiabatic_concavity correlation_rapidly_varying spin_symmetry lieb_oxford"
)
P = jnp.array([[0.6, 0.6], [0.6, 0.6]])
DENSITIES = """
    dipole mulliken_charges loewdin_charges hirshfeld_charges spin_populations mayer_bond_orders
    wiberg_bond_orders harris_energy fixed_density_energy fixed_density_hamiltonian
"""
DFT = [
    *map(_of_density, DENSITIES.split()),
    _of_places("energy", lambda m, f: jsci.dft.energy(f)(None, m)),
    _of_places("d3", lambda m, _: jsci.dft.d3("pbe")(m)),
    _of_places("d4", lambda m, _: jsci.dft.d4("pbe")(m)),
    _of_places("forces", lambda m, f: jsci.dft.forces(m, f, throw=False)),
    _of_places("density_corrected_energy", jsci.dft.density_corrected_energy),
    Entry("dft.density_at", lambda x: jsci.dft.density_at(_hydrogen(), P, x), _rows(3)),
    Entry("dft.orbitals_at", lambda x: jsci.dft.orbitals_at(_hydrogen(), P, x), _rows(3)),
    Entry("dft.potential_at", lambda x: jsci.dft.potential_at(_hydrogen(), P, x), _rows(3)),
    _of_features("descriptors", lambda features: jsci.dft.descriptors(features, "gga")),
    _neural("neural_functional"),
    _neural("neural_exchange", (0, 1, 2, 4)),  # no gradient of one spin times that of the other
    _of_features(
        "constraints.scale_uniformly",
        lambda features: jax.tree.leaves(jsci.dft.constraints.scale_uniformly(features, 2.0)),
    ),
    *map(_constraint, CONSTRAINTS.split()),
]


def _graph_potential():
    model = jsci.atoms.GraphPotential(
        ["Si"], cutoff=5.0, angle_cutoff=5.0, width=3, depth=1, key=KEY
    )
    return jsci.pure(model)


def _line_graph_potential():
    model = jsci.atoms.LineGraphPotential(
        ["Si"], cutoff=5.0, angle_cutoff=5.0, widths=(4, 4, 2), depth=1, key=KEY
    )
    return jsci.pure(model)


def _charges():
    molecule = jsci.atoms.Atoms([[0.0, 0.0, 0.0]], ["Si"])
    return jsci.atoms.point_charges({"Si": 0.5}, molecule, cutoff=5.0)


def _potential(name, made):
    """The energy of four silicon atoms, of which the second to fourth are where the input says."""
    energy, params = made
    places = np.array([[0, 0, 0], [1.4, 1.4, 1.2], [1.4, -1.3, -1.4], [-1.2, 1.4, -1.4]])
    atoms = jsci.atoms.Atoms(places, ["Si"] * 4)
    graph = jsci.atoms.neighbours(atoms, 5.0, angle_cutoff=5.0)
    return Entry(
        name,
        lambda x: energy(params, dataclasses.replace(atoms, positions=places + x), graph),
        0.1 * _rows(4, 3),
    )


ATOMS = [
    _potential("atoms.lennard_jones", jsci.atoms.lennard_jones(epsilon=0.1, sigma=2.0, cutoff=5.0)),
    _potential("atoms.stillinger_weber", jsci.atoms.stillinger_weber()),
    _potential("atoms.point_charges", _charges()),
    _potential("atoms.GraphPotential", _graph_potential()),
    _potential("atoms.LineGraphPotential", _line_graph_potential()),
    Entry("atoms.select", lambda x: jsci.atoms.select(x @ x.T, 2), _rows(4, 3)),
    Entry("atoms.harmonic_heat", lambda x: jsci.atoms.harmonic_heat(3 + x, 300.0), _rows(2, 3)),
    Entry(
        "atoms.phonon_density",
        lambda x: jsci.atoms.phonon_density(x, jnp.linspace(-1.0, 1.0, 3)),
        _rows(2, 3),
    ),
    Entry(
        "atoms.equation_of_state",
        lambda x: jsci.atoms.equation_of_state(x, (x - 40.0) ** 2),
        40 + _rows(7),
    ),
]


def _blocks(x):
    """Of a network of five nodes: the diagonal may be anything."""
    a = jnp.zeros((5, 5), x.dtype).at[np.triu_indices(5, 1)].set(x)
    return jsci.analysis.block_model(a + a.T, 2, KEY, restarts=2, max_steps=30)


def _weights_of_a_mesh(x):
    laplacian = jsci.analysis.mesh_laplacian(x, np.array([[0, 1, 2], [0, 2, 3]]))
    return laplacian.weights, laplacian.mass


ANALYSIS = [
    Entry("analysis.factorise", lambda x: jsci.analysis.factorise(2 + x, 1, KEY), _rows(2, 3)),
    Entry("analysis.block_model", _blocks, _rows(10)),
    Entry("analysis.mesh_laplacian", _weights_of_a_mesh, _rows(4, 3)),
    Entry("analysis.cka", lambda x: jsci.analysis.cka(x, x[:, :2] ** 2), _rows(9, 3)),
    Entry("analysis.cca", lambda x: jsci.analysis.cca(x, x[:, :2] ** 2), _rows(9, 3)),
]

FURTHER = [*CORE, *BAYES, *PDE, *NTK, *OPERATORS, *DFT, *ATOMS, *ANALYSIS]
