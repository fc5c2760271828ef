"""What exact correlation obeys."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._xc.features import Features
from .._xc.pw92 import pw92_mod
from .._xc.slater import slater
from ._densities import (
    Functional,
    from_reduced,
    reduced_gradient_squared,
    scale_uniformly,
    second_order,
    uniform_gas,
)

# ε_c → ε_c(uniform) + β t² at high density (Ma & Brueckner, Phys. Rev. 165, 18 (1968)).
GRADIENT_EXPANSION = 0.06672455060314922
_COMPRESSED = 1e8  # γ that stands for infinity
_DILUTE = 1e-12  # density that stands for zero
_FAR = 1e4  # s that stands for infinity


def correlation_sign(functional: Functional, params: Any, features: Features) -> Float[Array, ""]:
    """Correlation energies are not positive, E_c ≤ 0.

        r = max(0, e_c / |e_x^LDA|)

    **Arguments:**

    - `functional`: correlation, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; all of them are used.

    **Returns:** r, dimensionless; zero where correlation is negative.

    ```python
    constraint, f = jsci.dft.constraints.correlation_sign, jsci.dft.xc("pbe_c")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # zeros
    ```
    """
    return jax.nn.relu(functional(params, features) / -slater(features))


def correlation_of_uniform_gas(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """Correlation of the uniform gas, relative to the fit of Perdew and Wang.

        r = e_c(ρ, ζ, ∇ρ = 0) / e_c^PW92(ρ, ζ) - 1

    **Arguments:**

    - `functional`: correlation, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; ρ and ζ alone are used.

    **Returns:** r, the relative error. Published fits differ from one another by a percent or two.

    ```python
    constraint, f = jsci.dft.constraints.correlation_of_uniform_gas, jsci.dft.xc("pbe_c")
    point = jsci.dft.Features(rho_a=0.1, rho_b=0.1)
    constraint(f, None, point)  # 0
    ```
    """
    gas = uniform_gas(features.rho, features.zeta)
    return functional(params, gas) / pw92_mod(gas) - 1


def correlation_gradient_expansion(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """Correlation of a slowly varying density of high density, E_c = ∫ ρ (ε_c + β t²).

        r = C/β - 1,   C the coefficient of t², β = 0.0667

    **Arguments:**

    - `functional`: correlation, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; none is used, as the
        limit is taken at ρ = 10⁹.

    **Returns:** r, the relative error of the coefficient.

    ```python
    constraint, f = jsci.dft.constraints.correlation_gradient_expansion, jsci.dft.xc("pbesol_c")
    point = jsci.dft.Features(rho_a=0.1, rho_b=0.1)
    constraint(f, None, point)  # -0.311, as β = 0.046
    ```
    """
    rho = 1e9 + 0 * features.rho
    t2_per_s2 = math.pi * (3 * math.pi**2) ** (1 / 3) / 4 * jnp.cbrt(rho)
    found = second_order(functional, params, rho) / (rho * t2_per_s2)
    return found / GRADIENT_EXPANSION - 1


def correlation_of_one_electron(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """One electron has no correlation energy, E_c = 0 for ζ = 1 and von Weizsäcker's τ.

        r = e_c(ρ, ζ = 1, s, α = 0) / e_x^LDA

    **Arguments:**

    - `functional`: correlation, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; ρ and |∇ρ|² of the total
        density are used.

    **Returns:** r, dimensionless.

    ```python
    constraint, f = jsci.dft.constraints.correlation_of_one_electron, jsci.dft.xc("tpss_c")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # zeros
    ```
    """
    rho = features.rho
    s2 = reduced_gradient_squared(features)
    one = from_reduced(rho, jnp.ones_like(rho), s2, jnp.zeros_like(rho))
    return functional(params, one) / slater(one)


def correlation_high_density_limit(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """E_c[ρ_γ] tends to a constant for γ → ∞, with ρ_γ(r) = γ³ ρ(γr).

        r = dε_c[ρ_γ] / d ln γ   at γ = 10⁸

    **Arguments:**

    - `functional`: correlation, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; all of them are used.
        The limit holds for a gradient, |∇ρ| > 0, not for the uniform gas.

    **Returns:** r in Hartree per electron.

    **Source:** Levy, Phys. Rev. A 43, 4637 (1991).

    ```python
    constraint, f = jsci.dft.constraints.correlation_high_density_limit, jsci.dft.xc("pbe_c")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # below 2e-3
    ```
    """
    return _slope(functional, params, features, _COMPRESSED)


def correlation_low_density_limit(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """E_c[ρ_γ] tends to γ D[ρ] for γ → 0, with ρ_γ(r) = γ³ ρ(γr).

        r = {dε_c[ρ_γ] / d ln γ - ε_c[ρ_γ]} / ε_x^LDA[ρ_γ]   where ρ_γ = 10⁻¹² Bohr⁻³

    **Arguments:**

    - `functional`: correlation, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; all of them are used.

    **Returns:** r, dimensionless. The limit is approached slowly, as r_s^(-1/2).

    **Source:** Levy, Phys. Rev. A 43, 4637 (1991).

    ```python
    constraint, f = jsci.dft.constraints.correlation_low_density_limit, jsci.dft.xc("pbe_c")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # below 5e-2
    ```
    """
    gamma = jnp.cbrt(_DILUTE / features.rho)
    value = _per_electron(functional, params, features, gamma)
    unit = _per_electron(lambda _, f: slater(f), None, features, gamma)
    return (_slope(functional, params, features, gamma) - value) / unit


def correlation_scaling_inequality(
    functional: Functional, params: Any, features: Features, *, gamma: float = 2.0
) -> Float[Array, ""]:
    """Correlation under uniform scaling, E_c[ρ_γ] > γ E_c[ρ] for γ > 1.

        r = max(0, γ ε_c[ρ] - ε_c[ρ_γ])

    **Arguments:**

    - `functional`: correlation, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; all of them are used.
    - `gamma`: the scale factor γ > 1.

    **Returns:** r in Hartree per electron; zero where the inequality holds.

    **Source:** Levy & Perdew, Phys. Rev. A 32, 2010 (1985).

    ```python
    constraint, f = jsci.dft.constraints.correlation_scaling_inequality, jsci.dft.xc("pbe_c")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # zeros
    ```
    """
    one, scaled = (_per_electron(functional, params, features, g) for g in (1.0, gamma))
    return jax.nn.relu(gamma * one - scaled)


def correlation_adiabatic_concavity(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """The correlation energy at coupling λ, λ² E_c[ρ_{1/λ}], is concave in λ.

        r = max(0, d²(λ² ε_c[ρ_{1/λ}]) / dλ²)   at λ = 1

    **Arguments:**

    - `functional`: correlation, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; all of them are used.

    **Returns:** r in Hartree per electron; zero where the energy is concave.

    **Source:** Levy & Perdew, Phys. Rev. A 32, 2010 (1985); follows from the variational principle.

    ```python
    constraint, f = jsci.dft.constraints.correlation_adiabatic_concavity, jsci.dft.xc("pbe_c")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # zeros
    ```
    """

    def coupled(coupling):
        return coupling**2 * _per_electron(functional, params, features, 1 / coupling)

    return jax.nn.relu(jax.grad(jax.grad(coupled))(jnp.ones_like(features.rho)))


def correlation_rapidly_varying(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """Correlation vanishes where a density varies rapidly, s → ∞.

        r = e_c(ρ, ζ = 0, s, α = 1) / e_x^LDA   at s = 10⁴

    **Arguments:**

    - `functional`: correlation, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; ρ alone is used.

    **Returns:** r, dimensionless.

    **Source:** Perdew, Burke & Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996), condition (b).

    ```python
    constraint, f = jsci.dft.constraints.correlation_rapidly_varying, jsci.dft.xc("pbe_c")
    point = jsci.dft.Features(rho_a=0.1, rho_b=0.1)
    constraint(f, None, point)  # 0
    ```
    """
    rho = features.rho
    point = from_reduced(rho, 0 * rho, jnp.full_like(rho, _FAR**2), jnp.ones_like(rho))
    return functional(params, point) / slater(point)


def _per_electron(functional, params, features, gamma):
    scaled = scale_uniformly(features, gamma)
    return functional(params, scaled) / scaled.rho


def _slope(functional, params, features, gamma):
    def value(log_gamma):
        return _per_electron(functional, params, features, jnp.exp(log_gamma))

    return jax.grad(value)(jnp.log(jnp.full_like(features.rho, gamma)))
