"""Networks whose activations are learned: sums of one-dimensional functions on every edge."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._bases import BSpline, Mixture, continued, count, warn_outside
from ._dense import Dense, as_floats
from ._field_network import FieldNetwork, OutSize, layer_sizes


class KANLayer(eqx.Module):
    """A layer with a learned function of one variable on each edge.

        y_j = b_j + Σ_i (v_ij silu(x_i) + Σ_c w_icj B_c(x_i))

    The basis is evaluated once per input, not per edge, and all edges are one matrix product.

    **Arguments:**

    - `in_size`, `out_size`: number of inputs and outputs.
    - `basis`: maps a vector (inputs,) to values (inputs, functions): `BSpline`, `Chebyshev`,
        `Fourier`, `Gaussians`, `ActivationProducts`, a `Mixture`, or your own.
    - `key`: PRNG key of the parameters.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called with one vector `(in_size,)`; returns `(out_size,)`.

    **Raises:** `ValueError` for sizes that are not positive.

    **Notes:** outside jit it warns of inputs outside the interval of the basis. There the edges of
    `BSpline` and `Gaussians` continue as straight lines, so that a finer grid is never worse.
    `adapt` moves the interval to the inputs, `refine` adds splines.

    **Good values:** the defaults, with inputs in the basis's interval. `FourierNormaliser` uses
    such a layer in attention.

    **Source:** Liu et al., "KAN: Kolmogorov-Arnold Networks", 2024, equation 2.10.

    ```python
    layer = jsci.nn.KANLayer(2, 8, basis=jsci.nn.Chebyshev(5), key=jax.random.key(0))
    y = layer(jnp.zeros(2))
    ```
    """

    base: Dense
    weight: Float[Array, "in_functions out_size"]
    basis: Callable

    def __init__(
        self,
        in_size: int,
        out_size: int,
        *,
        basis: Callable = BSpline(),  # noqa: B008 (immutable)
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        keys = jax.random.split(key)
        self.base = Dense(in_size, out_size, key=keys[0], dtype=dtype)
        functions = in_size * count(basis)
        dtype = self.base.weight.dtype
        # Small compared with the silu, as in the source: the network starts near an ordinary one.
        scale = 0.1 / functions**0.5
        self.weight = scale * jax.random.normal(keys[1], (functions, out_size), dtype)
        self.basis = basis

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        warn_outside(self.basis, x, "KANLayer")
        return self.edges(x)

    def edges(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        """The layer without its checks."""
        x = as_floats(x)
        return self.base(jax.nn.silu(x)) + continued(self.basis, x).reshape(-1) @ self.weight

    def select(self, keep: int = 1) -> "KANLayer":
        """The layer with only the `keep` bases of its `Mixture` that have the largest shares.

        The shares of the kept bases are absorbed into the weights, so only the omitted bases are
        lost.

        **Arguments:**

        - `keep`: the number of bases to keep, at least 1.

        **Returns:** the layer with a smaller `Mixture`, or with the one basis that was kept.

        **Raises:** `TypeError` if the basis is not a `Mixture`; `ValueError` unless 1 <= keep <=
        bases.
        """
        if not isinstance(self.basis, Mixture):
            raise TypeError(f"only a Mixture can be selected from, not {self.basis!r}.")
        bases, shares = self.basis.bases, np.asarray(jax.nn.softmax(self.basis.logits))
        if not 1 <= keep <= len(bases):
            raise ValueError(f"keep must be from 1 to {len(bases)}, got {keep}.")
        kept = np.sort(np.argsort(-shares, stable=True)[:keep])
        ends = np.cumsum([count(b) for b in bases])
        # With equal logits each kept basis gets the share 1/keep, which the weights compensate.
        rows = self.weight.reshape(self.base.weight.shape[0], -1, self.weight.shape[-1])
        parts = [keep * shares[q] * rows[:, ends[q] - count(bases[q]) : ends[q]] for q in kept]
        weight = jnp.concatenate(parts, axis=1).reshape(-1, self.weight.shape[-1])
        basis = Mixture([bases[q] for q in kept]) if keep > 1 else bases[kept[0]]
        return eqx.tree_at(lambda l: (l.weight, l.basis), self, (weight, basis))

    def refine(self, intervals: int) -> "KANLayer":
        """The same layer on a finer grid: more splines, and the same function.

        Each old spline is a sum of new ones if every old knot is a new one, so nothing is lost, on
        the interval and on the straight lines outside.

        **Arguments:**

        - `intervals`: of the new `BSpline`, a multiple of those of the old one.

        **Returns:** the layer on the new basis.

        **Raises:** `TypeError` if the basis is not a `BSpline`; `ValueError` for a number of
        intervals that is not a multiple.

        ```python
        layer = jsci.nn.KANLayer(2, 8, basis=jsci.nn.BSpline(5), key=key).refine(20)
        ```
        """
        basis = _spline(self.basis, "refine()")
        if intervals < 1 or intervals % basis.intervals:
            raise ValueError(
                f"refine() takes a multiple of the {basis.intervals} intervals, so that the "
                f"function stays the same; got {intervals}."
            )
        return self._on(BSpline(intervals, basis.low, basis.high))

    def adapt(self, x: Float[Array, "samples in_size"]) -> "KANLayer":
        """The layer on the interval that its inputs fill, refitted by least squares.

        Inside the old interval the new edges are the best in the mean square; on a smaller interval
        they have more detail, and outside the old one they follow its straight lines.

        **Arguments:**

        - `x`: inputs of the layer, not all equal.

        **Returns:** the layer with a `BSpline` of as many intervals from the least to the greatest
        input.

        **Raises:** `TypeError` if the basis is not a `BSpline`; `ValueError` for inputs of another
        shape, that are not finite, or all equal.

        **Notes:** the interval is static: compiled functions of the layer compile again.

        ```python
        layer = jsci.nn.KANLayer(2, 8, basis=jsci.nn.BSpline(5), key=key)
        layer = layer.adapt(jax.random.uniform(key, (100, 2), minval=-2, maxval=2))
        ```
        """
        basis = _spline(self.basis, "adapt()")
        values = np.asarray(x, float)
        if values.ndim != 2 or values.shape[1] != self.base.weight.shape[0] or not values.size:
            raise ValueError(
                f"adapt() takes inputs (samples, {self.base.weight.shape[0]}); got shape {x.shape}."
            )
        low, high = float(np.min(values)), float(np.max(values))
        if not np.isfinite(high - low) or low == high:
            raise ValueError(
                f"adapt() needs finite inputs that are not all equal; got {low:g} to {high:g}."
            )
        return self._on(BSpline(basis.intervals, low, high))

    def _on(self, basis):
        """The layer on another spline basis, by least squares over its interval."""
        points = np.linspace(basis.low, basis.high, 8 * (basis.intervals + 3))
        new, old = (
            np.asarray(continued(b, jnp.asarray(points)), float) for b in (basis, self.basis)
        )
        change = np.linalg.lstsq(new, old, rcond=None)[0]  # (new functions, old functions)
        rows = np.asarray(self.weight, float).reshape(self.base.weight.shape[0], old.shape[1], -1)
        weight = np.einsum("nf,ifo->ino", change, rows).reshape(-1, rows.shape[-1])
        weight = jnp.asarray(weight, self.weight.dtype)
        return eqx.tree_at(lambda l: (l.weight, l.basis), self, (weight, basis))


def _spline(basis: Callable, name: str) -> BSpline:
    if not isinstance(basis, BSpline):
        raise TypeError(f"{name} changes the grid of a BSpline; the basis is {basis!r}.")
    return basis


class KAN(FieldNetwork):
    """Kolmogorov-Arnold network: `KANLayer`s in a row.

    **Arguments:**

    - `in_size`: coordinates of a point.
    - `out_size`: outputs, or `"scalar"` for an output of shape `()`.
    - `width`, `depth`: units per hidden layer, and number of hidden layers.
    - `basis`: as in `KANLayer`, the same in all layers.
    - `key`: PRNG key of the parameters.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called with one point `(in_size,)`; returns `(out_size,)`, or `()` for `"scalar"`.

    **Raises:** `ValueError` for sizes that are not positive.

    **Notes:** outside jit it warns of coordinates outside the interval of the basis. `adapt` moves
    the intervals of all layers to the data, `refine` adds splines.

    **Good values:** width 4 to 16 and depth 1 or 2. For closed-form functions it may need fewer
    parameters than an `MLP`, but costs two to three times as much per parameter: compare at equal
    time.

    **Source:** as `KANLayer`.

    ```python
    net = jsci.nn.KAN(2, "scalar", width=5, depth=1, key=jax.random.key(0))
    f, params = jsci.pure(net)
    ```
    """

    layers: tuple[KANLayer, ...]
    scalar: bool = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        out_size: OutSize,
        *,
        width: int,
        depth: int,
        basis: Callable = BSpline(),  # noqa: B008 (immutable)
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        sizes = layer_sizes(in_size, out_size, width=width, depth=depth)
        self.layers = tuple(
            KANLayer(m, n, basis=basis, key=k, dtype=dtype)
            for m, n, k in zip(sizes[:-1], sizes[1:], jax.random.split(key, depth + 1), strict=True)
        )
        self.scalar = isinstance(out_size, str)

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, "..."]:
        warn_outside(self.layers[0].basis, x, "KAN")
        return super().__call__(x)

    def _outputs(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        for layer in self.layers:
            x = layer.edges(x)
        return x

    def refine(self, intervals: int) -> "KAN":
        """The same network with finer splines in every layer, as `KANLayer.refine`.

        **Arguments:**

        - `intervals`: of the new `BSpline`s, a multiple of those of the old ones.

        **Returns:** the network.

        **Raises:** as `KANLayer.refine`.

        ```python
        net = jsci.nn.KAN(2, "scalar", width=5, depth=1, key=jax.random.key(0)).refine(20)
        ```
        """
        return eqx.tree_at(
            lambda net: net.layers, self, tuple(layer.refine(intervals) for layer in self.layers)
        )

    def adapt(self, x: Float[Array, "samples in_size"]) -> "KAN":
        """The network with every layer on the interval that its inputs fill.

        Layer by layer from the first, as `KANLayer.adapt`, at the inputs that the layers before
        give.

        **Arguments:**

        - `x`: points of the data.

        **Returns:** the network.

        **Raises:** as `KANLayer.adapt`.

        ```python
        net = jsci.nn.KAN(2, "scalar", width=5, depth=1, key=jax.random.key(0))
        net = net.adapt(jax.random.uniform(key, (100, 2), minval=-2, maxval=2))
        ```
        """
        layers = []
        for layer in self.layers:
            layers.append(layer.adapt(x))
            x = jax.vmap(layers[-1].edges)(x)
        return eqx.tree_at(lambda net: net.layers, self, tuple(layers))
