"""What exchange and correlation together obey."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._xc.features import Features
from .._xc.slater import uniform_exchange
from ._densities import Functional, from_reduced

LIEB_OXFORD = 2.273
HYDROGEN = -5 / 16  # minus the electron's repulsion of itself, in Hartree


def spin_symmetry(functional: Functional, params: Any, features: Features) -> Float[Array, ""]:
    """Both spins count alike, E_xc[ρ_α, ρ_β] = E_xc[ρ_β, ρ_α].

        r = {e_xc(β, α) - e_xc(α, β)} / e_x^LDA

    **Arguments:**

    - `functional`: exchange and correlation, `functional(params, features)` in Hartree/Bohr³ at one
        point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; all of them are used.

    **Returns:** r, dimensionless; zero where the relation holds.

    ```python
    constraint, f = jsci.dft.constraints.spin_symmetry, jsci.dft.xc("pbe")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # zeros
    ```
    """
    f = features
    rho, sigma = (f.rho_b, f.rho_a), (f.sigma_bb, f.sigma_ab, f.sigma_aa)
    swapped = Features(*rho, *sigma, f.tau_b, f.tau_a, f.laplacian_b, f.laplacian_a)
    return (functional(params, swapped) - functional(params, f)) / uniform_exchange(f.rho)


def lieb_oxford(functional: Functional, params: Any, features: Features) -> Float[Array, ""]:
    """The local Lieb-Oxford bound, E_xc ≥ 2.273 E_x(uniform, unpolarised) at every point.

        r = max(0, e_xc / e_x^LDA(ρ, ζ = 0) - 2.273)

    **Arguments:**

    - `functional`: exchange and correlation, `functional(params, features)` in Hartree/Bohr³ at one
        point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; all of them are used.

    **Returns:** r, dimensionless; zero where the bound holds.

    **Source:** Lieb & Oxford, Int. J. Quantum Chem. 19, 427 (1981), with the local form's constant
    of Perdew, Burke & Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996).

    ```python
    constraint, f = jsci.dft.constraints.lieb_oxford, jsci.dft.xc("pbe")
    points = jsci.dft.constraints.sample_features(jax.random.key(0), 64)
    jax.vmap(lambda point: constraint(f, None, point))(points)  # zeros
    ```
    """
    enhancement = functional(params, features) / uniform_exchange(features.rho)
    return jax.nn.relu(enhancement - LIEB_OXFORD)


def hydrogen_atom(functional: Functional, params: Any, features: Features) -> Float[Array, ""]:
    """Exchange cancels the self-repulsion of the hydrogen atom's electron, E_xc = -U.

        r = ∫ e_xc[ρ] dr + 5/16,   ρ = exp(-2r)/π, ζ = 1, τ = τ_W

    **Arguments:**

    - `functional`: exchange and correlation, `functional(params, features)` in Hartree/Bohr³ at one
        point.
    - `params`: the functional's parameters; `None` if it has none.
    - `features`: `Features` of one point, scalars in Hartree atomic units; only their dtype is
        used, as the density is the atom's own.

    **Returns:** r, the error in Hartree.

    ```python
    constraint, f = jsci.dft.constraints.hydrogen_atom, jsci.dft.xc("slater")
    point = jsci.dft.Features(rho_a=0.1, rho_b=0.1)
    constraint(f, None, point)  # 0.044: local exchange is too weak
    ```
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    # r = (1 + x)/(1 - x)
    r = (1 + nodes) / (1 - nodes)
    weights = jnp.asarray(weights * 8 * math.pi * r**2 / (1 - nodes) ** 2, features.rho.dtype)
    rho = jnp.asarray(np.exp(-2 * r) / math.pi, features.rho.dtype)
    # |∇ρ| = 2ρ
    s2 = 4 * rho**2 / (4 * (3 * math.pi**2) ** (2 / 3) * rho ** (8 / 3))
    points = from_reduced(rho, jnp.ones_like(rho), s2, jnp.zeros_like(rho))
    density = jax.vmap(lambda f: functional(params, f))(points)
    return jnp.sum(weights * density) - HYDROGEN
