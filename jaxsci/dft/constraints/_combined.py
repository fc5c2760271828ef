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
    """E_xc[ρ_α, ρ_β] = E_xc[ρ_β, ρ_α], in units of local exchange."""
    f = features
    swapped = Features(f.rho_b, f.rho_a, f.sigma_bb, f.sigma_ab, f.sigma_aa, f.tau_b, f.tau_a)
    return (functional(params, swapped) - functional(params, f)) / uniform_exchange(f.rho)


def lieb_oxford(functional: Functional, params: Any, features: Features) -> Float[Array, ""]:
    """E_xc ≥ 2.273 E_x(uniform, unpolarised), here at every point: by how much it is less.

    **Source:** Lieb & Oxford, Int. J. Quantum Chem. 19, 427 (1981), with the local form's constant
    of Perdew, Burke & Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996).
    """
    enhancement = functional(params, features) / uniform_exchange(features.rho)
    return jax.nn.relu(enhancement - LIEB_OXFORD)


def hydrogen_atom(functional: Functional, params: Any, features: Features) -> Float[Array, ""]:
    """E_xc = -U for the hydrogen atom, one electron without self-interaction: the error in Hartree.

    The density is the atom's own; of `features` only the dtype matters.
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
