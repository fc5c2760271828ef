"""PDE cases: whole trainings against references that share no code with the network."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.case import Case, Peer, Run
from benchmarks.training import Training, grid, training_run
from jaxsci import nn, pde

_STRIP = pde.Interval(-1.0, 1.0).during(0.0, 1.0)


def _front(x):
    return pde.reference.burgers_cole_hopf(x, viscosity=0.01 / np.pi)


def _training(training, points, steps, rounds, note):
    return training_run(
        lambda: training.run(points, steps, rounds),
        training.error,
        f"{note}; {points} points, {rounds} x {steps} steps",
        parameters=sum(p.size for p in jax.tree.leaves(training.params)),
    )


def burgers(size):
    width, depth, points, steps, rounds = {
        "smoke": (10, 2, 200, 5, 2),
        "quick": (20, 3, 1200, 20, 6),
        "full": (20, 3, 2500, 25, 12),
    }[size]
    viscosity = 0.01 / np.pi
    net, params = jsci.pure(
        nn.MLP(2, "scalar", width=width, depth=depth, key=jax.random.key(0), dtype=jnp.float64)
    )
    u = pde.dirichlet(net, _STRIP, values=lambda x: -jnp.sin(jnp.pi * x[0]))
    points_of_error = grid(_STRIP, 161)
    training = Training(pde.burgers(viscosity), _STRIP, u, params, _front, points_of_error)
    return _training(training, points, steps, rounds, f"ν = 0.01/π, tanh {depth} x {width}")


def poisson2d(size):
    width, points, steps, rounds = {
        "smoke": (16, 100, 10, 1),
        "quick": (48, 400, 40, 3),
        "full": (64, 600, 100, 10),
    }[size]
    square = pde.Box((0.0, 0.0), (1.0, 1.0))

    def exact(x):
        return jnp.prod(jnp.sin(jnp.pi * x))

    net, params = jsci.pure(
        nn.MLP(2, "scalar", width=width, depth=1, key=jax.random.key(0), dtype=jnp.float64)
    )
    op = pde.poisson(lambda x: 2 * jnp.pi**2 * exact(x))
    u = pde.dirichlet(net, square)
    training = Training(op, square, u, params, exact, grid(square, 101))
    return _training(training, points, steps, rounds, f"sin πx sin πy, tanh 1 x {width}")


def finite_well(size):
    """The three lowest energies of the well V0 = 20, a = 0.5 on [-1, 1]."""
    steps = {"smoke": 5, "quick": 60, "full": 300}[size]
    edges, values = (-1.0, -0.5, 0.5, 1.0), (20.0, 0.0, 20.0)
    exact = pde.reference.well_energies(edges, values, states=3)
    line = pde.Interval(-1.0, 1.0)
    net, params = jsci.pure(
        nn.MLP(
            1,
            "scalar",
            width=16,
            depth=1,
            embedding=nn.KinkFeatures(edges[1:-1]),
            key=jax.random.key(0),
            dtype=jnp.float64,
        )
    )
    psi = pde.dirichlet(net, line)
    op = pde.schroedinger(lambda x: jnp.where(jnp.abs(x[0]) < 0.5, 0.0, 20.0))
    points = pde.gauss_legendre(line, 16, breaks=(edges[1:-1],))

    def solve():
        energies = []
        for state in range(3):
            well = pde.eigenproblem(op, psi, params, points, state=state)
            fit = jsci.fit(
                well.objective,
                well.params,
                well.data,
                jsci.levenberg_marquardt(),
                steps=steps,
                progress=False,
            )
            energies.append(pde.rayleigh_quotient(op, psi, fit.params["field"], points))
        return jnp.stack(energies)

    return Run(
        solve,
        (),
        error=lambda energies: float(jnp.abs(energies / exact - 1).max()),
        host=True,
        note=f"V0 = 20, a = 0.5, three lowest states, {steps} steps each; float64",
    )


class TrainingGradient:
    """∇_θ of mean (Δu)² over points, u an MLP, by any Laplacian of a function of one point."""

    def __init__(self, size):
        sizes = {"smoke": (2, 32, 64), "quick": (10, 128, 1024), "full": (100, 128, 256)}
        self.dim, self.width, self.points = sizes[size]
        mlp = nn.MLP(
            self.dim,
            "scalar",
            width=self.width,
            depth=4,
            key=jax.random.key(0),
            dtype=jnp.float32,
        )
        self.net, self.params = jsci.pure(mlp)
        self.x = jax.random.normal(jax.random.key(1), (self.points, self.dim), jnp.float32)
        exact = jax.jit(self.by(lambda u: lambda y: jnp.trace(jax.hessian(u)(y))))
        double = jax.tree.map(lambda p: p.astype(jnp.float64), (self.params, self.x))
        self.exact = jax.tree.leaves(exact(*double))

    def by(self, laplacian):
        def loss(params, x):
            of_point = laplacian(lambda z: self.net(params, z))
            return jnp.mean(jax.vmap(of_point)(x) ** 2)

        return jax.grad(loss)

    def error(self, output):
        pairs = zip(jax.tree.leaves(output), self.exact, strict=True)
        return max(float(jnp.linalg.norm(a - b) / (1e-30 + jnp.linalg.norm(b))) for a, b in pairs)


def _jvp_of_grad(u):
    def laplacian(y):
        along = jax.vmap(lambda v: jax.jvp(jax.grad(u), (y,), (v,))[1] @ v)
        return along(jnp.eye(y.size, dtype=y.dtype)).sum()

    return laplacian


def mlp_laplacian(size):
    problem = TrainingGradient(size)
    args = problem.params, problem.x
    step = problem.by(jsci.laplacian)

    def batched(n):
        many = jnp.stack([problem.x] * n)
        return jax.vmap(step, (None, 0)), (problem.params, many)

    return Run(
        step,
        args,
        error=problem.error,
        batched=batched,
        baseline=("jvp of grad, vmapped", problem.by(_jvp_of_grad), args),
        note=f"∇_θ of mean (Δu)², tanh 4 x {problem.width}, d = {problem.dim}, "
        f"{problem.points} points; float32",
    )


def folx_laplacian(size):
    from folx import forward_laplacian  # pyright: ignore[reportMissingImports] (an optional peer)

    problem = TrainingGradient(size)
    step = problem.by(lambda u: lambda y: forward_laplacian(u)(y).laplacian)
    return Run(step, (problem.params, problem.x), error=problem.error)


CASES = [
    Case(
        "pde.burgers",
        "pde",
        "Burgers' front, from residual to solution",
        burgers,
        "quick",
        reference="Cole-Hopf, Gauss-Hermite",
        tolerance=1e-2,
        error_name="relative L2",
    ),
    Case(
        "pde.poisson2d",
        "pde",
        "Poisson on the square, from residual to solution",
        poisson2d,
        "smoke",
        reference="analytic",
        tolerance=5e-2,
        error_name="relative L2",
    ),
    Case(
        "pde.finite_well",
        "pde",
        "Finite quantum well, three states",
        finite_well,
        "quick",
        reference="transcendental roots",
        tolerance=1e-7,
        error_name="relative energy",
    ),
    Case(
        "pde.laplacian",
        "pde",
        "Training gradient through a Laplacian",
        mlp_laplacian,
        "smoke",
        reference="float64 trace of jax.hessian",
        tolerance=1e-3,
        error_name="relative L2",
        peers=(Peer("folx", "folx==0.2.30", folx_laplacian),),
    ),
]
