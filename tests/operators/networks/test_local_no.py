"""LocalNO: the sum of its layers, on any domain and grid."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import FNO, LocalNO


def model(key, **options):
    return LocalNO(1, 1, width=3, modes=2, depth=2, radius=0.1, key=key, **options)


def test_without_local_weights_it_is_an_fno(key):
    net = model(key, padding=0.25, points="ends")
    zero = eqx.tree_at(lambda n: (n.kernels, n.derivatives), net, replace_fn=_zeros)
    plain = FNO(1, 1, width=3, modes=2, depth=2, padding=0.25, points="ends", key=key)
    places = lambda n: (n.lift, n.convolutions, n.skips, n.project)  # noqa: E731
    plain = eqx.tree_at(places, plain, places(net))
    a = jax.random.normal(key, (24, 1))
    run = eqx.filter_jit(lambda n, a: n(a))
    np.testing.assert_allclose(run(zero, a), run(plain, a), atol=1e-13)
    assert jnp.max(jnp.abs(run(net, a) - run(plain, a))) > 1e-3


def _zeros(part):
    return jax.tree.map(jnp.zeros_like, part)


def test_converges_under_refinement(key):
    """Periodic: of first order, that of the derivative."""
    net = eqx.filter_jit(model(key))

    def on(n):
        return net(jnp.asarray(np.exp(np.sin(2 * np.pi * np.arange(n) / n)))[:, None])[:: n // 32]

    coarse, middle, fine = on(128), on(256), on(512)
    ratio = jnp.max(jnp.abs(coarse - middle)) / jnp.max(jnp.abs(middle - fine))
    assert 0.8 < jnp.log2(ratio) < 2.1


def test_no_unit_of_length(key):
    a = jax.random.normal(key, (24, 1))
    make = {"width": 3, "modes": 2, "depth": 2, "key": key}
    short, long = (LocalNO(1, 1, radius=0.1 * l, lengths=l, **make) for l in (1.0, 7.0))
    np.testing.assert_allclose(eqx.filter_jit(short)(a), eqx.filter_jit(long)(a), rtol=1e-10)


def test_boundaries_follow_the_basis(key):
    make = {"width": 2, "modes": (1, 1), "depth": 1, "radius": 0.3, "key": key}
    net = LocalNO(1, 1, **make, basis=("fourier", "sine"), lengths=(2.0, 1.0))
    assert [edge.boundary for edge in net.kernels[0].edges] == ["periodic", "zero"]
    assert jax.eval_shape(net, jnp.ones((16, 8, 1))).shape == (16, 8, 1)
    with pytest.raises(ValueError, match="one spacing along all axes"):
        jax.eval_shape(net, jnp.ones((8, 8, 1)))
    for basis in ("chebyshev", "sphere"):
        modes = 1 if basis == "sphere" else (1, 1)
        with pytest.raises(ValueError, match="uniform grids|must be given"):
            LocalNO(1, 1, **(make | {"modes": modes}), basis=basis)  # pyright: ignore[reportArgumentType]
