"""The energy of three atoms whose dipoles fluctuate together."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .pairs import Pairs, PerPair

# Beyond this distance (Bohr) between two atoms a triple is left out, as the reference programs do.
_RANGE = 40.0
_EXPONENT = 16  # of the damping
# Third atoms whose terms are added before sums go back to memory.
_AT_ONCE = 4


def three_body_energy(pairs: Pairs, c6: PerPair, radius: PerPair) -> Float[Array, ""]:
    """The energy of Axilrod, Teller and Muto, damped at short range.

        E = Σ_{A<B<C} f(R̄) C₉ (3 cos θ_A cos θ_B cos θ_C + 1)/(R_AB R_AC R_BC)³
        C₉ = √(C₆^AB C₆^AC C₆^BC),  f = 1/(1 + 6 (R̄₀/R̄)¹⁶)

    with geometric means R̄ over the three pairs. Every factor but the angle is a product over pairs.

    **Source:** Grimme, Antony, Ehrlich & Krieg, J. Chem. Phys. 132, 154104 (2010), equations 11 to
    14.
    """
    close = pairs.within(_RANGE)
    strength = jnp.where(close, jnp.sqrt(jnp.where(close, c6, 1)) * pairs.r2**-1.5, 0)
    # As an exponential it takes half the time of a power.
    ratio = jnp.where(close, radius**2 / pairs.r2, 1)
    damping = jnp.where(close, jnp.exp(_EXPONENT / 6 * jnp.log(ratio)), 0)
    return _sum_over_triples(pairs.r2, strength, damping)


class _Sums(NamedTuple):
    """Over the third atom of all triples of a pair: of its energy, and of slopes of that."""

    energy: PerPair
    by_damping: PerPair
    by_distance: PerPair


@jax.custom_jvp
def _sum_over_triples(r2: PerPair, strength: PerPair, damping: PerPair) -> Float[Array, ""]:
    """The sum from R², √C₆/R³ and (R₀/R)^(16/3) of all pairs, which are symmetric matrices."""
    return jnp.sum(strength * _over_third_atom(r2, strength, damping).energy) / 6


@_sum_over_triples.defjvp
def _sum_over_triples_jvp(primals, tangents):
    # A triple looks the same from all its pairs: the slopes in one of them, three times, are all.
    r2, strength, _ = primals
    sums = _over_third_atom(*primals)
    slopes = (
        strength / r2 * sums.by_distance,
        sums.energy,
        -6 * strength * sums.by_damping,
    )
    change = jnp.sum(jnp.stack([s * t for s, t in zip(slopes, tangents, strict=True)]))
    return jnp.sum(strength * sums.energy) / 6, 0.5 * change


def _over_third_atom(ab: PerPair, strength: PerPair, damping: PerPair) -> _Sums:
    """One atom C after the other, so that memory grows as the square of the number of atoms."""
    inverse = 1 / ab

    @jax.checkpoint
    def add(sums: _Sums, row):
        to_c, g, h, d = row
        ac, bc = to_c[:, None], to_c[None]
        straight, bent, damped = (x[:, None] * x[None] for x in (g, h, d))
        f = 1 / (1 + 6 * damping * damped)
        p, q, s = ab + bc - ac, ab - bc + ac, bc + ac - ab
        angle = p * q * s * inverse
        energy = (straight + 0.375 * bent * angle) * f
        turned = 0.375 * bent * f * ((p + q) * s - p * q - angle)
        return _Sums(
            sums.energy + energy,
            sums.by_damping + energy * f * damped,
            sums.by_distance + turned,
        ), None

    rows = (ab, strength, strength * inverse, damping)
    return jax.lax.scan(add, _Sums(*3 * (jnp.zeros_like(ab),)), rows, unroll=_AT_ONCE)[0]
