"""D3 and D4: C₆ of every pair of atoms from reference molecules, and the damped energy."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from . import tables
from .charges import equilibrated_charges
from .pairs import Pairs, PerPair, d3_neighbours, d4_neighbours
from .three_body import three_body_energy

Method = Literal["d3bj", "d3zero", "d4"]

# Beyond this distance (Bohr) a pair is left out, as the reference programs do.
_RANGE = 60.0
# Steepness of the weights of the references in the coordination number.
_D3_WEIGHT, _D4_WEIGHT = 4.0, 6.0
# Height and steepness of D4's dependence on the charge.
_HEIGHT, _STEEPNESS = 3.0, 2.0
# Half the exponents of zero damping, of C₆ and of C₈.
_SIXTH, _EIGHTH = 7, 8


class Damping(NamedTuple):
    """Parameters of a functional: s₈ and, by method, a₁ and a₂ or two scaled radii."""

    s8: float
    first: float  # a₁, or the factor of the radius in the damping of C₆
    second: float  # a₂ in Bohr, or the factor of the radius in the damping of C₈


def d3_energy(pairs: Pairs, method: Method, damping: Damping, three_body: bool) -> Float[Array, ""]:
    """D3 with rational ("d3bj") or zero damping, in Hartree."""
    c6 = d3_coefficients(pairs)
    radii = jnp.asarray(tables.d3_table().pair_radius)
    van_der_waals = radii[pairs.elements[:, None], pairs.elements]
    if method == "d3zero":
        energy = _zero_damped(pairs, c6, van_der_waals, damping)
    else:
        energy = _rational(pairs, c6, damping)
    if three_body:
        energy += three_body_energy(pairs, c6, 4 / 3 * van_der_waals)
    return energy


def d4_energy(
    pairs: Pairs, damping: Damping, three_body: bool, charge: Float[Array, ""]
) -> Float[Array, ""]:
    """D4, in Hartree. As in its definition, three atoms interact as if they had no charge."""
    cn, cn_of_charges = d4_neighbours(pairs)
    charges = equilibrated_charges(pairs, cn_of_charges, charge)
    weights = _d4_weights(pairs, cn)
    energy = _rational(pairs, _d4_coefficients(pairs, weights, charges), damping)
    if three_body:
        c6 = _d4_coefficients(pairs, weights, jnp.zeros_like(charges))
        energy += three_body_energy(pairs, c6, _critical_radius(pairs, damping))
    return energy


def d3_coefficients(pairs: Pairs) -> PerPair:
    """C₆ of each pair, Σ_ij w_i w_j C₆^ij with w_i ∝ exp(-4 (CN - CN_i)²)."""
    return _interpolated(d3_neighbours(pairs), pairs.elements)


@jax.custom_jvp
def _interpolated(cn: Float[Array, " atoms"], elements: Int[Array, " atoms"]) -> PerPair:
    return _interpolated_and_slopes(cn, elements)[0]


@_interpolated.defjvp
def _interpolated_jvp(primals, tangents):
    # The slopes come with the sums over references, whose transpose would run over them again.
    c6, slopes = _interpolated_and_slopes(*primals)
    return c6, slopes * tangents[0][None] + slopes.T * tangents[0][:, None]


def _interpolated_and_slopes(cn, elements) -> tuple[PerPair, PerPair]:
    """C₆ of each pair, and its derivative in the coordination number of the second atom."""
    table = tables.d3_table()
    references = jnp.asarray(table.cn)[elements]

    def weights_at(cn):
        distance2 = (cn[:, None] - references) ** 2
        return jax.nn.softmax(-_D3_WEIGHT * distance2, axis=1, where=references >= 0)

    weights, slopes = jax.jvp(weights_at, (cn,), (jnp.ones_like(cn),))
    # Products and sums are faster than matrix products as small as these.
    of_pairs = jnp.asarray(table.c6)[elements[:, None], elements]
    first = jnp.sum(of_pairs * weights[:, None, :, None], axis=2)
    return jnp.sum(first * weights[None], axis=-1), jnp.sum(first * slopes[None], axis=-1)


def _d4_weights(pairs: Pairs, cn: Float[Array, " atoms"]) -> Float[Array, "atoms references"]:
    """Weights of the references: those that share a coordination number have three Gaussians."""
    table = tables.d4_table()
    references = jnp.asarray(table.cn)[pairs.elements]
    gaussians = jnp.asarray(table.gaussians)[pairs.elements]
    exponent = -_D4_WEIGHT * (cn[:, None] - references) ** 2
    present = gaussians > 0
    # The largest is taken out of all, so that they cannot all underflow.
    largest = jax.lax.stop_gradient(jnp.max(exponent, axis=1, where=present, initial=-jnp.inf))
    first = jnp.exp(jnp.where(present, exponent - largest[:, None], -jnp.inf))
    x = jnp.exp(exponent)
    weights = first * jnp.where(gaussians == 3, 1 + x + x**2, 1)
    return weights / jnp.sum(weights, axis=1, keepdims=True)


def _d4_coefficients(
    pairs: Pairs, weights: Float[Array, "atoms references"], charges: Float[Array, " atoms"]
) -> PerPair:
    """C₆ of each pair, 3/π ∫ α_A(iω) α_B(iω) dω, from references scaled by the charges."""
    table = tables.d4_table()
    z = pairs.elements
    valence = jnp.asarray(table.valence)[z]
    left = (valence + charges)[:, None]
    positive = ~(left <= 0)  # NaN propagates
    ratio = (jnp.asarray(table.charge)[z] + valence[:, None]) / jnp.where(positive, left, 1)
    steep = _STEEPNESS * jnp.asarray(table.hardness)[z][:, None]
    fewer = jnp.where(positive, jnp.exp(steep * (1 - ratio)), 0)
    scaled = weights * jnp.exp(_HEIGHT * (1 - fewer))
    alpha = jnp.einsum("ir,irw->iw", scaled, jnp.asarray(table.alpha)[z])
    return alpha @ alpha.T


def _ratio(pairs: Pairs) -> PerPair:
    """C₈/C₆ of each pair."""
    root = jnp.asarray(tables.r4_over_r2())[pairs.elements]
    return 3 * root[:, None] * root[None]


def _critical_radius(pairs: Pairs, damping: Damping) -> PerPair:
    """R₀ = a₁ √(C₈/C₆) + a₂."""
    return damping.first * jnp.sqrt(_ratio(pairs)) + damping.second


def _rational(pairs: Pairs, c6: PerPair, damping: Damping) -> Float[Array, ""]:
    """-Σ_{A<B} C₆ [1/(R⁶ + R₀⁶) + s₈ (C₈/C₆)/(R⁸ + R₀⁸)]."""
    r2, r02 = pairs.r2, _critical_radius(pairs, damping) ** 2
    eighth = damping.s8 * _ratio(pairs) / (r2**4 + r02**4)
    return _sum(pairs, c6 * (1 / (r2**3 + r02**3) + eighth))


def _zero_damped(pairs: Pairs, c6: PerPair, radius: PerPair, damping: Damping):
    """-Σ_{A<B} C₆ [f₆/R⁶ + s₈ (C₈/C₆) f₈/R⁸] with f_n = 1/(1 + 6 (s_nR R₀/R)^(n + 8))."""
    inverse = 1 / pairs.r2
    q = radius**2 * inverse
    sixth = inverse**3 / (1 + 6 * (damping.first**2 * q) ** _SIXTH)
    far = 1 + 6 * (damping.second**2 * q) ** _EIGHTH
    return _sum(pairs, c6 * (sixth + damping.s8 * _ratio(pairs) * inverse**4 / far))


def _sum(pairs: Pairs, attraction: PerPair) -> Float[Array, ""]:
    return -0.5 * jnp.sum(jnp.where(pairs.within(_RANGE), attraction, 0))
