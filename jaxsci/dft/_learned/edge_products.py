"""Tensor products along an edge in its own frame: convolutions in SO(2)."""

import functools
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .edge_frames import edge_frames, joined, split
from .tensor_products import Path, Triple, couplings, of_degree


def edge_products(
    paths: Mapping[Triple, Path],
    features: Float[Array, "lm channels atoms"],
    atom: Int[Array, " edges"],
    unit: Float[Array, "3 edges"],
    radial: Float[Array, "edges radial"],
) -> Float[Array, "twice_lm 2 channels edges"]:
    """The products of `full_products`.

    In the frame of the edge Y_l₂m is zero but for m = 0, so that a product keeps m, or turns cos mφ
    into sin mφ where l₁ + l₂ + l is odd: all l₂ add up to one weight for each (l₁, l, m), where
    full products sum over m₁ and m₂. The work grows as l³ for each channel instead of l⁵.

    **Source:** Passaro & Zitnick, ICML 2023 (eSCN).
    """
    lmax = int(np.sqrt(len(features))) - 1
    frames = edge_frames(unit, 2 * lmax)
    inside = {i: frames.into(split(features, i), atom) for i in sorted({t[0] for t in paths})}
    weights = _weights(paths, radial)
    found = []
    for k in range(2 * lmax + 1):
        mixed = {}
        for kind in (0, 1):
            terms = {i: weights[i, k, kind] for i in inside if (i, k, kind) in weights}
            if terms:
                mixed[(k + kind) % 2] = _mixed(terms, inside, min(k, lmax), kind)
        found.append(_outside(frames, mixed, k, (features.shape[1], len(radial))))
    return jnp.concatenate(found)


def _outside(frames, mixed, k: int, shape) -> Float[Array, "twice_lm 2 channels edges"]:
    """Both parities, back from the frames; zeros for one without paths."""
    if not mixed:
        return jnp.zeros((2 * k + 1, 2, *shape))
    given = jnp.concatenate([mixed[p] for p in sorted(mixed)], axis=2)
    turned = joined(frames.out_of(given, k)).reshape(2 * k + 1, len(mixed), *shape)
    if len(mixed) == 2:
        return turned
    return jnp.zeros((2 * k + 1, 2, *shape)).at[:, next(iter(mixed))].set(turned[:, 0])


def _weights(paths, radial) -> dict[Triple, Float[Array, "orders channels edges"]]:
    """Of l₁, l and if l₁ + l₂ + l is odd: Σ_l₂ g R ⟨l₁ m, l₂ 0 | l m⟩ for each m."""
    grouped: dict[Triple, list] = {}
    for (i, j, k), path in paths.items():
        along = jnp.asarray(_along_z(i, j, k))[:, None, None] * path.scaled()[None]
        grouped.setdefault((i, k, (i + j + k) % 2), []).append(along)
    sums = {t: sum(terms[1:], start=terms[0]) for t, terms in grouped.items()}
    ends = np.cumsum([len(w) for w in sums.values()])[:-1]
    whole = jnp.einsum("mnc,en->mce", jnp.concatenate(list(sums.values())), radial)
    return dict(zip(sums, jnp.split(whole, ends), strict=True))


def _mixed(terms, inside, highest: int, odd: int) -> Float[Array, "2 orders channels edges"]:
    """Sums over l₁ for each m."""
    rows = []
    for m in range(highest + 1):
        parts = [w[m][None] * inside[i][:, m] for i, w in terms.items() if m < len(w)]
        rows.append(sum(parts[1:], start=parts[0]) if parts else jnp.zeros_like(rows[0]))
    x = jnp.stack(rows, axis=1)
    return jnp.stack([-x[1], x[0]]) if odd else x


@functools.cache
def _along_z(i: int, j: int, k: int) -> np.ndarray:
    """⟨l₁ m, l₂ 0 | l m⟩ times Y_l₂0 on the z axis, for m from 0 to the lesser of l₁ and l.

    Where l₁ + l₂ + l is odd, of cos mφ with sin mφ.
    """
    odd = (i + j + k) % 2
    whole = couplings(max(i, j, k))[odd, of_degree(i), of_degree(j), of_degree(k)]
    axial = whole[:, 2 if j == 1 else j] * np.sqrt((2 * j + 1) / (4 * np.pi))
    orders = range(min(i, k) + 1)
    return np.array([axial[_row(i, m), _row(k, -m if odd else m)] for m in orders])


def _row(l: int, m: int) -> int:
    """Of the function of order m in libcint's order; negative m are sines."""
    return (2, 0, 1)[m] if l == 1 else l + m
