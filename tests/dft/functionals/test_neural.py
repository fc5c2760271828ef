"""Forms of functionals with a network: classical ones are special cases."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import (
    Functional,
    molecule,
    neural_exchange,
    neural_functional,
    scf,
    weighted_functional,
    xc,
)
from jaxsci.dft._basis import functions as basis
from jaxsci.dft._scf.hamiltonian import operators
from jaxsci.dft._scf.kohn_sham import density_features
from jaxsci.dft.constraints import exchange_spin_scaling, sample_features

POINTS = sample_features(jax.random.key(0), 64)


def values(functional, params=None):
    return jax.vmap(lambda f: functional(params, f))(POINTS)


def test_enhancement_factor_of_pbe_gives_pbe():
    def pbe(kappa, d):
        s2 = d[2] / (1 - d[2])
        return 1 + kappa - kappa / (1 + 0.2195149727645171 * s2 / kappa)

    ours = values(neural_exchange(pbe), 0.804)
    np.testing.assert_allclose(ours, values(xc("pbe_x")), rtol=1e-12)


def test_any_enhancement_factor_obeys_spin_scaling():
    functional = neural_exchange(lambda w, d: 1 + jnp.tanh(w @ d), level="mgga")
    w = jnp.array([1.0, 2.0, -1.0, 0.5])
    violation = jax.vmap(lambda f: exchange_spin_scaling(functional, w, f))(POINTS)
    np.testing.assert_allclose(violation, 0, atol=1e-14)


def test_constant_weights_give_the_sum():
    parts = [xc("b88"), xc("lyp")]
    functional = weighted_functional(lambda c, d: c, parts)
    ours = values(functional, jnp.array([0.8, 1.0]))
    np.testing.assert_allclose(ours, values(0.8 * xc("b88") + xc("lyp")), rtol=1e-13)


def test_own_descriptors():
    functional = neural_functional(
        lambda p, d: p * d[0], base=xc("slater"), level="lda", inputs=lambda f, level: f.rho[None]
    )
    expected = values(xc("slater")) * (1 + 0.1 * POINTS.rho)
    np.testing.assert_allclose(values(functional, 0.1), expected, rtol=1e-13)


def test_a_last_layer_of_one_unit_is_a_number():
    one = values(neural_functional(lambda p, d: p * d[2:]), 0.3)
    np.testing.assert_array_equal(one, values(neural_functional(lambda p, d: p * d[2]), 0.3))


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match=r"must map one point to shape \(\), got \(2,\)"):
        values(neural_functional(lambda p, d: d[:2]))
    with pytest.raises(ValueError, match=r"must map one point to shape \(2,\), got \(3,\)"):
        values(weighted_functional(lambda p, d: d, [xc("b88"), xc("lyp")]))
    with pytest.raises(ValueError, match="Add exact exchange to the result"):
        weighted_functional(lambda p, d: d, [xc("hf")])
    with pytest.raises(ValueError, match="sees no Laplacian of one spin"):
        neural_exchange(lambda p, d: d[4], level="laplacian")


def test_laplacian_of_the_density(key):
    m = molecule([("H", (0.0, 0.0, 0.0)), ("F", (0.0, 0.0, 1.0))], "sto-3g", grid=0)
    ops = operators(m, Functional((), "laplacian"))
    everywhere, _ = ops.quadrature.flat()
    found = density_features(ops, m.guess[None], "laplacian")

    some = jax.random.choice(key, everywhere.shape[0], (50,), replace=False)
    h = 1e-3

    def rho(k, step):
        points = everywhere[some].at[:, k].add(step * h)
        chi = basis.evaluate(m.basis, m.coordinates, points, gradient=False)[0]
        return jnp.sum(chi * (m.guess @ chi), axis=0)

    # Central differences of fourth order: what is left is h⁴ times the sixth derivative.
    weights = {-2: -1 / 12, -1: 4 / 3, 0: -5 / 2, 1: 4 / 3, 2: -1 / 12}
    expected = sum(w * rho(k, step) for k in range(3) for step, w in weights.items()) / h**2
    np.testing.assert_allclose(found.laplacian[some], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_functional_of_the_laplacian_converges():
    m = molecule([("H", (0.0, 0.0, 0.0)), ("F", (0.0, 0.0, 1.0))], "sto-3g", grid=0)
    functional = neural_functional(lambda w, d: w * d[4], level="laplacian")
    assert scf(m, functional, jnp.array(0.01)).converged
