"""Descent in H¹: rates that theory bounds, the same for every discretisation."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import nn, pde

LINE = pde.Interval(0.0, 1.0)


def sines(params, x):
    """u = Σₖ cₖ sin(kπx)/kπ, whose tangent functions have one length in H¹."""
    k = jnp.pi * jnp.arange(1, params.size + 1)
    return jnp.sum(params * jnp.sin(k * x[0]) / k)


def _steps(modes, strength):
    """Steps until the gradient's dual norm is 1e-10, and the largest ratio of successive errors."""
    points = pde.gauss_legendre(LINE, 2 * modes + 20)
    source = jnp.pi**2 * strength / 2

    def density(u, x):
        slope = jnp.sum(jsci.grad(u)(x) ** 2)
        return slope / 2 + strength * jnp.sqrt(1 + slope) - source * jnp.sin(jnp.pi * x[0]) * u(x)

    # Hessians of L lie between 1 and 1 + strength.
    descent = pde.sobolev_gradient(sines, points, 2 / (2 + strength), damping=1e-15)
    energy = pde.ritz(density, sines)
    gradient = jax.jit(jax.grad(energy))
    params = jnp.zeros(modes)
    sizes = []
    update = jax.jit(lambda p, g: p + descent.update(g, descent.init(p), p)[0])
    for step in range(60):
        g = gradient(params, points)
        sizes.append(float(jnp.linalg.norm(g)))
        if sizes[-1] < 1e-10:
            return step, max(b / a for a, b in itertools.pairwise(sizes))
        params = update(params, g)
    raise AssertionError(f"not converged: {sizes[-1]}")


def test_steps_do_not_depend_on_the_discretisation_and_obey_the_rate():
    coarse, rate = _steps(48, 4.0)
    fine, _ = _steps(96, 4.0)
    assert abs(coarse - fine) <= 1
    assert rate <= 4 / 6 + 1e-9


def test_one_step_solves_poisson_for_a_linear_field():
    points = pde.gauss_legendre(LINE, 24)
    energy = pde.ritz(lambda v, x: jnp.sum(jsci.grad(v)(x) ** 2) / 2 - v(x), sines)
    descent = pde.sobolev_gradient(sines, points, damping=1e-15)
    fit = jsci.fit(energy, jnp.ones(9), points, descent, steps=1, progress=False)
    k = np.pi * np.arange(1, 10)
    np.testing.assert_allclose(fit.params, 2 * (1 - np.cos(k)) / k**2, atol=1e-9)


def test_a_network_reaches_the_minimum_of_a_nonlinear_energy(key):
    """-(u′³)′ = 1 on [0, 1]: E = -(1 - 1/4) ∫u, u from u′ = (1/2 - x)^(1/3)."""
    net, params = jsci.pure(nn.MLP(1, "scalar", width=8, depth=1, key=key))
    u = pde.dirichlet(net, LINE)
    points = pde.gauss_legendre(LINE, 16, breaks=((0.5,),))
    energy = pde.ritz(lambda v, x: jsci.grad(v)(x)[0] ** 4 / 4 - v(x), u)
    descent = pde.sobolev_gradient(u, points, damping=1e-5, line_search_steps=20)
    fit = jsci.fit(energy, params, points, descent, steps=60, progress=False)
    exact = -0.75 * (3 / 4) * (1 / 2) ** (4 / 3) * (1 - 3 / 7)
    reached = energy(fit.params, points)
    assert exact - 1e-8 < reached < exact * (1 - 3e-3)


def test_bad_input():
    with pytest.raises(ValueError, match="learning_rate > 0, damping > 0"):
        pde.sobolev_gradient(sines, pde.gauss_legendre(LINE, 3), damping=0.0)


def test_a_step_that_lowers_nothing_is_not_taken():
    """All lengths give an energy of 1 where it is 0 now: the line search stays where it is."""
    descent = pde.sobolev_gradient(
        sines, pde.gauss_legendre(LINE, 8), damping=1e-12, line_search_steps=3
    )
    params = jnp.ones(2)
    state = descent.init(params)
    for now, moves in ((0.0, False), (2.0, True)):
        step, _ = descent.update(
            jnp.ones(2), state, params, value=jnp.asarray(now), value_fn=lambda p: jnp.ones(())
        )
        assert bool(jnp.any(step != 0)) == moves
