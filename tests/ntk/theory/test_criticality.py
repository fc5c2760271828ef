"""Critical points against published values, closed forms and the depth they should survive."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

from jaxsci import ntk

LAMBDA, ALPHA = 1.0507009873554805, 1.6732632423543772


def gelu(z):
    return jax.nn.gelu(z, approximate=False)


@pytest.mark.parametrize(
    ("activation", "values"),
    [(gelu, (3.561553, 1.983058, 0.172922)), (jax.nn.silu, (14.32017, 1.988005, 0.555143))],
    ids=["gelu", "swish"],
)
def test_half_stable_points(activation, values):
    """Published to six digits (Roberts, Yaida and Hanin 2022, section 5.3.4)."""
    point = ntk.criticality(activation)
    assert point.universality_class == "half-stable"
    np.testing.assert_allclose(point[1:], values, atol=6e-6)
    growth = ntk.susceptibilities(activation, point.kernel, weight_variance=point.weight_variance)
    np.testing.assert_allclose(growth, 1.0, atol=1e-12)
    kernels = ntk.kernel_recursion(
        activation,
        point.kernel,
        depth=50,
        weight_variance=point.weight_variance,
        bias_variance=point.bias_variance,
    )
    np.testing.assert_allclose(kernels, point.kernel, rtol=1e-10)


@pytest.mark.parametrize(
    ("activation", "variance"),
    [(jax.nn.relu, 2.0), (lambda z: jax.nn.leaky_relu(z, 0.1), 2 / 1.01), (lambda z: 3 * z, 1 / 9)],
    ids=["relu", "leaky relu", "linear"],
)
def test_scale_invariant(activation, variance):
    point = ntk.criticality(activation)
    assert point.universality_class == "scale-invariant" and np.isnan(point.kernel)
    np.testing.assert_allclose(point.weight_variance, variance, rtol=1e-12)
    assert point.bias_variance == 0


@pytest.mark.parametrize(
    ("activation", "variance"),
    [(jnp.tanh, 1.0), (jnp.sin, 1.0), (jax.scipy.special.erf, np.pi / 4)],
    ids=["tanh", "sin", "erf"],
)
def test_kernel_decays_to_zero(activation, variance):
    """K_l l → -1 / (σ'''/σ') at an odd activation with C_W σ'(0)² = 1."""
    point = ntk.criticality(activation)
    assert point.universality_class == "K* = 0" and point.kernel == 0
    np.testing.assert_allclose(point.weight_variance, variance, rtol=1e-12)
    third = jax.grad(jax.grad(jax.grad(activation)))(0.0) / jax.grad(activation)(0.0)
    depth = 3000
    last = ntk.kernel_recursion(activation, 1.0, depth=depth, weight_variance=variance)[-1]
    np.testing.assert_allclose(last * depth, -1 / third, rtol=0.01)


@pytest.mark.parametrize(
    "activation",
    [jax.nn.sigmoid, jax.nn.softplus, jax.nn.selu],
    ids=["sigmoid", "softplus", "selu"],
)
def test_no_critical_point(activation):
    point = ntk.criticality(activation)
    assert point.universality_class == "none" and np.isnan(point.weight_variance)


def test_susceptibilities_of_selu_in_closed_form():
    """E σ'² = λ² (½ + α² e² Φ(-2)); χ_∥ is the derivative of E σ² in the variance."""
    parallel, perpendicular = ntk.susceptibilities(jax.nn.selu, 1.0)
    exact = LAMBDA**2 * (0.5 + ALPHA**2 * np.exp(2) * norm.cdf(-2.0))
    np.testing.assert_allclose(perpendicular, exact, rtol=1e-12)
    step = 1e-4
    up, down = (
        ntk.kernel_recursion(jax.nn.selu, 1 + s, depth=2, weight_variance=1.0)[1]
        for s in (step, -step)
    )
    np.testing.assert_allclose(parallel, (up - down) / (2 * step), rtol=1e-7)


def test_selu_keeps_mean_zero_and_variance_one():
    moments = ntk.moment_map(jax.nn.selu, 0.0, 1.0)
    np.testing.assert_allclose(moments, (0.0, 1.0), atol=1e-10)
    slopes = jax.jacfwd(lambda m: jnp.stack(ntk.moment_map(jax.nn.selu, m[0], m[1])))(
        jnp.array([0.0, 1.0])
    )
    np.testing.assert_allclose(slopes, [[0, 0.088835], [0, 0.782648]], atol=1e-6)


def test_selu_maps_its_domain_into_itself():
    """|μ ω| ≤ 0.1, ν in [0.8, 1.5], τ in [0.95, 1.1] (Klambauer et al. 2017, theorem 1)."""
    mean, variance, total, squares = (
        a.ravel()
        for a in jnp.meshgrid(
            *(jnp.linspace(a, b, 7) for a, b in ((-0.1, 0.1), (0.8, 1.5), (-0.1, 0.1), (0.95, 1.1)))
        )
    )
    after = jax.vmap(
        lambda m, v, w, t: ntk.moment_map(jax.nn.selu, m, v, weight_sum=w, weight_square_sum=t)
    )(mean, variance, total, squares)
    assert jnp.max(jnp.abs(after.mean)) < 0.1
    assert jnp.min(after.variance) > 0.8 and jnp.max(after.variance) < 1.5


def test_bad_depth_and_float32():
    with pytest.raises(ValueError, match="depth must be 1 or more"):
        ntk.kernel_recursion(jnp.tanh, 1.0, depth=0, weight_variance=1.0)
    with jax.enable_x64(False), pytest.raises(ValueError, match="needs float64"):
        ntk.criticality(jnp.tanh)
