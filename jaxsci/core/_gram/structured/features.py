"""Features of one example, whose inner products over all parameters are the tangent kernel.

For a leaf W used as y_t = a_t · W the row of J is Σₜ aₜ ⊗ ∂/∂yₜ, so that

    K(x, x') = Σₜₛ (aₜ · a'ₛ) (∂ₜ · ∂'ₛ)

needs only activations and cotangents, and never J. Whether this or forming J is cheaper is decided
per leaf, from shapes alone. One backward pass gives the cotangents of all products at once.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .constant_axes import constant_axes, is_zero
from .cost import Shape, prefers_factors
from .lone_means import warn_of_lone_means
from .program import Literal, Program, evaluate, trace
from .sites import Site, find_taps

# Products with fewer columns run at a fraction of full speed on a CPU.
_NARROW = 32


class Factor(NamedTuple):
    """Σₜ left ⊗ right of one leaf and one example; the cotangent is the one with output axes.

    Activations are (batch, positions, entries), cotangents
    (trace, diagonal, full, batch, positions, entries).
    """

    left: Any
    right: Any


class _Traced(NamedTuple):
    """A function's activations and cotangents at its sites as one program."""

    program: Program
    sites: tuple[Site, ...]
    direct: tuple[int, ...]


def linearise(
    functions: Sequence[Callable],
    params: Any,
    examples: Sequence[Any],
    sizes: Sequence[tuple[int, int]],
    implementation: str,
) -> list[Callable[[Any], Any]]:
    """The features of ONE example, for each of several functions of the same parameters.

    `functions` return (trace, diagonal, full) for ONE example; `sizes` are the numbers of rows and
    of columns of each. The plan is shared: a leaf is contracted in the same way in every function.
    Features are a pair: Jacobian rows (diagonal, full, entries) by leaf, and factors by leaf.
    """
    leaves, tree = jax.tree.flatten(params)
    shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in leaves]

    def flat(f):
        return lambda leaves, x: f(tree.unflatten(leaves), x)

    programs = [
        trace(flat(f), shapes, x, unroll=len(leaves))
        for f, x in zip(functions, examples, strict=True)
    ]
    for program in programs:
        warn_of_lone_means(program)
    if implementation == "jacobian":
        taps = [((), frozenset(range(len(leaves)))) for _ in programs]
    else:
        taps = [find_taps(program, len(leaves)) for program in programs]
    direct = frozenset().union(*(other for _, other in taps))
    direct |= _incomparable([site for sites, _ in taps for site in sites])
    used = {site.leaf for sites, _ in taps for site in sites} - direct
    traced = [
        _trace_features(
            program,
            [site for site in sites if site.leaf in used],
            tuple(i for i in range(len(leaves)) if i not in used),
            shapes,
            x,
        )
        for program, (sites, _), x in zip(programs, taps, examples, strict=True)
    ]
    _check_differentiable(traced)
    keys = _keys_of_factors(traced, sizes, implementation)
    return [_features(t, keys, leaves) for t in traced]


def _check_differentiable(traced: Sequence[_Traced]) -> None:
    """Raise if every derivative is identically zero, as behind rounding or an argmax."""
    derivatives = [(t.program, v) for t in traced for v in t.program.outputs[len(t.sites) :]]
    if derivatives and all(is_zero(program, v) for program, v in derivatives):
        raise ValueError(
            "f has no derivative in any of its parameters: its outputs do not depend on them, or "
            "only through operations of zero slope (round, sign, argmax, comparisons, "
            "stop_gradient). Give the differentiable quantity, such as the logits."
        )


def _incomparable(sites: Sequence[Site]) -> frozenset[int]:
    """Leaves with two uses whose entries overlap without being the same array."""
    entries: dict[int, dict[str, np.ndarray]] = {}
    for site in sites:
        entries.setdefault(site.leaf, {})[site.key] = site.entries.reshape(-1)
    return frozenset(
        leaf
        for leaf, uses in entries.items()
        if len(uses) > 1
        and len(np.unique(np.concatenate(list(uses.values())))) < sum(map(len, uses.values()))
    )


def _trace_features(program, sites, direct, shapes, example) -> _Traced:
    """The program (leaves, x) -> activations, cotangents, Jacobian rows of the direct leaves."""
    tap_at = sorted({site.equation for site in sites})

    def features(leaves, x):
        def with_taps(taps, direct_leaves):
            values = list(leaves)
            for i, leaf in zip(direct, direct_leaves, strict=True):
                values[i] = leaf
            operands: dict[int, Any] = {}

            def add_tap(number, _, outputs, read):
                if number not in tap_at:
                    return outputs
                for i, site in enumerate(sites):
                    if site.equation == number:
                        operands[i] = _scaled(site.activation(read(site.operand)), site, read)
                return [outputs[0] + taps[number]]

            (y,) = evaluate(program, [*values, *jax.tree.leaves(x)], add_tap)
            return jnp.asarray(y), [operands[i] for i in range(len(sites))]

        avals = program.avals
        outputs = {n: avals[program.equations[n].outputs[0]] for n in tap_at}
        taps = {n: jnp.zeros(a.shape, a.dtype) for n, a in outputs.items()}
        y, pullback, activations = jax.vjp(
            with_taps, taps, [leaves[i] for i in direct], has_aux=True
        )
        d_taps, d_direct = _all_cotangents(pullback, y)
        cotangents = [
            jax.vmap(site.cotangent)(d_taps[site.equation]).reshape(*y.shape, *a.shape[:2], -1)
            for site, a in zip(sites, activations, strict=True)
        ]
        rows = [_rows(d.reshape(*y.shape, -1)) for d in d_direct]
        return activations, cotangents, rows

    traced = trace(features, shapes, example)
    return _Traced(_collapsed(traced, len(sites), shapes, example), tuple(sites), direct)


def _collapsed(program: Program, count: int, shapes, example) -> Program:
    """Merge the positions of sites whose activations, or cotangents, are all equal.

    Σₜ aₜ ⊗ ∂ = (Σₜ aₜ) ⊗ ∂, as for the weights before a mean over positions.
    """
    equal = constant_axes(program)

    def same(v, axis):
        return not isinstance(v, Literal) and axis in equal[v] and program.avals[v].shape[axis] > 1

    pairs = list(zip(program.outputs[:count], program.outputs[count:], strict=False))
    if not any(same(a, 1) or same(d, 4) for a, d in pairs):
        return program

    def features(leaves, x):
        values = evaluate(program, [*leaves, *jax.tree.leaves(x)])
        for i, (a, d) in enumerate(pairs):
            activation, cotangent = values[i], values[count + i]
            if same(d, 4):
                values[i] = activation.sum(1, keepdims=True)
                values[count + i] = cotangent[..., :1, :]
            elif same(a, 1):
                values[i] = activation[:, :1]
                values[count + i] = cotangent.sum(4, keepdims=True)
        return values

    return trace(features, shapes, example)


def _all_cotangents(pullback, y):
    """The pullback of each unit vector, stacked."""
    if y.size == 1:  # no batch axis of length one in every product of the backward pass
        return jax.tree.map(lambda d: d[None], pullback(jnp.ones_like(y)))
    return jax.vmap(pullback)(jnp.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape))


def _scaled(a, site, read):
    for operation, scale in site.scales:
        scale = jnp.asarray(read(scale)).astype(a.dtype)
        a = a * scale if operation == "mul" else a / scale
    return a


def _rows(jacobian):
    """(trace, diagonal, full, entries) to (diagonal, full, trace · entries)."""
    trace, diagonal, full, size = jacobian.shape
    if trace == 1:
        return jacobian[0]
    if diagonal * full > 1:
        jacobian = jnp.transpose(jacobian, (1, 2, 0, 3))
    return jacobian.reshape(diagonal, full, trace * size)


def _keys_of_factors(traced, sizes, implementation) -> frozenset[str]:
    """Keys that are contracted as factors rather than as Jacobians."""
    if implementation == "structured":
        return frozenset(site.key for t in traced for site in t.sites)
    uses: dict[str, list[Shape]] = {}
    for t, size in zip(traced, sizes, strict=True):
        merged = _merge(t)
        for key in {site.key for site in t.sites}:
            places = [m for m in merged if m[0] == key]
            avals = t.program.avals
            positions = sum(avals[t.program.outputs[m[2][0]]].shape[1] for m in places)
            shape = avals[t.program.outputs[places[0][3][0]]].shape
            entries = next(s.entries.shape for s in t.sites if s.key == key)
            uses.setdefault(key, []).append(
                Shape(size[0], size[1], shape[:3], entries[0], positions, entries[1], entries[2])
            )
    return frozenset(key for key, shapes in uses.items() if prefers_factors(shapes))


def _merge(traced: _Traced):
    """Positions of each leaf: (key, swapped, activations to sum, cotangents to sum).

    Uses with the same cotangent are one position with the sum of their activations, as for the
    second derivatives of a Laplacian; and vice versa.
    """
    count = len(traced.sites)
    outputs = traced.program.outputs
    positions: list[tuple[str, bool, list[int], list[int]]] = []
    for i, site in enumerate(traced.sites):
        for key, swapped, activations, cotangents in positions:
            if (key, swapped) != (site.key, site.swapped):
                continue
            same_cotangent = outputs[cotangents[0]] == outputs[count + i]
            if same_cotangent and len(cotangents) == 1:
                activations.append(i)
                break
            if outputs[activations[0]] == outputs[i] and len(activations) == 1:
                cotangents.append(count + i)
                break
        else:
            positions.append((site.key, site.swapped, [i], [count + i]))
    return positions


def _features(traced: _Traced, keys, leaves):
    merged = _merge(traced)
    count = len(traced.sites)

    def features(x):
        values = evaluate(traced.program, [*leaves, *jax.tree.leaves(x)])
        rows = {f"leaf{i}": v for i, v in zip(traced.direct, values[2 * count :], strict=True)}
        factors: dict[str, dict[str, Factor]] = {}
        for key in dict.fromkeys(site.key for site in traced.sites):
            sides = {}
            for side, swapped in (("right", False), ("left", True)):
                places = [m[2:] for m in merged if m[:2] == (key, swapped)]
                if places:
                    a = [sum(values[i] for i in indices) for indices, _ in places]
                    d = [sum(values[i] for i in indices) for _, indices in places]
                    a, d = jnp.concatenate(a, 1), jnp.concatenate(d, 4)
                    sides[side] = Factor(d, a) if swapped else Factor(a, d)
            if key in keys:
                factors[key] = sides
            else:
                rows[key] = sum(map(_jacobian, sides.values()))
        return rows, factors

    return features


def _jacobian(factor: Factor):
    """Σₜ left ⊗ right as (diagonal, full, trace · entries)."""
    swapped = factor.left.ndim > factor.right.ndim
    a, d = factor[::-1] if swapped else factor
    outputs = d.shape[:3]
    jacobian = jax.vmap(_outer, (0, 1), 1)(a, d.reshape(-1, *d.shape[3:]))
    jacobian = jnp.swapaxes(jacobian, -1, -2) if swapped else jacobian
    return _rows(jacobian.reshape(*outputs, -1))


def _outer(a, d):
    """Σₜ of (t, l) and (outputs, t, f) as (outputs, f, l)."""
    if a.shape[1] >= _NARROW:
        return jnp.einsum("otf,tl->ofl", d, a)
    flat = jnp.swapaxes(d, 0, 1).reshape(d.shape[1], -1)
    return jnp.moveaxis((a.T @ flat).reshape(-1, d.shape[0], d.shape[2]), 0, -1)
