"""The names that examples in docstrings use without defining them, for each pillar.

Everything is small. What several examples share, such as `f`, is one object, so that what one
example has compiled serves the others.
"""

import dataclasses
import functools
import math
import pathlib
import shutil

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
import numpy as np
import optax
from atoms import _ani_files
from dft.functionals import _skala_files

import jaxsci as jsci

CRYSTAL = """2
Lattice="4.0 0 0 0 4.0 0 0 0 4.0" Properties=species:S:1:pos:R:3 energy=-7.0
Na 0 0 0
Cl 2 2 2
"""
WATER = [("O", (0.0, 0.0, 0.117)), ("H", (0.0, 0.757, -0.469)), ("H", (0.0, -0.757, -0.469))]
HYDROGEN = [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.74))]
AMMONIA = [
    ("N", (0.0, 0.0, 0.0)),
    ("H", (0.0, 0.94, 0.38)),
    ("H", (0.81, -0.47, 0.38)),
    ("H", (-0.81, -0.47, 0.38)),
]
NITROGEN = [("N", (0.0, 0.0, 0.0)), ("N", (0.0, 0.0, 1.6))]


@functools.cache
def of(pillar):
    """The names that the examples of a pillar may use."""
    return (
        common()
        | {
            "core": core,
            "nn": dict,
            "numerics": dict,
            "pde": pde,
            "ntk": ntk,
            "operators": operators,
            "dft": dft,
            "atoms": atoms,
            "bayes": dict,
            "analysis": analysis,
        }[pillar]()
    )


def common():
    """In every example: the packages, a PRNG key, and D for derivatives."""
    packages = {
        "jsci": jsci,
        "jax": jax,
        "jnp": jnp,
        "np": np,
        "eqx": eqx,
        "optax": optax,
        "lineax": lineax,
        "dataclasses": dataclasses,
        "functools": functools,
        "math": math,
    }
    return packages | {"key": jax.random.key(0), "D": jsci.derivative}


def network(inputs, outputs):
    """`f` and its `params`."""
    return jsci.pure(jsci.nn.MLP(inputs, outputs, width=8, depth=1, key=jax.random.key(1)))


def core():
    """A field on points (x, t), a loss of two terms, and what a verb needs besides."""
    f, params = network(2, "scalar")
    u = a = source = load = lambda x: jnp.sum(jnp.sin(x))
    nu = 0.01
    burgers = jsci.pde.burgers(nu)
    r, ic, energy = jsci.residual(burgers, f), f, f
    domain = jsci.pde.Interval(-1.0, 1.0).during(0.0, 1.0)
    wall = jsci.pde.uniform(domain.boundary["left"], 5)
    sample = jsci.pde.joint({"pde": jsci.pde.uniform(domain, 40), "bc": wall})
    loss = jsci.objective({"pde": r, "bc": f})
    batch = data = sample(jax.random.key(0))
    x = points = molecules = batch["pde"]
    y, initial_points = jnp.ones(len(x)), points[:5]
    step = lambda params, y: 0.5 * jnp.cos(y)  # noqa: E731
    y0, fock0 = jnp.zeros(3), jnp.eye(2)
    commutator = lambda fock, new: new - fock  # noqa: E731
    return locals()


def pde():
    """A network of two coordinates, domains, a residual and its loss, and a quadrature."""
    f, params = network(2, "scalar")
    net = functools.partial(f, params)
    box = square = jsci.pde.Box((0.0, 0.0), (1.0, 1.0))
    disk = jsci.pde.Ball((0.0, 0.0), 1.0)
    domain = jsci.pde.Interval(-1.0, 1.0).during(0.0, 1.0)
    quadrature = jsci.pde.gauss_legendre(square, 8)
    u = psi = jsci.pde.dirichlet(f, square)  # of parameters and a point
    op = jsci.pde.schroedinger(0.0)
    r = jsci.residual(jsci.pde.poisson(1.0), f)
    source = lambda x: 1.0  # noqa: E731
    loss = jsci.objective({"pde": r, "wall": f})
    sample = jsci.pde.joint({name: jsci.pde.uniform(square, 40) for name in ("pde", "wall")})
    batch = sample(jax.random.key(0))
    points = batch["pde"]
    optimizer = optax.adam(1e-3)
    return locals()


def ntk():
    """A classifier of three inputs and two outputs, its data and kernel, and infinite networks."""
    infinite = jsci.ntk.infinite
    f, params = network(3, 2)
    trained = jax.tree.map(lambda a: 1.01 * a, params)
    x, x_test = jax.random.normal(jax.random.key(0), (2, 6, 3))
    y = jnp.sin(x[:, :2])
    labels = jax.nn.one_hot(jnp.arange(6) % 2, 2)
    logits = jax.vmap(f, (None, 0))(params, x)
    theta = jsci.ntk.kernel(f, params, x, trace_axes=-1)
    net = infinite.serial(infinite.Dense(16), infinite.Relu(), infinite.Dense(1))
    weight, bias = jax.random.normal(jax.random.key(1), (8, 16)) / 8, jnp.zeros(16)
    readout = jnp.ones((16, 2)) / 16
    return locals()


def operators():
    """Fields on 64 points of [0, 1), on 64 scattered points, and a small model of the former."""
    grid = jnp.arange(64) / 64
    a, u = jnp.sin(2 * jnp.pi * grid)[:, None], jnp.cos(2 * jnp.pi * grid)[:, None]
    batch, outputs = jnp.stack([a, 2 * a, u]), jnp.stack([(k + a) ** k for k in range(20)])
    x, weights = jax.random.uniform(jax.random.key(0), (64, 2)), jnp.full(64, 1 / 64)
    y = jnp.linspace(0, 1, 50)[:, None]
    model = jsci.operators.FNO(1, 1, width=4, modes=4, depth=1, key=jax.random.key(1))
    f, params = jsci.pure(model)
    return locals()


def dft():
    """Water and other molecules, a functional with parameters, and what is computed with them."""
    atoms, basis = WATER, "sto-3g"
    water = molecule = jsci.dft.molecule(atoms, basis)
    stretched = jsci.dft.molecule([(symbol, 1.1 * np.array(x)) for symbol, x in WATER], basis)
    molecules, energies = [water, stretched], [-75.2, -75.1]
    ammonia = jsci.dft.molecule(AMMONIA, basis)
    hydroxide = jsci.dft.molecule(WATER[:2], basis, charge=-1)
    h2, h = jsci.dft.molecule(HYDROGEN, basis), jsci.dft.molecule(HYDROGEN[:1], basis, spin=1)
    batch = jsci.dft.stack(molecules)
    forces = [np.zeros((3, 3))] * 2
    data = held_out = jsci.dft.training_batch(molecules, energies, forces=forces)
    f, params = network(3, "scalar")
    net = jsci.nn.MLP(3, "scalar", width=8, depth=1, key=jax.random.key(1))
    k1, k2 = jax.random.split(jax.random.key(2))
    pbe, functional = jsci.dft.xc("pbe"), jsci.dft.xc("pbe") + jsci.dft.as_functional(correction)
    loss = jsci.objective({"energy": jsci.dft.energy_error(functional)})
    optimizer = optax.adam(1e-3)
    result = jsci.dft.scf(water, pbe)
    aux = jsci.dft.auxiliary(water)
    coefficients = jsci.dft.fit_density(aux, result)
    hamiltonians = jnp.stack([jsci.dft.hamiltonian(water, result)] * 2)
    errors = {name: getattr(jsci.dft, name) for name in dir(jsci.dft) if name.endswith("_error")}
    return locals() | errors | {"network": net}


def atoms():
    """Caesium chloride and its graph, a potential, and what is computed with them."""
    salt = jsci.atoms.Atoms([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]], ["Cs", "Cl"], 4.0 * np.eye(3))
    graph = jsci.atoms.neighbours(salt, 6.0)
    nearby = jsci.atoms.NeighbourList(salt, 6.0)
    energy, params = jsci.atoms.lennard_jones(epsilon=0.1, sigma=3.2, cutoff=6.0, onset=4.0)
    f = jax.jit(jsci.atoms.properties(energy))
    return locals()


def analysis():
    """Two networks of one kind with hidden units, and inputs."""
    f, params = network(3, 2)
    other = jax.tree.map(lambda a: a + 0.1 * jnp.cos(jnp.arange(a.size)).reshape(a.shape), params)
    x = jax.random.normal(jax.random.key(2), (20, 3))
    return locals()


def correction(params, features):
    """Zero without parameters, so that one functional serves examples with and without."""
    if params is None:
        return 0.0 * features.rho
    return 1e-3 * sum(jnp.sum(leaf) for leaf in jax.tree.leaves(params)) * features.rho


def write_files(folder):
    """The files that examples read."""
    (folder / "train.xyz").write_text(CRYSTAL)
    _ani_files.tiny(folder / "ani-1x_8x")
    _skala_files.tiny(folder / "skala-1.1.npz")
    shutil.copy(pathlib.Path(__file__).parent / "atoms/data/dpa3-static.dp", folder / "model.dp")
    for name, molecule in (("water", WATER), ("n2", NITROGEN), ("trajectory", WATER)):
        lines = [f"{symbol} {x} {y} {z}" for symbol, (x, y, z) in molecule]
        frame = "\n".join([str(len(lines)), name, *lines]) + "\n"
        (folder / f"{name}.xyz").write_text(2 * frame if name == "trajectory" else frame)
