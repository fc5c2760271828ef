"""The evolution equations of PINNacle: `march`, or `least_squares` over all times.

References as in `stationary`. Fields that are zero on the sides of a square are combined of sines,
periodic ones of waves, others of Chebyshev polynomials.
"""

# ruff: noqa: E731 (formulas of one line)
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases.pde.pinnacle._posed import (
    Posed,
    case,
    inside,
    of_exact,
    over_time,
    rims,
    sides,
    solved,
    without,
)
from benchmarks.cases.pde.pinnacle._references import (
    heated_square,
    waves_on_square,
)
from jaxsci import derivative, grad, pde

_LINE, _SQUARE = pde.Interval(0.0, 1.0), pde.Box((0.0, 0.0), (1.0, 1.0))


def _sines(n, m, in_time):
    """sin kπx sin lπy times polynomials of the time, for k ≤ n and l ≤ m."""

    def features(x):
        along = jnp.sin(jnp.pi * x[0] * jnp.arange(1, n + 1))
        up = jnp.sin(jnp.pi * x[1] * jnp.arange(1, m + 1))
        return jnp.einsum("i,j,k->ijk", along, up, in_time(x[2:])).ravel()

    return features


def burgers1d(full):
    """u_t + u u_x = 0.01/π u_xx from -sin πx; on the half, as the solution is odd."""
    viscosity, breaks = 0.01 / np.pi, [[0.01, 0.035, 0.1, 0.25, 0.6], 1]
    slab = _LINE.during(0.0, 1.0)
    start, wall = lambda x: -jnp.sin(jnp.pi * x[0]), lambda x: 4 * x[0] * (1 - x[0])
    parts = (0.0, 0.25, 3), (0.25, 0.5, 7), (0.5, 1.0, 5)
    times = np.concatenate([[0.0], *(np.linspace(a, b, n + 1)[1:] for a, b, n in parts)])
    result = pde.march(
        pde.burgers(viscosity),
        lambda f: pde.hard(f, lift=start, factor=wall),
        pde.polynomial_features(slab, [14, 8], breaks=breaks),
        pde.graded(slab, 1344, breaks),
        times if full else times[:2],
        tolerance=np.inf,
    )
    exact = lambda x: pde.reference.burgers_cole_hopf(x, viscosity=viscosity)
    return of_exact(result, exact, inside(slab, 2000))


def heat2d_varying(full):
    """u_t = a Δu + 200 sin πx sin 5πy sin πt to t = 5, a a random field between 0.4 and 2.5."""
    slab = _SQUARE.during(0.0, 1.0)
    height = np.random.default_rng(0).uniform(-0.3, 0.3, (3, 3))

    def coefficient(x, of=jnp):
        waves = [of.cos(np.pi * x[..., i : i + 1] * np.arange(3)) for i in range(2)]
        return of.exp(of.einsum("...i,ij,...j->...", waves[0], height, waves[1]))

    source = lambda x: 200 * jnp.prod(jnp.sin(jnp.pi * jnp.array([1, 5, 1]) * x))
    bend = lambda u, x: derivative(u, 0, 0)(x) + derivative(u, 1, 1)(x)
    op = lambda u, x: derivative(u, 2)(x) - coefficient(x[:2]) * bend(u, x) - source(x)
    wall = lambda x: 16 * x[0] * (1 - x[0]) * x[1] * (1 - x[1])
    trial = lambda f: pde.hard(f, lift=lambda x: 0.0 * x[0], factor=wall)
    sizes = [10, 20, 5] if full else [3] * 3
    features = pde.polynomial_features(slab, sizes)
    times = np.append([0.0, 0.01, 0.04, 0.1], np.linspace(0.1, 5.0, 14)[1:])
    points = pde.graded(slab, int(1.7 * np.prod(sizes)))
    result = pde.march(op, trial, features, points, times if full else times[:2], tolerance=np.inf)
    numbers = lambda x: coefficient(x, np)
    return Posed(solved(result), *heated_square(22, numbers, (1, 5), 200.0, [0.1, 1.3, 2.6, 4.9]))


def heat2d_multiscale(full):
    """u_t = u_xx/(500π)² + u_yy/π² from sin 20πx sin πy, to t = 5 at once."""
    rates = 1 / (500 * np.pi) ** 2, 1 / np.pi**2
    times = pde.polynomial_features(pde.Interval(0.0, 5.0), [16])
    op = lambda u, x: (
        derivative(u, 2)(x) - rates[0] * derivative(u, 0, 0)(x) - rates[1] * derivative(u, 1, 1)(x)
    )
    start = lambda x: jnp.sin(20 * jnp.pi * x[0]) * jnp.sin(jnp.pi * x[1])
    trial = lambda f: pde.hard(f, lift=start, factor=lambda x: x[2])
    domain = _SQUARE.during(0.0, 5.0)
    features = _sines(24 if full else 3, 2, times)
    result = pde.least_squares(op, trial, features, pde.sobol(domain, 2000), tolerance=np.inf)
    decay = rates[0] * (20 * np.pi) ** 2 + rates[1] * np.pi**2
    return of_exact(result, lambda x: start(x) * jnp.exp(-decay * x[2]), inside(domain, 2000))


_BIG = [((x, y), 1.0) for x in (-4, 4) for y in (-9, -3, 3, 9)]
_PIPES = _BIG + [((0, y), 1.0) for y in (-6, 0, 6)]
_PIPES += [((x, y), 0.4) for x in (-3.2, 3.2) for y in (-6, 0, 6)]


def heat2d_complex(full):
    """u_t = Δu to t = 3 around eleven large and six small holes that exchange heat, as the sides
    do: ∂u/∂n = g - u. Manufactured."""
    box = pde.Box((-8.0, -12.0), (8.0, 12.0))
    exact = lambda x: jnp.exp(-x[2] / 3) * (1 + jnp.cos(x[0] / 4) * jnp.sin(x[1] / 5 + 0.2))
    heat, domain = pde.heat(1.0), without(box, _PIPES)
    robin = lambda u, x, normal: u(x) + grad(u)(x)[:2] @ normal(x[:2])
    op = {
        "pde": lambda u, x: heat(u, x) - heat(exact, x),
        "holes": lambda u, x: robin(u, x, _into_pipe) - robin(exact, x, _into_pipe),
        "sides": lambda u, x: robin(u, x, _out_of_sides) - robin(exact, x, _out_of_sides),
    }
    start = lambda x: exact(x.at[2].set(0.0))
    trial = lambda f: pde.hard(f, lift=start, factor=lambda x: x[2] / 3)
    points = {
        "pde": over_time(pde.sobol(domain, 1500), 0.0, 3.0),
        "holes": over_time(rims(_PIPES, 60), 0.0, 3.0),
        "sides": over_time(sides(box, 500), 0.0, 3.0),
    }
    features = pde.polynomial_features(box.during(0.0, 3.0), [11, 13, 7] if full else [3] * 3)
    result = pde.least_squares(op, trial, features, points, tolerance=np.inf)
    return of_exact(result, exact, over_time(pde.sobol(domain, 2000), 0.0, 3.0)(jax.random.key(9)))


def _into_pipe(x):
    """Towards the centre of the hole on whose rim x is."""
    away = x - jnp.array([c for c, _ in _PIPES], float)
    distances = jnp.linalg.norm(away, axis=1)
    nearest = jnp.argmin(jnp.abs(distances - jnp.array([r for _, r in _PIPES])))
    return -away[nearest] / distances[nearest]


def _out_of_sides(x):
    """The normal of the side of the box on which x is."""
    share = x / jnp.array([8.0, 12.0])
    return jnp.where(jnp.abs(share) >= jnp.abs(share).max(), jnp.sign(share), 0.0)


def heat_nd(full):
    """u_t = Δu/5 + q in the five-dimensional ball, slopes on its surface.

    The source and the slopes depend on the distance and the time alone: the features are
    polynomials of |x|² and t.
    """
    exact = lambda x: jnp.exp(x[:5] @ x[:5] / 2 + x[5])
    q = lambda x: -x[:5] @ x[:5] / 5 * exact(x)
    op = {"pde": pde.heat(0.2, q), "rim": lambda u, x: grad(u)(x)[:5] @ x[:5] - exact(x)}
    both = pde.polynomial_features(pde.Box((0.0, 0.0), (1.0, 1.0)), [9, 9] if full else [3, 3])
    features = lambda x: both(jnp.array([x[:5] @ x[:5], x[5]]))
    start = lambda x: jnp.exp(x[:5] @ x[:5] / 2)
    trial = lambda f: pde.hard(f, lift=start, factor=lambda x: x[5])

    def points(key, radius=None):
        x, t = jax.random.normal(key, (400, 5)), jax.random.uniform(key, (400, 2))
        x = x / jnp.linalg.norm(x, axis=1, keepdims=True)
        return jnp.hstack([x * (t[:, 1:] ** 0.2 if radius is None else radius), t[:, :1]])

    rim = lambda key: points(key, 1.0)
    result = pde.least_squares(op, trial, features, {"pde": points, "rim": rim}, tolerance=np.inf)
    return of_exact(result, exact, points(jax.random.key(9)))


def wave1d(full):
    """u_tt = 4 u_xx from sin πx + sin(4πx)/2 at rest."""
    mode = lambda x, k: jnp.sin(k * jnp.pi * x[0]) * jnp.cos(2 * k * jnp.pi * x[1])
    exact = lambda x: mode(x, 1) + mode(x, 4) / 2
    start, wall = lambda x: exact(x.at[1].set(0.0)), lambda x: 4 * x[0] * (1 - x[0])
    trial = lambda f: pde.hard(f, lift=start, factor=wall)
    slab, sizes = _LINE.during(0.0, 1.0), [26, 14] if full else [5, 5]
    features, points = (
        pde.polynomial_features(slab, sizes),
        pde.graded(slab, 2 * int(np.prod(sizes))),
    )
    times = np.linspace(0.0, 1.0, 5)
    result = pde.march(pde.wave(2.0), trial, features, points, times, order=2, tolerance=np.inf)
    return of_exact(result, exact, inside(slab, 2000))


def wave2d_heterogeneous(full):
    """u_tt = c² Δu to t = 5 from a Gaussian, zero slopes at the sides; c² between 0.6 and 1.7.

    The published Gaussian has slopes at the sides; its mirror images take them away. c² is even in
    y, and so is the solution. The features have zero slopes, T_k less its share of T_(k+2).
    """
    bend = lambda u, x: derivative(u, 0, 0)(x) + derivative(u, 1, 1)(x)
    op = lambda u, x: derivative(u, 2, 2)(x) - _speed2(x) * bend(u, x)
    half = pde.Box((-1.0, 0.0), (1.0, 1.0)).during(0.0, 1.0)
    n, m, k = (20, 10, 5) if full else (3, 3, 3)
    along, up = (pde.polynomial_features(pde.Interval(-1.0, 1.0), [s + 2]) for s in (n, 2 * m))
    in_time = pde.polynomial_features(_LINE, [k])
    level = lambda t: t[:-2] - (jnp.arange(len(t) - 2) / jnp.arange(2, len(t))) ** 2 * t[2:]

    def features(x):
        space = level(along(x[:1])), level(up(x[1:2]))[::2]
        return jnp.einsum("i,j,k->ijk", *space, in_time(x[2:])).ravel()

    trial = lambda f: pde.hard(f, lift=_mirrored, factor=lambda x: 1.0)
    points, times = pde.graded(half, int(1.7 * n * m * k)), np.linspace(0.0, 5.0, 41)
    times = times if full else times[:2]
    result = pde.march(op, trial, features, points, times, order=2, tolerance=np.inf)
    numbers = lambda f: lambda x: f(x, np)
    reference = waves_on_square(30, numbers(_speed2), numbers(_mirrored), [0.7, 2.1, 4.9])
    return Posed(solved(result), *reference)


def _mirrored(x, of=jnp):
    """A Gaussian of width 0.3 at (-0.5, 0), and its images in the sides."""
    places = [(a, b) for a in (-0.5, -1.5, 2.5) for b in (-2.0, 0.0, 2.0)]
    return sum(of.exp(-((x[..., 0] - a) ** 2 + (x[..., 1] - b) ** 2) / 0.18) for a, b in places)


def _speed2(x, of=jnp):
    along, up = np.pi * x[..., 0], np.pi * x[..., 1]
    return of.exp(0.25 * of.cos(along) + 0.15 * of.sin(along) * of.cos(up) + 0.1 * of.cos(up))


def wave2d_long(full):
    """u_tt = u_xx + 2 u_yy to t = 100, fifty periods of the slower wave and more of the other.

    The published solution, with sinh, fulfils another equation; these are standing waves.
    """
    modes = ((1, 1), np.sqrt(3)), ((3, 2), np.sqrt(17))
    wave = lambda x, k: jnp.prod(jnp.sin(jnp.pi * jnp.array(k) * x[:2]))
    exact = lambda x: sum(wave(x, k) * jnp.cos(jnp.pi * w * x[2]) for k, w in modes)
    start = lambda x: exact(x.at[2].set(0.0))
    op = lambda u, x: derivative(u, 2, 2)(x) - derivative(u, 0, 0)(x) - 2 * derivative(u, 1, 1)(x)
    in_time = pde.polynomial_features(_LINE, [40 if full else 4])

    def features(x):  # the equation keeps the two waves of the beginning apart
        return jnp.concatenate([wave(x, k) * in_time(x[2:]) for k, _ in modes])

    trial = lambda f: pde.hard(f, lift=start, factor=lambda x: 1.0)
    slab, times = _SQUARE.during(0.0, 1.0), np.linspace(0.0, 100.0, 41)
    points = pde.graded(slab, 400)
    times = times if full else times[:2]
    result = pde.march(op, trial, features, points, times, order=2, tolerance=np.inf)
    return of_exact(result, exact, inside(_SQUARE.during(0.0, 100.0), 2000))


CASES = [
    case(burgers1d, "Burgers 1d", "Cole-Hopf, Gauss-Hermite"),
    case(heat2d_varying, "Heat 2d-VC, a random coefficient", "Chebyshev, exact in time"),
    case(heat2d_multiscale, "Heat 2d-MS", "analytic"),
    case(heat2d_complex, "Heat 2d-CG, seventeen holes", "manufactured"),
    case(heat_nd, "Heat 5d", "analytic"),
    case(wave1d, "Wave 1d-C", "analytic"),
    case(wave2d_heterogeneous, "Wave 2d-CG, a random speed", "Chebyshev, exact in time"),
    case(wave2d_long, "Wave 2d-MS, fifty periods", "analytic"),
]
