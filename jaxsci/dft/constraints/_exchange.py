"""What exact exchange obeys."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._xc.features import Features
from .._xc.slater import slater, uniform_exchange
from ._densities import (
    Functional,
    from_reduced,
    reduced_gradient_squared,
    scale_uniformly,
    second_order,
    uniform_gas,
    unpolarised,
)

GRADIENT_EXPANSION = 10 / 81
LIEB_OXFORD = 1.804
TWO_ELECTRONS = 1.174
_FAR = 1e6  # s that stands for infinity


def exchange_sign(functional: Functional, params: Any, features: Features) -> Float[Array, ""]:
    """Exchange energies are not positive, E_x ≤ 0.

        r = max(0, e_x / |e_x^LDA|)

    **Arguments:**

    - `functional`: exchange, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; all of them are used.

    **Returns:** r, dimensionless; zero where exchange is negative.

    ```python
    constraint, f = jsci.dft.constraints.exchange_sign, jsci.dft.xc("pbe_x")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # zeros
    ```
    """
    return jax.nn.relu(functional(params, features) / -slater(features))


def exchange_spin_scaling(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """Exchange of both spins from that of each, E_x[ρ_α, ρ_β] = ½ (E_x[2ρ_α] + E_x[2ρ_β]).

        r = {e_x(α, β) - ½ [e_x(α, α) + e_x(β, β)]} / e_x^LDA

    **Arguments:**

    - `functional`: exchange, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; all of them are used.
        Where both spins are equal the constraint holds trivially.

    **Returns:** r, dimensionless; zero where the relation holds.

    **Source:** Oliver & Perdew, Phys. Rev. A 20, 397 (1979).

    ```python
    constraint, f = jsci.dft.constraints.exchange_spin_scaling, jsci.dft.xc("pbe_x")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # zeros
    ```
    """
    f = features

    def doubled(rho, sigma, tau, laplacian):
        twice = (tau, tau, laplacian, laplacian)
        return functional(params, Features(rho, rho, sigma, sigma, sigma, *twice))

    parts = doubled(f.rho_a, f.sigma_aa, f.tau_a, f.laplacian_a)
    parts += doubled(f.rho_b, f.sigma_bb, f.tau_b, f.laplacian_b)
    return (functional(params, f) - 0.5 * parts) / slater(f)


def exchange_uniform_scaling(
    functional: Functional, params: Any, features: Features, *, gamma: float = 2.0
) -> Float[Array, ""]:
    """Exchange is linear under uniform scaling, E_x[ρ_γ] = γ E_x[ρ] with ρ_γ(r) = γ³ ρ(γr).

        r = {e_x[ρ_γ] / γ⁴ - e_x[ρ]} / e_x^LDA[ρ]

    **Arguments:**

    - `functional`: exchange, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; all of them are used.
    - `gamma`: the scale factor γ > 0; at 1 the constraint holds trivially.

    **Returns:** r, dimensionless; zero where the relation holds.

    **Source:** Levy & Perdew, Phys. Rev. A 32, 2010 (1985).

    ```python
    constraint, f = jsci.dft.constraints.exchange_uniform_scaling, jsci.dft.xc("pbe_x")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # zeros
    ```
    """
    scaled = functional(params, scale_uniformly(features, gamma)) / gamma**4
    return (scaled - functional(params, features)) / slater(features)


def exchange_of_uniform_gas(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """Exchange of the uniform gas is Dirac's, at every density and polarisation.

        r = e_x(ρ, ζ, ∇ρ = 0) / e_x^LDA(ρ, ζ) - 1

    **Arguments:**

    - `functional`: exchange, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; ρ and ζ alone are used.

    **Returns:** r, the relative error.

    ```python
    constraint, f = jsci.dft.constraints.exchange_of_uniform_gas, jsci.dft.xc("pbe_x")
    point = jsci.dft.Features(rho_a=0.1, rho_b=0.1)
    constraint(f, None, point)  # 0
    ```
    """
    gas = uniform_gas(features.rho, features.zeta)
    return functional(params, gas) / slater(gas) - 1


def exchange_gradient_expansion(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """Exchange of a slowly varying density, F_x = 1 + 10/81 s² + O(∇⁴).

        r = C - 10/81,   C the coefficient of s² in F_x, with τ expanded to the same order

    **Arguments:**

    - `functional`: exchange, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; ρ alone is used.

    **Returns:** r, dimensionless.

    **Source:** Antoniewicz & Kleinman, Phys. Rev. B 31, 6779 (1985).

    ```python
    constraint, f = jsci.dft.constraints.exchange_gradient_expansion, jsci.dft.xc("pbe_x")
    point = jsci.dft.Features(rho_a=0.1, rho_b=0.1)
    constraint(f, None, point)  # 0.0961, as μ = 0.2195
    ```
    """
    rho = features.rho
    return second_order(functional, params, rho) / uniform_exchange(rho) - GRADIENT_EXPANSION


def exchange_nonuniform_scaling(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """The enhancement factor falls at least as s^(-1/2) for s → ∞.

        r = max(0, d ln|F_x| / d ln s + ½)   at s = 10⁶, α = 1

    Keeps the energy finite when a density is squeezed into two dimensions.

    **Arguments:**

    - `functional`: exchange, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; ρ alone is used.

    **Returns:** r, the missing power of s; zero where F_x falls fast enough.

    **Source:** Levy, Phys. Rev. A 43, 4637 (1991); Perdew et al., J. Chem. Phys. 140, 18A533
    (2014).

    ```python
    constraint, f = jsci.dft.constraints.exchange_nonuniform_scaling, jsci.dft.xc("pbe_x")
    point = jsci.dft.Features(rho_a=0.1, rho_b=0.1)
    constraint(f, None, point)  # 0.5: F_x tends to a constant
    ```
    """
    rho = features.rho

    def log_enhancement(log_s):
        point = from_reduced(rho, 0 * rho, jnp.exp(2 * log_s), jnp.ones_like(rho))
        return jnp.log(jnp.abs(functional(params, point) / uniform_exchange(rho)))

    return jax.nn.relu(jax.grad(log_enhancement)(jnp.full_like(rho, jnp.log(_FAR))) + 0.5)


def exchange_lieb_oxford(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """The local Lieb-Oxford bound of exchange, F_x ≤ 1.804 for every unpolarised density.

        r = max(0, F_x - 1.804)

    **Arguments:**

    - `functional`: exchange, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; ρ, |∇ρ|² and τ of the
        total density are used, not its polarisation.

    **Returns:** r, dimensionless; zero where the bound holds.

    Sufficient for the Lieb-Oxford bound of every density, given spin scaling; not necessary.

    **Source:** Perdew, Burke & Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996).

    ```python
    constraint, f = jsci.dft.constraints.exchange_lieb_oxford, jsci.dft.xc("pbe_x")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # zeros
    ```
    """
    enhancement = functional(params, unpolarised(features)) / uniform_exchange(features.rho)
    return jax.nn.relu(enhancement - LIEB_OXFORD)


def exchange_of_two_electrons(
    functional: Functional, params: Any, features: Features
) -> Float[Array, ""]:
    """F_x ≤ 1.174 where τ is von Weizsäcker's, as in every two-electron singlet.

        r = max(0, F_x(ρ, s, α = 0) - 1.174)

    **Arguments:**

    - `functional`: exchange, `functional(params, features)` in Hartree/Bohr³ at one point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; ρ and |∇ρ|² of the total
        density are used.

    **Returns:** r, dimensionless; zero where the bound holds.

    **Source:** Perdew et al., J. Chem. Phys. 140, 18A533 (2014).

    ```python
    constraint, f = jsci.dft.constraints.exchange_of_two_electrons, jsci.dft.xc("r2scan_x")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # zeros
    ```
    """
    rho = features.rho
    point = from_reduced(rho, 0 * rho, reduced_gradient_squared(features), 0 * rho)
    return jax.nn.relu(functional(params, point) / uniform_exchange(rho) - TWO_ELECTRONS)
