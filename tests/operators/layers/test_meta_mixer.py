"""MetaMixer and grouped kernels: one operator on all grids, which commutes with shifts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import KernelConv, MetaMixer


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
def test_groups_are_layers_of_their_own(key, boundary):
    """Two groups of two channels are two layers side by side."""
    options = {"dim": 2, "radius": 0.3, "boundary": boundary, "key": key}
    grouped = KernelConv(4, 6, groups=2, **options)
    a = jax.random.normal(key, (8, 7, 4))
    parts = []
    for group in range(2):
        layer = KernelConv(2, 3, **options)
        weight = grouped.weight[..., 3 * group : 3 * group + 3]
        layer = eqx.tree_at(lambda l: l.weight, layer, weight)
        parts.append(layer.convolve(a[..., 2 * group : 2 * group + 2]))
    np.testing.assert_allclose(grouped.convolve(a), jnp.concatenate(parts, -1), atol=1e-13)
    with pytest.raises(ValueError, match="groups=3 must divide in_channels=4"):
        KernelConv(4, 6, groups=3, **options)


def test_one_operator_that_commutes_with_shifts(key):
    """The kernel's kinks, at multiples of 1/24, are points of every grid: second order."""
    net = MetaMixer(1, 1, dim=1, width=4, depth=2, radius=0.125, knots=5, key=key)
    run = eqx.filter_jit(net)

    def on(n):
        return run(jnp.asarray(np.exp(np.sin(2 * np.pi * np.arange(n) / n)))[:, None])

    coarse, middle, fine = on(96), on(192)[::2], on(384)[::4]
    ratio = jnp.max(jnp.abs(coarse - middle)) / jnp.max(jnp.abs(middle - fine))
    assert 1.9 < jnp.log2(ratio) < 2.1
    a = jax.random.normal(key, (96, 1))
    np.testing.assert_allclose(run(jnp.roll(a, 5, 0)), jnp.roll(run(a), 5, 0), atol=1e-12)


def test_bad_input(key):
    with pytest.raises(ValueError, match="expansion >= 1; got 1, 1, 4, 1 and 0"):
        MetaMixer(1, 1, dim=1, width=4, depth=1, radius=0.2, expansion=0, key=key)
    net = MetaMixer(1, 1, dim=1, width=4, depth=1, radius=0.2, key=key)
    with pytest.raises(ValueError, match="MetaMixer works on a 1-dimensional grid"):
        net(jnp.ones((8, 8, 1)))


def test_one_point_with_both_ends(key):
    """It was a division by zero."""
    model = MetaMixer(
        1, 1, dim=1, width=2, depth=1, radius=0.2, boundary="reflect", points="ends", key=key
    )
    with pytest.raises(ValueError, match="no neighbour"):
        model(jnp.ones((1, 1)))
