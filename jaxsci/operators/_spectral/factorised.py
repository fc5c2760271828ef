"""Weights of spectral layers as Tucker or CP tensors: fewer parameters for many modes."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

Factorisation = Literal["tucker", "cp"]


class CPTensor(eqx.Module):
    """A sum of outer products: T_{ij...} = Σ_r A_ir B_jr ..., with one factor per axis."""

    factors: tuple[Float[Array, "_ rank"], ...]

    def dense(self) -> Float[Array, "..."]:
        """The tensor with all of its entries."""
        first, *middle, last = self.factors
        rows = first
        for factor in middle:
            rows = (rows[:, None] * factor[None]).reshape(-1, rows.shape[-1])
        return (rows @ last.T).reshape([len(f) for f in self.factors])


class TuckerTensor(eqx.Module):
    """A small core with one matrix per axis: T_{ij...} = Σ_ab... G_{ab...} A_ia B_jb ..."""

    core: Float[Array, "..."]
    factors: tuple[Float[Array, "_ _"], ...]

    def dense(self) -> Float[Array, "..."]:
        """The tensor with all of its entries."""
        tensor = self.core
        # Each product removes the first axis and appends the full one: the order is kept.
        for factor in self.factors:
            tensor = jnp.tensordot(tensor, factor, (0, 1))
        return tensor


def factorised_normal(
    key: PRNGKeyArray,
    shape: Sequence[int],
    *,
    factorisation: Factorisation,
    rank: float,
    scale: float,
) -> CPTensor | TuckerTensor:
    """A random Tucker or CP tensor whose entries have mean zero and standard deviation `scale`.

    **Arguments:**

    - `key`: PRNG key.
    - `shape`: of the tensor.
    - `factorisation`: "tucker" or "cp".
    - `rank`: the approximate share of the full tensor's parameters, in (0, 1].
    - `scale`: standard deviation of an entry.

    **Returns:** the tensor.

    **Raises:** `ValueError` for another name or share.

    **Source:** Kossaifi et al., "Multi-Grid Tensorized Fourier Neural Operator", TMLR 2024, section
    3.
    """
    check_factorisation(factorisation, rank)
    full = math.prod(shape)
    if factorisation == "cp":
        terms = max(1, round(rank * full / sum(shape)))
        # The variance of a sum of `terms` products of independent factors is terms σ^(2 axes).
        spread = (scale**2 / terms) ** (0.5 / len(shape))
        keys = jax.random.split(key, len(shape))
        return CPTensor(
            tuple(
                spread * jax.random.normal(k, (n, terms)) for k, n in zip(keys, shape, strict=True)
            )
        )
    ranks = _tucker_ranks(shape, rank)
    keys = jax.random.split(key, len(shape) + 1)
    # Factors of variance 1/rank keep the core's variance.
    factors = tuple(
        jax.random.normal(k, (n, r)) / math.sqrt(r)
        for k, n, r in zip(keys[1:], shape, ranks, strict=True)
    )
    return TuckerTensor(scale * jax.random.normal(keys[0], ranks), factors)


def check_factorisation(factorisation: Factorisation, rank: float) -> None:
    """`ValueError` unless the name and the share of parameters are allowed."""
    if factorisation not in get_args(Factorisation):
        raise ValueError(f"factorisation is {factorisation!r}; allowed are 'tucker' and 'cp'.")
    if not 0 < rank <= 1:
        raise ValueError(f"rank is the share of parameters kept, in (0, 1]; got {rank}.")


def _tucker_ranks(shape, share) -> tuple[int, ...]:
    """Ranks proportional to the sizes, with the most parameters within the given share."""
    budget = share * math.prod(shape)

    def ranks(f):
        return tuple(max(1, round(f * n)) for n in shape)

    def parameters(f):
        r = ranks(f)
        return math.prod(r) + sum(n * k for n, k in zip(shape, r, strict=True))

    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if parameters(middle) <= budget else (low, middle)
    return ranks(low)
