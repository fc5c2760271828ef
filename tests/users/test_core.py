"""Reports about derivatives and Jacobian products, whatever the model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from jax.sharding import AxisType, PartitionSpec

import jaxsci as jsci

X = jnp.array([0.7, -0.4, 0.3, 1.1, -0.9, 0.5])
TABLE = jnp.asarray(np.random.default_rng(0).standard_normal((9,)))
INDEX = jnp.array([1, 3, 1])


def smooth(x):
    """Positive entries that all depend on all of x."""
    return jnp.exp(0.3 * jnp.sin(x)) + 0.1 * x[::-1] ** 2 + 0.2 * x[0] * x[1]


def matrix(x):
    return smooth(x)[:, None] * jnp.cos(x)[None] + 3 * jnp.eye(6)


def _loop(x):
    def body(h, _):
        return jnp.tanh(h * x + smooth(h)), h.sum()

    h, sums = jax.lax.scan(body, x, length=3)
    return h.sum() * sums[1]


def _interpolated(x):
    """A coefficient given at 9 points: linear between them, so its slope is all there is."""
    return jnp.interp(x[0], jnp.linspace(-2, 2, 9), TABLE) * jnp.sin(x).prod()


REPORTED = {
    "microsoft/folx#28": {  # scatter
        "set": lambda x: (jnp.zeros(5).at[INDEX[:2]].set(smooth(x)[:2]) ** 2).sum(),
        "add": lambda x: (smooth(x).at[INDEX].add(jnp.sin(x)[:3]) ** 3).sum(),
        "max": lambda x: (smooth(x).at[INDEX[:2]].max(2 * jnp.sin(x)[:2]) ** 2).sum(),
        "segments": lambda x: (jax.ops.segment_sum(smooth(x), jnp.arange(6) % 2, 2) ** 2)[0],
    },
    "microsoft/folx#37": {  # determinants
        "slogdet": lambda x: jnp.linalg.slogdet(matrix(x))[1],
        "det": lambda x: jnp.linalg.det(matrix(x)),
        "several": lambda x: jax.nn.logsumexp(
            jnp.linalg.slogdet(jnp.stack([matrix(x), matrix(x[::-1])]))[1]
        ),
    },
    "microsoft/folx#38": {  # integer powers
        "power 1": lambda x: jax.lax.integer_pow(smooth(x), 1).prod(),
        "power 0": lambda x: jax.lax.integer_pow(smooth(x), 0).sum() * x[0] ** 2,
        "power -2": lambda x: jax.lax.integer_pow(smooth(x), -2).sum(),
        "power of a negative number": lambda x: (x**3).sum() + x[1] ** 4,
    },
    "lululxvi/deepxde#79": {  # coefficients from a table
        "interp": _interpolated,
        "nearest": lambda x: TABLE[jnp.floor(2 * x[0]).astype(int) + 4] * x[0] ** 3,
        "image": lambda x: (
            jax.scipy.ndimage.map_coordinates(
                TABLE.reshape(3, 3), list(1 + 0.5 * jnp.sin(x[:2])), order=1
            )
            * x[2] ** 2
        ),
    },
}


@pytest.mark.parametrize(
    "functions",
    [pytest.param(f, marks=pytest.mark.report(name), id=name) for name, f in REPORTED.items()],
)
def test_laplacians_of_operations_that_a_forward_pass_must_know(functions):
    """Laplacians by one forward pass. Right: the trace of `jax.hessian`, to rounding."""

    def every(x):
        return {name: f(x) for name, f in functions.items()}

    @jax.jit
    def both(x):
        expected = jax.tree.map(jnp.trace, jax.hessian(every)(x))
        return jsci.laplacian(every)(x), expected

    got, expected = both(X)
    for name in functions:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-11, err_msg=name)


@pytest.mark.report("microsoft/folx#36")
@pytest.mark.report("microsoft/folx#38")
def test_a_laplacian_inside_the_user_s_own_shard_map():
    """Points split over devices, with JAX's check of what varies between these switched on.

    Right: Δ (x · w)ᵖ = p (p - 1) (x · w)ᵖ⁻² |w|², which is 0 for p = 1.
    """
    mesh = jax.make_mesh((1,), ("devices",), axis_types=(AxisType.Auto,))
    w = jnp.arange(1.0, 4.0)
    points = jnp.asarray(np.random.default_rng(1).standard_normal((4, 3)))

    def laplacians(w, x):
        powers = [lambda y, p=p: jax.lax.integer_pow(y @ w, p) for p in (1, 3)]
        return jax.vmap(lambda y: jnp.stack([jsci.laplacian(u)(y) for u in powers]))(x)

    spec = PartitionSpec("devices")
    shared = jax.shard_map(laplacians, mesh=mesh, in_specs=(PartitionSpec(), spec), out_specs=spec)
    expected = jnp.stack([jnp.zeros(4), 6 * (points @ w) * (w @ w)], axis=1)
    np.testing.assert_allclose(jax.jit(shared)(w, points), expected, rtol=1e-12)


def recurrent(params, tokens):
    """Embedded integers through a loop of gates, as an LSTM has them."""

    def step(h, token):
        gate = jax.nn.sigmoid(params["embedding"][token] @ params["gate"] + h)
        return gate * h + (1 - gate) * jnp.tanh(h @ params["again"]), None

    return jax.lax.scan(step, jnp.ones(3), tokens)[0] @ params["head"]


def spectral(params, x):
    """Complex weights in a Fourier layer, from two real leaves."""
    weights = params["real"] + 1j * params["imaginary"]
    return jnp.fft.irfft(jnp.fft.rfft(x) * weights, 8)[:2]


def dropped(params, example):
    """Dropout, whose key is part of the example."""
    x, key = example
    h = jnp.tanh(x @ params["w"])
    return jnp.where(jax.random.bernoulli(key, 0.5, h.shape), 2 * h, 0) @ params["v"]


def softmax(params, x):
    return jax.nn.softmax(jnp.tanh(x @ params["w"]) @ params["v"])


def tied(params, x):
    """An autoencoder whose decoder is its encoder transposed, with normalised weights."""
    w = params["w"] / jnp.linalg.norm(params["w"], axis=0, keepdims=True)
    return jnp.tanh(x @ w) @ w.T


def _normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


PLAIN = {"w": _normal(0, 4, 5), "v": _normal(1, 5, 3)}
RECURRENT = {
    "embedding": _normal(2, 7, 4),
    "gate": _normal(3, 4, 3),
    "again": _normal(4, 3, 3),
    "head": _normal(5, 3, 2),
}
KERNELS = {
    "google/neural-tangents#65": (recurrent, RECURRENT, jnp.arange(27).reshape(3, 9) % 7),
    "google/neural-tangents#106": (tied, {"w": PLAIN["w"]}, _normal(6, 3, 4)),
    "google/neural-tangents#117": (softmax, PLAIN, _normal(6, 3, 4)),
    "dropout": (
        dropped,
        PLAIN,
        (_normal(6, 3, 4), jax.random.split(jax.random.key(0), 3)),
    ),
    "spectral": (
        spectral,
        {"real": _normal(7, 5), "imaginary": _normal(8, 5)},
        _normal(9, 3, 8),
    ),
}


@pytest.mark.parametrize(
    ("f", "params", "x"),
    [
        pytest.param(*c, marks=pytest.mark.report(name if "#" in name else "jaxsci"), id=name)
        for name, c in KERNELS.items()
    ],
)
def test_tangent_kernels_of_models_that_are_no_plain_networks(f, params, x):
    """Users ask whether recurrent, tied, softmax, dropout and spectral models have a kernel.

    Right: J Jᵀ of the Jacobian that `jax.jacrev` forms, each output axis twice.
    """
    flat, unravel = ravel_pytree(params)

    @jax.jit
    def both(flat):
        rows = jax.vmap(jax.jacrev(lambda w, z: f(unravel(w), z)), (None, 0))(flat, x)
        return jsci.gram(f, unravel(flat), x), jnp.einsum("nap,mbp->nmab", rows, rows)

    kernel, expected = both(flat)
    assert float(jnp.abs(expected).max()) > 0
    np.testing.assert_allclose(kernel, expected, rtol=1e-10, atol=1e-12)
