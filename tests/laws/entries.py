"""One row a public entry: a call of one array, a good input, and the answer where NumPy has it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


class Entry(NamedTuple):
    """`call(x)` at `x`; `answer(x)` is independent of it, `atol` the tolerance of an iteration."""

    name: str
    call: Callable[[Any], Any]
    x: np.ndarray
    answer: Callable[[np.ndarray], Any] | None = None
    atol: float = 1e-290


def _rows(*shape):
    return RNG.uniform(-1, 1, shape)


def _positive(n):
    a = _rows(n, n)
    return a @ a.T + np.eye(n)


def _cubic(x):
    return x[0] ** 2 * x[1]


def _parameters(make):
    """A network that is built at its first call, so that collecting the tests costs nothing."""

    @functools.cache
    def built():
        with jax.ensure_compile_time_eval():
            return jsci.pure(make(), dtype=jnp.result_type(float))

    def call(x):
        f, params = built()
        return f(params, x)

    return call


def _square_sums(x):
    return (x**2).reshape(len(x), -1).sum(1)


def _xc(name):
    def energy(x):
        # Where there are electrons: elsewhere the energy is zero, whatever the gradients are.
        x = jnp.asarray(x)
        features = jsci.dft.Features(0.1 + x[0] ** 2, 0.1 + x[1] ** 2, *x[2:])
        return jsci.dft.xc(name)(None, features)

    return energy


def _slater(x):
    x = np.longdouble("0.1") + x.astype(np.longdouble) ** 2
    return (
        -0.75
        * (6 / np.longdouble(np.pi)) ** (1 / 3)
        * (np.cbrt(x[0]) * x[0] + np.cbrt(x[1]) * x[1])
    )


def _relative(x):
    return np.sqrt(np.sum((x - 1) ** 2) / x.size)


KERNEL = _positive(4)
TARGET = _rows(4)
LINEAR = lambda p, x: p @ x  # noqa: E731
WEIGHTS = jnp.array([0.5, -1.0, 2.0])

ENTRIES = [
    # the verbs
    Entry("derivative", jsci.derivative(_cubic, 0, 1), _rows(2), lambda x: 2 * x[0]),
    Entry("grad", jsci.grad(lambda x: jnp.sum(x**3)), _rows(2), lambda x: 3 * x**2),
    Entry("laplacian", jsci.laplacian(_cubic), _rows(2), lambda x: 2 * x[1]),
    Entry("biharmonic", jsci.biharmonic(lambda x: x[0] ** 5), _rows(2), lambda x: 120 * x[0]),
    Entry("hessian", jsci.hessian(lambda x: jnp.sum(x**3)), _rows(2), lambda x: np.diag(6 * x)),
    Entry("divergence", jsci.divergence(lambda x: x**2), _rows(3), lambda x: 2 * x.sum()),
    Entry("jacobian", jsci.jacobian(lambda x: x**2), _rows(3), lambda x: np.diag(2 * x)),
    Entry("gram", lambda x: jsci.gram(LINEAR, WEIGHTS, x), _rows(4, 3), lambda x: x @ x.T),
    Entry(
        "gram_operator",
        lambda x: jsci.gram_operator(LINEAR, WEIGHTS, x).as_matrix(),
        _rows(4, 3),
        lambda x: x @ x.T,
    ),
    Entry("vmap", jsci.vmap(lambda x: jnp.sum(x**2)), _rows(4, 3), _square_sums),
    Entry(
        "objective",
        lambda x: jsci.objective({"a": LINEAR}).value(WEIGHTS, {"a": x}),
        _rows(4, 3),
        lambda x: np.mean((x @ np.array(WEIGHTS)) ** 2),
    ),
    Entry(
        "Weighted",
        lambda x: jsci.objective({"a": LINEAR}).value(
            WEIGHTS, {"a": jsci.Weighted(x, jnp.arange(4.0, dtype=x.dtype))}
        ),
        _rows(4, 3),
        lambda x: np.sum(np.arange(4) * (x @ np.array(WEIGHTS)) ** 2),
    ),
    Entry(
        "fixed_point",
        lambda x: jsci.fixed_point(lambda a, y: 0.5 * y + a, x, jnp.zeros(3)).value,
        _rows(3),
        lambda x: 2 * x + np.zeros(3),
        atol=1e-6,
    ),
    # equations
    Entry(
        "pde.poisson",
        lambda x: jsci.pde.poisson(1.0)(_cubic, x),
        _rows(2),
        lambda x: -2 * x[1] - 1,
    ),
    Entry(
        "pde.burgers",
        lambda x: jsci.pde.burgers(0.1)(lambda x: x[0] * x[1], x),
        _rows(2),
        lambda x: x[0] + x[0] * x[1] ** 2,
    ),
    Entry(
        "pde.dirichlet",
        lambda x: jsci.pde.dirichlet(lambda p, x: 1.0, jsci.pde.Interval(0.0, 1.0))(None, x),
        RNG.uniform(0, 1, 1),
    ),
    Entry(
        "pde.burgers_cole_hopf",
        lambda x: jsci.pde.reference.burgers_cole_hopf(x, viscosity=0.1),
        RNG.uniform(0, 1, 2),
    ),
    Entry(
        "pde.ntk_weights",
        lambda x: jsci.pde.ntk_weights(
            jsci.objective({"a": LINEAR, "b": LINEAR}), WEIGHTS, {"a": x, "b": jnp.ones((2, 3))}
        ),
        _rows(4, 3),
        lambda x: {
            "a": 1 + 3 / np.mean((x**2).sum(1)),
            "b": 1 + np.mean((x**2).sum(1)) / 3,
        },
    ),
    # operators
    Entry(
        "operators.relative_l2",
        lambda x: jsci.operators.relative_l2(x, jnp.ones((8, 1))),
        _rows(8, 1),
        _relative,
    ),
    Entry("operators.h1", lambda x: jsci.operators.h1(x, jnp.ones((8, 1))), _rows(8, 1)),
    Entry("operators.resample", lambda x: jsci.operators.resample(x, (7,)), _rows(7, 1)),
    Entry("operators.spectral_derivative", jsci.operators.spectral_derivative, _rows(8, 1)),
    Entry(
        "operators.fill",
        lambda x: jsci.operators.fill(
            jnp.insert(x, 3, jnp.nan, axis=0), jnp.ones(8).at[3].set(0), modes=2
        ),
        _rows(7, 1),
    ),
    Entry("operators.normalise", jsci.operators.normalise, _rows(8, 2)),
    Entry(
        "operators.SpectralConv",
        _parameters(lambda: jsci.operators.SpectralConv(1, 1, modes=2, key=KEY)),
        _rows(8, 1),
    ),
    Entry(
        "operators.FNO",
        _parameters(lambda: jsci.operators.FNO(1, 1, width=2, modes=2, depth=1, key=KEY)),
        _rows(8, 1),
    ),
    Entry(
        "operators.UNO",
        _parameters(lambda: jsci.operators.UNO(1, 1, width=2, modes=2, levels=1, key=KEY)),
        _rows(8, 1),
    ),
    Entry(
        "operators.LocalNO",
        _parameters(
            lambda: jsci.operators.LocalNO(1, 1, width=2, modes=2, depth=1, radius=0.3, key=KEY)
        ),
        _rows(8, 1),
    ),
    Entry(
        "operators.MetaMixer",
        _parameters(
            lambda: jsci.operators.MetaMixer(1, 1, dim=1, width=2, depth=1, radius=0.3, key=KEY)
        ),
        _rows(8, 1),
    ),
    Entry(
        "operators.UNet",
        _parameters(
            lambda: jsci.operators.UNet(1, 1, dim=1, width=2, levels=1, radius=0.2, key=KEY)
        ),
        _rows(8, 1),
    ),
    Entry(
        "operators.MgNO",
        _parameters(lambda: jsci.operators.MgNO(1, 1, width=2, depth=1, dim=1, levels=1, key=KEY)),
        _rows(7, 1),
    ),
    Entry(
        "operators.DeepONet",
        lambda a: jsci.operators.DeepONet(1, 1, sensors=5, dim=1, width=2, depth=1, key=KEY)(
            a, jnp.ones((2, 1))
        ),
        _rows(5, 1),
    ),
    Entry(
        "operators.GNO",
        lambda a: jsci.operators.GNO(1, 1, dim=1, radius=0.5, width=2, depth=1, key=KEY)(
            a, jnp.linspace(0, 1, 5)[:, None], jnp.full(5, 0.2)
        ),
        _rows(5, 1),
    ),
    # kernels
    Entry("ntk.spectrum", lambda k: jsci.ntk.spectrum(k).values, KERNEL),
    Entry("ntk.max_learning_rate", jsci.ntk.max_learning_rate, KERNEL),
    Entry(
        "ntk.predict",
        lambda y: jsci.ntk.predict(jnp.asarray(KERNEL), y),
        TARGET,
        np.copy,
    ),
    Entry("ntk.predict kernel", lambda k: jsci.ntk.predict(k, jnp.asarray(TARGET)), KERNEL),
    Entry(
        "ntk.posterior",
        lambda y: jsci.ntk.posterior(*[jnp.asarray(KERNEL)] * 3, y, noise=1e-9).mean,
        TARGET,
    ),
    Entry(
        "ntk.infinite",
        lambda x: jsci.ntk.infinite.serial(
            jsci.ntk.infinite.Dense(1), jsci.ntk.infinite.Relu(), jsci.ntk.infinite.Dense(1)
        ).kernel(x),
        _rows(4, 3),
    ),
    Entry(
        "ntk.moment_map",
        lambda v: jsci.ntk.moment_map(jnp.tanh, 0.0, v).variance,
        np.array(0.5),
    ),
    # networks
    Entry("nn.MLP", _parameters(lambda: jsci.nn.MLP(2, 1, width=3, depth=1, key=KEY)), _rows(2)),
    Entry(
        "nn.SIREN", _parameters(lambda: jsci.nn.SIREN(2, 1, width=3, depth=1, key=KEY)), _rows(2)
    ),
    Entry("nn.KAN", _parameters(lambda: jsci.nn.KAN(2, 1, width=3, depth=1, key=KEY)), _rows(2)),
    Entry(
        "nn.ModifiedMLP",
        _parameters(lambda: jsci.nn.ModifiedMLP(2, 1, width=3, depth=1, key=KEY)),
        _rows(2),
    ),
    Entry("nn.GatedMLP", _parameters(lambda: jsci.nn.GatedMLP(2, 2, hidden=3, key=KEY)), _rows(2)),
    Entry(
        "nn.attention",
        lambda q: jsci.nn.attention(q, jnp.ones((4, 2)), jnp.ones((4, 1)), jnp.full(4, 0.25)),
        _rows(3, 2),
    ),
    Entry(
        "nn.FourierNormaliser",
        _parameters(lambda: jsci.nn.FourierNormaliser(3, rank=2, key=KEY)),
        _rows(3),
    ),
    Entry(
        "nn.pointer_logits",
        lambda q: jsci.nn.pointer_logits(q, jnp.ones((4, 2)), jnp.ones(2)),
        _rows(3, 2),
    ),
    Entry("nn.EvoNorm", lambda a: jsci.nn.EvoNorm(4, groups=2)(a), _rows(5, 4)),
    Entry("nn.alpha_dropout", lambda x: jsci.nn.alpha_dropout(KEY, x, 0.2), _rows(6)),
    Entry("nn.SphericalEmbedding", jsci.nn.SphericalEmbedding(2), _rows(3)),
    Entry("nn.RadialBessel", lambda r: jsci.nn.RadialBessel(3, 2.0)(r), np.array(1.2)),
    # functionals, at a spin density with its gradients
    Entry("dft.slater", _xc("slater"), RNG.uniform(0, 1, 2), _slater),
    Entry("dft.vwn5", _xc("vwn5"), RNG.uniform(0, 1, 2)),
    Entry("dft.pbe", _xc("pbe"), RNG.uniform(0, 1, 5)),
    Entry("dft.blyp", _xc("blyp"), RNG.uniform(0, 1, 5)),
]
