"""Equations as operators op(u, x) on a field u at one point x, zero where they hold.

For evolution equations a point is (x₁, …, t), time last. `jsci.residual(op, f)` turns one into a
residual of the parameters; any function of this form will do.
"""

from ...core import derivative
from .smoothness import require_smooth
from .terms import (
    Operator,
    Source,
    at,
    require_dimension,
    require_positive,
    smooth_laplacian,
    space_laplacian,
)


def poisson(source: Source) -> Operator:
    """Poisson's equation, -Δu = f.

    **Arguments:**

    - `source`: f, a number or a function of one point `(d,)`, in the unit of u per length².

    **Returns:** `op(u, x)` = -Δu(x) - f(x).

    **Raises:** on use, `ValueError` for a field built on an activation without second derivatives.

    ```python
    r = jsci.residual(jsci.pde.poisson(1.0), f)
    ```
    """
    return lambda u, x: -smooth_laplacian(u, x) - at(source, x)


def helmholtz(wavenumber: float, source: Source = 0.0) -> Operator:
    """Helmholtz' equation, Δu + k² u = q.

    **Arguments:**

    - `wavenumber`: k, radians per length.
    - `source`: q, a number or a function of one point `(d,)`.

    **Returns:** `op(u, x)` = Δu(x) + k² u(x) - q(x).

    **Raises:** as `poisson`.

    ```python
    r = jsci.residual(jsci.pde.helmholtz(jnp.pi), f)
    ```
    """
    return lambda u, x: smooth_laplacian(u, x) + wavenumber**2 * u(x) - at(source, x)


def heat(diffusivity: float, source: Source = 0.0) -> Operator:
    """The heat equation, u_t = D Δu + q.

    **Arguments:**

    - `diffusivity`: D, length² per time, positive.
    - `source`: q, a number or a function of one point (x, t), in the unit of u per time.

    **Returns:** `op(u, x)` = u_t - D Δu - q.

    **Raises:** `ValueError` for a diffusivity that is not positive.

    ```python
    r = jsci.residual(jsci.pde.heat(0.1), f)
    ```
    """
    require_positive(diffusivity=diffusivity)
    return lambda u, x: derivative(u, -1)(x) - diffusivity * space_laplacian(u, x) - at(source, x)


def burgers(viscosity: float) -> Operator:
    """Burgers' equation in one dimension, u_t + u u_x = ν u_xx.

    **Arguments:**

    - `viscosity`: ν, length² per time, positive; at 0.01/π, the usual test, a front of width 0.01
        forms.

    **Returns:** `op(u, x)` = u_t + u u_x - ν u_xx.

    **Raises:** `ValueError` for a viscosity that is not positive; on use, for points that are not
    (x, t).

    ```python
    r = jsci.residual(jsci.pde.burgers(0.01 / jnp.pi), f)
    ```
    """
    require_positive(viscosity=viscosity)

    def op(u, x):
        require_dimension(x, 2, "burgers")
        convection = u(x) * derivative(u, 0)(x)
        return derivative(u, 1)(x) + convection - viscosity * space_laplacian(u, x)

    return op


def allen_cahn(diffusivity: float, reaction: float = 5.0) -> Operator:
    """The Allen-Cahn equation, u_t = D Δu + k (u - u³).

    **Arguments:**

    - `diffusivity`: D, length² per time; 1e-4 and 1e-3 are the usual tests.
    - `reaction`: k, per time.

    **Returns:** `op(u, x)` = u_t - D Δu - k (u - u³).

    **Raises:** `ValueError` for a diffusivity that is not positive.

    ```python
    r = jsci.residual(jsci.pde.allen_cahn(1e-3), f)
    ```
    """
    require_positive(diffusivity=diffusivity)

    def op(u, x):
        value = u(x)
        growth = reaction * (value - value**3)
        return derivative(u, -1)(x) - diffusivity * space_laplacian(u, x) - growth

    return op


def kuramoto_sivashinsky(
    convection: float = 1.0, growth: float = 1.0, damping: float = 1.0
) -> Operator:
    """The Kuramoto-Sivashinsky equation in one dimension, u_t + a u u_x + b u_xx + c u_xxxx = 0.

    Long waves grow and short ones are damped; on long intervals the solution is chaotic.

    **Arguments:**

    - `convection`, `growth`, `damping`: a, b > 0, c > 0; 100/16, 100/16² and 100/16⁴ on a period of
        2π is the usual test.

    **Returns:** `op(u, x)` = u_t + a u u_x + b u_xx + c u_xxxx.

    **Raises:** `ValueError` for a growth or damping that is not positive; on use, for points that
    are not (x, t).

    ```python
    r = jsci.residual(jsci.pde.kuramoto_sivashinsky(), f)
    ```
    """
    require_positive(growth=growth, damping=damping)

    def op(u, x):
        require_dimension(x, 2, "kuramoto_sivashinsky")
        require_smooth(u, x)
        bend = derivative(u, 0, 0)
        transport = derivative(u, 1)(x) + convection * u(x) * derivative(u, 0)(x)
        return transport + growth * bend(x) + damping * derivative(bend, 0, 0)(x)

    return op


def advection(velocity: tuple[float, ...], source: Source = 0.0) -> Operator:
    """Advection at constant velocity, u_t + c·∇u = q.

    **Arguments:**

    - `velocity`: c, length per time, one component per space coordinate.
    - `source`: q, a number or a function of one point (x, t).

    **Returns:** `op(u, x)` = u_t + c·∇u - q.

    **Raises:** on use, `ValueError` for points of another dimension.

    ```python
    r = jsci.residual(jsci.pde.advection((1.0,)), f)
    ```
    """

    def op(u, x):
        require_dimension(x, len(velocity) + 1, "advection with this velocity")
        transport = sum(c * derivative(u, i)(x) for i, c in enumerate(velocity))
        return derivative(u, -1)(x) + transport - at(source, x)

    return op


def wave(speed: float, source: Source = 0.0) -> Operator:
    """The wave equation, u_tt = c² Δu + q.

    **Arguments:**

    - `speed`: c, length per time, positive.
    - `source`: q, a number or a function of one point (x, t).

    **Returns:** `op(u, x)` = u_tt - c² Δu - q.

    **Raises:** `ValueError` for a speed that is not positive.

    ```python
    r = jsci.residual(jsci.pde.wave(2.0), f)
    ```
    """
    require_positive(speed=speed)
    return lambda u, x: derivative(u, -1, -1)(x) - speed**2 * space_laplacian(u, x) - at(source, x)


def schroedinger(potential: Source) -> Operator:
    """The stationary Schrödinger operator, H ψ = -Δψ + V ψ (units with ħ²/2m = 1).

    **Arguments:**

    - `potential`: V, a number or a function of one point `(d,)`, in units of ħ²/2m per length².

    **Returns:** `op(u, x)` = -Δu(x) + V(x) u(x); `eigenproblem` solves Hψ = Eψ.

    ```python
    oscillator = jsci.pde.schroedinger(lambda x: x[0] ** 2)
    oscillator(lambda x: jnp.exp(-x[0] ** 2 / 2), jnp.array([0.0]))  # 1.0
    ```
    """
    return lambda u, x: -smooth_laplacian(u, x) + at(potential, x) * u(x)
