"""One row a layer or network of `jaxsci.operators` and `jaxsci.nn`, in the form of `kernels`."""

import equinox as eqx
import jax
import jax.numpy as jnp

import jaxsci as jsci
from jaxsci import nn, operators

KEY = jax.random.key(0)
POINTS = jax.random.uniform(jax.random.key(1), (3, 2), minval=-0.8, maxval=0.8)
PLACES = jax.random.uniform(jax.random.key(2), (12, 2))
WEIGHTS = jnp.full(12, 1 / 12)


def _samples(*shape):
    return jax.random.normal(jax.random.key(3), (3, *shape))


def _kernel(model, batch):
    return *jsci.pure(model, dtype=jnp.float64), batch


def _scattered(model):
    """A network of functions on scattered points, as a kernel of the functions' values."""
    f, params = jsci.pure(model, dtype=jnp.float64)
    return lambda p, a: f(p, a, PLACES, WEIGHTS), params, _samples(12, 1)


def factorised_spectral_convolution():
    layer = operators.SpectralConv(
        2, 2, modes=(2, 1), padding=0.5, factorisation="tucker", rank=0.5, key=KEY
    )
    return _kernel(layer, _samples(6, 5, 2))


def sine_convolution():
    return _kernel(
        operators.BasisConv(2, 3, modes=(2, 3), basis="sine", key=KEY), _samples(6, 5, 2)
    )


def spherical_convolution():
    return _kernel(
        operators.SphericalConv(2, 2, degree=3, grid="gauss", key=KEY), _samples(5, 9, 2)
    )


def forecaster():
    """With tokens of two variables, of which one is given."""
    model = operators.Forecaster(("p", "q"), width=2, degree=1, depth=1, leads=(0, 1), key=KEY)
    f, params, batch = _kernel(model, _samples(4, 6, 1))
    return lambda p, a: f(p, a, ("q",), 1.0, "gauss"), params, batch


def variable_tokens():
    """Of one of two variables."""
    layer = operators.VariableTokens(("p", "q"), 2, degree=1, key=KEY)
    f, params, batch = _kernel(layer, _samples(4, 6, 1))
    return lambda p, a: f(p, a, ("q",), "gauss"), params, batch


def kernel_convolution():
    layer = operators.KernelConv(2, 2, dim=1, radius=0.3, boundary="reflect", key=KEY)
    return _kernel(layer, _samples(8, 2))


def modulation():
    """With a network that is not the identity, of the first point's values."""
    layer = operators.FiLM(2, 2, width=3, key=KEY)
    f, params, batch = _kernel(layer, _samples(5, 2))
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)
    return lambda p, a: f(p, a, a[0]), params, batch


def differential_convolution():
    return _kernel(operators.DifferentialConv(2, 2, dim=2, key=KEY), _samples(5, 5, 2))


def multigrid_operator():
    model = operators.MgNO(1, 1, width=2, depth=1, dim=2, levels=2, before=2, after=1, key=KEY)
    return _kernel(model, _samples(6, 5, 1))


def u_shaped_operator():
    return _kernel(operators.UNO(1, 1, width=2, modes=3, levels=1, key=KEY), _samples(9, 1))


def local_operator():
    model = operators.LocalNO(1, 1, width=2, modes=2, depth=1, radius=0.3, padding=0.5, key=KEY)
    return _kernel(model, _samples(8, 1))


def mixer():
    model = operators.MetaMixer(
        1, 1, dim=1, width=2, depth=1, radius=0.3, knots=3, boundary="reflect", key=KEY
    )
    return _kernel(model, _samples(8, 1))


def u_net():
    return _kernel(
        operators.UNet(1, 1, dim=1, width=2, levels=1, radius=0.2, key=KEY), _samples(12, 1)
    )


def transformer():
    return _scattered(operators.Transformer(1, 1, dim=2, width=4, heads=2, depth=1, key=KEY))


def slice_transformer():
    return _scattered(
        operators.SliceTransformer(1, 1, dim=2, width=4, heads=2, slices=3, depth=1, key=KEY)
    )


def graph_operator():
    return _scattered(operators.GNO(1, 1, dim=2, radius=0.5, width=4, depth=1, key=KEY))


def geometry_informed_operator():
    return _scattered(
        operators.GINO(1, 1, grid=(5, 5), radius=0.4, width=4, modes=1, depth=1, key=KEY)
    )


def multiple_input_operator():
    model = operators.MIONet((1, 2), 1, sensors=(5, 3), dim=1, width=4, depth=1, key=KEY)
    f, params = jsci.pure(model, dtype=jnp.float64)
    return (
        lambda p, inputs: f(p, inputs, jnp.array([[0.3]])),
        params,
        (_samples(5, 1), _samples(3, 2)),
    )


def pod_deep_operator_network():
    """A kernel of what is trained: the components and their mean are not."""
    modes, mean = operators.pod_modes(_samples(6, 1), 2)
    model = operators.PODDeepONet(modes, mean, in_channels=1, sensors=5, width=4, depth=1, key=KEY)
    f, params = jsci.pure(model, dtype=jnp.float64)
    everything = jax.tree.map(lambda _: True, params)
    which = eqx.tree_at(lambda m: (m.modes, m.mean), everything, (False, False))
    trained, fixed = eqx.partition(params, which)
    return lambda p, a: f(eqx.combine(p, fixed), a), trained, _samples(5, 1)


def modified_mlp():
    embedding = nn.PeriodicEmbedding((2.0, None))
    net = nn.ModifiedMLP(2, "scalar", width=4, depth=2, embedding=embedding, key=KEY)
    return _kernel(net, POINTS)


def siren():
    return _kernel(nn.SIREN(2, 2, width=4, depth=2, key=KEY), POINTS)


def piratenet():
    embedding = nn.FourierFeatures(2, 2, trainable=True, key=KEY)
    return _kernel(nn.PirateNet(2, "scalar", depth=1, embedding=embedding, key=KEY), POINTS)


def separable():
    return _kernel(nn.Separable(2, 2, rank=3, width=4, depth=1, key=KEY), POINTS)


def hypernetwork():
    embedding = nn.KinkFeatures((0.1,))
    inner = nn.MLP(2, "scalar", width=3, depth=1, embedding=embedding, key=KEY)
    net = nn.Hypernetwork(inner, 1, width=3, depth=1, key=KEY)
    f, params = jsci.pure(net, dtype=jnp.float64)
    return lambda p, x: f(p, x, jnp.array([0.3])), params, POINTS


def spline_kan():
    """One layer: through a second one the parameters would carry points across knots, where
    derivatives of third order jump and the law's finite differences lose their order."""
    return _kernel(nn.KANLayer(2, 2, basis=nn.BSpline(), key=KEY), POINTS)


def kan_of_every_smooth_basis():
    bases = (nn.Chebyshev(3), nn.Fourier(2), nn.Gaussians(3), nn.ActivationProducts())
    net = nn.KAN(2, 2, width=3, depth=1, basis=nn.Mixture(bases), key=KEY)
    return _kernel(net, POINTS)


def gated_perceptron():
    return _kernel(nn.GatedMLP(2, 3, hidden=4, key=KEY), POINTS)


def masked_attention():
    """Self-attention with weights, in which every point sees two others."""
    layer = nn.Attention(4, heads=2, key=KEY)
    f, params, batch = _kernel(layer, _samples(5, 4))
    mask = (jnp.arange(5)[:, None] + jnp.arange(5)[None]) % 5 < 2
    return lambda p, x: f(p, x, x, WEIGHTS[:5], mask), params, batch


def attention_of_fourier_series():
    scores = nn.FourierNormaliser(5, rank=2, key=KEY)
    f, params, batch = _kernel(nn.Attention(2, heads=1, normaliser=scores, key=KEY), _samples(5, 2))
    return lambda p, x: f(p, x, x), params, batch


def pointer():
    f, params, batch = _kernel(nn.Pointer(2, 2, width=3, key=KEY), _samples(5, 2))
    return lambda p, x: f(p, x[:2], x), params, batch


def radial_functions():
    return _kernel(nn.RadialBessel(3, 2.0, power=5), 1 + POINTS[:, 0])


def spherical_siren():
    embedding = nn.SphericalEmbedding(2)
    net = nn.SIREN(3, 2, width=3, depth=1, embedding=embedding, key=KEY)
    return _kernel(net, jnp.concatenate([POINTS, 0.5 + POINTS[:, :1]], -1))


def normalised_activation():
    return _kernel(nn.EvoNorm(4, groups=2), _samples(5, 4))


LAYERS = [
    factorised_spectral_convolution,
    sine_convolution,
    spherical_convolution,
    forecaster,
    variable_tokens,
    kernel_convolution,
    differential_convolution,
    modulation,
    multigrid_operator,
    u_shaped_operator,
    local_operator,
    mixer,
    u_net,
    transformer,
    slice_transformer,
    graph_operator,
    geometry_informed_operator,
    multiple_input_operator,
    pod_deep_operator_network,
    modified_mlp,
    siren,
    piratenet,
    separable,
    hypernetwork,
    spline_kan,
    kan_of_every_smooth_basis,
    gated_perceptron,
    masked_attention,
    attention_of_fourier_series,
    pointer,
    radial_functions,
    spherical_siren,
    normalised_activation,
]
