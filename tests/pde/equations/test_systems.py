"""Systems against flows, waves and bent beams that are known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import nn, pde

NU = 0.05


def _taylor_green(x):
    fade = jnp.exp(-2 * NU * x[2])
    u = jnp.sin(x[0]) * jnp.cos(x[1]) * fade
    v = -jnp.cos(x[0]) * jnp.sin(x[1]) * fade
    return jnp.stack([u, v, (jnp.cos(2 * x[0]) + jnp.cos(2 * x[1])) * fade**2 / 4])


def _kovasznay(x):
    """The stationary flow behind a grid, at viscosity 1/40."""
    k = 20 - jnp.sqrt(400 + 4 * jnp.pi**2)
    fade, phase = jnp.exp(k * x[0]), 2 * jnp.pi * x[1]
    u, v = 1 - fade * jnp.cos(phase), k / (2 * jnp.pi) * fade * jnp.sin(phase)
    return jnp.stack([u, v, -(fade**2) / 2])


def _arnold_beltrami_childress(x):
    """u = ∇×u, so that the pressure is -|u|²/2 and the flow decays."""
    fade = jnp.exp(-NU * x[3])
    u = jnp.sin(x[2]) + 0.5 * jnp.cos(x[1])
    v = 0.7 * jnp.sin(x[0]) + jnp.cos(x[2])
    w = 0.5 * jnp.sin(x[1]) + 0.7 * jnp.cos(x[0])
    return fade * jnp.stack([u, v, w, -fade * (u**2 + v**2 + w**2) / 2])


def _kovasznay_stream(x):
    k = 20 - jnp.sqrt(400 + 4 * jnp.pi**2)
    return x[1] - jnp.exp(k * x[0]) * jnp.sin(2 * jnp.pi * x[1]) / (2 * jnp.pi)


def _taylor_green_stream(x):
    return jnp.sin(x[0]) * jnp.sin(x[1]) * jnp.exp(-2 * NU * x[2])


LAME, SHEAR = 1.5, 0.8


def _bent(x):
    """Pure bending in plane strain: σ_xx is linear in y and no other stress acts."""
    ratio = LAME / (LAME + 2 * SHEAR)
    return jnp.stack([x[0] * x[1], -(x[0] ** 2) / 2 - ratio * x[1] ** 2 / 2])


def _graded_bar(x):
    """u = (log(1 + x), 0): σ_xx = (λ + 2μ) u' is constant where λ + 2μ grows as 1 + x."""
    return jnp.stack([jnp.log1p(x[0]), 0.0 * x[0]])


def _plane_wave(x):
    """E along y and H along z travel along x at 1/√(εμ), with ε = 4 and μ = 1/4."""
    phase = jnp.cos(3 * (x[0] - x[3]))
    return jnp.zeros(6).at[1].set(phase).at[5].set(4 * phase)


def _cavity(x):
    """curl curl E = (kx² + ky²) E, without divergence."""
    along, up = 3 * x[0], 2 * x[1]
    return jnp.stack([2 * jnp.cos(along) * jnp.sin(up), -3 * jnp.sin(along) * jnp.cos(up)])


def _cavity_3d(x):
    plane = jnp.cos(x[0]) * jnp.sin(2 * x[1]), jnp.sin(x[0]) * jnp.cos(2 * x[1])
    return jnp.sin(2 * x[2]) * jnp.stack([2 * plane[0], -plane[1], 0.0 * x[0]])


def _chain(x):
    """At D = 0.2 and a decay of 0.1 for v alone, u = e^(0.1 t) v."""
    decay = jnp.sin(x[0]) * jnp.exp(-0.3 * x[1])
    return jnp.stack([jnp.exp(0.1 * x[1]) * decay, decay])


def _chain_reaction(u, x):
    """With what turns one into the other, which is in balance on the solution."""
    turned = u[1] ** 2 * (u[0] - jnp.exp(0.1 * x[1]) * u[1])
    return jnp.stack([turned, -0.1 * u[1] - turned])


def _varying(x):
    return 1 + x[0]


SOLUTIONS = {
    "Taylor-Green": (pde.navier_stokes(NU), _taylor_green, 3),
    "Kovasznay": (pde.navier_stokes(1 / 40), _kovasznay, 2),
    "Arnold-Beltrami-Childress": (pde.navier_stokes(NU), _arnold_beltrami_childress, 4),
    "Kovasznay stream": (pde.stream_function(1 / 40), _kovasznay_stream, 2),
    "Taylor-Green stream": (pde.stream_function(NU), _taylor_green_stream, 3),
    "bent": (pde.elasticity(LAME, SHEAR), _bent, 2),
    "graded bar": (
        pde.elasticity(lambda x: 0.5 * _varying(x), lambda x: 0.25 * _varying(x)),
        _graded_bar,
        2,
    ),
    "plane wave": (pde.maxwell(4.0, 0.25), _plane_wave, 4),
    "cavity": (pde.time_harmonic_maxwell(13**0.5), _cavity, 2),
    "cavity 3d": (pde.time_harmonic_maxwell(1.5, permittivity=4.0), _cavity_3d, 3),
    "chain": (pde.reaction_diffusion((0.2, 0.2), _chain_reaction), _chain, 2),
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_vanishes_on_a_known_solution(name):
    op, u, dim = SOLUTIONS[name]
    x = jnp.array([0.3, 0.7, 0.2, 0.4])[:dim]
    np.testing.assert_allclose(op(u, x), 0.0, atol=1e-12)
    value = u(x)
    for i in range(value.size):
        bump = lambda y, i=i: jnp.sin(2 * jnp.sum(y)) * (jnp.arange(value.size) == i)  # noqa: E731
        wrong = lambda y: u(y) + 0.1 * bump(y).reshape(value.shape)  # noqa: E731, B023
        assert np.abs(op(wrong, x)).max() > 1e-3, i


@pytest.mark.parametrize("name", SOLUTIONS)
def test_single_precision_stays_there(name):
    op, u, dim = SOLUTIONS[name]
    x = jnp.array([0.3, 0.7, 0.2, 0.4], jnp.float32)[:dim]
    if jax.eval_shape(u, x).dtype == jnp.float32:
        assert jax.eval_shape(lambda x: op(u, x), x).dtype == jnp.float32


@pytest.mark.parametrize(
    "op", [pde.navier_stokes(NU, lambda x: x[:2]), pde.elasticity(1.0, 1.0, lambda x: x)]
)
def test_forces_are_subtracted(op):
    size = 3 if "navier" in op.__qualname__ else 2
    x, still = jnp.array([0.3, 0.7]), lambda x: jnp.zeros(size) * x[0]
    np.testing.assert_allclose(op(still, x)[:2], -x)


def test_sources_and_currents():
    x = jnp.array([0.3, 0.7, 0.2])
    still = lambda x: jnp.zeros(3) * x[0]  # noqa: E731
    np.testing.assert_allclose(pde.time_harmonic_maxwell(1.0, lambda x: x)(still, x), -x)
    np.testing.assert_allclose(pde.stream_function(1.0, jnp.sum)(lambda x: 0 * x[0], x), -x.sum())
    currents = pde.maxwell(current=lambda x: x[:3])(
        lambda x: jnp.zeros(6) * x[0], jnp.append(x, 0.0)
    )
    np.testing.assert_allclose(currents, np.append(x, np.zeros(3)))


def test_systems_are_residuals_under_jit_and_vmap(key):
    f, params = jsci.pure(nn.MLP(3, 3, width=4, depth=1, key=key))
    r = jsci.residual(pde.navier_stokes(0.1), f)
    points = jax.random.uniform(key, (2, 3))
    batched = jax.jit(jax.vmap(r, (None, 0)))(params, points)
    np.testing.assert_allclose(batched[1], r(params, points[1]), rtol=1e-10)


def _two(x):
    return jnp.stack([x[0], x[1]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pde.navier_stokes(0.0), "viscosity must be positive"),
        (lambda: pde.navier_stokes(0.1)(_two, jnp.ones(2)), r"a pressure.*got \(2,\)"),
        (lambda: pde.navier_stokes(0.1)(_taylor_green, jnp.ones(4)), r"a point of \(4,\)"),
        (lambda: pde.stream_function(-1.0), "viscosity must be positive"),
        (lambda: pde.stream_function(0.1)(jnp.sum, jnp.ones(4)), "needs points"),
        (lambda: pde.elasticity(1.0, 0.0), "shear must be positive"),
        (lambda: pde.maxwell(0.0), "permittivity must be positive"),
        (lambda: pde.maxwell()(_two, jnp.ones(3)), r"maxwell needs points of shape \(4,\)"),
        (lambda: pde.maxwell()(_two, jnp.ones(4)), r"a field of shape \(6,\), got \(2,\)"),
        (lambda: pde.time_harmonic_maxwell(1.0)(_two, jnp.ones(3)), r"shape \(3,\), got \(2,\)"),
        (lambda: pde.time_harmonic_maxwell(1.0)(_two, jnp.ones(4)), "2 or 3 coordinates"),
        (
            lambda: pde.reaction_diffusion(0.1, lambda u, x: u),  # pyright: ignore[reportArgumentType]
            "one number per species",
        ),
        (lambda: pde.reaction_diffusion((), lambda u, x: u), "one number per species"),
        (lambda: pde.reaction_diffusion((0.1, -1.0), lambda u, x: u), "must be positive"),
        (
            lambda: pde.reaction_diffusion((0.1,), lambda u, x: u)(_two, jnp.ones(2)),
            r"shape \(1,\), got \(2,\)",
        ),
        (
            lambda: pde.reaction_diffusion((0.1, 0.1), lambda u, x: u[0])(_two, jnp.ones(2)),
            "The reaction of",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_elasticity_takes_one_component_per_coordinate():
    with pytest.raises(TypeError, match="one component per coordinate|components"):
        pde.elasticity(1.0, 1.0)(_two, jnp.ones(3))
