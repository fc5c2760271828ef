"""The problems: for each pillar what users would run on many devices, by the public functions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import jaxsci as jsci
from benchmarks.runner.case import Size
from jaxsci.core._fit.fit import run_chunk, start_of_training

DAMPING = 1e-3


@dataclass(frozen=True)
class Program:
    """A compiled program with its arguments; `result(output)` must not depend on the devices."""

    compiled: Any
    args: tuple[Any, ...]
    result: Callable[[Any], Any]
    steps: int = 1


@dataclass(frozen=True)
class Problem:
    """One row of the study.

    **Arguments:**

    - `build`: `build(n, mesh)` gives the program for n items over the mesh, `None` for one device
      without one.
    - `per_device`: items per device, by size; the strong study has eight times as many in total.
    - `step_loop`: a step is one pass of the program's outermost loop, as in `fit`.
    - `amplified`: by how much a step may amplify rounding: the inverse of the damping, which
      bounds the condition of a second-order step.
    - `order`: the work grows with this power of the number of items, and what every device
      repeats or sends with one less; `None` where counts do not tell.
    """

    name: str
    title: str
    item: str
    per_device: dict[Size, int]
    build: Callable[[int, Mesh | None], Program]
    step_loop: bool = False
    amplified: float = 1.0
    order: int | None = None

    @property
    def pillar(self) -> str:
        return self.name.partition(".")[0]


def _place(tree: Any, mesh: Mesh | None, *axes: str) -> Any:
    """Rows over the devices, or with no axes everything on each."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec(*axes)) if mesh else None)


def _training(
    loss: Any, params: Any, batch: Any, optimizer: Any, steps: int, mesh: Mesh | None
) -> Program:
    """The compiled loop of `fit`."""
    optimizer = optax.with_extra_args_support(optimizer)
    carry = _place(start_of_training(params, optimizer), mesh)
    batch = _place(batch, mesh, "devices")
    args = (loss, optimizer, batch, jax.random.key(0), carry, jnp.array(steps), steps)

    def result(output):
        carry, records = output
        return {"params": carry.params, "loss": records["loss"]}

    return Program(run_chunk.lower(*args).compile(), args, result, steps)


def _applied(function: Callable, args: tuple[Any, ...], result=lambda output: output) -> Program:
    return Program(jax.jit(function).lower(*args).compile(), args, result)


def _burgers(width: int, depth: int, optimizer: Any, steps: int):
    def build(n: int, mesh: Mesh | None) -> Program:
        key = jax.random.key(0)
        domain = jsci.pde.Interval(-1.0, 1.0).during(0.0, 1.0)
        network = jsci.nn.MLP(2, "scalar", width=width, depth=depth, key=key)
        f, params = jsci.pure(network, dtype=jnp.float64)
        u = jsci.pde.dirichlet(f, domain, lambda x: -jnp.sin(jnp.pi * x[0]))
        residual = jsci.residual(jsci.pde.burgers(0.01), u)
        loss = jsci.objective({"pde": residual}, mesh=mesh)
        points = {"pde": jsci.pde.sobol(domain, n)(key)}
        return _training(loss, params, points, optimizer, steps, mesh)

    return build


def _fields(n: int, mesh: Mesh | None) -> Program:
    from benchmarks.cases.dft.fields import distorted_waters

    waters = [jsci.dft.molecule(atoms, "sto-3g", grid=0) for atoms in distorted_waters(n)]
    functional = jsci.dft.xc("pbe")

    def energy(molecule):
        field = jsci.dft.scf(molecule, functional, throw=False)
        return jnp.where(field.converged, field.energy, jnp.nan)

    energies = jsci.vmap(energy, batch_size=1, mesh=mesh)
    return _applied(energies, (_place(jsci.dft.stack(waters), mesh, "devices"),))


def _operator(n: int, mesh: Mesh | None) -> Program:
    keys = jax.random.split(jax.random.key(0))
    model = jsci.operators.FNO(1, 1, width=16, modes=(8, 8), depth=3, key=keys[0])
    f, params = jsci.pure(model, dtype=jnp.float64)
    a = jax.vmap(lambda key: jsci.operators.data.grf(key, (32, 32)))(jax.random.split(keys[1], n))
    fields = {"data": (a[..., None], a[..., None] ** 2)}

    def misfit(params, pair):
        return jsci.operators.relative_l2(f(params, pair[0]), pair[1])

    loss = jsci.objective({"data": misfit}, mesh=mesh)
    return _training(loss, params, fields, optax.adam(1e-3), 3, mesh)


def _kernel(n: int, mesh: Mesh | None) -> Program:
    network = jsci.nn.MLP(16, 1, width=128, depth=3, key=jax.random.key(0))
    f, params = jsci.pure(network, dtype=jnp.float64)
    x = _place(jax.random.normal(jax.random.key(1), (n, 16)), mesh, "devices")
    return _applied(lambda p, x: jsci.gram(f, p, x, mesh=mesh), (_place(params, mesh), x))


def _potential(n: int, mesh: Mesh | None) -> Program:
    from benchmarks.cases.atoms._problems import LATTICE, varied_frames

    cutoff = 5.5
    model = jsci.atoms.GraphPotential(
        list(LATTICE), width=24, depth=1, order=2, cutoff=cutoff, key=jax.random.key(0)
    )
    energy, params = jsci.pure(model, dtype=jnp.float64)
    (alloys,) = jsci.atoms.batch(varied_frames(n, 0), cutoff, buckets=1)
    errors = jsci.atoms.property_errors(jsci.atoms.properties(energy), stress=100.0)
    loss = jsci.objective({"data": errors}, mesh=mesh)
    return _training(loss, params, {"data": alloys}, optax.adam(1e-3), 3, mesh)


def _filters(n: int, mesh: Mesh | None) -> Program:
    node = jsci.bayes.Node
    net = jsci.bayes.hgf((node("binary", (1,)), node("continuous", (), (2,)), node("continuous")))
    seen = (jax.random.uniform(jax.random.key(0), (n, 320)) < 0.7).astype(float)

    def of_one(volatilities, series):
        params = net.params() | {"tonic_volatility": volatilities}
        return jsci.bayes.filter(net.step, params, net.init(params), series).log_density

    def of_all(volatilities, series):
        return jnp.mean(jsci.vmap(of_one, (None, 0), mesh=mesh)(volatilities, series))

    args = _place(jnp.array([0.0, -4.0, -6.0]), mesh), _place(seen, mesh, "devices")
    return _applied(jax.value_and_grad(of_all), args)


def _factors(n: int, mesh: Mesh | None) -> Program:
    parts = [jax.random.uniform(jax.random.key(i), (20, 4)) for i in range(3)]
    tensor = jnp.einsum("ir,jr,kr->ijk", *parts)

    def error(key):
        return jsci.analysis.factorise(tensor, 4, key, restarts=1, max_steps=50).error

    starts = _place(jax.random.split(jax.random.key(3), n), mesh, "devices")
    return _applied(jsci.vmap(error, batch_size=1, mesh=mesh), (starts,))


PROBLEMS = (
    Problem(
        "pde.adam",
        "fit of Burgers' residual, tanh 3 x 64, a step of Adam",
        "points",
        {"smoke": 16, "quick": 256, "full": 2048},
        _burgers(64, 3, optax.adam(1e-3), 5),
        step_loop=True,
        order=1,
    ),
    Problem(
        "pde.parameter_space",
        "fit of Burgers' residual, tanh 2 x 20, a step of Levenberg-Marquardt by Jᵀ J",
        "points",
        {"smoke": 16, "quick": 256, "full": 2048},
        _burgers(20, 2, jsci.levenberg_marquardt(DAMPING, space="parameter"), 3),
        step_loop=True,
        amplified=1 / DAMPING,
        order=1,
    ),
    Problem(
        "pde.sample_space",
        "the same by J Jᵀ",
        "points",
        {"smoke": 8, "quick": 32, "full": 256},
        _burgers(20, 2, jsci.levenberg_marquardt(DAMPING, space="sample"), 3),
        step_loop=True,
        amplified=1 / DAMPING,
    ),
    Problem(
        "dft.fields",
        "scf of distorted waters, PBE, STO-3G, one after the other on each device",
        "molecules",
        {"smoke": 1, "quick": 2, "full": 8},
        _fields,
    ),
    Problem(
        "operators.fno",
        "fit of an FNO, 32 x 32, width 16, modes 8 x 8, 3 layers, a step of Adam",
        "samples",
        {"smoke": 1, "quick": 2, "full": 8},
        _operator,
        step_loop=True,
        order=1,
    ),
    Problem(
        "ntk.gram",
        "the tangent kernel of an MLP 3 x 128, by blocks of rows",
        "points",
        {"smoke": 8, "quick": 128, "full": 512},
        _kernel,
        order=2,
    ),
    Problem(
        "atoms.potential",
        "fit of a potential of alloys of four atoms by energy, forces and stress, a step of Adam",
        "structures",
        {"smoke": 1, "quick": 2, "full": 8},
        _potential,
        step_loop=True,
        order=1,
    ),
    Problem(
        "bayes.filters",
        "the log density of three-level filters of 320 observations, and its gradient",
        "subjects",
        {"smoke": 1, "quick": 16, "full": 128},
        _filters,
    ),
    Problem(
        "analysis.factors",
        "factorise of a tensor of 20 x 20 x 20, rank 4, one start after the other on each device",
        "starts",
        {"smoke": 1, "quick": 2, "full": 8},
        _factors,
    ),
)


def problem_of(name: str) -> Problem:
    """The problem of this name."""
    return next(problem for problem in PROBLEMS if problem.name == name)
