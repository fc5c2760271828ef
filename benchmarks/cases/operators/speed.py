"""Neural operators: speed and exactness of layers and networks, beside other packages."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsci as jsci
from benchmarks.cases.operators._plain import fft_fno, plain_mgno
from benchmarks.cases.operators._problems import SINGLE, count, describe, tree_error
from benchmarks.remote import DEEPXDE, JAXKAN, MGNO, NEURALOPERATOR, remote_run
from benchmarks.runner.case import Baseline, Case, Run, Size
from jaxsci.operators import FNO, DeepONet, MgNO, SpectralConv

# Points of the grid, samples, width and modes: of smoke, then of each case.
SMOKE = {1: ((64,), 2, 8, (8,)), 2: ((32, 32), 2, 8, (12, 12))}
OUT_GRID = (47, 99)
FNO_SIZES = {
    "64": ((64, 64), 16, 32, (12, 12)),
    "32": ((32, 32), 16, 32, (12, 12)),
    "1d": ((1024,), 20, 64, (16,)),
}


def fno_problem(which, size):
    """An FNO with its parameters, and a batch of inputs."""
    grid, batch, width, modes = FNO_SIZES[which]
    if size == "smoke":
        grid, batch, width, modes = SMOKE[len(grid)]
    model = FNO(1, 1, width=width, modes=modes, depth=4, key=jax.random.key(0))
    f, params = jsci.pure(model, dtype=SINGLE)
    a = jax.random.normal(jax.random.key(1), (batch, *grid, 1), SINGLE)
    return model, f, params, a


def double(tree):
    return jax.tree.map(lambda w: w.astype(jnp.float64), tree)


def fno_forward(which, size):
    model, f, params, a = fno_problem(which, size)
    reference = jax.jit(fft_fno)(double(params), double(a))
    return Run(
        step=jax.vmap(f, (None, 0)),
        args=(params, a),
        error=tree_error(reference),
        batched=lambda n: (
            jax.vmap(partial(f, params)),
            (jax.random.normal(jax.random.key(2), (n, *a.shape[1:]), SINGLE),),
        ),
        baseline=Baseline("plain jnp.fft FNO", fft_fno, (params, a)),
        note=f"{describe_batch(a)}, {describe(model)}",
    )


def squared_error(network, params, a, target):
    return jnp.mean((network(params, a) - target) ** 2)


def fno_gradient(which, size):
    _, f, params, a = fno_problem(which, size)
    target = jnp.roll(a, 3, axis=1)
    plain = jax.value_and_grad(partial(squared_error, fft_fno))
    reference = jax.jit(plain)(*map(double, (params, a, target)))
    return Run(
        step=jax.value_and_grad(partial(squared_error, jax.vmap(f, (None, 0)))),
        args=(params, a, target),
        error=tree_error(reference),
        baseline=Baseline("plain jnp.fft FNO", plain, (params, a, target)),
        note=f"loss and gradient, {describe_batch(a)}",
    )


def neuraloperator_fno(which, program, size):
    """The same network with the same weights, of neuraloperator's layers."""
    _, _, params, a = fno_problem(which, size)
    arrays = {"a": a, "modes": params.modes, "target": jnp.roll(a, 3, axis=1)}
    x = np.stack(np.meshgrid(*[np.arange(n) / n for n in a.shape[1:-1]], indexing="ij"), -1)
    wave = 2 * np.pi * x
    arrays["position"] = np.concatenate([np.cos(wave), np.sin(wave)], -1).astype(np.float32)
    named = {"lift": params.lift}
    for kind, layers in (("skip", params.skips), ("project", params.project)):
        named |= {f"{kind}{i}": layer for i, layer in enumerate(layers)}
    for name, layer in named.items():
        arrays |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
    for i, layer in enumerate(params.convolutions):
        arrays[f"convolution{i}"] = layer.weight
    wide = double((params, a, arrays["target"]))
    if program == "forward":
        reference = jax.jit(fft_fno)(*wide[:2])
    else:
        reference = jax.jit(jax.grad(partial(squared_error, fft_fno)))(*wide).lift.weight
    return remote_run(
        NEURALOPERATOR.variable,
        "benchmarks.remote.peers.neuraloperator",
        program,
        arrays,
        tree_error(np.asarray(reference)),
    )


def describe_batch(a):
    return f"{a.shape[0]} samples of {'x'.join(map(str, a.shape[1:-1]))}, float32"


def grid_problem(size):
    """A spectral layer, a band-limited field on n² points, and the exact result on other grids."""
    n, modes = {"smoke": 32}.get(size, 64), (7, 7)
    f, params = jsci.pure(SpectralConv(1, 1, modes=modes, key=jax.random.key(0)), dtype=SINGLE)
    rng = np.random.default_rng(0)
    waves = rng.integers(-7, 8, (20, 2))
    phases = rng.uniform(0, 2 * np.pi, 20)

    def field(grid, factor):
        x, y = np.meshgrid(*[np.arange(m) / m for m in grid], indexing="ij")
        angle = 2 * np.pi * (x[..., None] * waves[:, 0] + y[..., None] * waves[:, 1]) + phases
        return np.real(np.exp(1j * angle) * factor).sum(-1)[..., None]

    weight = (
        np.asarray(params.weight, float)[..., 0, 0, 0]
        + 1j * np.asarray(params.weight, float)[..., 0, 1, 0]
    )
    exact = field(OUT_GRID, [multiplier(weight, k, modes) for k in waves])
    return f, params, jnp.asarray(field((n, n), 1.0), SINGLE), exact


def change_of_grid(size):
    f, params, a, exact = grid_problem(size)
    return Run(
        step=lambda params, a: f(params, a, OUT_GRID),
        args=(params, a),
        error=tree_error(exact),
        note=f"{a.shape[0]}x{a.shape[1]} to {OUT_GRID[0]}x{OUT_GRID[1]}, float32, band-limited",
    )


def neuraloperator_grid(size):
    """Its layer with our weights, asked for the same other grid by its `output_shape`."""
    _, params, a, exact = grid_problem(size)
    arrays = {"a": a[None], "modes": params.modes, "out_grid": OUT_GRID}
    return remote_run(
        NEURALOPERATOR.variable,
        "benchmarks.remote.peers.neuraloperator",
        "layer",
        arrays | {"convolution0": params.weight},
        tree_error(exact[None]),
    )


def multiplier(weight, k, modes):
    """The factor that the layer applies to exp(2 pi i k x) of a real field."""
    order = lambda j, m: j if j >= 0 else m - j  # noqa: E731  (0, 1..m, -1..-m)
    plus = weight[order(k[0], modes[0]), k[1]] if k[1] >= 0 else None
    minus = weight[order(-k[0], modes[0]), -k[1]].conj() if k[1] <= 0 else None
    if plus is None or minus is None:
        return plus if minus is None else minus
    return (plus + minus) / 2


MGNO_STEPS = 4


def mgno_problem(size):
    """An MgNO of the size its authors use for Darcy flow, and a batch of inputs."""
    n, batch, width = (16, 2, 4) if size == "smoke" else (64, 8, 24)
    model = MgNO(1, 1, width=width, depth=4, dim=2, levels=5, key=jax.random.key(0))
    f, params = jsci.pure(model, dtype=SINGLE)
    a = jax.random.normal(jax.random.key(1), (batch, n, n, 1), SINGLE)
    return f, params, a


def mgno_forward(size):
    f, params, a = mgno_problem(size)
    return Run(
        step=jax.vmap(f, (None, 0)),
        args=(params, a),
        error=tree_error(jax.jit(plain_mgno)(double(params), double(a))),
        baseline=Baseline("plain convolutions", plain_mgno, (params, a)),
        note=f"{describe_batch(a)}, 4 layers of 5 grids, {count(params):,} parameters",
    )


def train_mgno(network, params, a, target):
    """Adam, and the outputs afterwards."""
    loss = partial(squared_error, network, a=a, target=target)
    return network(adam(loss, params, MGNO_STEPS), a)


def mgno_training(size):
    f, params, a = mgno_problem(size)
    target = jnp.roll(a, 3, axis=1)
    plain = partial(train_mgno, plain_mgno)
    return Run(
        step=partial(train_mgno, jax.vmap(f, (None, 0))),
        args=(params, a, target),
        error=tree_error(jax.jit(plain)(*map(double, (params, a, target)))),
        note=f"{MGNO_STEPS} Adam steps, {describe_batch(a)}",
    )


def official_mgno(program, size):
    """The same network with the same weights, of the layers of its authors' code."""
    _, params, a = mgno_problem(size)
    arrays = {"a": a, "target": jnp.roll(a, 3, axis=1)}
    for i, (cycle, skip) in enumerate(zip(params.cycles, params.skips, strict=True)):
        arrays |= {f"{i}.skip.weight": skip.weight, f"{i}.skip.bias": skip.bias}
        for j, level in enumerate(cycle.levels):
            arrays[f"{i}.{j}.smooth"] = level.before[0]
            if level.restrict is not None:
                arrays[f"{i}.{j}.operator"] = level.operator
                arrays[f"{i}.{j}.restrict"] = level.restrict
                arrays[f"{i}.{j}.prolong"] = level.prolong
    arrays |= {"project.weight": params.project.weight, "project.bias": params.project.bias}
    wide = double((params, a, arrays["target"]))
    if program == "forward":
        reference = jax.jit(plain_mgno)(*wide[:2])
    else:
        program = f"train {MGNO_STEPS}"
        reference = jax.jit(partial(train_mgno, plain_mgno))(*wide)
    error = tree_error(np.asarray(reference))
    return remote_run(MGNO.variable, "benchmarks.remote.peers.mgno", program, arrays, error)


def adam(loss, params, steps):
    """The parameters after these steps of Adam."""
    optimizer = optax.adam(1e-3)

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params), state)
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, optimizer.init(params)), length=steps)[0][0]


DEEPONETS = {"40": (40, 2), "128": (128, 3)}
# Few: in Adam a difference of rounding grows a thousandfold in thirty steps.
STEPS = {"smoke": 5, "quick": 30, "full": 30}


def deeponet_problem(which, size):
    """A DeepONet with its parameters; 1000 functions at 100 sensors, wanted at 100 points."""
    width, depth = DEEPONETS[which]
    functions = 20 if size == "smoke" else 1000
    model = DeepONet(
        1, 1, sensors=100, dim=1, width=width, depth=depth, activation=jax.nn.relu,
        key=jax.random.key(0),
    )  # fmt: skip
    f, params = jsci.pure(model, dtype=SINGLE)
    v = jax.random.normal(jax.random.key(1), (functions, 100, 1), SINGLE)
    y = jnp.linspace(0, 1, 100, dtype=SINGLE)[:, None]
    u = jnp.cumsum(v, 1) / 10
    return f, params, v, y, u


def train_deeponet(f, steps, params, v, y, u):
    """Full-batch Adam, and the outputs afterwards."""
    network = jax.vmap(f, (None, 0, None))
    return network(adam(lambda p: jnp.mean((network(p, v, y) - u) ** 2), params, steps), v, y)


def deeponet_training(which, size):
    f, params, v, y, u = deeponet_problem(which, size)
    train = partial(train_deeponet, f, STEPS[size])
    reference = jax.jit(train)(*double((params, v, y, u)))
    return Run(
        step=train,
        args=(params, v, y, u),
        error=tree_error(reference),
        note=f"{STEPS[size]} full-batch Adam steps on {len(v)} functions, float32",
        figures={"parameters": count(params)},
    )


def deepxde_training(which, size):
    """The same steps from the same weights by `deepxde.Model.train`."""
    f, params, v, y, u = deeponet_problem(which, size)
    reference = jax.jit(partial(train_deeponet, f, STEPS[size]))(*double((params, v, y, u)))
    arrays = {"functions": v[..., 0], "points": y, "values": u[..., 0]}
    for name, layers in (("branch", params.branch), ("trunk", params.trunk)):
        for i, layer in enumerate(layers):
            arrays |= {f"{name}{i}.weight": layer.weight, f"{name}{i}.bias": layer.bias}
    return remote_run(
        DEEPXDE.variable,
        "benchmarks.remote.peers.deepxde",
        f"train {STEPS[size]}",
        arrays,
        tree_error(np.asarray(reference)[..., 0]),
    )


def kan_problem(size):
    """A KAN layer of three times 64 inputs and outputs, and an MLP of as many parameters."""
    points = 64 if size == "smoke" else 2048
    kan = jsci.nn.KAN(64, 64, width=64, depth=1, key=jax.random.key(0))
    # Two layers of 64 x 64 x (8 + 1) weights against 64 x w + w x 64 of a dense network.
    count = sum(w.size for w in jax.tree.leaves(eqx.filter(kan, eqx.is_array)))
    width = round(count / (2 * 64 + 1))
    mlp = jsci.nn.MLP(64, 64, width=width, depth=1, key=jax.random.key(0))
    x = jax.random.uniform(jax.random.key(1), (points, 64), SINGLE, -1, 1)
    return kan, mlp, x


def gradient_of(network):
    f, params = jsci.pure(network, dtype=SINGLE)
    loss = lambda p, x: jnp.mean(jax.vmap(f, (None, 0))(p, x) ** 2)  # noqa: E731
    return jax.value_and_grad(loss), params


def kan_gradient(size):
    kan, mlp, x = kan_problem(size)
    (ours, params), (dense, dense_params) = gradient_of(kan), gradient_of(mlp)
    reference = jax.jit(ours)(double(params), double(x))
    counts = [count(p) for p in (params, dense_params)]
    return Run(
        step=ours,
        args=(params, x),
        error=tree_error(reference),
        baseline=Baseline("MLP", dense, (dense_params, x), error=lambda out: 0.0),
        note=f"loss and gradient, {len(x)} points, 64-64-64, cubic splines; MLP of as many weights",
        figures={"parameters": counts[0], "of the MLP": counts[1]},
    )


def jaxkan_gradient(size):
    """The same network with the same weights, of jaxKAN's base layers."""
    kan, _, x = kan_problem(size)
    loss, params = gradient_of(kan)
    arrays = {"x": x, "depth": len(params.layers)}
    for i, layer in enumerate(params.layers):
        splines = layer.weight.reshape(len(layer.base.weight), -1, layer.weight.shape[-1])
        arrays |= {f"splines{i}": splines, f"base{i}": layer.base.weight}
        arrays[f"bias{i}"] = layer.base.bias
    slopes = jax.jit(jax.grad(lambda p, x: loss(p, x)[0]))(double(params), double(x))
    shape = arrays["splines0"].shape
    reference = slopes.layers[0].weight.reshape(shape).transpose(2, 0, 1).reshape(-1, shape[1])
    return remote_run(
        JAXKAN.variable,
        "benchmarks.remote.peers.jaxkan",
        "gradient",
        arrays,
        tree_error(np.asarray(reference)),
    )


def _fno_cases():
    sizes: list[tuple[str, Size, str]] = [
        ("64", "quick", "2D"), ("32", "full", "2D"), ("1d", "full", "1D")
    ]  # fmt: skip
    for which, tier, title in sizes:
        name = "operators.fno" if which == "64" else f"operators.fno-{which}"
        grid = "x".join(map(str, FNO_SIZES[which][0]))
        yield Case(
            name, "operators", f"FNO {title} forward, {grid}", partial(fno_forward, which),
            "smoke" if which == "64" else tier, reference="FFT form in float64", tolerance=1e-5,
            error_name="relative L2", item="samples",
            peers=(NEURALOPERATOR.peer(
                "neuraloperator", partial(neuraloperator_fno, which, "forward")),),
        )  # fmt: skip
        yield Case(
            name.replace("fno", "fno_gradient"), "operators",
            f"FNO {title} loss and gradient, {grid}", partial(fno_gradient, which), tier,
            reference="FFT form in float64", tolerance=1e-4,
            error_name="relative L2, worst parameter array",
            peers=(NEURALOPERATOR.peer(
                "neuraloperator", partial(neuraloperator_fno, which, "gradient")),),
        )  # fmt: skip


CASES = [
    *_fno_cases(),
    Case("operators.mgno", "operators", "MgNO forward, 64x64", mgno_forward, "full",
         reference="plain convolutions in float64", tolerance=1e-5, error_name="relative L2",
         peers=(MGNO.peer("MgNO", partial(official_mgno, "forward")),)),
    Case("operators.mgno_training", "operators", "MgNO training, 64x64", mgno_training, "full",
         reference="plain convolutions in float64", tolerance=1e-2, error_name="relative L2",
         peers=(MGNO.peer("MgNO", partial(official_mgno, "train")),)),
    Case("operators.change_of_grid", "operators", "Spectral layer onto another grid",
         change_of_grid, "smoke", reference="sum over wave numbers", tolerance=1e-5,
         error_name="relative L2",
         peers=(NEURALOPERATOR.peer("neuraloperator", neuraloperator_grid),)),
    *(
        Case(f"operators.deeponet-{which}", "operators", f"DeepONet of width {which}, training",
             partial(deeponet_training, which), "quick" if which == "40" else "full",
             reference="the same steps in float64", tolerance=1e-2, error_name="relative L2",
             peers=(DEEPXDE.peer("DeepXDE", partial(deepxde_training, which)),))
        for which in DEEPONETS
    ),
    Case("operators.kan", "operators", "KAN layers, loss and gradient", kan_gradient, "full",
         reference="float64", tolerance=1e-4, error_name="relative L2, worst parameter array",
         peers=(JAXKAN.peer("jaxKAN", jaxkan_gradient),)),
]  # fmt: skip
