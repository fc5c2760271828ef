import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline as SciPySpline

from jaxsci import nn
from jaxsci.nn._bases import continued

BASES = {
    "spline": nn.BSpline(5),
    "chebyshev": nn.Chebyshev(7),
    "fourier": nn.Fourier(4),
    "gaussians": nn.Gaussians(8),
    "products": nn.ActivationProducts(5),
    "mixture": nn.Mixture([nn.BSpline(3), nn.Chebyshev(2)]),
}
X = jnp.linspace(-1.3, 1.3, 41)


def test_splines_equal_those_of_the_recursion_and_sum_to_one():
    values = nn.BSpline(5, -1.0, 1.0)(X)
    h = 2 / 5
    for c in range(8):
        centre = -1 + (c - 1) * h
        knots = centre + h * np.arange(-2, 3)
        expected = SciPySpline.basis_element(knots, extrapolate=False)(X)
        np.testing.assert_allclose(values[:, c], np.nan_to_num(expected), atol=1e-14)
    inside = np.abs(X) <= 1
    np.testing.assert_allclose(jnp.sum(values, -1)[inside], 1, rtol=1e-14)


def test_second_derivatives_of_splines_at_their_knots():
    """Where |s| has its kink, and at the ends from inside. Right: SciPy's."""
    basis = nn.BSpline(5)
    knots = jnp.asarray(np.linspace(-1, 1, 6))
    found = jax.vmap(jax.jacfwd(jax.jacfwd(lambda x: basis(x[None])[0])))(knots)
    for c in range(8):
        spline = SciPySpline.basis_element(-1 + (c - 1) * 0.4 + 0.4 * np.arange(-2, 3))
        expected = spline.derivative(2)(knots) * (np.abs(knots - (-1 + (c - 1) * 0.4)) < 0.7)
        np.testing.assert_allclose(found[:, c], expected, atol=1e-10)


def test_chebyshev_and_fourier_recursions_equal_their_definitions():
    t = np.tanh(X)
    expected = np.cos(np.arange(8) * np.arccos(t)[:, None])
    np.testing.assert_allclose(nn.Chebyshev(7)(X), expected, atol=1e-13)
    k = np.arange(1, 5)
    angles = np.asarray(X)[:, None] * k
    expected = np.concatenate([np.cos(angles), np.sin(angles)], -1)
    np.testing.assert_allclose(nn.Fourier(4)(X), expected, atol=1e-14)


def test_gaussians_peak_at_their_centres_and_fall_by_e_at_the_next():
    values = nn.Gaussians(5, -1.0, 1.0)(jnp.linspace(-1.0, 1.0, 5))
    np.testing.assert_allclose(jnp.diagonal(values), 1)
    np.testing.assert_allclose(jnp.diagonal(values, 1), np.exp(-1))


def test_activation_products_are_normalised_within_a_sample():
    basis = nn.ActivationProducts(5)
    batch = jax.random.normal(jax.random.key(0), (3, 4))
    values = jax.vmap(basis)(batch)
    np.testing.assert_allclose(values[1], basis(batch[1]), rtol=1e-14)
    np.testing.assert_allclose(jnp.min(values, (1, 2)), 0, atol=1e-14)
    np.testing.assert_allclose(jnp.max(values, (1, 2)), 1, rtol=1e-12)
    relu = nn.ActivationProducts(5, activation=jax.nn.relu)
    # With ReLU each bump is (x - l)²(u - x)² between its bounds: zero outside all of them.
    one = jnp.array([0.05])
    low, high = -1 + 0.4 * (np.arange(-1, 7) - 2), -1 + 0.4 * (np.arange(-1, 7) + 2)
    bumps = np.maximum(0.05 - low, 0) ** 2 * np.maximum(high - 0.05, 0) ** 2
    np.testing.assert_allclose(relu(one)[0], bumps / bumps.max(), rtol=1e-12)


@pytest.mark.parametrize("name", BASES)
def test_a_layer_is_a_sum_of_functions_of_one_input(name, key):
    layer = nn.KANLayer(3, 2, basis=BASES[name], key=key)
    x = jnp.array([0.3, -0.2, 0.8])
    b = BASES[name](x)
    expected = layer.base.bias + sum(
        layer.base.weight[i] * jax.nn.silu(x[i])
        + sum(layer.weight[i * b.shape[1] + c] * b[i, c] for c in range(b.shape[1]))
        for i in range(3)
    )
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12)
    if name != "products":  # whose normalisation couples the inputs
        mixed = jax.hessian(layer)(x)
        np.testing.assert_allclose(mixed[:, 0, 1], 0, atol=1e-12)


def test_a_layer_starts_near_an_ordinary_one(key):
    """In the source the splines start with a tenth of the size of the rest."""
    layer = nn.KANLayer(50, 40, key=key)
    np.testing.assert_allclose(layer.weight.std(), 0.1 / np.sqrt(50 * 8), rtol=0.03)


@pytest.mark.parametrize("name", BASES)
def test_networks_keep_dtype_and_batch_by_vmap(name, key):
    net = nn.KAN(2, "scalar", width=4, depth=1, basis=BASES[name], key=key, dtype=jnp.float32)
    net = jax.tree.map(lambda x: x.astype(jnp.float32) if eqx.is_array(x) else x, net)
    x = jnp.array([[0.3, -0.2], [0.9, 0.1]], jnp.float32)
    y = jax.vmap(net)(x)
    assert y.dtype == jnp.float32 and y.shape == (2,)
    np.testing.assert_allclose(y[1], net(x[1]), rtol=1e-5)


def test_selection_keeps_the_largest_share_and_its_function(key):
    basis = nn.Mixture([nn.BSpline(3), nn.Chebyshev(2), nn.Fourier(2)])
    basis = eqx.tree_at(lambda m: m.logits, basis, jnp.array([1.0, 40.0, 1.5]))
    layer = nn.KANLayer(2, 2, basis=basis, key=key)
    x = jnp.array([0.3, -0.7])
    one = layer.select()
    assert one.basis == nn.Chebyshev(2)
    # All but e⁻³⁸ of the share is on the kept basis.
    np.testing.assert_allclose(one(x), layer(x), rtol=1e-12)
    np.testing.assert_allclose(layer.select(3)(x), layer(x), rtol=1e-12)
    shares = jax.nn.softmax(basis.logits)
    rising = eqx.tree_at(lambda l: l.basis.logits, layer, jnp.array([1.0, 2.0, 40.0]))
    assert rising.select(2).basis.bases == basis.bases[1:]  # in the order they had
    two = layer.select(2)
    assert two.basis.bases == (nn.Chebyshev(2), nn.Fourier(2))
    left_out = shares[0] * (
        nn.BSpline(3)(x).reshape(-1) @ layer.weight.reshape(2, -1, 2)[:, :6].reshape(-1, 2)
    )
    np.testing.assert_allclose(two(x) + left_out, layer(x), rtol=1e-12)


def test_a_gate_learns_the_basis_that_fits(key):
    """A kink-free cosine is Fourier's own: the share of its basis must grow."""
    import optax

    basis = nn.Mixture([nn.BSpline(3), nn.Fourier(2)])
    layer = nn.KANLayer(1, 1, basis=basis, key=key)
    x = jnp.linspace(-3, 3, 64)[:, None]
    target = jnp.cos(2 * x)
    optimizer = optax.adam(3e-2)

    def loss(layer):
        return jnp.mean((jax.vmap(layer)(x) - target) ** 2)

    @eqx.filter_jit
    def train(layer):
        def step(carry, _):
            layer, state = carry
            updates, state = optimizer.update(eqx.filter_grad(loss)(layer), state)
            return (eqx.apply_updates(layer, updates), state), None

        return jax.lax.scan(step, (layer, optimizer.init(layer)), length=200)[0][0]

    trained = train(layer)
    assert loss(trained) < 0.2 * loss(layer)
    assert trained.basis.logits[1] > trained.basis.logits[0] + 0.5


def test_a_finer_grid_is_the_same_function(key):
    """Inside the interval and on the straight lines outside."""
    net = nn.KAN(2, 2, width=3, depth=1, basis=nn.BSpline(4, -1, 1), key=key)
    net = eqx.tree_at(lambda n: [l.weight for l in n.layers], net, replace_fn=lambda w: 20 * w)
    fine = net.refine(20)
    assert fine.layers[0].basis.intervals == 20
    points = jax.random.uniform(key, (30, 2), minval=-1.5, maxval=1.5)
    values = jax.vmap(net._outputs)(points)
    np.testing.assert_allclose(jax.vmap(fine._outputs)(points), values, atol=1e-10)


def test_adapted_and_refined_edges_hold_a_wave(key):
    """sin 3x on [-2, 2], least squares over the edge's functions: 22 % off on the default grid."""
    layer = nn.KANLayer(1, 1, basis=nn.BSpline(5), key=key)
    x = np.linspace(-2, 2, 400)
    wave = np.sin(3 * x)

    def best(layer):
        functions = np.asarray(continued(layer.basis, jnp.asarray(x)))
        fit = functions @ np.linalg.lstsq(functions, wave, rcond=None)[0]
        return np.linalg.norm(fit - wave) / np.linalg.norm(wave)

    adapted = layer.adapt(jnp.asarray(x)[:, None]).refine(20)
    assert (adapted.basis.low, adapted.basis.high) == (-2, 2)
    assert best(adapted) < 1e-3 < best(layer)


def test_adapting_keeps_the_function(key):
    """On a smaller interval exactly where the knots fall together, and nearly on a larger one."""
    layer = nn.KANLayer(2, 3, basis=nn.BSpline(8), key=key)
    inner = jnp.asarray([[-0.5, 0.1], [0.0, 0.5]])
    x = jax.random.uniform(key, (20, 2), minval=-0.5, maxval=0.5)
    found = jax.vmap(layer.refine(16).adapt(inner).edges)(x)
    np.testing.assert_allclose(found, jax.vmap(layer.edges)(x), atol=1e-10)
    wider = layer.adapt(jnp.asarray([[-1.5, 1.0], [1.2, 0.0]]))
    x = jax.random.uniform(key, (20, 2), minval=-1.4, maxval=1.1)
    values = jax.vmap(layer.edges)(x)
    assert jnp.max(jnp.abs(jax.vmap(wider.edges)(x) - values)) < 0.1 * jnp.max(jnp.abs(values))


def test_every_layer_of_a_network_adapts_to_its_inputs(key):
    net = nn.KAN(1, "scalar", width=3, depth=2, key=key)
    x = jnp.linspace(-3, 5, 50)[:, None]
    adapted = net.adapt(x)
    h = x
    for layer in adapted.layers:
        assert (layer.basis.low, layer.basis.high) == (jnp.min(h), jnp.max(h))
        h = jax.vmap(layer.edges)(h)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda key: nn.KAN(2, 1, width=0, depth=1, key=key), "width must be a positive"),
        (lambda key: nn.BSpline(0), "intervals must be a positive"),
        (lambda key: nn.BSpline(3, 1.0, -1.0), "low must be below high"),
        (lambda key: nn.Gaussians(1), "at least 2"),
        (lambda key: nn.Mixture([]), "at least one basis"),
        (lambda key: nn.KANLayer(1, 1, key=key).select(), "only a Mixture"),
        (
            lambda key: nn.KANLayer(1, 1, basis=BASES["mixture"], key=key).select(3),
            "from 1 to 2",
        ),
        (lambda key: nn.KANLayer(1, 1, key=key).refine(7), "multiple of the 5 intervals"),
        (
            lambda key: nn.KANLayer(1, 1, basis=nn.Fourier(2), key=key).refine(7),
            "grid of a BSpline",
        ),
        (lambda key: nn.KANLayer(2, 1, key=key).adapt(jnp.ones((3, 1))), r"\(samples, 2\)"),
        (lambda key: nn.KANLayer(1, 1, key=key).adapt(jnp.ones((3, 1))), "not all equal"),
    ],
)
def test_bad_input(build, message, key):
    with pytest.raises((ValueError, TypeError), match=message):
        build(key)
