"""Another seed, coefficient or set of points compiles nothing, whichever verb is called.

One row per verb in `VERBS`: each writes its problem anew, as a script with a loop over seeds does.
"""

import equinox as eqx
import jax
import jax.monitoring
import jax.numpy as jnp
import optax
import pytest

import jaxsci as jsci
from jaxsci import nn, ntk, pde

SQUARE = pde.Box((0.0, 0.0), (1.0, 1.0))
LINE = pde.Interval(0.0, 1.0)


def problem(seed, coefficient):
    """A trial function, its parameters, a residual and an objective of two terms."""
    f, params = jsci.pure(eqx.nn.MLP(2, "scalar", 4, 1, jnp.tanh, key=jax.random.key(seed)))
    u = pde.dirichlet(f, SQUARE)

    def op(u, x):
        return jsci.laplacian(u)(x) + coefficient * u(x) + 1.0

    residual = jsci.residual(op, u)
    loss = jsci.objective({"pde": residual, "data": lambda p, x: u(p, x) - coefficient})
    return u, params, residual, loss


def points(seed, n=40):
    return jax.random.uniform(jax.random.key(seed), (n, 2))


def batch(seed):
    return {"pde": points(seed), "data": points(seed + 1, 8)}


def values(u, params, x):
    return jax.vmap(u, (None, 0))(params, x)


def ntk_weights(seed, c):
    _, params, _, loss = problem(seed, c)
    return pde.ntk_weights(loss, params, batch(seed))


def gradient_norm_weights(seed, c):
    _, params, _, loss = problem(seed, c)
    return pde.gradient_norm_weights(loss, params, batch(seed))


def vmap(seed, c):
    _, params, residual, _ = problem(seed, c)
    return jsci.vmap(residual, (None, 0))(params, points(seed))


def vmap_in_chunks(seed, c):
    _, params, residual, _ = problem(seed, c)
    return jsci.vmap(residual, (None, 0), batch_size=8)(params, points(seed))


def gram(seed, c):
    _, params, residual, _ = problem(seed, c)
    return jsci.gram(residual, params, points(seed))


def gram_operator(seed, c):
    _, params, residual, _ = problem(seed, c)
    operator = jsci.gram_operator(residual, params, points(seed))
    return operator.mv(jnp.ones(40)), operator.diagonal()


def fixed_point(seed, c):
    def step(a, y):
        return jnp.cos(c * a * y)

    return jsci.fixed_point(step, jnp.array(1.1 + seed), jnp.array(0.5)).value


def eigenproblem(seed, c):
    f, params = jsci.pure(nn.MLP(1, "scalar", width=4, depth=2, key=jax.random.key(seed)))
    field, rule = pde.dirichlet(f, LINE), pde.gauss_legendre(LINE, 30)
    op = pde.schroedinger(lambda x: c * x[0])
    well = pde.eigenproblem(op, field, params, rule)
    del well  # how many functions its basis keeps depends on the seed
    return pde.rayleigh_quotient(op, field, params, rule)


def laplace_deviation(seed, c):
    u, params, _, loss = problem(seed, c)
    return pde.laplace_deviation(u, loss, params, batch(seed))(points(seed)[0])


def laplace(seed, c):
    u, params, _, _ = problem(seed, c)
    x = points(seed)
    posterior = jsci.laplace(u, params, x, prior=1.0 + c, noise=c, targets=x[:, 0])
    return posterior.variance(x[:3]), posterior.sample(jax.random.key(0), x[:3])


def draws(seed, c):
    u, params, _, _ = problem(seed, c)
    x = points(seed)

    def log_density(p):
        errors = jnp.sum(jax.vmap(u, (None, 0))(p, x) ** 2)
        return -c * (errors + sum(jnp.sum(w**2) for w in jax.tree.leaves(p)))

    sampler = jsci.bayes.langevin(adapt=4)
    return jsci.bayes.draws(jax.random.key(seed), sampler, log_density, params, steps=10).params


def series(seed, c):
    node = jsci.bayes.Node
    net = jsci.bayes.hgf((node("continuous", value_parents=(1,)), node("continuous")))
    params = net.params() | {"tonic_drift": jnp.full(2, c)}
    return jsci.bayes.filter(net.step, params, net.init(params), points(seed)[:, 0]).log_density


def ensemble(seed, c):
    """A loss of several networks at once."""
    *_, loss = problem(seed, c)
    data = batch(seed)
    each = jax.vmap(lambda key: jsci.pure(eqx.nn.MLP(2, "scalar", 4, 1, jnp.tanh, key=key))[1])
    several = each(jax.random.split(jax.random.key(seed), 3))
    return jsci.vmap(lambda p: loss.value(p, data), batch_size=1)(several)


def sampler(seed, c):
    del c
    return pde.uniform(SQUARE, 16)(jax.random.key(seed))


def residual_adaptive(seed, c):
    _, params, residual, _ = problem(seed, c)
    return pde.residual_adaptive(SQUARE, 16, residual)(jax.random.key(seed), params)


def self_adaptive(seed, c):
    _, params, _, loss = problem(seed, c)
    adaptive = pde.self_adaptive(loss, params, batch(seed), optax.adam(1e-3))
    key = jax.random.key(seed)
    return jsci.fit(*adaptive, steps=2, key=key, progress=False).history["loss"]


def criticality(seed, c):
    del seed
    return jnp.asarray(ntk.criticality(lambda z: jnp.tanh(c * z))[1:])


def predict(seed, c):
    u, params, _, _ = problem(seed, c)
    x = points(seed)
    return ntk.predict(jsci.gram(u, params, x), c * jnp.sin(x[:, 0]), damping=1e-3)


VERBS = [
    ntk_weights,
    gradient_norm_weights,
    vmap,
    vmap_in_chunks,
    gram,
    gram_operator,
    fixed_point,
    eigenproblem,
    laplace_deviation,
    laplace,
    draws,
    series,
    ensemble,
    sampler,
    residual_adaptive,
    self_adaptive,
    criticality,
    predict,
]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_another_seed_and_coefficient_compile_nothing(verb, compilations):
    first = jax.block_until_ready(verb(0, 0.31))
    with compilations() as count:
        other = jax.block_until_ready(verb(1, 0.72))
    assert count() == 0
    # What was not compiled again was computed again.
    different = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), first, other)
    assert any(jax.tree.leaves(different))


def test_a_program_of_other_values_is_that_of_the_function_itself():
    """The kernel of the second problem, by derivatives of its own."""
    for seed, c in ((0, 0.31), (1, 0.72)):
        _, params, residual, _ = problem(seed, c)
        rows = jax.vmap(jax.grad(residual), (None, 0))(params, points(seed))
        jacobian = jax.vmap(lambda row: jax.flatten_util.ravel_pytree(row)[0])(rows)
        assert jnp.allclose(gram(seed, c), jacobian @ jacobian.T, rtol=1e-10, atol=1e-12)
        weights = gradient_norm_weights(seed, c)
        *_, loss = problem(seed, c)
        slopes = {
            name: jnp.linalg.norm(jax.flatten_util.ravel_pytree(g)[0])
            for name, g in jax.jacrev(loss.terms)(params, batch(seed)).items()
        }
        total = sum(slopes.values())
        assert all(jnp.allclose(weights[k], total / slopes[k], rtol=1e-10) for k in slopes)
