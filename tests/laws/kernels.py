"""One row a kernel: a function without arguments returning (f, params, batch of examples)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx
from layers import LAYERS

import jaxsci as jsci

KEY = jax.random.key(0)
POINTS = jax.random.uniform(jax.random.key(1), (3, 2), minval=-0.8, maxval=0.8)


def _field(width=8):
    return jsci.pure(eqx.nn.MLP(2, "scalar", width, 2, jnp.tanh, key=KEY))


def equinox_mlp():
    return *_field(), POINTS


def linen_mlp():
    net = linen.Sequential([linen.Dense(6), jnp.tanh, linen.Dense(2)])
    return *jsci.pure(net, KEY, POINTS[0], dtype=jnp.float64), POINTS


def nnx_linear():
    return *jsci.pure(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), dtype=jnp.float64), POINTS


def derivative():
    f, params = _field()
    return jsci.residual(lambda u, x: jsci.derivative(u, 0, 1)(x), f), params, POINTS


def laplacian():
    f, params = _field()
    return jsci.residual(lambda u, x: jsci.laplacian(u)(x), f), params, POINTS


def biharmonic():
    f, params = _field(4)
    return jsci.residual(lambda u, x: jsci.biharmonic(u)(x), f), params, POINTS


def divergence_of_a_flux():
    f, params = _field()
    flux = lambda u: lambda x: (1 + x[0] ** 2) * jsci.grad(u)(x)  # noqa: E731
    return jsci.residual(lambda u, x: jsci.divergence(flux(u))(x), f), params, POINTS


def fixed_point():
    def f(params, x):
        step = lambda p, y: jnp.tanh(p["a"] @ y + p["b"] * x)  # noqa: E731
        solver = jsci.Anderson(rtol=1e-13, atol=1e-13)
        return jsci.fixed_point(step, params, jnp.zeros(2), solver=solver).value

    rotation = np.array([[0.3, -0.5], [0.4, 0.2]])
    return f, {"a": jnp.asarray(rotation), "b": jnp.array(0.7)}, POINTS


def burgers_with_exact_conditions():
    f, params = _field()
    domain = jsci.pde.Interval(-1.0, 1.0).during(0.0, 1.0)
    u = jsci.pde.dirichlet(f, domain, lambda x: -jnp.sin(jnp.pi * x[0]))
    return jsci.residual(jsci.pde.burgers(0.1), u), params, jnp.abs(POINTS)


def fourier_neural_operator():
    model = jsci.operators.FNO(1, 1, width=4, modes=3, depth=2, key=KEY)
    samples = jax.random.normal(jax.random.key(2), (3, 9, 1))
    return *jsci.pure(model, dtype=jnp.float64), samples


def deep_operator_network():
    model = jsci.operators.DeepONet(1, 1, sensors=5, dim=1, width=6, depth=1, key=KEY)
    f, params = jsci.pure(model, dtype=jnp.float64)
    samples = jax.random.normal(jax.random.key(2), (3, 5, 1))
    return lambda p, a: f(p, a, jnp.array([[0.3]])), params, samples


def scf_energy():
    """H2 at three lengths, with a small neural functional."""
    f, params = jsci.pure(jsci.nn.MLP(2, "scalar", width=3, depth=1, key=KEY, dtype=jnp.float64))
    energy = jsci.dft.energy(jsci.dft.neural_exchange(f, level="lda"))
    lengths = (0.7, 0.75, 0.8)
    molecules = [
        jsci.dft.molecule([("H", (0, 0, 0)), ("H", (0, 0, r))], "sto-3g", grid=0) for r in lengths
    ]
    return energy, params, jsci.dft.stack(molecules)


KERNELS = [
    equinox_mlp,
    linen_mlp,
    nnx_linear,
    derivative,
    laplacian,
    biharmonic,
    divergence_of_a_flux,
    fixed_point,
    burgers_with_exact_conditions,
    fourier_neural_operator,
    deep_operator_network,
    scf_energy,
    *LAYERS,
]
