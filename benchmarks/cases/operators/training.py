"""Neural operators: data from a key, and accuracy beside the best linear map."""

import time
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsci as jsci
from benchmarks.cases.operators._problems import (
    SINGLE,
    count,
    describe,
    mean_error,
    ridge_error,
    tree_error,
)
from benchmarks.runner.case import Baseline, Case, Peer, Run
from jaxsci.operators import FNO, DeepONet, data, relative_l2, resample


def darcy_solve(size):
    cells = {"smoke": 32, "quick": 64, "full": 128}[size]
    a = np.asarray(data.darcy(jax.random.key(0), 64, cells, fine=cells)[0][..., 0])
    nodes = jnp.asarray(np.pad(a, ((0, 0), (0, 1), (0, 1)), mode="edge"), SINGLE)
    source = jnp.ones((cells - 1, cells - 1), SINGLE)
    solve = partial(data.solve_darcy, f=source)
    reference = sparse_darcy(nodes[0])
    return Run(
        step=solve,
        args=(nodes[0],),
        error=tree_error(reference),
        batched=lambda n: (jax.vmap(solve), (jnp.resize(nodes, (n, *nodes.shape[1:])),)),
        baseline=Baseline("SciPy spsolve", sparse_darcy, (np.asarray(nodes[0]),), host=True),
        note=f"{cells}x{cells} cells, coefficient 3 or 12, float32; SciPy includes its assembly",
    )


def sparse_darcy(a):
    """The five-point scheme assembled as a SciPy matrix and solved directly, in float64."""
    import scipy.sparse as sparse
    from scipy.sparse.linalg import spsolve

    a = np.asarray(a, float)
    cells = len(a) - 1
    mean = lambda p, q: 2 * p * q / (p + q) * cells**2  # noqa: E731
    x, y = mean(a[1:, 1:-1], a[:-1, 1:-1]), mean(a[1:-1, 1:], a[1:-1, :-1])
    diagonal = x[1:] + x[:-1] + y[:, 1:] + y[:, :-1]
    down, right = -x[1:-1].ravel(), -np.pad(y[:, 1:-1], ((0, 0), (0, 1))).ravel()[:-1]
    rows = cells - 1
    diagonals = [diagonal.ravel(), right, right, down, down]
    offsets = [0, 1, -1, rows, -rows]
    matrix = sparse.diags_array(diagonals, offsets=offsets, format="csc")  # pyright: ignore
    return spsolve(matrix, np.ones(rows**2)).reshape(rows, rows)


def burgers_problem(size):
    """Velocities at the start, the number of time steps, and the first one's exact end."""
    steps = {"smoke": 100, "quick": 200, "full": 200}[size]
    u0 = jax.vmap(lambda k: data.grf(k, 256))(jax.random.split(jax.random.key(0), 64))
    fine = jax.jit(partial(data.solve_burgers, viscosity=0.1, time=1.0, steps=8 * steps))
    return u0.astype(SINGLE), steps, fine(u0[0])


def exponax_burgers(size):
    """Its ETDRK4 of the same order, dealiasing and number of steps."""
    import exponax  # pyright: ignore[reportMissingImports]

    starts, steps, exact = burgers_problem(size)
    with jax.enable_x64(False):  # its constants have the precision of the day
        stepper = exponax.stepper.Burgers(
            1, 1.0, 256, 1 / steps, diffusivity=0.1, order=4, conservative=True
        )
    solve: Any = exponax.repeat(stepper, steps)
    return Run(step=lambda u: solve(u[None])[0], args=(starts[0],), error=tree_error(exact))


def burgers_solve(size):
    starts, steps, exact = burgers_problem(size)
    solve = partial(data.solve_burgers, viscosity=0.1, time=1.0, steps=steps)
    return Run(
        step=solve,
        args=(starts[0],),
        error=tree_error(exact),
        batched=lambda n: (jax.vmap(solve), (jnp.resize(starts, (n, 256)),)),
        note=f"256 points, nu = 0.1, {steps} ETDRK4 steps, float32",
    )


def darcy_sample(key):
    """Coefficient at the nodes of 64x64 cells, and pressure at the interior ones."""
    g = data.grf(key, (64, 64), boundary="neumann", tau=3.0)
    a = jnp.pad(jnp.where(g >= 0, 12.0, 3.0), ((0, 1), (0, 1)), mode="edge")
    return a, data.solve_darcy(a, jnp.ones((63, 63)))


def burgers_sample(key):
    """Velocity at the start and at t = 1, on 256 points."""
    u0 = data.grf(key, 256)
    return u0, data.solve_burgers(u0, viscosity=0.1, time=1.0, steps=200)


def samples_per_second(size):
    """From a key to data, as a program in float32 does it; seconds are those of the CPU."""
    n = 16 if size == "smoke" else 512
    fine = jax.jit(partial(data.solve_burgers, viscosity=0.1, time=1.0, steps=1600))

    @partial(jax.jit, static_argnums=0)
    def generate(sample, keys):
        return jax.lax.map(sample, keys, batch_size=16)

    def step():
        made = []
        with jax.enable_x64(False):
            for sample in (darcy_sample, burgers_sample):
                jax.block_until_ready(generate(sample, jax.random.split(jax.random.key(0), n)))
                start = time.process_time()
                pairs = generate(sample, jax.random.split(jax.random.key(1), n))
                jax.block_until_ready(pairs)
                made.append((*pairs, n / (time.process_time() - start)))
        return made

    def error(made):
        (a, u, _), (u0, u1, _) = made
        exact = sparse_darcy(a[0]), np.asarray(fine(u0[0].astype(jnp.float64)))
        return max(tree_error(e)(v[0]) for e, v in zip(exact, (u, u1), strict=True))

    return Run(
        step,
        (),
        error=error,
        host=True,
        note=f"{n} samples of each, with their random fields, float32",
        figures=lambda made: {
            "Darcy 64x64 a CPU-second": round(made[0][2]),
            "Burgers 256 a CPU-second": round(made[1][2]),
        },
    )


def percent(error):
    return f"{100 * float(error):.2f} %"


def train(f, params, a, u, *, steps, batch, rate, watch):
    """Adam with a cosine schedule on random batches; returns parameters and (seconds, error).

    The loss is the mean of the relative errors and not of their squares: no few samples rule it,
    and the error after as many steps is less than half.
    """

    def loss(params, batch):
        return jnp.mean(jax.vmap(lambda a, u: relative_l2(f(params, a), u))(*batch))

    def draw(key):
        chosen = jax.random.choice(key, len(a), (batch,), replace=False)
        return a[chosen], u[chosen]

    curve, start = [], time.perf_counter()

    def report(step, metrics, params):
        curve.append((time.perf_counter() - start, float(watch(params))))

    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))
    result = jsci.fit(
        loss, params, draw, optimizer, steps=steps, key=jax.random.key(1),
        report_every=max(steps // 10, 1), callback=report, progress=False,
    )  # fmt: skip
    return result.params, curve


def darcy_training(size):
    samples, steps = {"smoke": (64, 20), "quick": (400, 400), "full": (1000, 1250)}[size]
    held = 16 if size == "smoke" else 100
    a, u = data.darcy(jax.random.key(0), samples + held, 32, fine=64)
    a, u = ((a - 7.5) / 4.5).astype(SINGLE), (100 * u).astype(SINGLE)
    fit_a, fit_u, test_a, test_u = a[:samples], u[:samples], a[samples:], u[samples:]
    width, modes, depth = (20, 8, 4) if size == "full" else (16, 6, 3)
    model = FNO(
        1, 1, width=width, modes=(modes, modes), depth=depth, padding=0.25, key=jax.random.key(1)
    )
    f, params = jsci.pure(model, dtype=SINGLE)
    error = mean_error(f)

    def step():
        return train(
            f, params, fit_a, fit_u, steps=steps, batch=20, rate=3e-3,
            watch=lambda p: error(p, test_a, test_u),
        )  # fmt: skip

    return Run(
        step=step,
        args=(),
        error=lambda trained: float(error(trained, test_a, test_u)),
        figures={"best linear map": percent(ridge_error(fit_a, fit_u, test_a, test_u))},
        plot=lambda axes, trained: _plot_pressure(axes, f(trained, test_a[0]), test_u[0]),
        note=f"{samples} samples of 32x32, {steps} steps, {describe(model)}",
        host=True,
    )


def _plot_pressure(axes, predicted, true):
    """Two fields of one scale beside each other, the truth on the left."""
    both = np.concatenate([np.asarray(field)[..., 0].T for field in (true, predicted)], axis=1)
    image = axes.imshow(both, origin="lower", extent=(0, 2, 0, 1))
    axes.axvline(1, color="white")
    axes.set(xticks=[0.5, 1.5], xticklabels=["true", "predicted"], yticks=[])
    axes.set_title("100 x pressure of a sample held out")
    axes.figure.colorbar(image, ax=axes, shrink=0.6)


def antiderivative(size):
    """DeepONet's first example: the integral of a random function, at 100 points of it."""
    samples, steps = {"smoke": (100, 50), "quick": (1000, 3000), "full": (1000, 10000)}[size]
    v, u = (w.astype(SINGLE) for w in data.antiderivative(jax.random.key(0), samples + 200, 100))
    x = jnp.arange(100, dtype=SINGLE)[:, None] / 100
    model = DeepONet(1, 1, sensors=100, dim=1, width=40, depth=2, key=jax.random.key(1))
    f, params = jsci.pure(model, dtype=SINGLE)
    on_grid = lambda params, v: f(params, v, x)  # noqa: E731
    error = mean_error(on_grid)
    watch = partial(error, a=v[samples:], u=u[samples:])

    def step():
        start = time.process_time()
        params_, curve = train(
            on_grid, params, v[:samples], u[:samples], steps=steps, batch=100, rate=3e-3,
            watch=watch,
        )  # fmt: skip
        return (params_, time.process_time() - start), curve

    return Run(
        step=step,
        args=(),
        error=lambda out: float(watch(out[0])),
        figures=lambda out: {"CPU seconds, compilation included": round(out[1], 1)},
        note=f"{samples} functions, {steps} steps, {count(params):,} parameters",
        host=True,
    )


class PlainUNet(eqx.Module):
    """The usual U-Net on a circle: stencils of three points, strides of two and repeats.

    It belongs to the spacing it was trained on, and so is the control of `zero_shot`.
    """

    down: list[eqx.nn.Conv1d]
    up: list[eqx.nn.Conv1d]
    last: eqx.nn.Conv1d

    def __init__(self, width, levels, *, key):
        keys = iter(jax.random.split(key, 2 * levels + 2))
        channels = [width * 2**level for level in range(levels + 1)]

        def conv(first, second, stride):
            return eqx.nn.Conv1d(
                first, second, 3, stride, 1, padding_mode="CIRCULAR", key=next(keys)
            )

        self.down = [
            conv(a, b, 1 if a == 1 else 2)
            for a, b in zip([1, *channels[:-1]], channels, strict=True)
        ]
        self.up = [
            conv(a + b, b, 1) for a, b in zip(channels[:0:-1], channels[-2::-1], strict=True)
        ]
        self.last = eqx.nn.Conv1d(width, 1, 1, key=next(keys))

    def __call__(self, a):
        v, passed = a.T, []
        for layer in self.down:
            v = jax.nn.gelu(layer(v))
            passed.append(v)
        for layer, fine in zip(self.up, passed[-2::-1], strict=True):
            coarse = jnp.repeat(v, 2, axis=1)[:, : fine.shape[1]]
            v = jax.nn.gelu(layer(jnp.concatenate([coarse, fine])))
        return self.last(v).T


def control(a, u, tests):
    """The errors of a plain U-Net, by number of points."""
    f, params = jsci.pure(PlainUNet(12, 4, key=jax.random.key(2)), dtype=SINGLE)
    error = mean_error(f)
    params, _ = train(
        f, params, a, u, steps=2000, batch=20, rate=2e-3, watch=lambda p: error(p, *tests[64])
    )
    return {f"plain U-Net at {n}": percent(error(params, *tests[n])) for n in sorted(tests)}


def zero_shot(size):
    """Train on 64 points, test on 32, 63, 128 and 256 of the same functions.

    In full a plain U-Net takes the same test, as the control that fails it.
    """
    samples, steps = {"smoke": (40, 10), "quick": (500, 1000), "full": (500, 6000)}[size]
    held = 20 if size == "smoke" else 100
    a, u = data.burgers(jax.random.key(0), samples + held, 256, viscosity=0.1, fine=256, steps=200)
    a, u = a.astype(SINGLE), (u / jnp.std(u)).astype(SINGLE)
    model = FNO(1, 1, width=32, modes=15, depth=4, key=jax.random.key(1))
    f, params = jsci.pure(model, dtype=SINGLE)
    error = mean_error(f)
    tests = {n: (a[samples:, :: 256 // n], u[samples:, :: 256 // n]) for n in (64, 128, 256)}
    for n in (32, 63):  # every eighth point would fold the waves above 16 onto those below
        on_n = jax.vmap(partial(resample, out_grid=(n,)))
        tests[n] = (on_n(a[samples:]), on_n(u[samples:]))
    fit_a, fit_u = a[:samples, ::4], u[:samples, ::4]

    def step():
        return train(
            f, params, fit_a, fit_u, steps=steps, batch=20, rate=2e-3,
            watch=lambda p: error(p, *tests[64]),
        )  # fmt: skip

    def figures(trained):
        at = {f"at {n}": percent(error(trained, *tests[n])) for n in sorted(tests)}
        if size == "full":
            at |= control(fit_a, fit_u, tests)
        return at | {"best linear map": percent(ridge_error(fit_a, fit_u, *tests[64]))}

    return Run(
        step=step,
        args=(),
        error=lambda trained: max(float(error(trained, *tests[n])) for n in (32, 63, 64, 128, 256)),
        figures=figures,
        plot=lambda axes, trained: _plot_grids(axes, partial(f, trained), tests),
        note=f"Burgers nu = 0.1, trained on {samples} samples of 64 points, {steps} steps",
        host=True,
    )


def _plot_grids(axes, f, tests):
    """One function held out, on the grid of the training, a coarser one and a finer one."""
    truth = tests[256][1][0]
    axes.plot(np.arange(256) / 256, truth[..., 0], color="0.75", lw=5, label="true")
    for n, line in ((256, "-"), (64, "o"), (32, "s")):
        axes.plot(np.arange(n) / n, f(tests[n][0][0])[..., 0], line, ms=4, label=f"{n} points")
    axes.set(xlabel="x", ylabel="u(t = 1)", title="one network, trained on 64 points")
    axes.legend(fontsize=8)


CASES = [
    Case("operators.darcy", "operators", "Darcy flow, jumping coefficient", darcy_solve, "smoke",
         reference="SciPy sparse solve", tolerance=1e-5, error_name="relative L2",
         item="samples"),
    Case("operators.burgers", "operators", "Burgers equation to t = 1", burgers_solve, "quick",
         reference="eight times the steps in float64", tolerance=1e-4, error_name="relative L2",
         item="samples", peers=(Peer("exponax", "exponax==0.2.0", exponax_burgers),)),
    Case("operators.data", "operators", "Data from a key, samples per CPU-second",
         samples_per_second, "full", reference="SciPy, eight times the steps", tolerance=1e-4,
         error_name="relative L2"),
    Case("operators.darcy_training", "operators", "FNO trained on Darcy flow", darcy_training,
         "quick", reference="held-out samples", tolerance=0.06, error_name="relative L2"),
    Case("operators.antiderivative", "operators", "DeepONet trained on antiderivatives",
         antiderivative, "full", reference="held-out functions", tolerance=1e-2,
         error_name="relative L2"),
    Case("operators.zero_shot", "operators", "FNO trained at 64, tested at 32 to 256 points",
         zero_shot, "full", reference="held-out samples", tolerance=2e-2,
         error_name="worst relative L2"),
]  # fmt: skip
