"""Solutions by other methods: Chebyshev collocation on whole grids, in NumPy."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxsci import numerics, pde

Grid = tuple[Float[np.ndarray, "n dim"], Float[np.ndarray, " n"]]


def parabolic_lid(x):
    """Its speed is zero at its ends, and the slope of the speed is not."""
    return 4 * x * (1 - x)


def cavity_stream_function(n: int, viscosities: Sequence[float], lid=parabolic_lid) -> Grid:
    """ψ at Chebyshev points of the unit square at the last viscosity, by Newton's method.

    Each viscosity begins with the flow at the one before.

    The equation holds two points away from the walls; beside them the slopes are given instead.
    """
    x, d = (np.asarray(a) for a in pde.reference.chebyshev(n, interval=(0.0, 1.0)))
    one, inner = np.eye(n + 1), np.arange(1, n)
    along, up = np.kron(d, one), np.kron(one, d)
    bend = along @ along + up @ up
    index = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    unknown, deep = index[1:-1, 1:-1].ravel(), index[2:-2, 2:-2].ravel()
    ends = np.concatenate([index[0, inner], index[-1, inner]])
    caps = np.concatenate([index[2:-2, 0], index[2:-2, -1]])
    slopes = np.concatenate([along[ends], up[caps]])[:, unknown]
    given = np.concatenate([np.zeros(len(ends) + n - 3), lid(x[2:-2])])
    deep_bend = (bend[deep] @ bend)[:, unknown]
    deep_along, deep_up = (m[deep][:, unknown] for m in (along, up))
    third_along, third_up = ((m[deep] @ bend)[:, unknown] for m in (along, up))
    psi = np.zeros(len(unknown))
    for viscosity in viscosities:
        for _ in range(12):
            u, v = deep_up @ psi, -deep_along @ psi
            turned = third_along @ psi, third_up @ psi
            residual = -u * turned[0] - v * turned[1] + viscosity * deep_bend @ psi
            jacobian = viscosity * deep_bend - u[:, None] * third_along - v[:, None] * third_up
            jacobian += -turned[0][:, None] * deep_up + turned[1][:, None] * deep_along
            step = np.linalg.solve(
                np.vstack([jacobian, slopes]), -np.append(residual, slopes @ psi - given)
            )
            psi = psi + step
            if np.abs(step).max() < 1e-11:
                break
    points = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    return points[unknown], psi


def heated_square(n: int, coefficient, modes: tuple[int, int], size: float, times) -> Grid:
    """u_t = a Δu + size sin(pπx) sin(qπy) sin(πt) from 0 on the unit square, exact in time."""
    x, d = (np.asarray(a) for a in pde.reference.chebyshev(n, interval=(0.0, 1.0)))
    bend, one = (d @ d)[1:-1, 1:-1], np.eye(n - 1)
    points = np.stack(np.meshgrid(x[1:-1], x[1:-1], indexing="ij"), axis=-1).reshape(-1, 2)
    operator = coefficient(points)[:, None] * (np.kron(bend, one) + np.kron(one, bend))
    force = size * np.prod(np.sin(np.pi * np.array(modes) * points), axis=1)
    swing = np.linalg.solve(1j * np.pi * np.eye(len(points)) - operator, force)
    values, vectors = np.linalg.eig(operator)
    rest = np.linalg.solve(vectors, -swing.imag.astype(complex))
    found = [
        (swing * np.exp(1j * np.pi * t)).imag + (vectors @ (np.exp(values * t) * rest)).real
        for t in times
    ]
    where = [np.column_stack([points, np.full(len(points), t)]) for t in times]
    return np.concatenate(where), np.concatenate(found)


def waves_on_square(n: int, speed2, start, times) -> Grid:
    """u_tt = c² Δu at rest on [-1, 1]² with zero slopes at the walls, exact in time."""
    x, d = (np.asarray(a) for a in pde.reference.chebyshev(n))
    # Values at the walls from zero slopes there.
    wall = np.linalg.solve(d[np.ix_([0, -1], [0, -1])], -d[np.ix_([0, -1], range(1, n))])
    extend = np.vstack([wall[:1], np.eye(n - 1), wall[1:]])
    bend, one = (d @ d @ extend)[1:-1], np.eye(n - 1)
    points = np.stack(np.meshgrid(x[1:-1], x[1:-1], indexing="ij"), axis=-1).reshape(-1, 2)
    operator = speed2(points)[:, None] * (np.kron(bend, one) + np.kron(one, bend))
    values, vectors = np.linalg.eig(-operator.astype(complex))
    share = np.linalg.solve(vectors, start(points).astype(complex))
    found = [(vectors @ (np.cos(np.sqrt(values) * t) * share)).real for t in times]
    where = [np.column_stack([points, np.full(len(points), t)]) for t in times]
    return np.concatenate(where), np.concatenate(found)


def kuramoto_sivashinsky(end: float, steps: int) -> Grid:
    """The published problem at 256 places and at `steps` times up to the end, by ETDRK4."""
    a, b, c = 100 / 16, 100 / 16**2, 100 / 16**4
    x = 2 * np.pi / 256 * np.arange(256)
    u, values = jnp.cos(x) * (1 + jnp.sin(x)), []
    for _ in range(steps):
        u = pde.reference.etdrk4(
            lambda k: b * k**2 - c * k**4,
            lambda u, d: -a * u * d(u),
            u,
            length=2 * np.pi,
            time=end / steps,
            steps=max(1, int(5000 * end / steps)),
        )
        values.append(np.asarray(u))
    times = end / steps * np.arange(1, steps + 1)
    where = np.stack(np.meshgrid(times, x, indexing="ij")[::-1], axis=-1).reshape(-1, 2)
    return where, np.concatenate(values)


def gradient_burgers(potential, places, viscosity: float, n: int):
    """Burgers' equation for u = ∇Φ at first, by the transformation of Cole and Hopf, n² nodes."""
    nodes, weights = np.polynomial.hermite.hermgauss(n)
    both = jnp.asarray(np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2))
    logs = jnp.log(jnp.asarray(np.outer(weights, weights).ravel()))

    def at(x):
        from_where = x[:2] + jnp.sqrt(4 * viscosity * x[2]) * both
        height, slope = jax.vmap(jax.value_and_grad(potential))(from_where)
        return jax.nn.softmax(logs - height / (2 * viscosity)) @ slope

    return jax.lax.map(at, jnp.asarray(places))


def periodic_plane(symbol, force, start, how: tuple[float, int, float, int]) -> Grid:
    """u_t = L u + f(u, x, t) at the end, on n² places of a period, by ETDRK4.

    `symbol` is L as a function of k², and `how` the period, n, the end and the steps. The time
    is one more field, which grows by one per unit.
    """
    length, n, end, steps = how
    x = length / n * np.arange(n)
    x = np.where(x < length / 2, x, x - length)
    grid = jnp.asarray(np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1))
    u = (
        jnp.moveaxis(jax.vmap(jax.vmap(start))(grid), -1, 0)
        if start(grid[0, 0]).ndim
        else (jax.vmap(jax.vmap(start))(grid)[None])
    )
    k = 2 * np.pi * np.fft.fftfreq(n, length / n)
    k2 = k[:, None] ** 2 + k[None, : n // 2 + 1] ** 2
    linear = np.broadcast_to(np.asarray(symbol(k2)), (len(u), *k2.shape))
    fields = np.concatenate([linear, np.zeros((1, *k2.shape))])
    point = jnp.moveaxis(grid, -1, 0)

    def slope(v):
        w = jnp.fft.irfft2(v, (n, n))
        values = w[:-1] if len(w) > 2 else w[0]
        grown = force(values, point, w[-1])
        both = jnp.concatenate([grown.reshape(-1, n, n), jnp.ones((1, n, n))])
        return jnp.fft.rfft2(both)

    first = jnp.fft.rfft2(jnp.concatenate([u, jnp.zeros((1, n, n))]))
    final = jnp.fft.irfft2(numerics.etdrk4(fields, slope, first, time=end, steps=steps), (n, n))
    places = np.concatenate([np.asarray(grid).reshape(-1, 2), np.full((n * n, 1), end)], axis=1)
    values = np.asarray(final[:-1]).reshape(len(u), -1).T
    return places, values if len(u) > 1 else values[:, 0]
