"""The laws of wide networks, measured: how fast finite things tend to infinite ones."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.runner.case import Case, Run, Size
from jaxsci.ntk import infinite

_ACTIVATIONS = {"relu": infinite.Relu(), "erf": infinite.Erf(), "gelu": infinite.Gelu()}
_WIDTHS = (32, 64, 128, 256)
_COUNTS = (64, 256, 1024)


def _slopes(sizes, squared_errors):
    """The power of the size that each column of squared errors follows."""
    return np.polyfit(np.log(sizes), np.log(np.asarray(squared_errors)), 1)[0]


def _network(activation, depth, width):
    dense = infinite.Dense(width, weight_std=1.4, bias_std=0.1)
    readout = infinite.Dense(1, weight_std=1.4, bias_std=0.1)
    return infinite.serial(*(dense, _ACTIVATIONS[activation]) * depth, readout)


def _inputs():
    return jax.random.normal(jax.random.key(0), (6, 4))


def _keys(size: Size):
    return jax.random.split(jax.random.key(1), {"smoke": 20, "quick": 100, "full": 200}[size])


def _width_errors(name, depth, keys):
    """E ‖Θ_n - Θ‖² / ‖Θ‖² at each width."""
    x = _inputs()
    exact = _network(name, depth, 1).kernel(x).ntk  # the same at every width

    def error(width):
        net = _network(name, depth, width)

        def one(key):
            estimate = infinite.monte_carlo(net, x, key=key, samples=1).ntk
            return jnp.sum((estimate - exact) ** 2) / jnp.sum(exact**2)

        return jnp.mean(jax.lax.map(one, keys))

    return jnp.stack([error(width) for width in _WIDTHS])


def _convergence(size):
    combinations = [(name, depth) for name in _ACTIVATIONS for depth in (1, 3)]

    def step(keys):
        return jnp.stack([_width_errors(*each, keys) for each in combinations], axis=1)

    def slopes(errors):
        return _slopes(_WIDTHS, errors) / 2

    def figures(errors):
        labels = (f"{name} depth {depth}" for name, depth in combinations)
        return {k: f"{s:.3f}" for k, s in zip(labels, slopes(errors), strict=True)}

    def plot(axes, errors):
        for (name, depth), column in zip(combinations, np.asarray(errors).T, strict=True):
            axes.loglog(_WIDTHS, column**0.5, "o-", label=f"{name}, depth {depth}")
        axes.set(xlabel="width n", ylabel="‖Θ_n - Θ‖ / ‖Θ‖", title="slope -1/2 expected")
        axes.legend()

    keys = _keys(size)
    return Run(
        step,
        (keys,),
        lambda errors: float(np.abs(slopes(errors) + 0.5).max()),
        note=f"widths {_WIDTHS}, {len(keys)} networks each; slopes of ‖Θ_n - Θ‖ below",
        figures=figures,
        plot=plot,
    )


def _random_features(size):
    net = _network("relu", 2, 1)
    x, w = _inputs(), _inputs()[::-1] / 8
    exact = net.kernel(x)
    names = ("nngp", "ntk", "sin neuron")

    def kernel_errors(key, count):
        features = jsci.ntk.random_features(net, x.shape[1], count, key=key)
        u, v = jax.vmap(features)(x)
        return jnp.mean((u @ u.T - exact.nngp) ** 2), jnp.mean((v @ v.T - exact.ntk) ** 2)

    def neuron_error(key, count):
        features = jsci.ntk.FourierNeuronFeatures(jnp.sin, x.shape[1], count, key=key)
        y = x / jnp.linalg.norm(x, axis=1, keepdims=True)
        bias = jnp.zeros(len(w))
        phi, psi = jax.vmap(features.of_inputs)(y), jax.vmap(features.of_weights)(w, bias)
        return jnp.mean((phi @ psi.T - jnp.sin(y @ w.T)) ** 2)

    def step(keys):
        def at(count):
            def one(key):
                return jnp.stack([*kernel_errors(key, count), neuron_error(key, count)])

            return jnp.mean(jax.lax.map(one, keys), axis=0)

        return jnp.stack([at(count) for count in _COUNTS])

    def figures(errors):
        return {k: f"{s:.3f}" for k, s in zip(names, _slopes(_COUNTS, errors), strict=True)}

    def plot(axes, errors):
        axes.loglog(_COUNTS, np.asarray(errors), "o-", label=names)
        axes.set(xlabel="features", ylabel="mean squared error", title="slope -1 expected")
        axes.legend()

    keys = _keys(size)
    return Run(
        step,
        (keys,),
        lambda errors: float(np.abs(_slopes(_COUNTS, errors) + 1).max()),
        note=f"{_COUNTS} features, {len(keys)} draws each; slopes of the squared error below",
        figures=figures,
        plot=plot,
    )


# K*, C_W, C_b as printed by Roberts, Yaida and Hanin (2022), section 5.3.
_PUBLISHED = {
    "gelu": (lambda z: jax.nn.gelu(z, approximate=False), (3.561553, 1.983058, 0.172922)),
    "swish": (jax.nn.swish, (14.32017, 1.988005, 0.555143)),
}


def _criticality(size):
    def step():
        found = [jsci.ntk.criticality(f) for f, _ in _PUBLISHED.values()]
        return np.array([[c.kernel, c.weight_variance, c.bias_variance] for c in found])

    def error(found):
        published = np.array([values for _, values in _PUBLISHED.values()])
        return float(np.abs((found - published) / np.maximum(published, 1)).max())

    def in_float64():
        with jax.enable_x64(True):
            return step()

    return Run(in_float64, (), error, note="K*, C_W, C_b of GELU and swish", host=True)


def _case(name, title, make, tier: Size, reference, error_name, tolerance):
    return Case(
        f"ntk.{name}",
        "ntk",
        title,
        make,
        tier,
        reference=reference,
        tolerance=tolerance,
        error_name=error_name,
    )


CASES = [
    _case(
        "convergence",
        "finite networks tend to the infinite kernel",
        _convergence,
        "full",
        "slope -1/2 in the width",
        "largest deviation of a slope",
        0.1,
    ),
    _case(
        "random-features",
        "random features tend to the kernels",
        _random_features,
        "full",
        "slope -1 in the number of features",
        "largest deviation of a slope",
        0.2,
    ),
    _case(
        "criticality",
        "critical initialisation of half-stable activations",
        _criticality,
        "quick",
        "published values",
        "absolute, relative above 1",
        1e-6,
    ),
]
