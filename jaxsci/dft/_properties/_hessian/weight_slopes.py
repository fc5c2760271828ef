"""First and second derivatives of Becke weights in the positions of the nuclei, in closed form.

Through automatic differentiation they are most of the grid's share of a Hessian: one pass over all
pairs of atoms for each coordinate. A pair's own second derivatives concern its two atoms alone, and
what couples pairs is an outer product of first derivatives.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..._basis.grid import Grid, points_and_weights

# A step function below this counts as zero: its atom's share of the weights is less.
_NOTHING = 1e-30


class WeightSlopes(NamedTuple):
    """Of points that an atom carries, in the positions R of the nuclei.

    - `weight`: w.
    - `slopes`: ∂w/∂R.
    - `hessian`: Σ e ∂²w/∂R∂R over the points, for numbers e that stay.
    """

    weight: Float[Array, " points"]
    slopes: Float[Array, "atoms 3 points"]
    hessian: Float[Array, "atoms 3 atoms 3"]


class _Pairs(NamedTuple):
    """Of log s_BC(μ) for atoms B, C: its derivatives in μ, and those of μ in R_B and R_C."""

    first: Float[Array, "atoms atoms points"]
    second: Float[Array, "atoms atoms points"]
    left: Float[Array, "atoms atoms 3 points"]
    right: Float[Array, "atoms atoms 3 points"]
    mu: Float[Array, "atoms atoms points"]


def weight_slopes(
    displacement: Float[Array, "points 3"],
    quadrature: Float[Array, " points"],
    owner: Int[Array, ""],
    size_adjustment: Float[Array, "atoms atoms"],
    coordinates: Float[Array, "atoms 3"],
    real: Bool[Array, " atoms"],
    values: Float[Array, " points"],
) -> WeightSlopes:
    """Of w = q P_A / Σ_B P_B with P_B = Π_C s_BC, as `points_and_weights` has it, for one owner A.

        ∇ log w = ∇L_A - Σ_B p_B ∇L_B,   L_B = Σ_C log s_BC,   p_B = P_B / Σ_C P_C
        ∇∇ log w = ∇∇L_A - Σ_B p_B (∇∇L_B + ∇L_B ∇L_Bᵀ) + Σ_BC p_B p_C ∇L_B ∇L_Cᵀ

    They are those of other nuclei at resting points. That in R_A is minus the sum of the others',
    since nothing changes where all move.

    **Arguments:** as in `Grid`, all points of one `owner`; `values` are the e of the Hessian.
    """
    owners = jnp.broadcast_to(owner, quadrature.shape)
    grid = Grid(displacement, owners, quadrature, size_adjustment)
    points, weight = points_and_weights(grid, coordinates, real)
    away = coordinates[:, :, None] - points.T[None]  # (atoms, 3, points)
    distance = jnp.sqrt(jnp.sum(away**2, axis=1))
    toward = away / distance[:, None]
    n = len(coordinates)
    counts = ~jnp.eye(n, dtype=bool) & real[:, None] & real[None]
    line = coordinates[:, None] - coordinates[None]
    length = jnp.sqrt(jnp.where(counts, jnp.sum(line**2, axis=-1), 1))
    inverse = jnp.where(counts, 1 / length, 0)
    line = line * inverse[..., None]
    pairs, share = _pairs(distance, toward, line, inverse, size_adjustment, counts, real)

    # ∇L_B in all positions: as the first of its pairs, and in the second of each.
    each = pairs.first[:, :, None] * pairs.right
    own = jnp.sum(pairs.first[:, :, None] * pairs.left, axis=1)
    each = each + jnp.eye(n)[:, :, None, None] * own[:, None]  # (B, in R_D, x, point)
    mean = jnp.einsum("bp,bdxp->dxp", share, each)
    slope = each[owner] - mean

    c = (weight * values)[None]
    second = jnp.einsum("axp,byp->axby", c[None] * slope, slope)
    second += jnp.einsum("axp,byp->axby", c[None] * mean, mean)
    second -= jnp.einsum("dp,daxp,dbyp->axby", c * share, each, each)
    of_owner = jnp.zeros((n, 1)).at[owner].set(1.0)
    second += _pairs_hessian(pairs, c * (of_owner - share), distance, toward, line, inverse)
    relative = jnp.eye(n) - of_owner.T  # ∂(R_B - R_A)/∂R_C
    slope = jnp.einsum("ba,bxp->axp", relative, slope)
    second = jnp.einsum("ba,bxcy,cd->axdy", relative, second, relative)
    return WeightSlopes(weight, weight[None, None] * slope, second)


def _pairs(distance, toward, line, inverse, adjustment, counts, real):
    """All pairs, and the shares p_B of the atoms in the points."""
    mu = (distance[:, None] - distance[None]) * inverse[..., None]
    a = adjustment[..., None]
    x, first, second = mu + a * (1 - mu**2), 1 - 2 * a * mu, -2 * a
    for _ in range(3):
        slope = 1.5 * (1 - x**2)
        second = slope * second - 3 * x * first**2
        x, first = 0.5 * x * (3 - x**2), slope * first
    step = 0.5 * (1 - x)
    felt = counts[..., None] & (step > _NOTHING)
    per_step = jnp.where(felt, -0.5 / jnp.where(felt, step, 1), 0)
    first, second = first * per_step, second * per_step
    cell = jnp.prod(jnp.where(counts[..., None], step, 1), axis=1)
    cell = jnp.where(real[:, None], cell, 0)
    g, along = inverse[..., None, None], mu[:, :, None] * line[..., None]
    left = g * (toward[:, None] - along)
    right = g * (along - toward[None])
    share = cell / jnp.sum(cell, axis=0, keepdims=True)
    return _Pairs(first, second - first**2, left, right, mu), share


def _pairs_hessian(pairs: _Pairs, factor, distance, toward, line, inverse):
    """Σ_B f_B ∇∇L_B over the points, by each pair's two positions."""
    first, second = factor[:, None] * pairs.first, factor[:, None] * pairs.second
    sides = jnp.stack([pairs.left, pairs.right], axis=2)
    block = jnp.einsum("bcp,bcixp,bcjyp->bcixjy", second, sides, sides, optimize="optimal")

    # Of μ = (d_B - d_C)/R_BC, whose distances from the points and from each other change.
    g2, unit = inverse[..., None, None] ** 2, jnp.eye(3)
    straight = g2 * (3 * line[..., :, None] * line[..., None, :] - unit[None, None])
    straight *= jnp.sum(first * pairs.mu, axis=-1)[..., None, None]
    left = g2 * jnp.einsum("bcp,bxp->bcx", first, toward)[..., :, None] * line[..., None, :]
    right = g2 * jnp.einsum("bcp,cxp->bcx", first, toward)[..., :, None] * line[..., None, :]
    transposed = right.swapaxes(-1, -2)
    mixed = left + transposed - straight
    block = block.at[:, :, 0, :, 0].add(straight - left - left.swapaxes(-1, -2))
    block = block.at[:, :, 1, :, 1].add(straight - right - transposed)
    block = block.at[:, :, 0, :, 1].add(mixed)

    scaled = first * inverse[..., None]
    by_distance = (jnp.sum(scaled, axis=1) - jnp.sum(scaled, axis=0)) / distance
    curved = jnp.sum(by_distance, axis=-1)[:, None, None] * unit[None]
    curved -= jnp.einsum("bp,bxp,byp->bxy", by_distance, toward, toward)
    alone = curved + jnp.sum(block[:, :, 0, :, 0], axis=1) + jnp.sum(block[:, :, 1, :, 1], axis=0)
    across = block[:, :, 0, :, 1]
    across = across + across.transpose(1, 0, 3, 2)
    across += jnp.eye(len(line))[..., None, None] * alone[:, None]
    return across.transpose(0, 2, 1, 3)
