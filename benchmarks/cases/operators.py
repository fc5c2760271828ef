"""Neural operators: speed beside a plain FFT port, data from a key, accuracy beside linear maps."""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsci as jsci
from benchmarks.case import Baseline, Case, Run
from jaxsci.operators import FNO, SpectralConv, data, relative_l2, resample

SINGLE = jnp.float32
GRIDS = {"smoke": 32, "quick": 64, "full": 64}


def fno_problem(size):
    """An FNO of the published size with its parameters, and a batch of 16 inputs."""
    n = GRIDS[size]
    width, batch = (8, 2) if size == "smoke" else (32, 16)
    model = FNO(1, 1, width=width, modes=(12, 12), depth=4, key=jax.random.key(0))
    f, params = jsci.pure(model, dtype=SINGLE)
    a = jax.random.normal(jax.random.key(1), (batch, n, n, 1), SINGLE)
    return model, f, params, a


def fft_fno(params, a):
    """The same network as it is usually written: rfft2, complex weights, zero-filled irfft2."""

    gelu = partial(jax.nn.gelu, approximate=False)

    def affine(layer, v):
        return v @ layer.weight + layer.bias

    def convolve(layer, v):
        m, m_last = layer.modes
        rows = np.r_[0 : m + 1, -1 : -m - 1 : -1]
        weight = layer.weight[..., 0, :] + 1j * layer.weight[..., 1, :]
        spectrum = jnp.fft.rfft2(v, axes=(1, 2))
        low = jnp.einsum("bxyi,xyio->bxyo", spectrum[:, rows, : m_last + 1], weight)
        full = jnp.zeros((*spectrum.shape[:3], low.shape[-1]), spectrum.dtype)
        full = full.at[:, rows, : m_last + 1].set(low)
        return jnp.fft.irfft2(full, s=v.shape[1:3], axes=(1, 2))

    x = np.stack(np.meshgrid(*[np.arange(n) / n for n in a.shape[1:3]], indexing="ij"), -1)
    position = np.concatenate([np.cos(2 * np.pi * x), np.sin(2 * np.pi * x)], -1)
    position = jnp.broadcast_to(jnp.asarray(position, a.dtype), (a.shape[0], *position.shape))
    v = affine(params.lift, jnp.concatenate([a, position], -1))
    for layer, (convolution, skip) in enumerate(
        zip(params.convolutions, params.skips, strict=True)
    ):
        v = convolve(convolution, v) + affine(skip, v)
        v = gelu(v) if layer < len(params.skips) - 1 else v
    return affine(params.project[1], gelu(affine(params.project[0], v)))


def tree_error(reference):
    """Largest relative L2 distance of a leaf from the reference's."""

    def distance(p, q):
        return np.linalg.norm(np.asarray(p) - np.asarray(q)) / np.linalg.norm(np.asarray(q))

    return lambda out: float(max(jax.tree.leaves(jax.tree.map(distance, out, reference))))


def double(tree):
    return jax.tree.map(lambda w: w.astype(jnp.float64), tree)


def fno_forward(size):
    model, f, params, a = fno_problem(size)
    step = jax.vmap(f, (None, 0))
    reference = jax.jit(fft_fno)(double(params), double(a))

    return Run(
        step=step,
        args=(params, a),
        error=tree_error(reference),
        batched=lambda n: (
            jax.vmap(partial(f, params)),
            (jax.random.normal(jax.random.key(2), (n, *a.shape[1:]), SINGLE),),
        ),
        baseline=Baseline("plain jnp.fft FNO", fft_fno, (params, a)),
        note=f"{a.shape[0]} samples of {a.shape[1]}x{a.shape[2]}, {describe(model)}, float32",
    )


def fno_gradient(size):
    model, f, params, a = fno_problem(size)
    target = jnp.roll(a, 3, axis=1)

    def loss(network, params, a, target):
        return jnp.mean((network(params, a) - target) ** 2)

    ours = jax.value_and_grad(partial(loss, jax.vmap(f, (None, 0))))
    plain = jax.value_and_grad(partial(loss, fft_fno))
    reference = jax.jit(plain)(*map(double, (params, a, target)))
    return Run(
        step=ours,
        args=(params, a, target),
        error=tree_error(reference),
        baseline=Baseline("plain jnp.fft FNO", plain, (params, a, target)),
        note=f"loss and gradient, {a.shape[0]} samples of {a.shape[1]}x{a.shape[2]}, float32",
    )


def describe(model):
    size = sum(w.size for w in jax.tree.leaves(model))
    return f"{len(model.skips)} layers, modes {model.modes}, {size:,} parameters"


def change_of_grid(size):
    """One spectral layer from an n² to another grid, against the sum over wave numbers."""
    n, out_grid, modes = GRIDS[size], (47, 99), (7, 7)
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
    exact = field(out_grid, [multiplier(weight, k, modes) for k in waves])
    return Run(
        step=lambda params, a: f(params, a, out_grid),
        args=(params, jnp.asarray(field((n, n), 1.0), SINGLE)),
        error=tree_error(exact),
        note=f"{n}x{n} to {out_grid[0]}x{out_grid[1]}, float32, band-limited input",
    )


def multiplier(weight, k, modes):
    """The factor that the layer applies to exp(2 pi i k x) of a real field."""
    order = lambda j, m: j if j >= 0 else m - j  # noqa: E731  (0, 1..m, -1..-m)
    plus = weight[order(k[0], modes[0]), k[1]] if k[1] >= 0 else None
    minus = weight[order(-k[0], modes[0]), -k[1]].conj() if k[1] <= 0 else None
    if plus is None or minus is None:
        return plus if minus is None else minus
    return (plus + minus) / 2


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


def burgers_solve(size):
    steps = {"smoke": 100, "quick": 200, "full": 200}[size]
    u0 = jax.vmap(lambda k: data.grf(k, 256))(jax.random.split(jax.random.key(0), 64))
    solve = partial(data.solve_burgers, viscosity=0.1, time=1.0, steps=steps)
    fine = jax.jit(partial(data.solve_burgers, viscosity=0.1, time=1.0, steps=8 * steps))
    starts = u0.astype(SINGLE)
    return Run(
        step=solve,
        args=(starts[0],),
        error=tree_error(np.asarray(fine(u0[0]))),
        batched=lambda n: (jax.vmap(solve), (jnp.resize(starts, (n, 256)),)),
        note=f"256 points, nu = 0.1, {steps} ETDRK4 steps, float32",
    )


def ridge_error(x, y, test_x, test_y):
    """The lowest test error of an affine ridge map over a range of strengths: the linear limit."""
    x, y, test_x, test_y = (
        np.asarray(v, float).reshape(len(v), -1) for v in (x, y, test_x, test_y)
    )
    mean_x, mean_y = x.mean(0), y.mean(0)
    kernel = (x - mean_x) @ (x - mean_x).T
    errors = []
    for strength in 10.0 ** np.arange(-9, 3):
        shift = strength * np.trace(kernel) / len(x) * np.eye(len(x))
        dual = np.linalg.solve(kernel + shift, y - mean_y)
        miss = (test_x - mean_x) @ (x - mean_x).T @ dual + mean_y - test_y
        errors.append(np.mean(np.linalg.norm(miss, axis=1) / np.linalg.norm(test_y, axis=1)))
    return float(min(errors))


def percent(error):
    return f"{100 * float(error):.2f} %"


def mean_error(f):
    """(params, a, u) -> mean relative L2 error over the samples, compiled."""
    return jax.jit(
        lambda params, a, u: jnp.mean(jax.vmap(lambda a, u: relative_l2(f(params, a), u))(a, u))
    )


def train(f, params, a, u, *, steps, batch, rate, watch):
    """Adam with a cosine schedule on random batches; returns parameters and (seconds, error)."""
    loss = jsci.objective({"data": lambda p, s: relative_l2(f(p, s[0]), s[1])})

    def draw(key):
        chosen = jax.random.choice(key, len(a), (batch,), replace=False)
        return {"data": (a[chosen], u[chosen])}

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
        note=f"{samples} samples of 32x32, {steps} steps, {describe(model)}",
        host=True,
    )


def zero_shot(size):
    """Train on 64 points, test on 32, 63, 128 and 256 of the same functions."""
    samples, steps = {"smoke": (40, 10), "quick": (500, 1000), "full": (500, 6000)}[size]
    held = 20 if size == "smoke" else 100
    a, u = data.burgers(jax.random.key(0), samples + held, 256, viscosity=0.1, fine=256, steps=200)
    a, u = a.astype(SINGLE), (u / jnp.std(u)).astype(SINGLE)
    model = FNO(1, 1, width=32, modes=15, depth=4, key=jax.random.key(1))
    f, params = jsci.pure(model, dtype=SINGLE)
    error = mean_error(f)
    tests = {n: (a[samples:, :: 256 // n], u[samples:, :: 256 // n]) for n in (32, 64, 128, 256)}
    odd = jax.vmap(partial(resample, out_grid=(63,)))
    tests[63] = (odd(a[samples:]), odd(u[samples:]))
    fit_a, fit_u = a[:samples, ::4], u[:samples, ::4]

    def step():
        return train(
            f, params, fit_a, fit_u, steps=steps, batch=20, rate=2e-3,
            watch=lambda p: error(p, *tests[64]),
        )  # fmt: skip

    def figures(trained):
        at = {f"at {n}": percent(error(trained, *tests[n])) for n in sorted(tests)}
        return at | {"best linear map": percent(ridge_error(fit_a, fit_u, *tests[64]))}

    return Run(
        step=step,
        args=(),
        error=lambda trained: max(float(error(trained, *tests[n])) for n in (63, 64, 128, 256)),
        figures=figures,
        note=f"Burgers nu = 0.1, trained on {samples} samples of 64 points, {steps} steps",
        host=True,
    )


CASES = [
    Case("operators.fno", "operators", "FNO forward", fno_forward, "smoke",
         reference="FFT form in float64", tolerance=1e-5, error_name="relative L2",
         item="samples"),
    Case("operators.fno_gradient", "operators", "FNO loss and gradient", fno_gradient, "quick",
         reference="FFT form in float64", tolerance=1e-4, error_name="relative L2 of a leaf"),
    Case("operators.change_of_grid", "operators", "Spectral layer onto another grid",
         change_of_grid, "smoke", reference="sum over wave numbers", tolerance=1e-5,
         error_name="relative L2"),
    Case("operators.darcy", "operators", "Darcy flow, jumping coefficient", darcy_solve, "smoke",
         reference="SciPy sparse solve", tolerance=1e-5, error_name="relative L2",
         item="samples"),
    Case("operators.burgers", "operators", "Burgers equation to t = 1", burgers_solve, "quick",
         reference="eight times the steps in float64", tolerance=1e-4, error_name="relative L2",
         item="samples"),
    Case("operators.darcy_training", "operators", "FNO trained on Darcy flow", darcy_training,
         "quick", reference="held-out samples", tolerance=0.06, error_name="relative L2"),
    Case("operators.zero_shot", "operators", "FNO trained at 64, tested at 63 to 256 points",
         zero_shot, "quick", reference="held-out samples", tolerance=2e-2,
         error_name="worst relative L2"),
]  # fmt: skip
