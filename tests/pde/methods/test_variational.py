import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci import nn, pde

LINE = pde.Interval(-1.0, 1.0)


@pytest.mark.parametrize("p", [2, 4])
def test_p_laplacian_reaches_its_minimum_from_above(p, key):
    """-(|u′|ᵖ⁻² u′)′ = 1: u = (1 - |x|^q)/q with q = p/(p - 1), E = -(1 - 1/p) 2/(q + 1)."""
    net, params = jsci.pure(nn.MLP(1, "scalar", width=10, depth=1, key=key))
    u = pde.dirichlet(net, LINE)
    energy = pde.ritz(lambda v, x: jsci.grad(v)(x)[0] ** p / p - v(x), u)
    points = pde.gauss_legendre(LINE, 20, breaks=((0.0,),))
    fit = jsci.fit(energy, params, points, optax.lbfgs(), steps=150, progress=False)
    q = p / (p - 1)
    exact = -(1 - 1 / p) * 2 / (q + 1)
    reached = energy(fit.params, points)
    assert exact - 1e-8 < reached < exact * (1 - 1e-3)
    x = jnp.linspace(-0.9, 0.9, 7)
    values = jax.vmap(u, (None, 0))(fit.params, x[:, None])
    np.testing.assert_allclose(values, (1 - jnp.abs(x) ** q) / q, atol=2e-2 if p == 4 else 1e-3)


def test_density_must_be_a_scalar(key):
    net, params = jsci.pure(nn.MLP(1, "scalar", width=3, depth=1, key=key))
    energy = pde.ritz(lambda v, x: jsci.grad(v)(x), net)
    with pytest.raises(ValueError, match=r"must be a scalar, but it returned shape \(1,\)"):
        energy(params, pde.gauss_legendre(LINE, 4))
