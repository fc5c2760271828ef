"""Reports by users of network packages, on `jaxsci.nn`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import nn

PYKAN = pytest.mark.report(
    "KindXiaoming/pykan#385", "KindXiaoming/pykan#142", "KindXiaoming/pykan#71"
)


@PYKAN
@pytest.mark.parametrize("basis", [nn.BSpline(5), nn.Gaussians(6), nn.Mixture([nn.BSpline(4)])])
def test_edges_go_on_as_straight_lines(basis):
    """They vanished outside the grid. Right: value and slope of the end, and no curvature."""
    layer = nn.KANLayer(1, 1, basis=basis, key=jax.random.key(0))

    def learned(x):
        return (layer.edges(x[None]) - layer.base(jax.nn.silu(x[None])))[0]

    slope, curvature = jax.grad(learned), jax.grad(jax.grad(learned))
    for end, beyond in ((-1.0, -3.0), (1.0, 2.5)):
        end, beyond = jnp.asarray(end), jnp.asarray(beyond)
        line = learned(end) + slope(end) * (beyond - end)
        np.testing.assert_allclose(learned(beyond), line, rtol=1e-12)
        np.testing.assert_allclose(slope(beyond), slope(end), rtol=1e-12)
        assert curvature(beyond) == 0
        # At the end itself both derivatives are those from inside.
        inside = jnp.sign(end) * (1 - 1e-6)
        np.testing.assert_allclose(curvature(end), curvature(inside), rtol=1e-4, atol=1e-6)


@PYKAN
@pytest.mark.parametrize("family", [nn.BSpline, nn.Gaussians])
def test_a_finer_grid_is_not_worse(family):
    """The best edges for sin 3x on [-2, 2], by least squares: BSpline(20) was off by 22 %, twice
    as much as BSpline(5). Right: nested spaces, so smaller from grid to grid."""
    x = jnp.linspace(-2, 2, 201)[:, None]
    target = jnp.sin(3 * x[:, 0])

    def error(size):
        layer = nn.KANLayer(1, 1, basis=family(size), key=jax.random.key(0))
        f, params = jsci.pure(layer)
        of_weights = jax.vmap(jax.jacrev(lambda p, x: f(p, x)[0]), (None, 0))(params, x)
        columns = jnp.concatenate(
            [g.reshape(len(x), -1) for g in jax.tree.leaves(of_weights)], axis=1
        )
        return jnp.linalg.norm(columns @ jnp.linalg.lstsq(columns, target)[0] - target)

    sizes = (5, 10, 20) if family is nn.BSpline else (6, 11, 21)
    errors = [error(size) for size in sizes]
    assert errors[0] > errors[1] > errors[2]


@PYKAN
def test_inputs_outside_the_grid_are_flagged():
    """Right: a warning that names the interval, where values are known; none within jit."""
    net = nn.KAN(2, "scalar", width=2, depth=1, key=jax.random.key(0))
    with pytest.warns(UserWarning, match=r"outside the interval \[-1, 1\]"):
        net(jnp.array([0.2, 3.0]))
    eqx.filter_jit(net)(jnp.array([0.2, 3.0]))
    wide = nn.KAN(2, 1, width=2, depth=1, basis=nn.BSpline(5, -4.0, 4.0), key=jax.random.key(0))
    wide(jnp.array([0.2, 3.0]))


@PYKAN
def test_the_ends_of_the_grid_are_inside(recwarn):
    """The interval taken from the data, which rounding leaves at 0.1 · 3: no warning, no error."""
    x = jnp.array([0.0, 0.1 * 3])
    for ends in ((0.0, 0.3), (jnp.min(x), jnp.max(x))):
        for basis in (nn.BSpline(5, *ends), nn.Gaussians(5, *ends)):
            net = nn.KAN(2, "scalar", width=2, depth=1, basis=basis, key=jax.random.key(0))
            assert jnp.isfinite(net(x))
    assert not recwarn.list
