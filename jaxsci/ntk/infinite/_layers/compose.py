"""Layers in series and in parallel."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .layer import AbstractLayer, FiniteLayer
from .pair import Pair


def serial(*layers: AbstractLayer) -> AbstractLayer:
    """Layers in series.

        f = fₙ ∘ ... ∘ f₂ ∘ f₁

    **Arguments:**

    - `layers`: any layers of `infinite`, including `serial` and `parallel` ones.

    **Returns:** a layer, with `.kernel(x1, x2)` of the infinitely wide network and
    `.network(shape, key=)` of a finite one.

    **Raises:** `ValueError` without layers.

    **Notes:** end with a `Dense` for the kernels of a trained model; without it the kernels are
    those of the hidden signals.

    **Source:** Lee et al. (2018); Jacot, Gabriel and Hongler (2018).

    ```python
    net = infinite.serial(infinite.Dense(512), infinite.Erf(), infinite.Dense(1))
    nngp, ntk = net.kernel(x)
    ```
    """
    if not layers:
        raise ValueError("serial needs one layer or more.")
    return _Serial(tuple(layers))


def parallel(*branches: AbstractLayer) -> AbstractLayer:
    """The sum of branches that read the same input: the residual connection.

        f(x) = f₁(x) + f₂(x) + ...,   K = K₁ + K₂ + ...,   Θ = Θ₁ + Θ₂ + ...

    **Arguments:**

    - `branches`: layers whose outputs have equal shapes. All but one must end in a layer of weights
      (possibly followed by pooling or normalisation), since kernels add only for uncorrelated
      branches.

    **Returns:** a layer.

    **Raises:** `ValueError` for correlated branches, such as two `Identity()`.

    **Source:** He et al. (2016); Yang, "Tensor programs I" (2019).

    ```python
    branch = infinite.serial(infinite.Relu(), infinite.Dense(512))
    block = infinite.parallel(infinite.Identity(), branch)
    net = infinite.serial(infinite.Dense(512), block, block, infinite.Dense(1))
    ```
    """
    correlated = sum(not branch.independent(False) for branch in branches)
    if not branches or correlated > 1:
        raise ValueError(
            f"{correlated} of {len(branches)} branches do not end in weights of their own: their "
            "outputs are correlated and kernels do not add. End all but one in Dense or Conv."
        )
    return _Parallel(tuple(branches))


def concatenate(*branches: AbstractLayer, shares: Sequence[float] | None = None) -> AbstractLayer:
    """The channels of branches that read the same input, side by side.

        f(x) = [f₁(x), f₂(x), ...],   K = Σᵢ aᵢ Kᵢ,   Θ = Σᵢ aᵢ Θᵢ

    A layer of weights must precede the next activation, since the channels have different
    variances.

    **Arguments:**

    - `branches`: layers whose outputs have the same positions.
    - `shares`: aᵢ, the share of the channels of each branch; equal by default.

    **Returns:** a layer.

    **Raises:** `ValueError` without branches, for shares that are not one positive number each, and
    from `.network` where the widths of the finite branches do not have these shares.

    **Source:** Huang et al., "Densely connected convolutional networks" (2017), for its use.

    ```python
    narrow, broad = infinite.Conv(64, (1, 1)), infinite.Conv(64, (5, 5))
    net = infinite.serial(infinite.concatenate(narrow, broad), infinite.Conv(64, (3, 3)))
    ```
    """
    shares = [1.0] * len(branches) if shares is None else list(shares)
    if not branches or len(shares) != len(branches) or min(shares) <= 0:
        raise ValueError(
            f"concatenate needs branches and one positive share for each, got {len(branches)} and "
            f"{shares}."
        )
    return _Concatenated(tuple(branches), tuple(a / sum(shares) for a in shares))


class _Serial(AbstractLayer):
    layers: tuple[AbstractLayer, ...]

    def propagate(self, pair: Pair) -> Pair:
        needs = [pair.crossed]  # what follows this network is unknown here
        for layer in reversed(self.layers[1:]):
            needs.append(layer.needs_crossed(needs[-1]))
        for layer, crossed in zip(self.layers, reversed(needs), strict=True):
            pair = layer.propagate(pair)
            pair = pair if crossed else pair.at_equal_positions()
        return pair

    def needs_crossed(self, after: bool) -> bool:
        for layer in reversed(self.layers):
            after = layer.needs_crossed(after)
        return after

    def independent(self, before: bool) -> bool:
        for layer in self.layers:
            before = layer.independent(before)
        return before

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        modules = []
        for layer, k in zip(self.layers, jax.random.split(key, len(self.layers)), strict=True):
            module, shape = layer.init(shape, k)
            modules.append(module)
        return _Chain(tuple(modules)), shape


class _Branches(AbstractLayer):
    branches: eqx.AbstractVar[tuple[AbstractLayer, ...]]

    def weighted_sum(self, pair: Pair, factors: Sequence[float]) -> Pair:
        """Σᵢ aᵢ Kᵢ over the branches, for all kernels."""
        pairs = [branch.propagate(pair) for branch in self.branches]
        crossed = all(p.crossed for p in pairs)
        pairs = pairs if crossed else [p.at_equal_positions() for p in pairs]
        shapes = {p.nngp.shape for p in pairs}
        if len(shapes) > 1:
            raise ValueError(f"Branches of different positions cannot be joined: {sorted(shapes)}.")
        nngp, ntk, cov1, cov2 = (
            reduce(jnp.add, [a * getattr(p, name) for a, p in zip(factors, pairs, strict=True)])
            for name in ("nngp", "ntk", "cov1", "cov2")
        )
        gaussian = all(p.gaussian for p in pairs)
        return Pair(nngp, ntk, cov1, cov2, pairs[0].rank, crossed, gaussian)

    def needs_crossed(self, after: bool) -> bool:
        return any(branch.needs_crossed(after) for branch in self.branches)

    def independent(self, before: bool) -> bool:
        return all(branch.independent(before) for branch in self.branches)

    def init_branches(
        self, shape: tuple[int, ...], key: PRNGKeyArray
    ) -> tuple[tuple[Callable, ...], tuple[tuple[int, ...], ...]]:
        keys = jax.random.split(key, len(self.branches))
        each = [branch.init(shape, k) for branch, k in zip(self.branches, keys, strict=True)]
        modules, shapes = zip(*each, strict=True)
        return modules, shapes


class _Parallel(_Branches):
    branches: tuple[AbstractLayer, ...]

    def propagate(self, pair: Pair) -> Pair:
        return self.weighted_sum(pair, (1.0,) * len(self.branches))

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        modules, shapes = self.init_branches(shape, key)
        if len(set(shapes)) > 1:
            raise ValueError(f"Branches of different shapes cannot be added: {shapes}.")
        return _Sum(modules), shapes[0]


class _Concatenated(_Branches):
    branches: tuple[AbstractLayer, ...]
    shares: tuple[float, ...] = eqx.field(static=True)

    def propagate(self, pair: Pair) -> Pair:
        return replace(self.weighted_sum(pair, self.shares), gaussian=False)

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        modules, shapes = self.init_branches(shape, key)
        channels = [s[-1] for s in shapes]
        total = sum(channels)
        if any(not math.isclose(c, a * total) for c, a in zip(channels, self.shares, strict=True)):
            raise ValueError(
                f"Branches of {channels} channels do not have the shares {self.shares} that the "
                "kernel assumes; change the widths or `shares`."
            )
        return _Joined(modules), (*shapes[0][:-1], total)


class Identity(AbstractLayer):
    """The identity layer: the shortcut of a residual connection.

    ```python
    branch = infinite.serial(infinite.Relu(), infinite.Dense(512))
    block = infinite.parallel(infinite.Identity(), branch)
    ```
    """

    def propagate(self, pair: Pair) -> Pair:
        return pair

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        return eqx.nn.Identity(), shape


class _Chain(eqx.Module):
    layers: tuple[Callable, ...]

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        for layer in self.layers:
            x = layer(x)
        return x


class _Sum(eqx.Module):
    branches: tuple[Callable, ...]

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return reduce(jnp.add, [branch(x) for branch in self.branches])


class _Joined(eqx.Module):
    branches: tuple[Callable, ...]

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.concatenate([branch(x) for branch in self.branches], axis=-1)
