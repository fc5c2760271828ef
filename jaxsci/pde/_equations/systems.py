"""Systems of equations for fields of several components, as operators op(u, x).

The point of an evolution equation is (x₁, …, t), time last. Where a system has a stationary form as
well, the dimension of the point says which is meant.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import derivative, divergence, grad, jacobian, laplacian
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


def navier_stokes(viscosity: float, force: Source = 0.0) -> Operator:
    """The incompressible Navier-Stokes equations for velocity and pressure, at density 1.

        u_t + (u·∇) u = -∇p + ν Δu + f,   ∇·u = 0

    **Arguments:**

    - `viscosity`: ν, length² per time, positive.
    - `force`: f, a number or a function of one point returning shape `(d,)`, length per time².

    **Returns:** `op(w, x)` of shape `(d + 1,)`, momentum first and the divergence last, for a field
    w = (u₁, …, u_d, p). At points of d coordinates u_t is left out: the flow is stationary.

    **Raises:** `ValueError` for a viscosity that is not positive; on use, for a field that does not
    have d velocities and a pressure for points of d coordinates, or d and a time, with d ≥ 2.

    **Notes:** the pressure is determined up to a constant, in time up to a function of t, unless a
    condition fixes it.

    ```python
    flow = lambda x: jnp.stack([x[1], 0.0 * x[0], 0.0 * x[0]])  # between two moving plates
    jsci.pde.navier_stokes(0.01)(flow, jnp.array([0.3, 0.7]))  # shape (3,)
    ```
    """
    require_positive(viscosity=viscosity)

    def op(w, x):
        value = w(x)
        if value.ndim != 1 or value.size < 3 or x.size not in (value.size - 1, value.size):
            raise ValueError(
                "navier_stokes takes d ≥ 2 velocities and a pressure, at points of d coordinates, "
                f"or d and the time; got {value.shape} at a point of {x.shape}."
            )
        d = value.size - 1
        slopes, velocity = jacobian(w)(x), value[:d]
        bend = smooth_laplacian if x.size == d else space_laplacian
        momentum = slopes[:d, :d] @ velocity + slopes[d, :d] - at(force, x)
        momentum = momentum - viscosity * bend(lambda y: w(y)[:d], x)
        if x.size > d:
            momentum = momentum + slopes[:d, d]
        return jnp.append(momentum, jnp.trace(slopes[:, :d]))

    return op


def stream_function(viscosity: float, curl: Source = 0.0) -> Operator:
    """The Navier-Stokes equations in two dimensions for the stream function ψ.

        ω_t + u·∇ω = ν Δω + g,   ω = -Δψ,   u = (ψ_y, -ψ_x)

    The velocity has no divergence, whatever ψ is, and there is no pressure.

    **Arguments:**

    - `viscosity`: ν, length² per time, positive.
    - `curl`: g = ∂f_y/∂x - ∂f_x/∂y of the force, a number or a function of one point.

    **Returns:** `op(ψ, x)`, the residual of the vorticity equation, at points (x, y), where the
    flow is stationary, or (x, y, t).

    **Raises:** `ValueError` for a viscosity that is not positive; on use, for other points or an
    activation without second derivatives.

    **Notes:** of fourth order: at a wall ψ and its normal slope are given.

    ```python
    whirl = lambda x: jnp.exp(-0.02 * x[2]) * jnp.sin(x[0]) * jnp.sin(x[1])
    jsci.pde.stream_function(0.01)(whirl, jnp.array([0.3, 0.7, 0.2]))  # 0.0
    ```
    """
    require_positive(viscosity=viscosity)

    def op(psi, x):
        if jnp.shape(x) not in ((2,), (3,)):
            raise ValueError(
                f"stream_function needs points (x, y) or (x, y, t), got shape {jnp.shape(x)}."
            )
        require_smooth(psi, x)
        rest = x[2:]

        def vorticity(y):
            return -laplacian(lambda z: psi(jnp.append(z, y[2:])))(y[:2])

        slopes, along = grad(vorticity)(x), grad(psi)(x)
        transport = along[1] * slopes[0] - along[0] * slopes[1] + jnp.sum(slopes[2:])
        spread = laplacian(lambda z: vorticity(jnp.append(z, rest)))(x[:2])
        return transport - viscosity * spread - at(curl, x)

    return op


def elasticity(lame: Source, shear: Source, force: Source = 0.0) -> Operator:
    """Linear elasticity of an isotropic material at rest.

        -∇·σ = f,   σ = λ (∇·u) 1 + 2 μ ε,   ε = (∇u + ∇uᵀ)/2

    **Arguments:**

    - `lame`: λ, force per area, a number or a function of one point `(d,)`. From Young's modulus E
        and Poisson's ratio ν it is E ν/((1 + ν)(1 - 2ν)), in two dimensions that of plane strain;
        E ν/(1 - ν²) gives plane stress.
    - `shear`: μ = E/(2 (1 + ν)), likewise, positive.
    - `force`: f per volume, a number or a function of one point returning shape `(d,)`.

    **Returns:** `op(u, x)` = -∇·σ - f of shape `(d,)`, for a displacement u of shape `(d,)`.

    **Raises:** `ValueError` for a shear modulus that is not positive; on use, `TypeError` for a
    field that does not have one component per coordinate.

    ```python
    stretch = lambda x: jnp.stack([0.01 * x[0], -0.003 * x[1]])
    jsci.pde.elasticity(1.0, 0.5)(stretch, jnp.array([0.3, 0.7]))  # shape (2,)
    ```
    """
    require_positive(shear=shear)

    def op(u, x):
        require_smooth(u, x)
        divergence(u)(x)  # refuses other components

        def stress(y):
            slopes = jacobian(u)(y)
            pressure = at(lame, y) * jnp.trace(slopes) * jnp.eye(y.size, dtype=slopes.dtype)
            return pressure + at(shear, y) * (slopes + slopes.T)

        return -jnp.trace(jacobian(stress)(x), axis1=1, axis2=2) - at(force, x)

    return op


def maxwell(
    permittivity: Source = 1.0, permeability: Source = 1.0, current: Source = 0.0
) -> Operator:
    """Maxwell's equations in time, as curls.

        ε E_t - ∇×H + J = 0,   μ H_t + ∇×E = 0

    **Arguments:**

    - `permittivity`, `permeability`: ε, μ, numbers or functions of one point (x, y, z, t), which
        are taken to be constant in time.
    - `current`: J, a number or a function of one point returning shape `(3,)`.

    **Returns:** `op(w, x)` of shape `(6,)` for a field w = (E, H) of six components at points
    (x, y, z, t).

    **Raises:** `ValueError` for a permittivity or permeability that is not positive; on use, for
    other points or fields.

    **Notes:** ∇·(μH) and, without charges, ∇·(εE) stay what they are initially. In least squares
    adding them as an equation of their own keeps them small.

    ```python
    phase = lambda x: jnp.cos(x[0] - x[3])
    plane = lambda x: jnp.zeros(6).at[1].set(phase(x)).at[5].set(phase(x))
    jsci.pde.maxwell()(plane, jnp.array([0.3, 0.7, 0.1, 0.2]))  # shape (6,)
    ```
    """
    require_positive(permittivity=permittivity, permeability=permeability)

    def op(w, x):
        require_dimension(x, 4, "maxwell")
        _require_components(w(x), (6,), "maxwell")
        slopes = jacobian(w)(x)
        rates, electric, magnetic = slopes[:, 3], slopes[:3, :3], slopes[3:, :3]
        ampere = at(permittivity, x) * rates[:3] - _curl(magnetic) + at(current, x)
        faraday = at(permeability, x) * rates[3:] + _curl(electric)
        return jnp.concatenate([ampere, faraday])

    return op


def time_harmonic_maxwell(
    wavenumber: float, source: Source = 0.0, permittivity: Source = 1.0
) -> Operator:
    """Maxwell's equations at one frequency, for the electric field.

        ∇×∇×E - k² ε E = s

    **Arguments:**

    - `wavenumber`: k in vacuum, radians per length.
    - `source`: s = iωμ₀J, a number or a function of one point returning shape `(d,)`.
    - `permittivity`: the relative ε, a number or a function of one point.

    **Returns:** `op(E, x)` of shape `(d,)`, for a real field of d components at points of d = 2
    coordinates (E in the plane) or 3. With a real ε the parts of a complex field are two such.

    **Raises:** on use, `ValueError` for other points or fields.

    ```python
    wave = lambda x: jnp.stack([0.0 * x[0], jnp.sin(2.0 * x[0])])
    jsci.pde.time_harmonic_maxwell(2.0)(wave, jnp.array([0.3, 0.7]))  # shape (2,)
    ```
    """

    def op(e, x):
        if jnp.shape(x) not in ((2,), (3,)):
            raise ValueError(
                f"time_harmonic_maxwell needs points of 2 or 3 coordinates, got {jnp.shape(x)}."
            )
        require_smooth(e, x)
        value = e(x)
        _require_components(value, x.shape, "time_harmonic_maxwell")
        if x.size == 3:
            turned = _curl(jacobian(lambda y: _curl(jacobian(e)(y)))(x))
        else:
            slope = grad(lambda y: (s := jacobian(e)(y))[1, 0] - s[0, 1])(x)
            turned = jnp.stack([slope[1], -slope[0]])
        return turned - wavenumber**2 * at(permittivity, x) * value - at(source, x)

    return op


def reaction_diffusion(
    diffusivities: tuple[float, ...],
    reaction: Callable[[Float[Array, " c"], Float[Array, " dim"]], Array],
) -> Operator:
    """Species that diffuse and react, ∂u_i/∂t = D_i Δu_i + R_i(u, x).

    **Arguments:**

    - `diffusivities`: D, one per species, length² per time, positive.
    - `reaction`: `R(u, x) -> (c,)`, from the values u of all species at one point (x, t).

    **Returns:** `op(u, x)` of shape `(c,)`, for a field of c components.

    **Raises:** `ValueError` for diffusivities that are not several positive numbers; on use, for a
    field or a reaction that does not have one component per diffusivity.

    ```python
    def gray_scott(u, x):
        eaten = u[0] * u[1] ** 2
        return jnp.stack([0.04 * (1 - u[0]) - eaten, eaten - 0.1 * u[1]])

    op = jsci.pde.reaction_diffusion((1e-5, 5e-6), gray_scott)
    ```
    """
    if not isinstance(diffusivities, tuple | list) or not diffusivities:
        raise ValueError(f"diffusivities needs one number per species, got {diffusivities!r}.")
    for value in diffusivities:
        require_positive(diffusivities=value)
    shape = (len(diffusivities),)

    def op(u, x):
        value = u(x)
        _require_components(value, shape, "reaction_diffusion")
        grown = reaction(value, x)
        _require_components(grown, shape, "The reaction of reaction_diffusion")
        rates = jnp.asarray(diffusivities, value.dtype)
        slope = jnp.stack([derivative(u, -1, component=i)(x) for i in range(value.size)])
        return slope - rates * space_laplacian(u, x) - grown

    return op


def _curl(slopes: Float[Array, "3 3"]) -> Float[Array, "3"]:
    """∇×v from ∂v_i/∂x_j."""
    turn = slopes.T - slopes
    return jnp.stack([turn[1, 2], turn[2, 0], turn[0, 1]])


def _require_components(value: Array, shape: tuple[int, ...], name: str) -> None:
    if jnp.shape(value) != shape:
        raise ValueError(f"{name} needs a field of shape {shape}, got {jnp.shape(value)}.")
