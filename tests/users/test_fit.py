"""Reports about training: what is minimised, and what its loss says of the answer."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci import nn, pde


@pytest.mark.report("lululxvi/deepxde#1969")
def test_two_materials_in_raw_units():
    """Heat through layers of conductivity 1.38 and 400, 293.15 at the bottom and an inflow of 200.

    Right, by hand: T = 293.15 + 200 y / 1.38 below and a slope of 200/400 above, so 365.61 and
    438.33 in the middles. In raw units the fluxes count 1e5 times as much as Laplace's equation
    above, whose loss of 0.3 then is 150 degrees. In units of the inflow it is right.
    """
    f, below = jsci.pure(nn.MLP(1, "scalar", width=4, depth=1, key=jax.random.key(0)))
    _, above = jsci.pure(nn.MLP(1, "scalar", width=4, depth=1, key=jax.random.key(1)))
    x = {"below": jnp.linspace(0, 1, 16), "above": jnp.linspace(1, 2, 16)}
    x |= {"bottom": jnp.zeros(1), "top": jnp.full(1, 2.0), "meet": jnp.ones(1)}

    def lower(p, x):
        return f(p["below"], x)

    def upper(p, x, c):
        return c["base"] + c["unit"] * f(p["above"], x)

    def equation(p, s):
        return jsci.derivative(lambda x: upper(p, x, s[1]), 0, 0)(s[0])

    def flux(p, s):
        return s[1]["upper"] * jsci.derivative(lambda x: upper(p, x, s[1]), 0)(s[0])

    def meet(p, s):
        jump = lower(p, s[0]) - upper(p, *s)
        slope = jsci.derivative(lambda x: lower(p, x), 0)(s[0])
        return jnp.stack([jump, s[1]["lower"] * slope - flux(p, s)])

    loss = jsci.objective(
        {
            "below": lambda p, s: jsci.derivative(lambda x: lower(p, x), 0, 0)(s[0]),
            "above": equation,
            "bottom": lambda p, s: lower(p, s[0]) - s[1]["bottom"],
            "top": lambda p, s: flux(p, s) - s[1]["inflow"],
            "meet": meet,
        }
    )
    optimizer = jsci.levenberg_marquardt(acceleration=False)

    def train(weight, steps, **units):
        data = {
            name: (at[:, None], {unit: jnp.full(at.shape, value) for unit, value in units.items()})
            for name, at in x.items()
        }
        weighted = loss.reweighted({"above": jnp.array(weight)})
        start = {"below": below, "above": above}
        return jsci.fit(weighted, start, data, optimizer, steps=steps, progress=False).params

    raw = dict(lower=1.38, upper=400.0, bottom=293.15, inflow=200.0, base=0.0, unit=1.0)
    with pytest.warns(UserWarning, match="terms are unequal.*units.*weights={"):
        train(1.0, 1, **raw)

    # Temperatures from 293.15 in units of 200 / 1.38; above, of what it rises by there.
    rise = 1.38 / 400.0
    own = dict(lower=1.0, upper=1 / rise, bottom=0.0, inflow=1.0, base=1.0, unit=rise)
    found = train(rise**-2, 150, **own)
    middles = lower(found, jnp.array([0.5])), upper(found, jnp.array([1.5]), own)
    kelvin = 293.15 + 200 / 1.38 * np.array(middles)
    np.testing.assert_allclose(kelvin, [365.61, 438.33], atol=0.01)


@pytest.mark.report("jaxsci")
def test_a_loss_that_is_small_on_its_points_only():
    """A layer that no point lies in: u' + 1e-3 u'' = 0, u(0) = 0, u(1) = 1.

    Right: the mean square of the residual on other points, of which some lie in the layer, where
    the slope is up to 1/1e-3. A cavity whose corners lay between the points had a loss of 6e-6 on
    them, 3e2 on others, and velocities that were 13 % off.
    """
    f, params = jsci.pure(nn.MLP(1, "scalar", width=8, depth=1, key=jax.random.key(0)))
    u = pde.hard(f, lift=lambda x: x[0], factor=lambda x: x[0] * (1 - x[0]))

    def equation(u, x):
        return jsci.derivative(u, 0)(x) + 1e-3 * jsci.derivative(u, 0, 0)(x)

    loss = jsci.objective({"pde": jsci.residual(equation, u)})
    few = {"pde": jnp.linspace(0.1, 1.0, 10)[:, None]}
    other = {"pde": jnp.linspace(0.0, 1.0, 101)[:, None]}
    optimizer = jsci.levenberg_marquardt()
    with pytest.warns(UserWarning, match="fewer residuals, 10, than parameters, 25"):
        jsci.fit(loss, params, few, optimizer, steps=1, progress=False)
    fit = jsci.fit(loss, params, few, optimizer, steps=100, validation=other, progress=False)
    assert fit.history["loss"][-1] < 1e-4 < 1e-1 < fit.validation["loss"][-1]
    np.testing.assert_allclose(fit.validation["loss"][-1], loss.value(fit.params, other))


@pytest.mark.report("lululxvi/deepxde#284")
@pytest.mark.report("SciML/NeuralPDE.jl#821")
def test_a_complex_wave_function():
    """i ψ' = ψ as it stands has a complex loss, and its two parts have the sum of both squares.

    Right: |i ψ' - ψ|² of ψ = exp(-2i t), for which i ψ' = 2 ψ: 1 at every t.
    """
    t = jnp.linspace(0.0, 1.0, 5)[:, None]

    def psi(p, t):
        return jnp.exp(-1j * p * t[0])

    def equation(u, t):
        return 1j * jax.jvp(u, (t,), (jnp.ones(1),))[1] - u(t)

    def parts(p, t):
        r = jsci.residual(equation, psi)(p, t)
        return jnp.stack([r.real, r.imag])

    with pytest.raises(TypeError, match=r"stack real and imaginary parts, jnp.stack\(\[r.real"):
        jsci.objective({"pde": jsci.residual(equation, psi)}).value(jnp.array(2.0), {"pde": t})
    loss = jsci.objective({"pde": parts})
    np.testing.assert_allclose(loss.value(jnp.array(2.0), {"pde": t}), 1.0, rtol=1e-14)
    with pytest.raises(TypeError, match="is complex.*uphill in the imaginary part"):
        jsci.fit(loss, jnp.array(2.0 + 0j), {"pde": t}, optax.adam(0.1), steps=1)
