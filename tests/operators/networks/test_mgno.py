"""The V-cycle layer: with the classical stencils it is the classical method."""

from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.operators import MgNO, VCycle, grow_levels
from jaxsci.operators._networks.mgno import Boundary

LAPLACIAN = np.array([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
FULL_WEIGHTING = np.outer([1, 2, 1], [1, 2, 1]) / 16


def poisson_cycle(n, key, boundary: Boundary = "dirichlet", levels=None):
    """V(2,2): five-point Laplacian, Jacobi, full weighting, bilinear transfer.

    The two Jacobi steps are damped by 1 / (5/4 ± 3/4 cos(pi/4)), the Chebyshev weights for the
    eigenvalues 1/2 to 2 that belong to the upper half of the spectrum.
    """
    levels = int(np.log2(n + 1)) if levels is None else levels
    cycle = VCycle(1, 1, dim=2, levels=levels, before=2, after=2, boundary=boundary, key=key)
    centre = np.zeros((3, 3))
    centre[1, 1] = 1

    def stencil(s):
        return jnp.asarray(s)[..., None, None]

    h = 1 / (n + 1) if boundary == "dirichlet" else 1 / n
    grids = []
    for i, level in enumerate(cycle.levels):
        spacing = h * 2**i
        damping = 1 / (1.25 + 0.75 * np.array([1, -1]) * np.sqrt(0.5))
        jacobi = [stencil(w * spacing**2 / 4 * centre) for w in damping]
        last = level.restrict is None
        grids.append(
            eqx.tree_at(
                lambda x: (x.operator, x.before, x.after, x.restrict, x.prolong),
                level,
                (
                    stencil(LAPLACIAN / spacing**2),
                    jacobi,
                    jacobi,
                    None if last else stencil(FULL_WEIGHTING),
                    None if last else stencil(4 * FULL_WEIGHTING),
                ),
                is_leaf=lambda x: x is None,
            )
        )
    return eqx.tree_at(lambda c: c.levels, cycle, grids)


def reduction(cycle, n, key, boundary="dirichlet"):
    """The factor by which one cycle reduces the residual, once it has settled."""

    def apply(u):
        mode = {"dirichlet": "constant", "periodic": "wrap"}[boundary]
        p = jnp.pad(u, 1, mode=mode)
        h = 1 / (n + 1) if boundary == "dirichlet" else 1 / n
        return (4 * u - p[2:, 1:-1] - p[:-2, 1:-1] - p[1:-1, 2:] - p[1:-1, :-2]) / h**2

    f = jax.random.normal(key, (n, n))
    f = f - jnp.mean(f) if boundary == "periodic" else f

    def step(u, _):
        residual = f - apply(u)
        return u + cycle(residual[..., None])[..., 0], jnp.linalg.norm(residual)

    _, norms = jax.jit(lambda u: jax.lax.scan(step, u, length=12))(jnp.zeros((n, n)))
    return (norms[-1] / norms[-5]) ** 0.25


def test_is_multigrid_with_a_factor_independent_of_the_spacing(key):
    factors = [reduction(poisson_cycle(n, key), n, key) for n in (31, 63, 127)]
    assert max(factors) <= 0.15, factors
    assert abs(factors[2] - factors[0]) < 0.01


def test_is_multigrid_on_a_periodic_grid(key):
    cycle = poisson_cycle(32, key, "periodic", levels=4)
    # Even on the coarsest grid the mean is left alone: its operator and its residual have none.
    assert reduction(cycle, 32, key, "periodic") < 0.5


@pytest.mark.parametrize(
    ("grid", "boundary"),
    [
        ((15,), "dirichlet"),
        ((16,), "dirichlet"),
        ((16,), "periodic"),
        ((12, 7), "dirichlet"),
        ((8, 8), "periodic"),
    ],
)
def test_prolongation_is_the_transpose_of_restriction(key, grid, boundary):
    cycle = VCycle(2, 2, dim=len(grid), levels=2, boundary=boundary, key=key)
    keys = jax.random.split(key, 3)
    stencil = jax.random.normal(keys[0], (*(3,) * len(grid), 2, 2))
    fine = jax.random.normal(keys[1], (*grid, 2))
    coarse = jax.random.normal(keys[2], (*(n // 2 for n in grid), 2))
    down = cycle._restrict(fine, stencil)
    up = cycle._prolong(coarse, jnp.swapaxes(stencil, -1, -2), grid)
    assert up.shape == fine.shape
    np.testing.assert_allclose(jnp.vdot(down, coarse), jnp.vdot(fine, up), rtol=1e-12)


def test_is_linear_and_its_receptive_field_is_the_domain(key):
    cycle = VCycle(1, 1, dim=1, levels=5, key=key)
    f = jax.random.normal(key, (32, 1))
    jacobian = jax.jit(jax.jacfwd(cycle))(f)[:, 0, :, 0]
    np.testing.assert_allclose(cycle(f)[:, 0], jacobian @ f[:, 0], atol=1e-12)
    assert jnp.all(jacobian != 0)


def test_periodic_cycle_commutes_with_coarse_shifts(key):
    cycle = VCycle(1, 1, dim=1, levels=3, after=1, boundary="periodic", key=key)
    f = jax.random.normal(key, (16, 1))
    np.testing.assert_allclose(cycle(jnp.roll(f, 4, 0)), jnp.roll(cycle(f), 4, 0), atol=1e-12)


def test_mgno_one_sample_and_a_batch(key):
    model = MgNO(2, 3, width=4, depth=2, dim=2, levels=3, after=1, boundary="neumann", key=key)
    f, params = jsci.pure(model, dtype=jnp.float32)
    batch = jax.random.normal(key, (3, 12, 9, 2), jnp.float32)
    out = jax.jit(jax.vmap(f, (None, 0)))(params, batch)
    assert out.shape == (3, 12, 9, 3)
    assert out.dtype == jnp.float32
    one = jax.jit(f)
    np.testing.assert_allclose(out, jnp.stack([one(params, a) for a in batch]), atol=1e-5)


def test_mgno_gradient_against_finite_differences(key):
    f, params = jsci.pure(MgNO(1, 1, width=2, depth=1, dim=1, levels=3, key=key))
    a = jax.random.normal(key, (8, 1))
    loss = jax.jit(lambda p: jnp.sum(f(p, a) ** 2))
    leaves, tree = jax.tree.flatten(params)
    direction = jax.tree.unflatten(
        tree, [jax.random.normal(jax.random.fold_in(key, i), x.shape) for i, x in enumerate(leaves)]
    )
    step = lambda s: loss(jax.tree.map(lambda p, d: p + s * d, params, direction))  # noqa: E731
    products = jax.tree.map(jnp.vdot, jax.grad(loss)(params), direction)
    slope = sum(jax.tree.leaves(products))
    np.testing.assert_allclose(slope, (step(1e-5) - step(-1e-5)) / 2e-5, rtol=1e-7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: VCycle(1, 1, dim=2, levels=2, boundary="open", key=k), "'open' is unknown"),  # pyright: ignore[reportArgumentType]
        (lambda k: VCycle(1, 1, dim=3, levels=2, key=k), "dim 1 or 2"),
        (lambda k: VCycle(1, 1, dim=1, levels=5, key=k)(jnp.ones((8, 1))), "need 16 points"),
        (
            lambda k: VCycle(1, 1, dim=1, levels=3, boundary="periodic", key=k)(jnp.ones((10, 1))),
            "multiple of 4",
        ),
        (lambda k: MgNO(1, 1, width=0, depth=1, dim=1, levels=1, key=k), "width, depth"),
        (
            lambda k: MgNO(1, 1, width=2, depth=1, dim=2, levels=1, key=k)(jnp.ones((8, 1))),
            "2-dimensional grid",
        ),
    ],
)
def test_bad_input(key, call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(key)


@pytest.mark.parametrize(("dim", "added", "smooth"), [(1, 1, 1), (1, 2, 2), (2, 1, 1)])
def test_a_grown_cycle_is_the_coarse_one_between_its_transfers(key, dim, added, smooth):
    """Fields restricted by full weighting, mapped by the coarse cycle, at the coarse points."""
    make = partial(
        VCycle, 2, 3, dim=dim, before=smooth, after=smooth - 1, boundary="periodic", key=key
    )
    coarse, fine = make(levels=1), make(levels=1 + added)
    f = jax.random.normal(key, (*(8,) * dim, 2))
    restricted = f
    for _ in range(added):
        for axis in range(dim):
            odd, even = (
                restricted.take(np.arange(i, restricted.shape[axis], 2), axis) for i in (1, 0)
            )
            restricted = odd / 2 + even / 4 + jnp.roll(even, -1, axis) / 4
    u = eqx.filter_jit(grow_levels(coarse, fine))(f)
    for _ in range(added):
        u = u[(slice(1, None, 2),) * dim]
    np.testing.assert_allclose(u, eqx.filter_jit(coarse)(restricted), atol=1e-12)


def test_a_grown_network_learns_on_its_new_grid(key):
    (_, small), (f, large) = (
        jsci.pure(MgNO(1, 1, width=2, depth=1, dim=1, levels=n, key=key)) for n in (1, 2)
    )
    grown = grow_levels(small, large)
    a = jnp.sin(jnp.arange(8.0))[:, None]
    slope = jax.jit(jax.grad(lambda p: jnp.sum(f(p, a) ** 2)))(grown)
    assert jnp.all(slope.cycles[0].levels[0].before[0] != 0)
    np.testing.assert_array_equal(grown.project.weight, small.project.weight)


def test_only_levels_can_be_added(key):
    make: Callable = partial(VCycle, 1, 1, dim=1, levels=2, key=key)
    with pytest.raises(ValueError, match="cannot turn 2 into 1"):
        grow_levels(make(), make(levels=1))
    for other in (make(levels=3, boundary="periodic"), make(levels=3, before=2), make(dim=2)):
        with pytest.raises(ValueError, match="differ in their levels alone"):
            grow_levels(make(), other)
    with pytest.raises(ValueError, match="differ in their levels alone"):
        grow_levels([make()], [make(levels=3), jnp.ones(2)])
