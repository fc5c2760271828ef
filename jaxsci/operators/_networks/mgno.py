"""Multigrid as a layer, and the neural operator built from it."""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._fields.fields import check_field
from .._fields.matrix_products import carry_batch
from .._fields.pointwise import Pointwise, gelu
from .._fields.stencils import correlate

Boundary = Literal["dirichlet", "neumann", "periodic"]
_PAD_MODES = {"dirichlet": "constant", "neumann": "edge", "periodic": "wrap"}


class Level(eqx.Module):
    """The convolutions of one grid of a `VCycle`: A, the smoothers S, and the transfers R and P."""

    operator: Float[Array, "..."]
    before: list[Float[Array, "..."]]
    after: list[Float[Array, "..."]]
    restrict: Float[Array, "..."] | None
    prolong: Float[Array, "..."] | None


class VCycle(eqx.Module):
    """One multigrid V-cycle with learned 3ᵈ-point stencils, as a linear map u = B f.

    On each grid, starting from u = 0:

        smooth    u ← u + Sᵢ (f - A u)          `before` times
        descend   f' = R (f - A u),  u' = B' f'  on the grid of twice the spacing
        ascend    u ← u + P u'
        smooth    u ← u + Sᵢ (f - A u)          `after` times

    With A the five-point Laplacian, S Jacobi's method and linear transfer this is the classical
    multigrid cycle, with a cost proportional to the number of points and global range.

    **Arguments:**

    - `in_channels`, `out_channels`: number of channels of f and of u.
    - `dim`: number of grid axes, 1 or 2.
    - `levels`: number of grids; each has half the points per axis of the one above, rounded down.
    - `before`, `after`: smoothing steps on the way down (at least one) and up.
    - `boundary`: "dirichlet" (zero outside), "neumann" (the edge value continues) or "periodic".
    - `key`: PRNG key of the weights.

    Called with one sample `(*grid, in_channels)`; returns `(*grid, out_channels)`.

    **Raises:** `ValueError` for an unknown boundary, a grid too small for the levels, or of
    another dimension; for a periodic grid whose points the levels do not halve evenly.

    **Source:** He, Liu and Xu, "MgNO", ICLR 2024, algorithm 1.

    ```python
    cycle = jsci.operators.VCycle(8, 8, dim=2, levels=4, key=jax.random.key(0))
    u = cycle(jnp.ones((64, 64, 8)))  # (64, 64, 8)
    ```
    """

    levels: list[Level]
    in_channels: int = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    boundary: Boundary = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        dim: int,
        levels: int,
        before: int = 1,
        after: int = 0,
        boundary: Boundary = "dirichlet",
        key: PRNGKeyArray,
    ):
        if boundary not in _PAD_MODES:
            raise ValueError(
                f"boundary={boundary!r} is unknown: one of {', '.join(map(repr, _PAD_MODES))}."
            )
        if dim not in (1, 2) or min(in_channels, out_channels, levels, before) < 1 or after < 0:
            raise ValueError(
                "VCycle needs dim 1 or 2, at least one channel, level and smoothing step before, "
                f"and after >= 0; got dim={dim}, channels {in_channels} and {out_channels}, "
                f"levels={levels}, before={before}, after={after}."
            )
        self.in_channels, self.dim, self.boundary = in_channels, dim, boundary
        keys = iter(jax.random.split(key, levels * (before + after + 3)))
        f, u = in_channels, out_channels

        def stencil(channels, out):
            scale = (3**dim * channels) ** -0.5
            return scale * jax.random.normal(next(keys), (*(3,) * dim, channels, out))

        self.levels = [
            Level(
                operator=stencil(u, f),
                before=[stencil(f, u) for _ in range(before)],
                after=[stencil(f, u) for _ in range(after)],
                restrict=stencil(f, f) if level < levels - 1 else None,
                prolong=stencil(u, u) if level < levels - 1 else None,
            )
            for level in range(levels)
        ]

    def __call__(self, f: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        check_field(f, self.in_channels, self.dim, "VCycle")
        self._check_grid(f.shape[:-1])
        return self._descend(f, self.levels)

    def _descend(self, f, levels):
        level = levels[0]
        u = self._convolve(f, level.before[0])
        for smoother in level.before[1:]:
            u = u + self._convolve(f - self._convolve(u, level.operator), smoother)
        if level.restrict is not None:
            residual = f - self._convolve(u, level.operator)
            coarse = self._descend(self._restrict(residual, level.restrict), levels[1:])
            u = u + self._prolong(coarse, level.prolong, f.shape[:-1])
        for smoother in level.after:
            u = u + self._convolve(f - self._convolve(u, level.operator), smoother)
        return u

    def _convolve(self, v, stencil):
        if self.boundary == "dirichlet":  # zeros cost the convolution nothing
            return correlate(v, stencil, ((1, 1),) * self.dim)
        return correlate(self._pad(v, [(1, 1)] * self.dim), stencil, ((0, 0),) * self.dim)

    def _restrict(self, v, stencil):
        """The stencil at every second point: coarse point j lies on fine point 2j + 1.

        Fine points 2j and 2j + 1 form block j, and coarse point j reads blocks j and j + 1. One
        product maps each block to its contributions to both.
        """
        padded = self._pad(v, [(0, 2 - n % 2) for n in v.shape[:-1]])
        halves = [n // 2 for n in padded.shape[:-1]]
        split = padded.reshape(*(k for n in halves for k in (n, 2)), -1)
        order = [*range(0, 2 * self.dim, 2), *range(1, 2 * self.dim, 2), 2 * self.dim]
        blocks = split.transpose(order).reshape(math.prod(halves), -1)
        corners = self._corners()
        weight = jnp.block(
            [[_tap(stencil, shift, phase) for shift in corners] for phase in corners]
        )
        given = (blocks @ carry_batch(weight, v)).reshape(*halves, -1)
        parts = jnp.split(given, len(corners), -1)
        return sum(
            part[tuple(slice(1 - s, n - s) for s, n in zip(shift, halves, strict=True))]
            for shift, part in zip(corners, parts, strict=True)
        )

    def _prolong(self, v, stencil, grid):
        """The transpose of `_restrict`, as one product for all 2ᵈ positions between coarse points.

        Fine point 2j + 1 lies on coarse point j; fine point 2j lies between j - 1 and j.
        """
        padded = self._pad(v, [(1, 1)] * self.dim)
        corners = self._corners()
        sizes = [n + 1 for n in v.shape[:-1]]
        shifts = [
            padded[tuple(slice(s, s + n) for s, n in zip(c, sizes, strict=True))] for c in corners
        ]
        weight = jnp.block(
            [[_tap(stencil, shift, phase) for phase in corners] for shift in corners]
        )
        patches = jnp.concatenate(shifts, -1)
        fine = patches.reshape(-1, patches.shape[-1]) @ carry_batch(weight, v)
        fine = fine.reshape(*sizes, *(2,) * self.dim, -1)
        order = [axis for i in range(self.dim) for axis in (i, self.dim + i)]
        fine = fine.transpose(*order, 2 * self.dim).reshape(*(2 * n for n in sizes), -1)
        return fine[tuple(slice(n) for n in grid)]

    def _corners(self):
        return list(product((0, 1), repeat=self.dim))

    def _pad(self, v, widths):
        return jnp.pad(v, [*widths, (0, 0)], mode=_PAD_MODES[self.boundary])

    def _check_grid(self, grid):
        factor = 2 ** (len(self.levels) - 1)
        if min(grid) < factor:
            raise ValueError(
                f"{len(self.levels)} levels halve the grid {len(self.levels) - 1} times and need "
                f"{factor} points per axis; got {grid}. Use fewer levels or a finer grid."
            )
        if self.boundary == "periodic" and any(n % factor for n in grid):
            raise ValueError(
                f"A periodic V-cycle of {len(self.levels)} levels needs a multiple of {factor} "
                f"points per axis, so that every grid is periodic; got {grid}."
            )


class MgNO(eqx.Module):
    """Multigrid neural operator: layers whose linear part is a V-cycle.

        vₗ₊₁ = σ(Bₗ vₗ + Wₗ vₗ + cₗ),   u = Q v_depth

    with B a `VCycle`, W and Q pointwise and σ the exact GELU. There is no lifting: the boundary
    condition is that of the V-cycle's padding. Few parameters give global range.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `width`: channels of the hidden layers. Good values: 16 to 32.
    - `depth`: number of layers. Good values: 4 to 6.
    - `dim`: number of grid axes, 1 or 2.
    - `levels`, `before`, `after`, `boundary`: as in `VCycle`. Good value of levels: until about
        four points per axis are left.
    - `key`: PRNG key of the weights.

    Called with one sample `(*grid, in_channels)`; returns `(*grid, out_channels)`. The stencils are
    tied to the spacing: evaluate on the training grid, and go on on a finer one by `grow_levels`.

    **Raises:** `ValueError` as `VCycle` does.

    **Source:** He, Liu and Xu, "MgNO: Efficient Parameterization of Linear Operators via
    Multigrid", ICLR 2024, eq. (3) and (8).

    ```python
    model = jsci.operators.MgNO(1, 1, width=24, depth=4, dim=1, levels=5, key=jax.random.key(0))
    u = model(a)  # a, u: (64, 1)
    ```
    """

    cycles: list[VCycle]
    skips: list[Pointwise]
    project: Pointwise

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int,
        depth: int,
        dim: int,
        levels: int,
        before: int = 1,
        after: int = 0,
        boundary: Boundary = "dirichlet",
        key: PRNGKeyArray,
    ):
        if min(width, depth, out_channels) < 1:
            raise ValueError(
                f"MgNO needs width, depth and out_channels >= 1; got {width}, {depth} and "
                f"{out_channels}."
            )
        keys = jax.random.split(key, 2 * depth + 1)
        channels = [in_channels, *[width] * depth]
        self.cycles = [
            VCycle(
                channels[i], width, dim=dim, levels=levels, before=before, after=after,
                boundary=boundary, key=keys[2 * i],
            )
            for i in range(depth)
        ]  # fmt: skip
        self.skips = [Pointwise(channels[i], width, key=keys[2 * i + 1]) for i in range(depth)]
        self.project = Pointwise(width, out_channels, key=keys[-1])

    def __call__(self, a: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        first = self.cycles[0]
        check_field(a, first.in_channels, first.dim, "MgNO")
        v = a
        for cycle, skip in zip(self.cycles, self.skips, strict=True):
            v = gelu(cycle(v) + skip(v))
        return self.project(v)


def grow_levels(params: PyTree, into: PyTree) -> PyTree:
    """Parameters of V-cycles for a finer grid: all former grids become the coarse ones.

        B f = P B' R f

    B' is the cycle as it was, R and P full weighting and linear interpolation, and the new
    smoothing steps are zero. To train on a coarse grid first, where steps are cheap, and to finish
    on a fine one.

    **Arguments:**

    - `params`: what `jsci.pure` gives for an `MgNO`, or another network with `VCycle` in it,
        trained on the coarse grid. It is every second point of the fine one from the second on,
        `a[1::2, 1::2]`.
    - `into`: the same of a network with more `levels`, one for each halving of the spacing,
        otherwise made alike. Its operators A of the new grids are used.

    **Returns:** a tree like `into`.

    **Raises:** `ValueError` for another network, and for fewer levels than `params` has.

    **Notes:** fields that are smooth on the coarse grid are mapped as before, to the second order
    of the spacing. Begin with a new state of the optimiser.

    **Good values:** the coarse grid for 80 % of the time.

    **Source:** full multigrid, from coarse to fine, as in Briggs, Henson and McCormick, "A
    Multigrid Tutorial", chapter 3.

    ```python
    options = dict(width=8, depth=2, dim=2, key=key)
    _, coarse = jsci.pure(jsci.operators.MgNO(1, 1, levels=3, **options))
    f, fine = jsci.pure(jsci.operators.MgNO(1, 1, levels=4, **options))
    u = f(jsci.operators.grow_levels(coarse, fine), jnp.ones((32, 32, 1)))  # (32, 32, 1)
    ```
    """
    old, new = (jax.tree.leaves(tree, is_leaf=_is_cycle) for tree in (params, into))
    if len(old) != len(new):
        raise ValueError(
            "grow_levels() needs two networks that differ in their levels alone; got one of "
            f"{len(old)} and one of {len(new)} V-cycles and other arrays."
        )
    structure = jax.tree.structure(into, is_leaf=_is_cycle)
    return jax.tree.unflatten(structure, map(_grown, old, new))


def _is_cycle(node: Any) -> bool:
    return isinstance(node, VCycle)


def _grown(old, new):
    """A cycle of more levels, or what is no V-cycle as it was."""
    cycles = _is_cycle(old) and _is_cycle(new)
    added = len(new.levels) - len(old.levels) if cycles else 0
    if added < 0:
        raise ValueError(
            f"grow_levels() adds levels: it cannot turn {len(old.levels)} into {len(new.levels)}."
        )
    kept = new.levels[added:] if cycles else new
    former = old.levels if cycles else old
    shapes = [jax.tree.map(jnp.shape, tree) for tree in (former, kept)]
    if shapes[0] != shapes[1] or (cycles and old.boundary != new.boundary):
        raise ValueError(
            "grow_levels() needs two networks that differ in their levels alone; got others of "
            "the same place: channels, width, smoothing steps or boundary differ."
        )
    if not cycles:
        return old
    first = [_transfer(level, new.dim) for level in new.levels[:added]]
    return eqx.tree_at(lambda cycle: cycle.levels, new, [*first, *former])


def _transfer(level, dim):
    """The level as one that only restricts and prolongs."""
    weighting = np.ones(())
    for _ in range(dim):
        weighting = np.multiply.outer(weighting, [0.25, 0.5, 0.25])

    def alike(stencil, scale):
        eye = np.eye(stencil.shape[-1])
        return jnp.asarray(scale * weighting[..., None, None] * eye, stencil.dtype)

    return eqx.tree_at(
        lambda x: (x.before, x.after, x.restrict, x.prolong),
        level,
        (
            jax.tree.map(jnp.zeros_like, level.before),
            jax.tree.map(jnp.zeros_like, level.after),
            alike(level.restrict, 1),
            alike(level.prolong, 2**dim),
        ),
    )


def _tap(stencil, shift: Sequence[int], phase: Sequence[int]):
    """The tap of the stencil that joins coarse point j - 1 + shift to fine point 2j + phase."""
    # Fine offset from the coarse point, 2j + phase - (2(j - 1 + shift) + 1), in taps 0..2.
    taps = tuple(p - 2 * s + 2 for p, s in zip(phase, shift, strict=True))
    if all(0 <= t <= 2 for t in taps):
        return stencil[taps]
    return jnp.zeros(stencil.shape[-2:], stencil.dtype)
