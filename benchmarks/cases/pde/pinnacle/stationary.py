"""The stationary problems of PINNacle, by `least_squares`.

Where the published reference is a file of another solver, the error is a bound by the maximum
principle, that to a spectral solution, or that to a manufactured solution of the same equation on
the same domain; each case says which.
"""

# ruff: noqa: E731 (formulas of one line)
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases.pde.pinnacle._posed import (
    Bound,
    Posed,
    case,
    inside,
    of_exact,
    rims,
    sides,
    solved,
    without,
)
from benchmarks.cases.pde.pinnacle._references import cavity_stream_function
from jaxsci import grad, laplacian, pde


def poisson2d_classic(full):
    """Δu = 0 on a square with four holes, u = 1 on its sides and 0 on the holes.

    The features are harmonic, with poles in the holes and in their images beyond the sides, so that
    only the boundary is left, and the largest error anywhere is the largest one there.
    """
    box = pde.Box((-0.5, -0.5), (0.5, 0.5))
    places = [complex(x, y) for x in (-0.7, -0.3, 0.3, 0.7) for y in (-0.7, -0.3, 0.3, 0.7)]
    holes = [((c.real, c.imag), 0.1) for c in places if max(abs(c.real), abs(c.imag)) < 0.5]

    def features(x):
        z = x[0] + complex(0, 1) * x[1]
        away = (z - jnp.array(places)) / 0.1
        poles = away[:, None] ** -jnp.arange(1, 15 if full else 3)
        powers = jnp.append(poles.ravel(), (2 * z) ** jnp.arange(33 if full else 5))
        return jnp.concatenate([jnp.log(jnp.abs(away)), powers.real, powers.imag])

    op = {"sides": lambda u, x: u(x) - 1, "holes": lambda u, x: u(x)}
    points = {"sides": sides(box, 1200), "holes": rims(holes, 150)}
    result = pde.least_squares(op, lambda f: f, features, points, tolerance=np.inf)
    fresh = [sample(jax.random.key(9)) for sample in (sides(box, 4000), rims(holes, 1000))]
    expected = np.repeat([1.0, 0.0], [len(x) for x in fresh])
    return Posed(solved(result), jnp.concatenate(fresh), expected, largest=True)


def poisson2d_complex(full):
    """-Δu + 64 u = f on a square with four unequal holes, u = 0.2 on its sides and 1 on the holes.

    The features fulfil the equation, and only the boundary is left: five products for f, and Bessel
    functions without it. The largest error is at most that on the boundary plus the largest
    residual over 64, by the maximum principle.
    """
    box = pde.Box((-1.0, -1.0), (1.0, 1.0))
    holes = [((0.5, 0.5), 0.2), ((0.4, -0.4), 0.4), ((-0.2, -0.7), 0.1), ((-0.6, 0.5), 0.3)]
    images = [  # of the holes in the four sides
        ((x, y), r)
        for (a, b), r in holes
        for x, y in ((2 - a, b), (-2 - a, b), (a, 2 - b), (a, -2 - b))
    ]
    inner, outer, whole = (30, 14, 44) if full else (3, 2, 4)

    def features(x):
        around = [_decaying(x, *hole, inner) for hole in holes]
        around += [_decaying(x, *image, outer) for image in images]
        return jnp.concatenate([_for_source(x), _regular(x, whole), _at_corners(x), *around])

    source = lambda x: 10 * (17 + x @ x) * jnp.sin(jnp.pi * x[0]) * jnp.sin(4 * jnp.pi * x[1])
    pdeq = lambda u, x: (-laplacian(u)(x) + 64 * u(x) - source(x)) / 64
    op = {"pde": pdeq, "sides": lambda u, x: u(x) - 0.2, "holes": lambda u, x: u(x) - 1}
    domain = without(box, holes)
    points = {"pde": pde.sobol(domain, 100), "sides": sides(box, 2000), "holes": rims(holes, 200)}
    result = pde.least_squares(op, lambda f: f, features, points, tolerance=np.inf)
    return _bound(result, op, {**points, "pde": pde.sobol(domain, 1000)})


def _for_source(x):
    """Products that the operator maps to (17 + |x|²) sin πx sin 4πy and to themselves."""
    (s, c), (s4, c4) = ((jnp.sin(a), jnp.cos(a)) for a in (jnp.pi * x[0], 4 * jnp.pi * x[1]))
    waves = s * s4
    return jnp.stack([waves, x[0] ** 2 * waves, x[1] ** 2 * waves, x[0] * c * s4, x[1] * s * c4])


def _turning(y, values):
    """Each value of the order k times cos kθ, and times sin kθ, at the angle of y."""
    turn = jnp.arctan2(y[1], y[0]) * jnp.arange(len(values))
    return jnp.concatenate([values * jnp.cos(turn), (values * jnp.sin(turn))[1:]])


def _decaying(x, centre, radius, orders):
    """K_k(8r)/K_k(8R) around a hole, by K_k(z) = ∫ exp(-z cosh t) cosh kt dt."""
    t, k = 0.12 * jnp.arange(64), jnp.arange(orders)[:, None]
    log_cosh = k * t + jnp.log1p(jnp.exp(-2 * k * t)) - jnp.log(1.0 + (t == 0))
    log = lambda z: jax.nn.logsumexp(log_cosh - z * jnp.cosh(t), axis=1)
    y = x - jnp.array(centre)
    return _turning(y, jnp.exp(log(8 * jnp.linalg.norm(y)) - log(8 * radius)))


def _log_bessel(order, z):
    """log I_k(z), by its series."""
    m = jnp.arange(48)
    factorials = jax.scipy.special.gammaln(m + 1) + jax.scipy.special.gammaln(order + m + 1)
    return jax.nn.logsumexp((order + 2 * m) * jnp.log(z / 2) - factorials)


def _regular(x, orders):
    """I_k(8r) around the middle, relative to that at the corners."""
    k, r = jnp.arange(orders), jnp.linalg.norm(x)
    log = lambda z: jax.vmap(_log_bessel, (0, None))(k + 0.0, z)
    return _turning(x, jnp.exp(log(8 * r) - log(8 * 2**0.5)))


def _at_corners(x):
    """∂/∂ν of I_ν(8r) sin νθ at ν = 2 to 10: logarithms, for 64 u beside two constant sides."""
    orders = jnp.array([2.0, 4.0, 6.0, 8.0, 10.0])
    signs = jnp.array([(a, b) for a in (-1.0, 1.0) for b in (-1.0, 1.0)])

    def slope(off, order):
        r, turn = jnp.linalg.norm(off), jnp.arctan2(off[1], off[0])
        return jax.grad(lambda k: jnp.exp(_log_bessel(k, 8 * r) - 8) * jnp.sin(k * turn))(order)

    return jax.vmap(lambda s: jax.vmap(lambda k: slope(1 - s * x, k))(orders))(signs).ravel()


def _bound(result, op, points):
    """The largest residuals on fresh points, of the equation and of its sides; u is at most 1."""
    u, sizes = solved(result), {}
    for name, sample in points.items():
        values = jax.jit(jax.vmap(lambda x, name=name: op[name](u, x)))(sample(jax.random.key(9)))
        sizes[name] = float(jnp.abs(values).max())
    return Bound(sizes.pop("pde") + max(sizes.values()))


def poisson3d_complex(full):
    """-Δu + k² u = f on a cube with four round holes, k = 8 below the middle and 10 above.

    Slopes are given on the cube and the holes. Manufactured.
    """
    box = pde.Box((0.0,) * 3, (1.0,) * 3)
    places = (0.4, 0.3, 0.6), (0.6, 0.7, 0.6), (0.2, 0.8, 0.7), (0.6, 0.2, 0.3)
    holes = list(zip(places, (0.2, 0.2, 0.1, 0.1), strict=True))
    exact = lambda x: jnp.cos(jnp.pi * x[0]) * jnp.cos(2 * jnp.pi * x[1]) * jnp.exp(x[2])
    wavenumber = lambda x: jnp.where(x[2] < 0.5, 8.0, 10.0)
    helmholtz = lambda u, x: -laplacian(u)(x) + wavenumber(x) ** 2 * u(x)
    flux = lambda u, x: 8 * grad(u)(x)  # normals of both kinds of walls at once
    op = {
        "pde": lambda u, x: helmholtz(u, x) - helmholtz(exact, x),
        "sides": lambda u, x: (flux(u, x) - flux(exact, x)) @ _normal_of_box(x),
        "holes": lambda u, x: (flux(u, x) - flux(exact, x)) @ _normal_of_holes(x, holes),
    }
    domain = without(box, holes)
    points = {"pde": pde.sobol(domain, 1600), "sides": sides(box, 500), "holes": rims(holes, 60)}
    features = pde.polynomial_features(box, [11, 15, 8] if full else [3] * 3)
    result = pde.least_squares(op, lambda f: f, features, points, tolerance=np.inf)
    return of_exact(result, exact, inside(domain, 2000))


def _normal_of_box(x):
    """At a wall of the unit cube: along the axis at whose end x is."""
    away = x - 0.5
    return jnp.where(jnp.arange(x.size) == jnp.argmax(jnp.abs(away)), jnp.sign(away), 0.0)


def _normal_of_holes(x, holes):
    """Away from the centre of the sphere on which x is."""
    away = x - jnp.array([c for c, _ in holes])
    off = jnp.abs(jnp.linalg.norm(away, axis=1) - jnp.array([r for _, r in holes]))
    return away[jnp.argmin(off)] / jnp.linalg.norm(away[jnp.argmin(off)])


def poisson2d_many(full):
    """-∇·(a∇u) = f on 25 blocks whose a differ by up to 1e6, with a ∂u/∂n + u given on the sides.

    Manufactured, with a = α(x) α(y), for which the corners where four blocks meet have no
    singularity; polynomials in each block, values and fluxes equal where two meet.
    """
    steps, edges = jnp.array([1.0, 0.01, 3.0, 0.1, 10.0]), jnp.linspace(-10.0, 10.0, 6)
    block = lambda s: jnp.clip(jnp.floor((s + 10) / 4).astype(int), 0, 4)
    a = lambda x: jnp.prod(steps[block(x)])
    wave = lambda s: jnp.sin(jnp.pi * s / 10)
    gain = jnp.append(0.0, jnp.cumsum(jnp.diff(wave(edges)) / steps))
    w = lambda s, i: 1 + gain[i] + (wave(s) - wave(edges[i])) / steps[i]  # α w' = wave'
    exact = lambda x: w(x[0], block(x[0])) * w(x[1], block(x[1]))
    local = pde.polynomial_features(pde.Box((-2.0, -2.0), (2.0, 2.0)), [8 if full else 3] * 2)

    def features(x):
        i = block(x)
        own = local(x - (edges[i] + 2))
        return jnp.zeros((25, own.size)).at[5 * i[0] + i[1]].set(own).ravel()

    flux = lambda u, s, x: a(x) * (grad(u)(x) @ s[2:])
    robin = lambda u, s: flux(u, s, s[:2] - 1e-9 * s[2:]) + u(s[:2] - 1e-9 * s[2:])
    op = {
        "pde": lambda u, x: laplacian(u)(x) - laplacian(exact)(x),
        "meet": lambda u, s: _jump(u, s, a, flux),
        "sides": lambda u, s: robin(u, s) - robin(exact, s),
    }
    area = pde.Box((-10.0,) * 2, (10.0,) * 2)
    points = {"pde": pde.graded(area, 4000, [5, 5]), **_block_edges(edges, 16 if full else 6)}
    result = pde.least_squares(op, lambda f: f, features, points, tolerance=np.inf)
    return of_exact(result, exact, inside(area, 4000))


def _jump(u, s, a, flux):
    """Of the value and the flux across an edge; s is the point and the normal."""
    here, there = s[:2] - 1e-9 * s[2:], s[:2] + 1e-9 * s[2:]
    size = a(here) + a(there)
    return jnp.stack([u(there) - u(here), (flux(u, s, there) - flux(u, s, here)) / size])


def _block_edges(edges, n):
    """Points and normals of the edges between blocks, and of the outer ones: n in each."""
    along = np.concatenate(
        [low + 2 - 2 * np.cos(np.pi * (np.arange(n) + 0.5) / n) for low in edges[:5]]
    )

    def lines(places, direction):
        x, y = np.meshgrid(places, along, indexing="ij")
        pairs = np.stack([x.ravel(), y.ravel()], axis=1)
        ones = np.full((len(pairs), 1), direction)
        upright = np.hstack([pairs, ones, 0 * ones])
        return np.vstack([upright, upright[:, [1, 0, 3, 2]]])

    meet, sides_of = (
        lines(np.asarray(edges[1:5]), 1.0),
        [lines([e], np.sign(e)) for e in (-10.0, 10.0)],
    )
    return {"meet": meet, "sides": np.vstack(sides_of)}


def poisson_nd(full):
    """-Δu = f in five dimensions, values on the walls.

    The source and the values are sums of functions of one coordinate each, and so is the solution:
    the features are polynomials of one coordinate or of two.
    """
    box = pde.Box((0.0,) * 5, (1.0,) * 5)
    exact = lambda x: jnp.sum(jnp.sin(jnp.pi / 2 * x))
    ones = pde.polynomial_features(pde.Interval(0.0, 1.0), [10 if full else 6])
    twos = pde.polynomial_features(pde.Box((0.0,) * 2, (1.0,) * 2), [3, 3])
    pairs = np.array([(i, j) for i in range(5) for j in range(i)])

    def features(x):
        return jnp.append(jax.vmap(ones)(x[:, None]).ravel(), jax.vmap(twos)(x[pairs]).ravel())

    source = pde.poisson(lambda x: jnp.pi**2 / 4 * exact(x))
    op = {"pde": source, "walls": lambda u, x: u(x) - exact(x)}
    points = {"pde": pde.sobol(box, 500), "walls": sides(box, 500)}
    result = pde.least_squares(op, lambda f: f, features, points, tolerance=np.inf)
    return of_exact(result, exact, inside(box, 2000))


def navier_stokes2d_cavity(full):
    """The cavity at Reynolds number 100 under a lid of speed 4x(1 - x), by the stream function.

    Under the ends of the lid ψ is r² F(θ), which is no polynomial: the lift has it, and the
    features what follows, whose residual would outweigh that of the flow.
    """
    box, n = pde.Box((0.0, 0.0), (1.0, 1.0)), 16 if full else 5
    fade = lambda s: (1 - s) ** 2 * (1 + 2 * s + 3 * s**2 + 4 * s**3 + 5 * s**4)
    speed = lambda x: 4 * x * (1 - x) - 4 * x * fade(x) - 4 * (1 - x) * fade(1 - x)

    def corner(x, y):
        r2, t = x**2 + (1 - y) ** 2, jnp.arctan2(1 - y, x)
        shape = jnp.pi / 2 * (1 - jnp.cos(2 * t)) - 2 * t - jnp.sin(2 * t)
        return r2 * shape * fade(x) * fade(1 - y)

    def lift(x):
        return corner(x[0], x[1]) + corner(1 - x[0], x[1]) + speed(x[0]) * x[1] ** 2 * (x[1] - 1)

    trial = lambda f: pde.hard(f, lift=lift, factor=lambda x: (16 * jnp.prod(x * (1 - x))) ** 2)
    smooth = pde.polynomial_features(box, [n, n])
    ends = lambda x: [_under_lid(x[0], 1 - x[1]), _under_lid(1 - x[0], 1 - x[1])]
    features, guess = lambda x: jnp.concatenate([smooth(x), *ends(x)]), None
    points = pde.sobol(box, 1200 if full else 200)
    for viscosity in (0.3, 0.03, 0.01):  # a slow flow is the guess for a faster one
        op = pde.stream_function(viscosity)
        result = pde.least_squares(op, trial, features, points, guess=guess, tolerance=np.inf)
        guess = result.params
    return Posed(solved(result), *cavity_stream_function(32 if full else 10, (0.01,)))


def smooth_cavity100(full):
    """The cavity at Reynolds number 100 under a lid of speed 16x²(1 - x)²."""
    return _smooth_cavity(*((24, (0.03, 0.01), 36) if full else (5, (0.03,), 10)))


def smooth_cavity1000(full):
    """The same at Reynolds number 1000."""
    return _smooth_cavity(*((28, (0.003, 0.001), 40) if full else (5, (0.03,), 10)))


def _smooth_cavity(n, viscosities, reference):
    """By n² polynomials of the stream function, by way of several viscosities.

    The lid begins without a jump of any slope. The points are a square grid, 1.4 to a polynomial:
    the eddies in the corners are r^(3.74 + 1.12 i) g(θ), whose residual points along the walls
    would count before that of the flow, and that of the polynomials which are left out spoils
    those that are there unless the points are regular.
    """
    box, lid = pde.Box((0.0, 0.0), (1.0, 1.0)), lambda x: 16 * (x * (1 - x)) ** 2
    lift = lambda x: lid(x[0]) * x[1] ** 2 * (x[1] - 1)
    trial = lambda f: pde.hard(f, lift=lift, factor=lambda x: (16 * jnp.prod(x - x**2)) ** 2)
    features, guess = pde.polynomial_features(box, [n, n]), None
    places = (jnp.arange(int(1.4 * n)) + 0.5) / int(1.4 * n)
    points = jnp.stack(jnp.meshgrid(places, places), axis=-1).reshape(-1, 2)
    how = {"fresh": pde.sobol(box, 1000), "tolerance": np.inf}
    for viscosity in viscosities:  # a slow flow is the guess for a faster one
        op = pde.stream_function(viscosity)
        result = pde.least_squares(op, trial, features, points, guess=guess, **how)
        guess = result.params
    return Posed(solved(result), *cavity_stream_function(reference, viscosities, lid))


def _under_lid(x, y):
    """Over the r⁴ of the factor: r⁴ g(θ), r⁴ log r g(θ), r⁵ g(θ), and r^(3.74 + 1.12 i) g(θ)."""
    r2, turn = x**2 + y**2, jnp.arctan2(y, x) ** jnp.arange(5)
    log = jnp.log(r2) / 2
    wave = jnp.exp(-0.2604 * log) * jnp.stack([jnp.cos(1.1191 * log), jnp.sin(1.1191 * log)])
    radial = jnp.stack([1.0 + 0 * r2, log, jnp.sqrt(r2), r2, *wave])
    return (radial[:, None] * turn).ravel()


def navier_stokes2d_step(full):
    """The channel behind a step at viscosity 1/100: velocities at walls, pressure at the outlet.

    Manufactured, with the published flow at the inlet.
    """
    domain = pde.Polygon([(0, 0), (4, 0), (4, 2), (2, 2), (2, 1), (0, 1)])
    psi = lambda x: 2 * x[1] ** 2 - 4 / 3 * x[1] ** 3 + 0.1 * x[0] ** 2 * jnp.sin(x[0] + 2 * x[1])
    slope = lambda x: grad(psi)(x)
    exact = lambda x: jnp.stack([slope(x)[1], -slope(x)[0], (4 - x[0]) * jnp.cos(x[1])])
    flow = pde.navier_stokes
    op = lambda nu: {
        "flow": lambda w, x: flow(nu)(w, x) - flow(nu)(exact, x),
        "walls": lambda w, x: (w(x) - exact(x))[:2],
        "outlet": lambda w, x: (w(x) - exact(x))[2],
    }
    right = domain.boundary["edge1"]
    around = [pde.uniform(piece, 80) for k, piece in domain.boundary.items() if k != "edge1"]
    points = {
        "flow": pde.sobol(domain, 700),
        "walls": lambda key: jnp.concatenate([draw(key) for draw in around]),
        "outlet": pde.uniform(right, 80),
    }
    features = pde.polynomial_features(domain, [13, 12] if full else [4, 4])
    guess, how = None, {"outputs": 3, "tolerance": np.inf}
    for nu in (1.0, 0.1, 0.01):  # a slow flow is the guess for a faster one
        result = pde.least_squares(op(nu), lambda f: f, features, points, guess=guess, **how)
        guess = result.params
    return of_exact(result, exact, inside(domain, 2000))


CASES = [
    case(poisson2d_classic, "Poisson 2d-C, square with holes", "maximum principle"),
    case(poisson2d_complex, "Poisson 2d-CG, layers around holes", "maximum principle"),
    case(poisson3d_complex, "Poisson 3d-CG, cube with holes", "manufactured"),
    case(poisson2d_many, "Poisson 2d-MS, 25 materials", "manufactured"),
    case(poisson_nd, "Poisson 5d", "analytic"),
    case(navier_stokes2d_cavity, "Navier-Stokes 2d-C, cavity", "Chebyshev, Newton"),
    case(
        smooth_cavity100,
        "Cavity at 100 under a smooth lid",
        "Chebyshev, Newton",
        tolerance=1e-5,
        published=False,
    ),
    case(
        smooth_cavity1000,
        "Cavity at 1000 under a smooth lid",
        "Chebyshev, Newton",
        published=False,
    ),
    case(navier_stokes2d_step, "Navier-Stokes 2d-CG, step", "manufactured"),
]
