"""Reports by users of network packages, on `jaxsci.nn`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
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


NETWORKS = {
    "MLP": lambda **o: nn.MLP(2, "scalar", width=3, depth=1, **o),
    "KAN": lambda **o: nn.KAN(2, "scalar", width=3, depth=1, **o),
    "SIREN": lambda **o: nn.SIREN(2, 2, width=3, depth=1, **o),
    "modified": lambda **o: nn.ModifiedMLP(2, 2, width=3, depth=1, **o),
    "separable": lambda **o: nn.Separable(2, 2, rank=2, width=3, depth=1, **o),
    "features": lambda **o: nn.MLP(
        2, 1, width=3, depth=1, embedding=nn.FourierFeatures(2, 2, key=jax.random.key(1)), **o
    ),
    "periodic": lambda **o: nn.MLP(
        2, 1, width=3, depth=1, embedding=nn.PeriodicEmbedding((1.0, None)), **o
    ),
}


@pytest.mark.report("jaxsci")
@pytest.mark.parametrize("name", NETWORKS)
def test_points_of_another_size_are_named(name, monkeypatch):
    """They ended in a raw error of dot_general, and a batch without vmap in the first point's
    value. Right: the two sizes, also within jit and vmap; one point for another is still right."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # of the tests alone
    f, params = jsci.pure(NETWORKS[name](key=jax.random.key(0)))
    for points in (jnp.ones(3), jnp.ones((5, 2)), jnp.asarray(1.0)):
        for call in (f, jax.jit(f), lambda p, x: jax.vmap(f, (None, 0))(p, x[None])):
            with pytest.raises(ValueError, match=r"was made for in_size=2 .*jax\.vmap"):
                call(params, points)
    assert jax.jit(jax.vmap(f, (None, 0)))(params, 0.3 * jnp.ones((4, 2))).shape[0] == 4


@pytest.mark.report("jaxsci")
def test_a_kink_along_an_axis_that_is_not_there():
    """JAX takes the last coordinate for one beyond it. Right: refused."""
    kinks = nn.KinkFeatures((0.5,), axis=1)
    with pytest.raises(ValueError, match="axis=1 of a point with 1 coordinates"):
        nn.MLP(1, "scalar", width=2, depth=1, embedding=kinks, key=jax.random.key(0))


@PYKAN
@pytest.mark.parametrize("basis", [nn.BSpline, nn.Gaussians, nn.ActivationProducts])
def test_whole_numbers_are_floats(basis, monkeypatch):
    """Centres and ends took the dtype of the input, and were truncated. Right: as of floats."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # of the tests alone
    functions = basis(7, -1.5, 2.5)
    x = jnp.array([0, 1, 2])
    np.testing.assert_allclose(functions(x), functions(x.astype(float)), rtol=1e-12)
    layer = nn.KANLayer(3, 2, basis=functions, key=jax.random.key(0))
    np.testing.assert_allclose(layer(x), layer(x.astype(float)), rtol=1e-12)


@pytest.mark.report("jaxsci")
def test_sizes_of_numpy_are_sizes():
    """Sizes from a table were called no integers. Right: the same network; fractions refused."""
    with pytest.raises(ValueError, match="width must be a positive integer"):
        nn.MLP(2, 1, width=3.5, depth=1, key=jax.random.key(0))
    ours = nn.MLP(
        np.int64(2), np.int64(1), width=np.int64(3), depth=np.int64(1), key=jax.random.key(0)
    )
    theirs = nn.MLP(2, 1, width=3, depth=1, key=jax.random.key(0))
    np.testing.assert_array_equal(ours(jnp.ones(2)), theirs(jnp.ones(2)))
