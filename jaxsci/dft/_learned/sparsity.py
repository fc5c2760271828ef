"""Fewer tensor products of a learned Kohn-Sham matrix: which are open, while it trains and then."""

import dataclasses
import math
import numbers
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from .hamiltonian_model import HamiltonianModel
from .tensor_products import Triple

_ORDER = (
    "an optimiser has moved the gates that sparse_gates() sets. Chain it behind the optimiser, "
    "optax.chain(optimiser, gates)."
)


class Phase(NamedTuple):
    """Steps so far, and which paths the last one left open."""

    step: Int[Array, ""]
    open: Float[Array, " paths"]


def sparse_gates(keep: float, *, random: int, adaptive: int) -> optax.GradientTransformation:
    """Open few paths of a `HamiltonianModel` at each step of `fit`: chain it behind an optimiser.

    For `random` steps those that are open are drawn anew, so that all are trained; then for
    `adaptive` steps they are those with the largest gates; from then on they stay the same, and
    `prune` with the same fraction keeps them. Of the paths to tensors of each l one at least is
    always open, however small the fraction: without any, no block would have that part. Pairs of
    atoms are drawn in the first phase too, in a model of which `prune` has taken some; later their
    scores decide.

    **Arguments:**

    - `keep`: the fraction of paths to open, in (0, 1].
    - `random`: steps of the first phase.
    - `adaptive`: steps of the second one.

    **Returns:** an optax transformation for parameters from `jsci.pure(model)`.

    **Raises:** `ValueError` for another fraction or negative numbers of steps; `TypeError` for
    numbers of steps that are not integers or parameters of another model. While it trains,
    `RuntimeError` at the second step if what follows in the chain moves the gates that it sets.

    **Good values:** 0.3, the sparsity of Luo et al., and a quarter of the steps for each phase.

    **Source:** the sparsity scheduler of Luo et al., ICML 2025 (SPHNet).

    ```python
    f, params = jsci.pure(jsci.dft.HamiltonianModel([water], key=jax.random.key(0)))
    loss = jsci.objective({"matrix": jsci.dft.hamiltonian_error(f)})
    data = {"matrix": (jsci.dft.stack([water]), jsci.dft.hamiltonian(water, result)[None])}
    gates = jsci.dft.sparse_gates(0.3, random=200, adaptive=200)
    jsci.fit(loss, params, data, optax.chain(optax.adam(1e-2), gates), steps=800)
    ```
    """
    _check_fraction("keep", keep)
    for name, count in (("random", random), ("adaptive", adaptive)):
        if not isinstance(count, numbers.Integral) or isinstance(count, bool):
            raise TypeError(f"{name} is {count!r}; it must be an integer, a number of steps.")
        if count < 0:
            raise ValueError(f"{name} is {count}; it must be >= 0.")

    def init(params: Any) -> Phase:
        if not isinstance(params, HamiltonianModel):
            raise TypeError(
                "sparse_gates() opens and closes the paths of a HamiltonianModel, got parameters "
                f"of type {type(params).__name__}."
            )
        return Phase(jnp.zeros((), int), _open(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Phase]:
        step = state.step
        moved: Any = optax.apply_updates(params, updates)
        gates = jnp.stack([jnp.abs(path.gate) for path in moved.paths.values()])
        before = _open(params)
        updates = eqx.error_if(updates, jnp.any(before != state.open), _ORDER)
        drawn = jax.random.uniform(jax.random.fold_in(jax.random.key(0), step), gates.shape)
        values, count = jnp.where(step < random, drawn, gates), math.ceil(keep * len(gates))
        now = _largest(list(moved.paths), values, count).astype(before.dtype)
        now = jnp.where(step < random + adaptive, now, before)
        draw = jnp.where(step < random, step + 1, 0).astype(before.dtype)
        updates = eqx.tree_at(
            lambda p: [path.open for path in p.paths.values()], updates, list(now - before)
        )
        updates = eqx.tree_at(lambda p: p.network.draw, updates, draw - params.network.draw)
        return updates, Phase(step + 1, now)

    return optax.GradientTransformation(init, update)


def _open(model: HamiltonianModel) -> Float[Array, " paths"]:
    return jnp.stack([path.open for path in model.paths.values()])


def _largest(
    triples: Sequence[Triple], values: Float[Array, " paths"], count: int
) -> Bool[Array, " paths"]:
    """Those with the largest values, but first the largest to tensors of each l."""
    first = jnp.zeros(len(triples), bool)
    for l in {t[2] for t in triples}:
        same = [n for n, t in enumerate(triples) if t[2] == l and sum(t) % 2 == 0]
        if same:
            first = first.at[jnp.array(same)[jnp.argmax(values[jnp.array(same)])]].set(True)
    rank = jnp.argsort(jnp.lexsort((-values, ~first)))
    return (rank < count) | first


def prune(model: HamiltonianModel, keep: float, *, pairs: float | None = None) -> HamiltonianModel:
    """The model with a fraction of its paths, and of the pairs of each molecule.

    **Arguments:**

    - `model`: trained with all paths, or with `sparse_gates`; train it further afterwards.
    - `keep`: the fraction of paths to keep, in (0, 1]: of those that are open the ones with the
        largest gates, and one at least to tensors of each l, however small the fraction.
    - `pairs`: the fraction of neighbours in each molecule whose products are computed, in (0, 1]:
        those with the largest scores, which every molecule ranks by itself, equal ones by their
        places; by default as many as in `model`, in a new one all.

    **Returns:** a model of fewer paths, whose cost falls roughly in proportion.

    **Raises:** `ValueError` for another fraction, or for paths that are neither open nor closed,
    because an optimiser moved them after `sparse_gates`, or they are means over steps.

    **Good values:** 0.3 for the paths, the sparsity of Luo et al., ICML 2025.

    ```python
    model = jsci.dft.HamiltonianModel([water], key=jax.random.key(0))  # then trained
    f, params = jsci.pure(jsci.dft.prune(model, 0.3))
    ```
    """
    _check_fraction("keep", keep)
    if pairs is not None:
        _check_fraction("pairs", pairs)
    half = [t for t, path in model.paths.items() if float(path.open) not in (0.0, 1.0)]
    if half:
        raise ValueError(
            f"path {half[0]} is {float(model.paths[half[0]].open):.3g} open, and {len(half)} of "
            f"{len(model.paths)} are neither open nor closed: {_ORDER} Means over steps, of "
            "averaged(), have no open paths: average the optimiser in the chain alone."
        )
    open_ones = [t for t, path in model.paths.items() if path.open == 1]
    gates = jnp.stack([jnp.abs(model.paths[t].gate) for t in open_ones])
    chosen = _largest(open_ones, gates, math.ceil(keep * len(model.paths)))
    kept = {t: model.paths[t] for t, yes in zip(open_ones, chosen, strict=True) if yes}
    share = model.network.share if pairs is None else float(pairs)
    network = dataclasses.replace(model.network, share=share, draw=jnp.zeros(()))
    return eqx.tree_at(lambda m: (m.paths, m.network), model, (kept, network))


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"{name} is {value!r}; it must be above 0 and at most 1.")
