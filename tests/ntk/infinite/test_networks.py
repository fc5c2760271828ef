"""Kernels of infinitely wide networks against finite ones, exact identities and transform laws."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

import jaxsci as jsci
from jaxsci.ntk import infinite

KEY = jax.random.key(0)


def dense(width, **options):
    return infinite.Dense(width, weight_std=1.3, bias_std=0.3, **options)


def conv(width, window=(3, 3), **options):
    return infinite.Conv(width, window, weight_std=1.3, bias_std=0.2, **options)


def networks(n):
    relu, erf = infinite.Relu(), infinite.Erf()
    residual = infinite.parallel(
        infinite.Identity(), infinite.serial(infinite.Gelu(), dense(n), infinite.LayerNorm())
    )
    attention = infinite.parallel(
        infinite.Identity(), infinite.SelfAttention(n, keys=8 * n, key_std=0.8, value_std=0.9)
    )
    return {
        "dense": ((5,), [dense(n), relu, dense(n), infinite.Tanh()]),
        "residual": ((5,), [dense(n), residual, infinite.Erf()]),
        "conv flat": ((5, 4, 3), [conv(n), relu, conv(n, strides=2), erf, infinite.Flatten()]),
        "conv pooled": (
            (6, 4, 3),
            [
                conv(n, padding="circular"),
                relu,
                infinite.AvgPool((2, 2)),
                conv(n),
                erf,
                infinite.GlobalAvgPool(),
            ],
        ),
        "pooled then flat": (
            (6, 4, 2),
            [
                conv(n),
                relu,
                infinite.AvgPool((2, 2), strides=1),
                conv(n, padding="valid"),
                infinite.Sin(),
                infinite.Flatten(),
            ],
        ),
        "concatenated": (
            (4, 3, 2),
            [
                infinite.concatenate(infinite.serial(conv(n), relu), conv(n, (1, 1))),
                conv(n),
                erf,
                infinite.Flatten(),
            ],
        ),
        "one axis": ((7, 2), [conv(n, (3,), strides=2), relu, infinite.Flatten()]),
        "attention": ((4, 3), [dense(n), attention, relu, dense(n), infinite.GlobalAvgPool()]),
    }


def network(name, n):
    shape, layers = networks(n)[name]
    return shape, infinite.serial(*layers, dense(1))


@pytest.mark.parametrize("name", networks(1))
def test_finite_networks_scatter_about_the_kernel(name):
    """The mean over networks lies within five standard errors and a bias of order 1 / width."""
    width, samples = 128, 24
    shape, net = network(name, width)
    x = jax.random.normal(KEY, (3, *shape))
    exact = net.kernel(x, x[:2])
    draws = eqx.filter_jit(
        lambda keys: jax.lax.map(
            lambda k: infinite.monte_carlo(net, x, x[:2], key=k, samples=1), keys
        )
    )(jax.random.split(KEY, samples))
    for estimates, kernel in zip(draws, exact, strict=True):
        standard_error = jnp.std(estimates, axis=0) / np.sqrt(samples)
        bias = 3 / width * jnp.max(jnp.abs(kernel))
        difference = jnp.abs(jnp.mean(estimates, axis=0) - kernel)
        np.testing.assert_array_less(difference, 5 * standard_error + bias)


@pytest.mark.parametrize("depth", [pytest.param(1, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize(
    "activation", [infinite.Relu(), infinite.Erf(), infinite.Gelu()], ids=["relu", "erf", "gelu"]
)
def test_convergence_with_width(activation, depth):
    """‖Θ_n - Θ‖ falls as n^(-1/2); 100 networks leave a scatter of the slope of about 0.03."""
    x = jax.random.normal(KEY, (4, 3))
    widths = (24, 192)
    errors = []
    for n in widths:
        hidden = (infinite.Dense(n, weight_std=1.4), activation) * depth
        net = infinite.serial(*hidden, infinite.Dense(1))
        exact = net.kernel(x).ntk

        @eqx.filter_jit
        def squared(keys, net=net, exact=exact):
            def one(key):
                estimate = infinite.monte_carlo(net, x, key=key, samples=1).ntk
                return jnp.sum((estimate - exact) ** 2)

            return jnp.mean(jax.lax.map(one, keys))

        errors.append(jnp.sqrt(squared(jax.random.split(KEY, 100))))
    slope = np.polyfit(np.log(widths), np.log(np.asarray(errors)), 1)[0]
    assert abs(slope + 0.5) < 0.1


def test_deep_linear_network_by_hand():
    """K_L = σ_w² K + σ_b² at each layer, Θ = Σ_l (σ_w²)^(L - l) K_l."""
    x = jax.random.normal(KEY, (3, 4))
    nngp, ntk = infinite.serial(*[dense(7)] * 3).kernel(x)
    k, theta = x @ x.T / 4, 0.0
    for _ in range(3):
        k = 1.69 * k + 0.09
        theta = k + 1.69 * theta
    np.testing.assert_allclose(nngp, k, rtol=1e-13)
    np.testing.assert_allclose(ntk, theta, rtol=1e-13)


def test_all_positions_agree_with_equal_positions():
    """Flattening needs equal positions only; a pool over windows of one asks for all of them."""
    x = jax.random.normal(KEY, (3, 4, 5, 2))
    layers = [conv(1), infinite.Relu(), conv(1, strides=(1, 2)), infinite.Erf()]
    lean = infinite.serial(*layers, infinite.Flatten())
    crossed = infinite.serial(*layers, infinite.AvgPool((1, 1)), infinite.Flatten())
    assert crossed.needs_crossed(False) and not lean.needs_crossed(False)
    for a, b in zip(lean.kernel(x), crossed.kernel(x), strict=True):
        # an angle of zero is known to √ε only, and so are the slopes on the diagonal
        np.testing.assert_allclose(a, b, rtol=1e-7)


def test_periodic_pooled_network_is_translation_invariant():
    x = jax.random.normal(KEY, (3, 6, 4, 2))
    net = infinite.serial(
        conv(1, padding="circular"), infinite.Relu(), infinite.GlobalAvgPool(), dense(1)
    )
    shifted = jnp.roll(x, (2, 1), axis=(1, 2))
    np.testing.assert_allclose(net.kernel(shifted, x).ntk, net.kernel(x).ntk, rtol=1e-12)


def test_window_of_one_is_dense():
    x = jax.random.normal(KEY, (3, 4, 2))
    by_conv = infinite.serial(conv(1, (1,)), infinite.Relu(), dense(1))
    same = infinite.Dense(1, weight_std=1.3, bias_std=0.2)
    by_dense = infinite.serial(same, infinite.Relu(), dense(1))
    kernel = by_conv.kernel(x).ntk
    assert kernel.shape == (3, 3, 4)
    np.testing.assert_allclose(kernel, by_dense.kernel(x).ntk, rtol=1e-13)


def test_rbf_network_is_the_gaussian_kernel():
    x = jax.random.normal(KEY, (5, 3))
    net = infinite.serial(infinite.Dense(1), infinite.Rbf(0.8))
    squares = jnp.sum((x[:, None] - x[None]) ** 2, axis=-1) / 3
    np.testing.assert_allclose(net.kernel(x).nngp, jnp.exp(-0.8 * squares), rtol=1e-12)


def test_sum_of_branches_adds_kernels():
    x = jax.random.normal(KEY, (3, 4))
    a, b = infinite.serial(dense(1), infinite.Relu(), dense(1)), dense(1)
    both = infinite.parallel(a, b).kernel(x)
    for total, first, second in zip(both, a.kernel(x), b.kernel(x), strict=True):
        np.testing.assert_allclose(total, first + second, rtol=1e-13)


def test_positive_definite_and_usable_for_inference():
    x = jax.random.normal(KEY, (12, 4))
    _, net = network("dense", 1)
    for k in net.kernel(x):
        np.testing.assert_allclose(k, k.T, rtol=1e-12)
        assert jnp.linalg.eigvalsh(k)[0] > 0
    theta = net.kernel(x).ntk
    y = jnp.sin(x[:, :1])
    mean = jsci.ntk.posterior(theta, theta, theta, y, noise=1e-10).mean
    np.testing.assert_allclose(mean, y, atol=1e-6)


def test_chunks_mesh_and_jit():
    x = jax.random.normal(KEY, (5, 4))
    _, net = network("dense", 1)
    whole = net.kernel(x, x[:3])
    mesh = Mesh(np.array(jax.devices()[:1]), ("rows",))
    for other in (
        net.kernel(x, x[:3], batch_size=2),
        net.kernel(x, x[:3], mesh=mesh),
        jax.jit(lambda x: net.kernel(x, x[:3]))(x),
    ):
        for a, b in zip(whole, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)


@pytest.mark.parametrize("batch_size", [None, 4])
def test_the_kernels_of_a_set_with_itself_are_those_of_two_equal_sets(batch_size):
    x = jax.random.normal(KEY, (21, 4, 3))  # 21 is no multiple of a tile
    net = infinite.serial(infinite.Conv(1, (3,)), infinite.Erf(), infinite.Conv(1, (3,)))
    own, pairs = net.kernel(x, batch_size=batch_size), net.kernel(x, x)
    for a, b in zip(own, pairs, strict=True):
        assert a.shape == (21, 21, 4)  # positions are left
        np.testing.assert_allclose(a, b, rtol=1e-12)
        np.testing.assert_array_equal(a[:3, 9:], jnp.swapaxes(a[9:, :3], 0, 1))  # mirrored
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        net.kernel(x, batch_size=0)


def test_gradient_in_hyperparameters_and_inputs():
    x = jax.random.normal(KEY, (3, 4))

    def total(weight_std, x):
        net = infinite.serial(
            infinite.Dense(1, weight_std=weight_std), infinite.Relu(), infinite.Dense(1)
        )
        return jnp.sum(net.kernel(x, x[:2] + 0.1).ntk)

    by_std, by_x = jax.grad(total, argnums=(0, 1))(1.3, x)
    step = 1e-5
    difference = (total(1.3 + step, x) - total(1.3 - step, x)) / (2 * step)
    np.testing.assert_allclose(by_std, difference, rtol=1e-8)
    direction = jnp.ones_like(x)
    difference = total(1.3, x + step * direction) - total(1.3, x - step * direction)
    np.testing.assert_allclose(jnp.sum(by_x), difference / (2 * step), rtol=1e-8)


def test_dtype_follows_the_input():
    x = jax.random.normal(KEY, (3, 4), jnp.float32)
    _, net = network("dense", 1)
    assert {k.dtype for k in net.kernel(x)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("name", ["dense", "conv pooled", "attention"])
def test_finite_network_saves_its_shape(name):
    shape, net = network(name, 6)
    model = net.network(shape, key=KEY)
    assert model(jnp.ones(shape)).shape == (1,)
    f, params = jsci.pure(model)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float64")}
    assert f(params, jnp.ones(shape)).shape == (1,)


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([infinite.Relu()], (2, 3), "follow a layer of weights"),
        ([dense(1), infinite.Relu(), infinite.Erf()], (2, 3), "follow a layer of weights"),
        ([dense(1), infinite.Relu(), infinite.LayerNorm()], (2, 3), "must follow"),
        ([conv(1)], (2, 5, 3), "does not fit inputs of 1"),
        ([conv(1, (9, 9), padding="valid")], (2, 5, 4, 3), "larger than"),
        ([conv(1, padding="reflect")], (2, 5, 4, 3), "padding must be"),
        ([infinite.SelfAttention(4, keys=4)], (2, 3), "one position axis"),
    ],
)
def test_layers_that_do_not_fit(layers, shape, message):
    with pytest.raises(ValueError, match=message):
        infinite.serial(*layers).kernel(jnp.ones(shape))


def test_other_bad_input():
    with pytest.raises(ValueError, match="one layer or more"):
        infinite.serial()
    with pytest.raises(ValueError, match="correlated"):
        infinite.parallel(infinite.Identity(), infinite.serial(dense(1), infinite.Relu()))
    with pytest.raises(ValueError, match="do not make pairs"):
        dense(1).kernel(jnp.ones((2, 3)), jnp.ones((2, 4)))
    with pytest.raises(ValueError, match="samples must be"):
        infinite.monte_carlo(dense(1), jnp.ones((2, 3)), key=KEY, samples=0)
    with pytest.raises(ValueError, match="flatten or pool"):
        infinite.monte_carlo(conv(1), jnp.ones((2, 5, 4, 3)), key=KEY, samples=1)


def test_concatenated_channels_share_by_their_widths():
    x = jax.random.normal(KEY, (3, 4))
    wide, narrow = dense(30), infinite.serial(dense(10), infinite.Relu())
    both = infinite.concatenate(wide, narrow, shares=(3, 1))
    for kernel, first, second in zip(both.kernel(x), wide.kernel(x), narrow.kernel(x), strict=True):
        np.testing.assert_allclose(kernel, 0.75 * first + 0.25 * second, rtol=1e-12)
    assert both.network((4,), key=KEY)(x[0]).shape == (40,)


def test_concatenations_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="one positive share for each"):
        infinite.concatenate(dense(8), dense(8), shares=(1.0,))
    with pytest.raises(ValueError, match="do not have the shares"):
        infinite.concatenate(dense(8), dense(9)).network((4,), key=KEY)
    with pytest.raises(ValueError, match="must follow a layer of weights"):
        mixed = infinite.concatenate(dense(8), dense(8))
        infinite.serial(mixed, infinite.Relu()).kernel(jnp.ones((2, 3)))
