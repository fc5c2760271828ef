"""Exact constraints: what the literature says of each classical functional, computed."""

import functools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import Features, constraint_table, constraints, xc

PARTS = {
    "lda": ("slater", "pw92_mod"),
    "pbe": ("pbe_x", "pbe_c"),
    "pbesol": ("pbesol_x", "pbesol_c"),
    "blyp": ("b88", "lyp"),
    "r2scan": ("r2scan_x", "r2scan_c"),
}
SLOW = ("pbesol", "r2scan")
# What each violates. Perdew et al., PRL 77, 3865 (1996) for LDA and PBE; PRL 100, 136406 (2008)
# for PBEsol; Furness et al., J. Phys. Chem. Lett. 11, 8208 (2020): r2SCAN violates none of these.
LDA = {
    "exchange_gradient_expansion",
    "exchange_nonuniform_scaling",
    "correlation_gradient_expansion",
    "correlation_of_one_electron",
    "correlation_high_density_limit",
    "correlation_rapidly_varying",
    "hydrogen_atom",
}
PBE = {
    "exchange_gradient_expansion",
    "exchange_nonuniform_scaling",
    "exchange_of_two_electrons",
    "correlation_of_one_electron",
    "hydrogen_atom",
}
VIOLATED = {
    "lda": LDA,
    "pbe": PBE,
    "pbesol": PBE - {"exchange_gradient_expansion"} | {"correlation_gradient_expansion"},
    "blyp": PBE - {"correlation_of_one_electron"}
    | {
        "exchange_lieb_oxford",
        "correlation_sign",
        "correlation_of_uniform_gas",
        "correlation_gradient_expansion",
        "correlation_scaling_inequality",
        "correlation_adiabatic_concavity",
        "correlation_rapidly_varying",
        "lieb_oxford",
    },
    "r2scan": set(),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else []) for n in PARTS]
)
def test_table_agrees_with_the_literature(name):
    exchange, correlation = map(xc, PARTS[name])
    table = constraint_table(exchange=exchange, correlation=correlation)
    assert {k for k, verdict in table.items() if not verdict.satisfied} == VIOLATED[name]
    assert all(np.isfinite(verdict.violation) for verdict in table.values())


@pytest.fixture(scope="module")
def residuals():
    pairs = [(constraints.exchange_spin_scaling, "pbe_x"), (constraints.lieb_oxford, "pbe")]
    pairs += [(constraints.correlation_sign, "pbe_c"), (constraints.exchange_sign, "b88")]
    pairs += [(constraints.exchange_uniform_scaling, "revpbe_x")]
    return jax.jit(lambda f: jnp.stack([c(xc(name), None, f) for c, name in pairs]))


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(
    log_rho=st.floats(-6, 4),
    zeta=st.floats(-0.999, 0.999),
    lengths=st.tuples(st.floats(-3, 2), st.floats(-3, 2)),
    cosine=st.floats(-1, 1),
)
def test_pbe_holds_at_any_point(residuals, log_rho, zeta, lengths, cosine):
    rho = 10**log_rho * np.array([1 + zeta, 1 - zeta]) / 2
    g = 10 ** np.array(lengths) * 6.2 * rho ** (4 / 3)
    f = Features(rho[0], rho[1], g[0] ** 2, cosine * g[0] * g[1], g[1] ** 2)
    assert np.abs(residuals(f)).max() < 1e-10


def test_uniform_scaling_is_that_of_a_density():
    # A Gaussian and the same compressed: features computed at r and at r/γ.
    def gaussian(exponent, r):
        rho = (exponent / jnp.pi) ** 1.5 * jnp.exp(-exponent * r**2)
        sigma = (2 * exponent * r * rho) ** 2
        return Features(rho, 0.0, sigma, 0.0, 0.0, sigma / (8 * rho), 0.0)

    gamma, r = 3.0, jnp.array(0.8)
    scaled = constraints.scale_uniformly(gaussian(1.0, r), gamma)
    for ours, exact in zip(
        jax.tree.leaves(scaled), jax.tree.leaves(gaussian(gamma**2, r / gamma)), strict=True
    ):
        np.testing.assert_allclose(ours, exact, rtol=1e-13)


def test_laplacians_of_each_spin_are_seen():
    """They were dropped: what is linear in them broke relations that it obeys."""
    one = Features(rho_a=0.3, rho_b=0.1, laplacian_a=0.7, laplacian_b=-0.2)
    for relation in (constraints.exchange_spin_scaling, constraints.spin_symmetry):
        np.testing.assert_allclose(relation(lambda _, d: d.laplacian, None, one), 0, atol=1e-14)


def test_constraint_in_a_loss_mends_a_functional():
    points = constraints.sample_features(jax.random.key(0), 16)

    def exchange(scale, features):
        return scale * xc("slater")(None, features)

    gas = functools.partial(constraints.exchange_of_uniform_gas, exchange)
    loss = jsci.objective({"gas": gas})
    found = jsci.fit(
        loss, jnp.array(0.7), {"gas": points}, jsci.gauss_newton(1e-12), steps=3, progress=False
    )
    np.testing.assert_allclose(found.params, 1.0, rtol=1e-6)


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match=r"needs exchange=, correlation= or both"):
        constraint_table()
    with pytest.raises(ValueError, match="has a part that is no function.*test its semilocal part"):
        constraint_table(exchange=xc("pbe0"))


def test_the_local_bound_is_checked_at_the_densities_that_are_given():
    """An enhancement of 1 + α/2 breaks F_x ≤ 1.804 by α/2 - 0.804, with α of the total density."""
    rho, sigma, alpha = 0.7, 0.3, jnp.array([0.5, 1.0, 1.6, 2.0, 5.0])
    of_uniform_gas = 0.3 * (3 * jnp.pi**2) ** (2 / 3) * rho ** (5 / 3)
    tau = sigma / (8 * rho) + alpha * of_uniform_gas

    def exchange(params, f):
        found = (f.tau - f.sigma / (8 * f.rho)) / (0.3 * (3 * jnp.pi**2) ** (2 / 3))
        slater = -0.75 * (3 / jnp.pi) ** (1 / 3) * f.rho ** (4 / 3)
        return (1 + 0.5 * found / f.rho ** (5 / 3)) * slater

    # Three quarters of everything in one spin: the bound is for the total.
    a, b = 0.75, 0.25
    spins = [jnp.full_like(alpha, x) for x in (a * rho, b * rho)]
    gradients = [jnp.full_like(alpha, x * sigma) for x in (a * a, a * b, b * b)]
    points = Features(*spins, *gradients, a * tau, b * tau)
    residual = constraints.exchange_lieb_oxford
    found = jax.vmap(lambda point: residual(exchange, None, point))(points)
    np.testing.assert_allclose(found, jnp.maximum(0.5 * alpha - 0.804, 0), atol=1e-12)
