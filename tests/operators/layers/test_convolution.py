"""Convolutions with a physical radius, differential stencils, integral norms, and their U-Net."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

import jaxsci as jsci
from jaxsci.operators import DifferentialConv, KernelConv, UNet, normalise
from jaxsci.operators._fields.axis_points import axis_points


def smooth(n, dim=1):
    x = np.stack(np.meshgrid(*[np.arange(n) / n] * dim, indexing="ij"), -1)
    return jnp.asarray(np.exp(np.sin(2 * np.pi * x).sum(-1)))[..., None]


def test_converges_to_the_integral_at_second_order(key):
    # The kinks of the kernel, at multiples of 1/16, are points of every grid below.
    layer = KernelConv(1, 1, dim=1, radius=0.125, knots=3, key=key)
    w = np.asarray(layer.weight[:, 0, 0])

    def kernel(s):
        return np.interp(s, np.linspace(-1, 1, 5), [0, *w, 0])

    def integrand(y):
        return kernel(y / 0.125) * np.exp(np.sin(2 * np.pi * (0.25 + y))) / 0.25

    # The layer sums κ(o) a(x + o): offsets towards the point that is read.
    exact = quad(integrand, -0.125, 0.125, points=[-0.0625, 0, 0.0625], epsabs=1e-12)[0]
    errors = [abs(float(layer(smooth(n))[n // 4, 0]) - exact) for n in (64, 128, 256, 512)]
    assert errors[-1] < 1e-4 * abs(exact)
    assert np.log2(errors[-2] / errors[-1]) > 1.9


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: KernelConv(1, 2, dim=2, radius=0.2, key=jax.random.key(0), **o),
        lambda **o: DifferentialConv(1, 2, dim=2, key=jax.random.key(0), **o),
    ],
)
def test_a_long_domain_is_a_row_of_squares(make):
    """A field that repeats on each of four squares, on one domain of four to one."""
    a = jax.random.normal(jax.random.key(1), (8, 8, 1))
    row = make(lengths=(4.0, 1.0))(jnp.tile(a, (4, 1, 1)))
    np.testing.assert_allclose(row, jnp.tile(make()(a), (4, 1, 1)), atol=1e-13)
    # With both ends among the points, the last ones repeat the first.
    ends = jnp.pad(a, [(0, 1), (0, 1), (0, 0)], mode="wrap")
    both = make(points="ends")(ends)
    np.testing.assert_allclose(both[:-1, :-1], make()(a), atol=1e-13)
    np.testing.assert_allclose(both[-1], both[0], atol=1e-13)


def test_each_axis_has_its_own_boundary(key):
    """A wall along one axis: shifts along the other, which is periodic, commute."""
    layer = KernelConv(
        1, 1, dim=2, radius=0.3, boundary=("periodic", "reflect"), points=("left", "ends"), key=key
    )
    a = jax.random.normal(key, (8, 7, 1))
    np.testing.assert_allclose(layer(jnp.roll(a, 1, 0)), jnp.roll(layer(a), 1, 0), atol=1e-13)
    mirrored = jnp.concatenate([a[:, :0:-1], a, a[:, -2::-1]], 1)  # three times as long
    long = KernelConv(
        1, 1, dim=2, radius=0.3, boundary="periodic", lengths=(1.0, 3.0), points=("left", "ends"),
        key=key,
    )  # fmt: skip
    np.testing.assert_allclose(long.convolve(mirrored)[:, 6:13], layer(a), atol=1e-13)


@pytest.mark.parametrize("boundary", ["zero", "reflect"])
@pytest.mark.parametrize(("points", "order"), [("cells", 2), ("ends", 2), ("left", 1)])
def test_order_of_convergence_beside_a_boundary(key, boundary, points, order):
    """Fields continued past the ends are second order on cells and ends, and first on i/N."""
    layer = KernelConv(1, 1, dim=1, radius=0.125, boundary=boundary, points=points, key=key)
    w = np.asarray(layer.weight[:, 0, 0])

    def field(x):
        return np.exp(np.sin(2 * np.pi * x) + x)

    def continued(x):
        return field(abs(x)) if x >= 0 or boundary == "reflect" else 0.0

    def error(n):
        x = axis_points(n + (points == "ends"), points)
        at = x[n // 32]
        kernel = lambda y: np.interp(y / 0.125, np.linspace(-1, 1, 5), [0, *w, 0]) / 0.25  # noqa: E731
        exact = quad(
            lambda y: kernel(y) * continued(at + y),
            -0.125, 0.125, points=[-0.0625, 0, 0.0625, -at], epsabs=1e-12,
        )[0]  # fmt: skip
        return abs(layer(jnp.asarray(field(x))[:, None])[n // 32, 0] - exact)

    assert abs(np.log2(error(256) / error(512)) - order) < 0.25


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_is_a_convolution_and_one_operator_on_all_grids(key, dim):
    layer = KernelConv(2, 3, dim=dim, radius=0.25, boundary="periodic", key=key)
    a = jax.random.normal(key, (*[12] * dim, 2))
    shifted = jnp.roll(a, (3,) * dim, tuple(range(dim)))
    np.testing.assert_allclose(
        layer(shifted), jnp.roll(layer(a), (3,) * dim, tuple(range(dim))), atol=1e-13
    )
    one = KernelConv(1, 1, dim=dim, radius=0.25, key=key)
    n = {1: 64, 2: 32, 3: 16}[dim]
    coarse, fine = one(smooth(n, dim)), one(smooth(2 * n, dim))
    fine = fine[tuple(slice(None, None, 2) for _ in range(dim))]
    assert jnp.max(jnp.abs(coarse - fine)) < 0.05 * jnp.max(jnp.abs(fine))


@pytest.mark.parametrize("boundary", ["zero", "reflect"])
def test_boundaries_continue_the_field(key, boundary):
    layer = KernelConv(1, 1, dim=1, radius=0.2, boundary=boundary, key=key)
    a = jax.random.normal(key, (16, 1))
    ends = jnp.zeros((8, 1)) if boundary == "zero" else a[:8][::-1]
    far = jnp.zeros((8, 1)) if boundary == "zero" else a[-8:][::-1]
    whole = jnp.concatenate([ends, a, far])  # twice the domain, so half the radius
    wide = KernelConv(1, 1, dim=1, radius=0.1, boundary=boundary, key=key)
    np.testing.assert_allclose(layer(a), wide(whole)[8:-8], atol=1e-14)


def test_differential_layer_tends_to_a_derivative_and_kills_constants(key):
    layer = DifferentialConv(1, 1, dim=2, key=key)
    np.testing.assert_allclose(layer(jnp.ones((8, 8, 1))), 0, atol=1e-12)
    two = DifferentialConv(2, 3, dim=2, key=key)  # each channel has its own mean
    np.testing.assert_allclose(
        two(jnp.broadcast_to(jnp.array([1.0, 5.0]), (8, 8, 2))), 0, atol=1e-12
    )
    w = np.asarray(layer.weight[..., 0, 0])
    slope = [(w * np.array([-1, 0, 1])[:, None]).sum(), (w * np.array([-1, 0, 1])).sum()]

    def error(n):
        x = np.arange(n) / n
        u = np.exp(np.sin(2 * np.pi * x))
        du = 2 * np.pi * np.cos(2 * np.pi * x) * u
        exact = slope[0] * np.outer(du, u) + slope[1] * np.outer(u, du)
        return np.abs(layer(jnp.asarray(np.outer(u, u))[..., None])[..., 0] - exact).max()

    assert 0.8 < np.log2(error(64) / error(128)) < 2.2


def test_norm_is_an_integral():
    a = smooth(64)
    b = normalise(a)
    np.testing.assert_allclose(jnp.mean(b), 0, atol=1e-12)
    np.testing.assert_allclose(jnp.mean(b**2), 1, rtol=1e-5)
    # Points that are twice as dense on one half, with half the weight there.
    x = np.r_[np.arange(32) / 64, 0.5 + np.arange(64) / 128]
    uneven = jnp.asarray(np.exp(np.sin(2 * np.pi * x)))[:, None]
    weights = jnp.asarray(np.r_[np.full(32, 1 / 64), np.full(64, 1 / 128)])
    np.testing.assert_allclose(normalise(uneven, weights)[:32], b[:32], atol=0.02)
    assert jnp.max(jnp.abs(normalise(uneven)[:32] - b[:32])) > 0.1


def test_u_net_is_one_operator_on_all_grids_where_fixed_pixels_are_not(key):
    model = eqx.filter_jit(UNet(1, 1, dim=1, width=4, levels=2, radius=1 / 16, key=key))
    on = {n: model(smooth(n)) for n in (128, 256, 512)}
    scale = jnp.max(jnp.abs(on[512]))
    first = jnp.max(jnp.abs(on[128] - on[256][::2]))
    second = jnp.max(jnp.abs(on[256] - on[512][::2]))
    assert first < 0.03 * scale and second < first / 2
    # The control: with the radius counted in pixels the operator changes with the grid.
    pixels = {
        n: eqx.filter_jit(UNet(1, 1, dim=1, width=4, levels=2, radius=8 / n, key=key))(smooth(n))
        for n in (128, 256)
    }
    assert jnp.max(jnp.abs(pixels[128] - pixels[256][::2])) > 5 * first


def test_u_net_takes_odd_grids_batches_and_gradients(key):
    f, params = jsci.pure(UNet(2, 1, dim=2, width=3, levels=2, radius=0.1, key=key))
    a = jax.random.normal(key, (2, 25, 22, 2))
    batch = jax.jit(jax.vmap(f, (None, 0)))(params, a)
    assert batch.shape == (2, 25, 22, 1)
    np.testing.assert_allclose(batch[1], jax.jit(f)(params, a[1]), atol=1e-12)
    slope = jax.jit(jax.grad(lambda p: jnp.sum(f(p, a[0]) ** 2)))(params)
    assert all(jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(slope))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: KernelConv(1, 1, dim=1, radius=0.7, key=k), "radius in"),
        (lambda k: KernelConv(1, 1, dim=1, radius=0.1, knots=2, key=k), "odd number"),
        (lambda k: KernelConv(1, 1, dim=4, radius=0.1, key=k), "dim 1, 2 or 3"),
        (lambda k: KernelConv(1, 1, dim=1, radius=0.1, boundary="wrap", key=k), "'reflect'"),
        (lambda k: KernelConv(1, 1, dim=1, radius=0.1, key=k)(jnp.ones((9, 1))), "no neighbour"),
        (lambda k: DifferentialConv(1, 1, dim=2, key=k)(jnp.ones((8, 9, 1))), "one spacing"),
        (lambda k: UNet(1, 1, dim=1, width=0, levels=1, radius=0.1, key=k), "width and levels"),
    ],
)
def test_bad_input(key, call, message):
    with pytest.raises(ValueError, match=message):
        call(key)
