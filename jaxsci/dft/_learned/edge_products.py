"""Tensor products of the features of an atom with the spherical harmonics of an edge."""

import functools
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .edge_frames import edge_frames, joined, split
from .gaunt import bracket_coefficients, gaunt_coefficients

Triple = tuple[int, int, int]


class Path(eqx.Module):
    """The gate and the radial functions of one triple of angular momenta; `open` is 0 or 1."""

    gate: Float[Array, ""]
    weights: Float[Array, "radial channels"]
    open: Float[Array, ""]

    def scaled(self) -> Float[Array, "radial channels"]:
        """g R, with weights of mean square one, so that the gate alone sets the size."""
        gate = jax.lax.stop_gradient(self.open) * self.gate
        return gate / jnp.sqrt(jnp.mean(self.weights**2)) * self.weights


def coupled_degrees(lmax: int) -> tuple[Triple, ...]:
    """All (l₁, l₂, l) that couple: l₁ up to lmax, the others up to 2 lmax."""
    return tuple(
        (i, j, k)
        for i in range(lmax + 1)
        for j in range(2 * lmax + 1)
        for k in range(2 * lmax + 1)
        if abs(i - j) <= k <= i + j
    )


def couplings(lmax: int) -> np.ndarray:
    """Couplings to tensors, and to pseudotensors, which change sign under reflections."""
    return np.stack([gaunt_coefficients(lmax), bracket_coefficients(lmax)])


def edge_products(
    paths: Mapping[Triple, Path],
    features: Float[Array, "lm channels atoms"],
    atom: Int[Array, " edges"],
    unit: Float[Array, "3 edges"],
    radial: Float[Array, "edges radial"],
) -> Float[Array, "2 twice_lm channels edges"]:
    """Σ_paths g R [features(A)_l₁ ⊗ Y_l₂(r_AB)]_l, tensors and pseudotensors.

    In the frame of the edge Y_l₂m is zero but for m = 0, so that a product keeps m, or turns cos mφ
    into sin mφ for a pseudotensor: all l₂ add up to one weight for each (l₁, l, m), where the full
    product sums over m₁ and m₂. The work grows as l³ for each channel instead of l⁶.

    **Source:** Passaro & Zitnick, ICML 2023 (eSCN).
    """
    lmax = int(np.sqrt(len(features))) - 1
    frames = edge_frames(unit, 2 * lmax)
    inside = {i: frames.into(split(features, i), atom) for i in sorted({t[0] for t in paths})}
    weights = _weights(paths, radial)
    zero = jnp.zeros((1, features.shape[1], len(radial)))
    found = []
    for parity in (0, 1):
        of_parity = []
        for k in range(2 * lmax + 1):
            terms = {i: weights[i, k, parity] for i in inside if (i, k, parity) in weights}
            if terms:
                turned = _mixed(terms, inside, min(k, lmax), parity)
                of_parity.append(joined(frames.out_of(turned, k)))
            else:
                of_parity.append(jnp.broadcast_to(zero, (2 * k + 1, *zero.shape[1:])))
        found.append(jnp.concatenate(of_parity))
    return jnp.stack(found)


def _weights(paths, radial) -> dict[Triple, Float[Array, "orders channels edges"]]:
    """Of (l₁, l, parity): Σ_l₂ g R ⟨l₁ m, l₂ 0 | l m⟩ for each m."""
    grouped: dict[Triple, list] = {}
    for (i, j, k), path in paths.items():
        along = jnp.asarray(_along_z(i, j, k))[:, None, None] * path.scaled()[None]
        grouped.setdefault((i, k, (i + j + k) % 2), []).append(along)
    sums = {t: sum(terms[1:], start=terms[0]) for t, terms in grouped.items()}
    ends = np.cumsum([len(w) for w in sums.values()])[:-1]
    whole = jnp.einsum("mnc,en->mce", jnp.concatenate(list(sums.values())), radial)
    return dict(zip(sums, jnp.split(whole, ends), strict=True))


def _mixed(terms, inside, highest: int, parity: int) -> Float[Array, "2 orders channels edges"]:
    """Sums over l₁ for each m."""
    rows = []
    for m in range(highest + 1):
        parts = [w[m] * inside[i][:, m] for i, w in terms.items() if m < len(w)]
        rows.append(sum(parts[1:], start=parts[0]) if parts else jnp.zeros_like(rows[0]))
    x = jnp.stack(rows, axis=1)
    return x if parity == 0 else jnp.stack([-x[1], x[0]])


@functools.cache
def _along_z(i: int, j: int, k: int) -> np.ndarray:
    """⟨l₁ m, l₂ 0 | l m⟩ times Y_l₂0 on the z axis, for m from 0 to the lesser of l₁ and l.

    For a pseudotensor, of cos mφ with sin mφ.
    """
    parity = (i + j + k) % 2
    whole = couplings(max(i, j, k))[parity, _of(i), _of(j), _of(k)]
    axial = whole[:, 2 if j == 1 else j] * np.sqrt((2 * j + 1) / (4 * np.pi))
    orders = range(min(i, k) + 1)
    return np.array([axial[_row(i, m), _row(k, -m if parity else m)] for m in orders])


def _row(l: int, m: int) -> int:
    """Of the function of order m in libcint's order; negative m are sines."""
    return (2, 0, 1)[m] if l == 1 else l + m


def _of(l: int) -> slice:
    return slice(l * l, (l + 1) ** 2)
