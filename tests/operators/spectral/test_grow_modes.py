"""Parameters of a network with few modes in one with more: the same function, and it can learn."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.operators import FNO, UNO, SpectralConv, SphericalConv, grow_modes

OPTIONS = [
    pytest.param(dict(modes=2), dict(modes=5), (13,), id="1d"),
    pytest.param(dict(modes=(1, 2, 1), padding=0.5), dict(modes=(2, 2, 2)), (4, 5, 6), id="3d"),
    pytest.param(
        dict(modes=(2, 3), basis=("chebyshev", "sine")), dict(modes=(4, 5)), (6, 7), id="walls"
    ),
    pytest.param(
        dict(modes=(2, 3), basis=("fourier", "cosine")), dict(modes=(4, 5)), (9, 7), id="channel"
    ),
    pytest.param(
        dict(modes=(2, 2), factorisation="tucker", rank=0.5),
        dict(modes=(4, 3)),
        (9, 9),
        id="tucker",
    ),
    pytest.param(
        dict(modes=(2, 2), factorisation="cp", rank=0.5), dict(modes=(4, 3)), (9, 9), id="cp"
    ),
    pytest.param(dict(degree=2, grid="gauss"), dict(degree=5), (7, 12), id="sphere"),
]


@pytest.mark.parametrize(("few", "more", "grid"), OPTIONS)
def test_the_function_stays_and_new_modes_learn(key, few, more, grid):
    kind = SphericalConv if "degree" in few else SpectralConv
    small, large = (kind(2, 1, **options, key=key) for options in (few, few | more))
    a = jax.random.normal(key, (*grid, 2))

    @eqx.filter_jit
    def value_and_slope(layer):
        def squares(layer):
            b = layer(a)
            return jnp.sum(b**2), b

        slope, b = eqx.filter_grad(squares, has_aux=True)(layer)
        return b, sum(jnp.count_nonzero(leaf) for leaf in jax.tree.leaves(slope))

    before, learn_before = value_and_slope(small)
    after, learn_after = value_and_slope(grow_modes(small, large))
    np.testing.assert_allclose(after, before, atol=1e-13)
    assert learn_after > learn_before


def test_a_network_in_the_middle_of_its_training(key):
    """An `FNO` and the state of Adam grow from modes 2 to 3, and the step after that is finite."""
    (f, small), (g, large) = (
        jsci.pure(FNO(1, 1, width=2, modes=(m, 1), depth=1, key=key)) for m in (2, 3)
    )
    a = jax.random.normal(key, (9, 10, 1))
    adam = optax.adam(1e-2)
    _, state = adam.update(small, adam.init(small))
    params, state = grow_modes(small, large), grow_modes(state, adam.init(large))
    np.testing.assert_allclose(jax.jit(g)(params, a), jax.jit(f)(small, a), atol=1e-13)
    moments = state[0].nu.convolutions[0].weight
    assert state[0].count == 1 and moments.shape == large.convolutions[0].weight.shape
    assert np.count_nonzero(moments) == small.convolutions[0].weight.size


def test_every_wave_keeps_its_matrix(key):
    """A layer is its own band of the layer with more modes, whatever the order of its waves."""
    small = SpectralConv(1, 1, modes=(1, 2, 1), key=key)
    large = SpectralConv(1, 1, modes=(2, 3, 2), key=key)
    grown = grow_modes(small, large)
    x = 2 * np.pi * np.stack(np.meshgrid(*[np.arange(8) / 8] * 3, indexing="ij"))
    kept = jnp.asarray(np.cos(x[0] - 2 * x[1] + x[2] + 0.3))[..., None]
    beyond = jnp.asarray(np.cos(-x[0] + 3 * x[1] - x[2]))[..., None]
    run = eqx.filter_jit(lambda layer, field: layer(field))
    np.testing.assert_allclose(run(grown, kept + beyond), run(small, kept), atol=1e-14)


def test_a_unet_shaped_one_on_a_grid_that_holds_its_modes(key):
    (f, small), (g, large) = (
        jsci.pure(UNO(1, 1, width=2, modes=m, levels=1, key=key)) for m in (2, 4)
    )
    a = jax.random.normal(key, (18, 1))
    grown = grow_modes(small, large)
    np.testing.assert_allclose(jax.jit(g)(grown, a), jax.jit(f)(small, a), atol=1e-13)


def layer(channels=1, modes=3, **options):
    return SpectralConv(1, channels, modes=modes, key=jax.random.key(0), **options)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (layer(modes=4), layer(), r"cannot turn modes=\(4,\) into \(3,\)"),
        (layer(2), layer(), "differ in their modes alone"),
        (layer(basis="sine"), layer(), "differ in their modes alone"),
        (layer(factorisation="cp"), layer(), "CPTensor"),
        ([layer()], [layer(), jnp.ones(2)], "one of 1 and one of 2"),
        ([layer(), jnp.ones(3)], [layer(), jnp.ones(2)], r"shape \(3,\) and an array"),
        (layer(), jnp.ones(3), "SpectralConv and an array"),
        (
            layer(),
            SphericalConv(1, 1, degree=3, grid="gauss", key=jax.random.key(0)),
            "SphericalConv",
        ),
    ],
)
def test_unlike_networks_are_refused(old, new, message):
    with pytest.raises(ValueError, match=message):
        grow_modes(old, new)
