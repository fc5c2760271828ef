"""Networks on scattered points: beside a grid, and on many points."""

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

import jaxsci as jsci
from benchmarks.cases.operators._problems import SINGLE, count
from benchmarks.cases.operators.equal_time._learning import (
    SEEDS,
    Candidate,
    Samples,
    learn_all,
    shown,
)
from benchmarks.runner.case import Case, Run
from jaxsci.operators import FNO, GINO, GNO, SliceTransformer, data, point_weights

CELLS = 96  # along each axis of the square, of which the L is three quarters
GRID = 52  # that many nodes along each axis are about 2,000 in the L
POINTS = 2000
TRAIN = {"smoke": 20, "quick": 500, "full": 500}
SECONDS = {"smoke": 0.5, "quick": 10.0, "full": 10.0}  # of CPU time, a network


def in_l(points) -> np.ndarray:
    """Whether points `(n, 2)` lie in the unit square without its upper right quarter."""
    corner = (points >= 0.5).all(-1)
    return (points > 0).all(-1) & (points < 1).all(-1) & ~corner


def vanishing(points):
    """Four times the distance from the boundary of the L, at most 1; zero outside."""
    outer = np.minimum(points, 1 - points).min(-1)
    corner = np.hypot(*np.maximum(0.5 - points, 0).T)
    return 4 * np.clip(np.minimum(outer, corner), 0, 0.25)


def nodes(n):
    """The points i/n of a grid `(n², 2)`."""
    return np.stack(np.meshgrid(*[np.arange(n) / n] * 2, indexing="ij"), -1).reshape(-1, 2)


def solve(a):
    """-∇·(a∇u) = 1 in the L, u = 0 on its boundary, by finite volumes: a and u at (N+1)² nodes."""
    cells = len(a) - 1
    x = np.stack(np.meshgrid(*[np.arange(cells + 1) / cells] * 2, indexing="ij"), -1)
    within = in_l(x)
    number = np.full(a.shape, -1)
    number[within] = np.arange(within.sum())
    i, j = np.nonzero(within)
    diagonal, entries = np.zeros(len(i)), []
    for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        face = 2 * a[i, j] * a[i + di, j + dj] / (a[i, j] + a[i + di, j + dj]) * cells**2
        other = number[i + di, j + dj]
        diagonal += face
        entries.append((-face[other >= 0], number[i, j][other >= 0], other[other >= 0]))
    values, rows, columns = (np.concatenate(v) for v in zip(*entries, strict=True))
    matrix = sparse.coo_array((values, (rows, columns)), shape=(len(i), len(i)))
    u = np.zeros(a.shape)
    matrix = (matrix + sparse.diags_array(diagonal)).tocsc()
    u[within] = np.asarray(spsolve(matrix, np.ones(len(i))))
    return u


def fields(count):
    """Coefficients and pressures at the nodes of the square, scaled, `(count, N+1, N+1)`."""
    a = np.asarray(data.darcy(jax.random.key(0), count, CELLS, fine=CELLS)[0][..., 0], float)
    a = np.pad(a, ((0, 0), (0, 1), (0, 1)), mode="edge")
    u = np.stack([solve(sample) for sample in a])
    return (a - 7.5) / 4.5, u / u.std()


def at(points, a, u):
    """a at the nearest node and u between nodes, linear in each coordinate."""
    nearest = np.rint(points * CELLS).astype(int).T
    low = np.minimum((points * CELLS).astype(int), CELLS - 1)
    (i, j), (s, t) = low.T, (points * CELLS - low).T
    upper = u[:, i + 1, j] * (1 - t) + u[:, i + 1, j + 1] * t
    return a[:, *nearest], (u[:, i, j] * (1 - t) + u[:, i, j + 1] * t) * (1 - s) + upper * s


def scattered_points():
    """2,000 points of the L, drawn uniformly."""
    drawn = np.random.default_rng(0).random((2 * POINTS, 2)).astype(np.float32)
    return drawn[in_l(drawn)][:POINTS]


def samples(a, u, points, train):
    """Samples at these points; predictions vanish at the boundary, and outside."""
    a, u = (jnp.asarray(v[..., None], SINGLE) for v in at(points, a, u))
    factor = jnp.asarray(vanishing(points)[:, None], SINGLE)
    return Samples(a[:train], u[:train], a[train:], u[train:], factor)


def grid_samples(a, u, train):
    """The same on a grid of the square; a second channel says what is inside."""
    points = nodes(GRID)
    within = jnp.asarray(in_l(points)[:, None], SINGLE)
    flat = samples(a, u, points, train)

    def on_grid(v):
        return v.reshape(*v.shape[:-2], GRID, GRID, -1)

    def masked(a):
        return on_grid(jnp.concatenate([a * within, jnp.broadcast_to(within, a.shape)], -1))

    return Samples(
        masked(flat.a), on_grid(flat.u), masked(flat.test_a), on_grid(flat.test_u),
        on_grid(flat.factor),
    )  # fmt: skip


def candidates():
    """Rates and batches by a hundred samples of those to train on, one seed each."""
    points = scattered_points()
    x, weights = (jnp.asarray(v, SINGLE) for v in (points, point_weights(points, in_l)))
    gino: Any = partial(GINO, 1, 1, grid=(16, 16), radius=1.5 / 16, width=12, modes=7, depth=4)
    near = gino(key=jax.random.key(0)).neighbours(x)
    grid = partial(FNO, 2, 1, width=16, modes=(8, 8), depth=4, padding=0.25)
    return {
        "FNO on a grid": Candidate(grid, rate=6e-3, batch=4),
        "GINO": Candidate(
            gino, lambda f: lambda p, a: f(p, a, x, weights, x, near), rate=6e-3, batch=4
        ),
    }


def l_shaped(size):
    """Three seeds of each, in as many CPU seconds."""
    train, seconds = TRAIN[size], SECONDS[size]
    a, u = fields(train + (10 if size == "smoke" else 100))
    grid = grid_samples(a, u, train)
    scattered = samples(a, u, scattered_points(), train)

    seen = {"FNO on a grid": grid, "GINO": scattered}

    def figures(learned):
        ratio = max(learned["GINO"][0]) / min(learned["FNO on a grid"][0])
        return shown(learned) | {"worst GINO over best FNO": round(ratio, 2)}

    return Run(
        partial(learn_all, {n: (c, seen[n]) for n, c in candidates().items()}, seconds),
        (),
        error=lambda learned: max(learned["GINO"][0]),
        host=True,
        note=f"{train} samples on {POINTS} points; {seconds:g} CPU seconds, {SEEDS} seeds",
        figures=figures,
    )


def meshes(n):
    """Networks of width 16 with some 24 points in a ball, and the neighbours of n points."""
    x = np.random.default_rng(0).random((n, 2)).astype(np.float32)
    grid = int(np.sqrt(n) / 5)  # five points in a cell along each axis
    key = jax.random.key(0)
    gno = GNO(1, 1, dim=2, radius=float(np.sqrt(24 / np.pi / n)), width=16, depth=2, key=key)
    gino = GINO(
        1, 1, grid=(grid, grid), radius=1.5 / grid, width=16, modes=grid // 4, depth=3, key=key
    )
    return x, {
        "gno": (gno, gno.neighbours),
        "gino": (gino, gino.neighbours),
        "slices": (
            SliceTransformer(1, 1, dim=2, width=32, heads=2, slices=16, depth=3, key=key), None,
        ),
    }  # fmt: skip


def large_mesh(which, size):
    """The gradient of a loss of one field, against differences along it."""
    n = {"smoke": 1000, "quick": 10_000, "full": 100_000}[size]
    points, models = meshes(n)
    model, listed = models[which]
    x, weights = jnp.asarray(points), jnp.full(n, 1 / n, SINGLE)
    start = time.process_time()
    near = () if listed is None else (x, listed(points))
    listing = time.process_time() - start
    f, params = jsci.pure(model, dtype=SINGLE)
    a, target = jnp.sin(5 * x[:, :1]), jnp.cos(3 * x[:, 1:])

    def loss(params, near):
        return jnp.mean((f(params, a, x, weights, *near) - target) ** 2)

    def error(gradient):
        square = sum(jnp.vdot(g, g) for g in jax.tree.leaves(gradient))
        step = 1e-2 / square  # of the loss's size, so that rounding does not matter

        def moved(sign):
            return jax.tree.map(lambda p, g: p + sign * step * g, params, gradient)

        values = [jax.jit(loss)(moved(sign), near) for sign in (1, -1)]
        return float(abs((values[0] - values[1]) / (2 * step * square) - 1))

    return Run(
        step=jax.grad(loss),
        args=(params, near),
        error=error,
        figures={
            "CPU-seconds for the neighbours, once": round(listing, 2),
            "parameters": count(params),
        },
        note=f"{n:,} scattered points, one field",
    )


CASES = [
    Case("operators.l_domain", "operators", "Darcy flow on an L, 2,000 scattered points", l_shaped,
         "full", reference="held-out samples", tolerance=7.5e-2,
         error_name="worst relative L2 of the GINO"),
    *(
        Case(f"operators.large_mesh-{which}", "operators",
             f"{name}: gradient on 100,000 scattered points", partial(large_mesh, which), "full",
             reference="differences along the gradient", tolerance=1e-2,
             error_name="relative error of the slope")
        for which, name in {"gno": "GNO", "gino": "GINO", "slices": "SliceTransformer"}.items()
    ),
]  # fmt: skip
