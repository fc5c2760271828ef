"""Problems with known solutions, to be trained and to be solved.

What a problem needs beyond exact conditions is said there.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.cases.pde._problems import grid
from jaxsci import derivative, nn, pde

SEEDS = 3

_L = pde.Polygon([(-1, -1), (0, -1), (0, 0), (1, 0), (1, 1), (-1, 1)])


class Problem(NamedTuple):
    """An equation on a domain, a trial function of a network, and the solution on some points.

    `embedding` and `trial(net)` may use symmetries and conditions, never the solution.
    """

    op: Callable
    domain: Any
    trial: Callable
    points: Any
    exact: Any
    embedding: Callable | None = None
    outputs: int | Literal["scalar"] = "scalar"


def poisson1d():
    line = pde.Interval(-1.0, 1.0)

    def exact(x):
        return jnp.sin(jnp.pi * x[0])

    op = pde.poisson(lambda x: jnp.pi**2 * exact(x))
    return Problem(op, line, lambda f: pde.dirichlet(f, line), grid(line, 1001), exact)


def poisson2d():
    square = pde.Box((0.0, 0.0), (1.0, 1.0))

    def exact(x):
        return jnp.prod(jnp.sin(jnp.pi * x))

    op = pde.poisson(lambda x: 2 * jnp.pi**2 * exact(x))
    return Problem(op, square, lambda f: pde.dirichlet(f, square), grid(square, 101), exact)


def helmholtz():
    """Two layers of sines: one layer, and tanh, both stop ten times earlier at equal time."""
    square = pde.Box((-1.0, -1.0), (1.0, 1.0))

    def exact(x):
        return jnp.sin(jnp.pi * x[0]) * jnp.sin(4 * jnp.pi * x[1])

    op = pde.helmholtz(1.0, lambda x: (1 - 17 * jnp.pi**2) * exact(x))
    return Problem(op, square, lambda f: pde.dirichlet(f, square), grid(square, 101), exact)


def burgers():
    """On [0, 1], as the solution is odd: a front in the middle of the domain may drift, which
    hardly shows in the residual and costs two digits; at a wall it cannot. And five points a
    parameter: with half of them, the residual between the points stays a thousand times larger
    than on them, and the error three times larger and restless."""
    viscosity = 0.01 / np.pi
    half = pde.Interval(0.0, 1.0).during(0.0, 1.0)
    return Problem(
        pde.burgers(viscosity),
        half,
        lambda f: pde.dirichlet(f, half, values=lambda x: -jnp.sin(jnp.pi * x[0])),
        grid(half, 161),
        lambda x: pde.reference.burgers_cole_hopf(x, viscosity=viscosity),
    )


def allen_cahn():
    """u = -1 at x = ±1 and u(x, 0) = x² cos πx; a network of x², as the solution is even."""
    diffusivity = 1e-3
    half = pde.Interval(0.0, 1.0).during(0.0, 1.0)
    x, t = np.linspace(0, 1, 101), np.linspace(0, 1, 101)

    def trial(f):
        return pde.hard(
            f,
            lift=lambda x: x[0] ** 2 * jnp.cos(jnp.pi * x[0]),
            factor=lambda x: x[1] * (1 - x[0] ** 2),
        )

    return Problem(
        pde.allen_cahn(diffusivity),
        half,
        trial,
        jnp.asarray(np.stack(np.meshgrid(x, t), axis=-1).reshape(-1, 2)),
        allen_cahn_reference(x, t, diffusivity).reshape(-1),
        lambda x: jnp.stack([2 * x[0] ** 2 - 1, 2 * x[1] - 1]),
    )


def allen_cahn_reference(x, t, diffusivity, n=400):
    """Chebyshev in space, Radau in time. The layers inside need n = 400: 320 is 3e-7 off."""
    nodes, d = (np.asarray(a) for a in pde.reference.chebyshev(n))
    bend = diffusivity * (d @ d)

    def slope(_, u):
        return (bend @ np.pad(u, 1, constant_values=-1))[1:-1] + 5 * (u - u**3)

    def jacobian(_, u):
        return bend[1:-1, 1:-1] + np.diag(5 - 15 * u**2)

    start = (nodes**2 * np.cos(np.pi * nodes))[1:-1]
    solution = solve_ivp(
        slope, (0, 1), start, method="Radau", jac=jacobian, rtol=1e-8, atol=1e-10, t_eval=t
    )
    values = jnp.pad(jnp.asarray(solution.y.T), ((0, 0), (1, 1)), constant_values=-1)

    def at_time(u):
        return jax.vmap(pde.reference.chebyshev_interpolant(u))(jnp.asarray(x))

    return jax.vmap(at_time)(values)


def kuramoto_sivashinsky(end=0.2):
    """u_t + 100/16 u u_x + 100/16² u_xx + 100/16⁴ u_xxxx = 0 from cos x (1 + sin x).

    Three points a parameter: with half of them the error is ten times larger and restless."""
    coefficients = 100 / 16, 100 / 16**2, 100 / 16**4
    period = pde.Interval(0.0, 2 * np.pi).during(0.0, end)
    n, times = 256, round(100 * end)
    x = 2 * np.pi / n * np.arange(n)
    points, values = [], []
    u = jnp.cos(x) * (1 + jnp.sin(x))
    a, b, c = coefficients
    waves = nn.PeriodicEmbedding((2 * np.pi,), harmonics=2)
    for i in range(1, times + 1):
        u = pde.reference.etdrk4(
            lambda k: b * k**2 - c * k**4,
            lambda u, d: -a * u * d(u),
            u,
            length=2 * np.pi,
            time=end / times,
            steps=50,
        )
        points.append(np.stack([x, np.full(n, end * i / times)], axis=-1))
        values.append(u)
    return Problem(
        pde.kuramoto_sivashinsky(*coefficients),
        period,
        lambda f: pde.hard(
            f, lift=lambda x: jnp.cos(x[0]) * (1 + jnp.sin(x[0])), factor=lambda x: 5 * x[1]
        ),
        jnp.asarray(np.concatenate(points)),
        jnp.concatenate(values),
        lambda x: jnp.append(waves(x[:1]), 10 * x[1] - 1),
    )


def corner():
    """-Δu = f on an L, where u grows like r^(2/3) from the corner; only the walls are given. Their
    factor grows like r, so the network has to grow like r^(-1/3), and stops at two digits."""
    return _corner(lambda f: pde.dirichlet(f, _L), "scalar")


def enriched_corner():
    """The same by two networks, one of them times r^(2/3) sin(2θ/3), the singularity that nearly
    every right-hand side excites at such a corner."""

    def trial(f):
        def u(params, x):
            strength, smooth = f(params, x)
            return _singular(x) * strength + jnp.prod(x * (1 - x**2)) * smooth

        return u

    return _corner(trial, 2)


def _corner(trial, outputs):
    def exact(x):
        return _singular(x) * jnp.exp(jnp.prod(x)) + jnp.prod(jnp.sin(jnp.pi * x))

    op = pde.poisson(pde.reference.manufactured(pde.poisson(0.0), exact))
    points = pde.uniform(_L, 20_000)(jax.random.key(9))
    return Problem(op, _L, trial, points, exact, outputs=outputs)


def _singular(x):
    """r^(2/3) sin(2θ/3) (1 - x²)(1 - y²): zero on all walls of the L, harmonic but for a factor."""
    return jnp.sum(x**2) ** (1 / 3) * jnp.sin(2 * _corner_angle(x) / 3) * jnp.prod(1 - x**2)


def _corner_angle(x):
    """θ, from the middle of the domain, where arctan2 has no jump."""
    along, across = (-x[0] + x[1]) / np.sqrt(2), (-x[0] - x[1]) / np.sqrt(2)
    return jnp.arctan2(across, along) + 3 * np.pi / 4


def stretched_corner():
    """The first on (log r, θ), in which r^(2/3) is smooth as any other power is.

    The equation is multiplied by r², as derivatives by log r are those by r times r. Its solutions
    may grow like r^(-2/3) on the way to the corner, so that u = 0 is asked for at r = 1e-6.
    """

    def trial(f):
        def u(params, x):
            turn = _corner_angle(x)
            return turn * (1.5 * np.pi - turn) * jnp.prod(1 - x**2) * f(params, x)

        return u

    p = _corner(trial, "scalar")
    op = {"pde": lambda u, x: jnp.sum(x**2) * p.op(u, x), "tip": lambda u, x: u(x)}
    return p._replace(op=op)


_FAR, _NEAR, _STRETCH = np.log(2) / 2, np.log(1e-6), np.expm1(2.0)


def log_polar(x):
    """(log r, θ), scaled to 0 … 1 from the outermost r to 1e-6, and stretched at the outer end."""
    share = (_FAR - jnp.log(jnp.sum(x**2)) / 2) / (_FAR - _NEAR)
    return jnp.stack([jnp.log1p(_STRETCH * share) / 2, _corner_angle(x) / (1.5 * np.pi)])


def in_log_polar(n):
    """Points of the L at equal distances in `log_polar`, n along each, and some at the tip."""

    middles = (jnp.arange(n) + 0.5) / n

    def at(shares):
        share, turn = (a.ravel() for a in jnp.meshgrid(shares, 1.5 * np.pi * middles))
        r = jnp.exp(_FAR + (_NEAR - _FAR) * jnp.expm1(2 * share) / _STRETCH)
        return r[:, None] * jnp.stack([jnp.cos(turn), jnp.sin(turn)], axis=-1)

    x = at(middles)
    return {"pde": x[np.abs(np.asarray(x)).max(axis=1) < 1], "tip": at(jnp.ones(1))}


def poisson3d():
    """-Δu = f on the cube."""
    cube = pde.Box((0.0,) * 3, (1.0,) * 3)

    def exact(x):
        return jnp.prod(jnp.sin(jnp.pi * x))

    op = pde.poisson(lambda x: 3 * jnp.pi**2 * exact(x))
    return Problem(op, cube, lambda f: pde.dirichlet(f, cube), grid(cube, 15), exact)


def many_scales():
    """-u_xx - 10⁻⁴ u_yy = f on the square, with waves of 1, 4 and 16 half-lengths."""
    square = pde.Box((0.0, 0.0), (1.0, 1.0))
    waves, ratio = np.array([1.0, 4.0, 16.0]), 1e-4

    def exact(x):
        return jnp.sum(jnp.prod(jnp.sin(jnp.pi * waves[:, None] * x), axis=1))

    def source(x):
        squares = (jnp.pi * waves) ** 2 * (1 + ratio)
        return jnp.sum(squares * jnp.prod(jnp.sin(jnp.pi * waves[:, None] * x), axis=1))

    def op(u, x):
        return -derivative(u, 0, 0)(x) - ratio * derivative(u, 1, 1)(x) - source(x)

    return Problem(op, square, lambda f: pde.dirichlet(f, square), grid(square, 101), exact)
