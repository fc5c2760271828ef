"""A perceptron whose output is gated by another."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._dense import Dense, check_sizes, check_vector


class GatedMLP(eqx.Module):
    """Two perceptrons of one input, of which one says how much of the other passes.

        y = silu(N₁(core(x))) ⊙ sigmoid(N₂(gate(x))),   N(z) = γ (z - mean z)/√(var z + 1e-5) + β

    **Arguments:**

    - `in_size`, `out_size`: numbers of inputs and outputs.
    - `hidden`: units of one hidden layer in core and gate, with silu between; `None` for none.
    - `norm`: whether N normalises layers; else it is the identity.
    - `key`: PRNG key of the parameters.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called with one vector `(in_size,)`; returns `(out_size,)`.

    **Raises:** `ValueError` for sizes that are not positive, or an input of another shape.

    **Good values:** `norm=True`: messages then have the size of one at any depth.

    **Source:** Xie & Grossman, Phys. Rev. Lett. 120, 145301 (2018), equation 5.

    ```python
    gated = jsci.nn.GatedMLP(6, 4, hidden=8, key=jax.random.key(0))
    y = jax.vmap(gated)(jnp.ones((10, 6)))
    ```
    """

    core: tuple[Dense, ...]
    gate: tuple[Dense, ...]
    norms: tuple[eqx.nn.LayerNorm, eqx.nn.LayerNorm] | None

    def __init__(
        self,
        in_size: int,
        out_size: int,
        *,
        hidden: int | None = None,
        norm: bool = True,
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        check_sizes(in_size=in_size, out_size=out_size)
        sizes = [in_size, out_size] if hidden is None else [in_size, hidden, out_size]
        core, gate = jax.random.split(key)
        self.core = _layers(sizes, core, dtype)
        self.gate = _layers(sizes, gate, dtype)
        one = eqx.nn.LayerNorm(out_size, dtype=self.core[0].weight.dtype)
        self.norms = (one, one) if norm else None

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        check_vector(x, self.core[0].weight.shape[0], "GatedMLP")
        return self._gated(self.core[0](x), self.gate[0](x))

    def of_parts(
        self, *parts: tuple[Float[Array, "_ _"], Int[Array, " n"] | None]
    ) -> Float[Array, "n out_size"]:
        """The same of many inputs, each put together from rows that several of them share.

            y_k = self([a[i_k], b[j_k], ...])

        Shared rows are multiplied by their part of the weights before they are gathered, which is
        less work where rows are fewer than inputs, as atoms are fewer than their bonds.

        **Arguments:**

        - `parts`: pairs of rows, (rows, width), and the number of the row in each input, (n,);
            `None` if every input has a row of its own. The widths add up to `in_size`.

        **Returns:** (n, out_size).

        **Raises:** `ValueError` for other widths.

        ```python
        gated = jsci.nn.GatedMLP(6, 4, key=jax.random.key(0))
        y = gated.of_parts((jnp.ones((2, 3)), jnp.array([0, 1, 1])), (jnp.ones((3, 3)), None))
        ```
        """
        ends = np.cumsum([rows.shape[1] for rows, _ in parts])
        if ends[-1] != len(self.core[0].weight):
            raise ValueError(
                f"the parts have {ends[-1]} columns together, and {len(self.core[0].weight)} are "
                "needed."
            )
        weights = jnp.concatenate([self.core[0].weight, self.gate[0].weight], axis=1)
        first = jnp.concatenate([self.core[0].bias, self.gate[0].bias])[None]
        for (rows, index), weight in zip(parts, jnp.split(weights, ends[:-1]), strict=True):
            products = rows @ weight
            first = first + (products if index is None else products[index])
        core, gate = jnp.split(first, 2, axis=1)
        return jax.vmap(self._gated)(core, gate)

    def _gated(self, core: Array, gate: Array) -> Array:
        """From what the first layers return to the output."""
        core, gate = _rest(self.core, core), _rest(self.gate, gate)
        if self.norms is not None:
            core, gate = self.norms[0](core), self.norms[1](gate)
        return jax.nn.silu(core) * jax.nn.sigmoid(gate)


def _layers(sizes, key, dtype):
    keys = jax.random.split(key, len(sizes) - 1)
    pairs = zip(sizes[:-1], sizes[1:], keys, strict=True)
    return tuple(Dense(m, n, key=k, dtype=dtype) for m, n, k in pairs)


def _rest(layers: tuple[Dense, ...], x: Array) -> Array:
    for layer in layers[1:]:
        x = layer(jax.nn.silu(x))
    return x
