"""Layers one after another, and side by side."""

from collections.abc import Callable
from functools import reduce

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .layer import AbstractLayer
from .pair import Pair


def serial(*layers: AbstractLayer) -> AbstractLayer:
    """Layers one after another.

        f = fₙ ∘ ... ∘ f₂ ∘ f₁

    **Arguments:**

    - `layers`: any layers of `infinite`, also `serial` and `parallel` ones.

    **Returns:** a layer, with `.kernel(x1, x2)` of the infinitely wide network and
    `.network(shape, key=)` of a finite one.

    **Raises:** `ValueError` without layers. End it with a `Dense` for the kernels of a model that
    is trained; without it the kernels are those of the hidden signals.

    Source: Lee et al. (2018); Jacot, Gabriel and Hongler (2018).

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

    - `branches`: layers whose outputs have one shape. All but one must end in a layer of weights
      (perhaps pooled or normalised after), since kernels add only for uncorrelated branches.

    **Returns:** a layer.

    **Raises:** `ValueError` for correlated branches, such as two `Identity()`.

    Source: He et al. (2016); Yang, "Tensor programs I" (2019).

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


class _Serial(AbstractLayer):
    layers: tuple[AbstractLayer, ...]

    def propagate(self, pair: Pair) -> Pair:
        needs = [pair.crossed]  # what follows this network is not known here
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

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> tuple[Callable, tuple[int, ...]]:
        modules = []
        for layer, k in zip(self.layers, jax.random.split(key, len(self.layers)), strict=True):
            module, shape = layer.init(shape, k)
            modules.append(module)
        return _Chain(tuple(modules)), shape


class _Parallel(AbstractLayer):
    branches: tuple[AbstractLayer, ...]

    def propagate(self, pair: Pair) -> Pair:
        pairs = [branch.propagate(pair) for branch in self.branches]
        crossed = all(p.crossed for p in pairs)
        pairs = pairs if crossed else [p.at_equal_positions() for p in pairs]
        shapes = {p.nngp.shape for p in pairs}
        if len(shapes) > 1:
            raise ValueError(f"Branches of different positions cannot be added: {sorted(shapes)}.")
        nngp, ntk, cov1, cov2 = (
            reduce(jnp.add, [getattr(p, name) for p in pairs])
            for name in ("nngp", "ntk", "cov1", "cov2")
        )
        gaussian = all(p.gaussian for p in pairs)
        return Pair(nngp, ntk, cov1, cov2, pairs[0].rank, crossed, gaussian)

    def needs_crossed(self, after: bool) -> bool:
        return any(branch.needs_crossed(after) for branch in self.branches)

    def independent(self, before: bool) -> bool:
        return all(branch.independent(before) for branch in self.branches)

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> tuple[Callable, tuple[int, ...]]:
        keys = jax.random.split(key, len(self.branches))
        modules, shapes = zip(
            *(branch.init(shape, k) for branch, k in zip(self.branches, keys, strict=True)),
            strict=True,
        )
        if len(set(shapes)) > 1:
            raise ValueError(f"Branches of different shapes cannot be added: {shapes}.")
        return _Sum(modules), shapes[0]


class Identity(AbstractLayer):
    """The layer that does nothing: the shortcut of a residual connection."""

    def propagate(self, pair: Pair) -> Pair:
        return pair

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> tuple[Callable, tuple[int, ...]]:
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
