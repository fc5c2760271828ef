"""Second-order steps on a count sketch: few rows, each a sum of residuals with random signs."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..objective import BatchResiduals
from ..objective_checks import Checked
from ..weighted import Weighted
from .damped import LinearModel, Space, check_precision, linear_model, pushforward
from .imbalance import rows_of_terms


def sketched_model(
    residuals: BatchResiduals, params: PyTree, space: Space, rows: int, key: PRNGKeyArray
) -> LinearModel:
    """The residuals r linearised, where `damped(λ)(b)` = argmin ‖S (J δ - b)‖² + λ ‖δ‖².

    A row of S adds residuals of one term with random signs, each residual in one row, so that
    E[Sᵀ S] is the identity. S r is a residual as r is, of a group of samples in place of one: its
    Jacobian S J and kernel S J Jᵀ Sᵀ come from the same code as those of r, which are never formed.
    """
    check_precision(residuals, params)
    flat, unravel = ravel_pytree(params)
    groups = _groups_of_terms(residuals, params, rows, key)
    model = linear_model(_summed(residuals, groups), params, space)
    places = rows_of_terms(residuals, params)

    def sketched(b):
        sums = [group.sums(b[k]) for group, k in zip(groups.values(), places, strict=True)]
        return jnp.concatenate(sums)

    def damped(damping):
        solve = model.damped(damping)
        return lambda b: solve(sketched(b))

    def vector(w):
        return residuals.vector_and_terms(unravel(w))

    r, terms = vector(flat)
    push = pushforward(vector, flat)
    return LinearModel(r, terms, model.trace, model.imbalance, push, damped)


class _Groups(eqx.Module):
    """The samples of one term in groups, each with a sign: zero fills up short groups."""

    index: Int[Array, "groups size"]
    signs: Float[Array, "groups size"]
    count: int = eqx.field(static=True)

    def sums(self, b: Float[Array, " n"]) -> Float[Array, " m"]:
        """S b."""
        of_samples = b.reshape(self.count, -1)[self.index]
        return jnp.einsum("gs,gso->go", self.signs, of_samples).reshape(-1)


class _Sum(eqx.Module):
    """Σⱼ sⱼ r(params, xⱼ) over one group of samples."""

    r: Callable

    def __call__(self, params: PyTree, group: tuple[Array, PyTree]) -> Array:
        signs, samples = group
        return jnp.tensordot(signs, jax.vmap(self.r, (None, 0))(params, samples), 1)


def _groups_of_terms(
    residuals: BatchResiduals, params: PyTree, rows: int, key: PRNGKeyArray
) -> dict[str, _Groups]:
    counts = residuals.objective._sizes(residuals.batch)
    sizes = {name: r.size for name, r in jax.eval_shape(residuals, params).items()}
    dtype = ravel_pytree(params)[0].dtype
    shares = _shares(rows, sizes)
    keys = dict(zip(counts, jax.random.split(key, len(counts)), strict=True))

    def groups(name):
        # Of several residuals a sample each has rows of its own.
        outputs = sizes[name] // counts[name]
        return _groups(keys[name], counts[name], max(1, shares[name] // outputs), dtype)

    return {name: groups(name) for name in counts}


def _shares(rows: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """The rows of each term: equally many, but of short terms no more than their residuals."""
    if rows < len(sizes):
        raise ValueError(f"sketch={rows} rows for {len(sizes)} terms, {sorted(sizes)}: take more.")
    shares, left = {}, rows
    for i, name in enumerate(sorted(sizes, key=sizes.__getitem__)):
        shares[name] = min(sizes[name], left // (len(sizes) - i))
        left -= shares[name]
    return shares


def _groups(key: PRNGKeyArray, count: int, groups: int, dtype: Any) -> _Groups:
    for_order, for_signs = jax.random.split(key)
    size = -(-count // groups)
    padding = (0, groups * size - count)
    index = jnp.pad(jax.random.permutation(for_order, count), padding)
    signs = jnp.pad(jax.random.rademacher(for_signs, (count,), dtype), padding)
    # By columns: sizes differ by one at most.
    return _Groups(index.reshape(size, groups).T, signs.reshape(size, groups).T, count)


def _summed(residuals: BatchResiduals, groups: Mapping[str, _Groups]) -> BatchResiduals:
    """S r, whose samples are groups. They are `Weighted`, so that terms are sums of squares."""
    o, divisors = residuals.objective, residuals.objective._divisors(residuals.batch)

    def batch_of(name):
        g = groups[name]
        samples = jax.tree.map(lambda a: jnp.asarray(a)[g.index], residuals.batch[name])
        return Weighted((g.signs / jnp.sqrt(divisors[name]), samples), jnp.ones_like(g.signs[:, 0]))

    functions = tuple(map(_Sum, map(Checked, o.names, o.functions)))
    largest = max(g.index.shape[1] for g in groups.values())
    at_once = o.batch_size and max(1, o.batch_size // largest)
    objective = dataclasses.replace(o, functions=functions, batch_size=at_once)
    return objective.at({name: batch_of(name) for name in o.names})
