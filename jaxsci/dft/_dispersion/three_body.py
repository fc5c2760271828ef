"""The energy of three atoms whose dipoles fluctuate together."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .pairs import Pairs, PerPair

# Beyond this distance (Bohr) between two atoms a triple is left out, as the reference programs do.
_RANGE = 40.0
_EXPONENT = 16  # of the damping
# Up to this many atoms all triples are in memory at once; beyond, those of a few atoms.
_SMALL, _BLOCK = 24, 8


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
    damping = jnp.where(close, (radius / pairs.r) ** (_EXPONENT / 3), 0)
    return _sum_over_triples(jnp.stack([pairs.r2, strength, damping]))


@jax.custom_jvp
def _sum_over_triples(of_pairs: Float[Array, "3 atoms atoms"]) -> Float[Array, ""]:
    """The sum from R², √C₆/R³ and (R₀/R)^(16/3) of all pairs, which are symmetric matrices."""
    return jnp.sum(_of_atoms(_energies_of_atom, of_pairs)) / 6


@_sum_over_triples.defjvp
def _sum_over_triples_jvp(primals, tangents):
    # A triple looks the same from all its pairs: the slopes in one of them, three times, are all.
    energies, slopes = _of_atoms(jax.value_and_grad(_energies_of_atom), primals[0])
    return jnp.sum(energies) / 6, 0.5 * jnp.sum(slopes * jnp.swapaxes(tangents[0], 0, 1))


def _of_atoms(f, of_pairs):
    """f of the pairs AB of each atom A, its pairs AC, and all pairs BC."""

    def of_atom(row):
        return f(row, row, of_pairs)

    rows = jnp.swapaxes(of_pairs, 0, 1)
    if len(rows) <= _SMALL:
        return jax.vmap(of_atom)(rows)
    return jax.lax.map(jax.checkpoint(of_atom), rows, batch_size=_BLOCK)


def _energies_of_atom(pairs_ab, pairs_ac, pairs_bc) -> Float[Array, ""]:
    (ab, g, d), (ac, g_ac, d_ac) = pairs_ab[..., None], pairs_ac[:, None]
    bc, g_bc, d_bc = pairs_bc
    cosines = (ab + bc - ac) * (ab - bc + ac) * (bc + ac - ab) / (ab * ac * bc)
    return jnp.sum(g * g_ac * g_bc * (1 + 0.375 * cosines) / (1 + 6 * d * d_ac * d_bc))
