"""A perceptron whose output is gated by another."""

import equinox as eqx
import jax
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

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
        core, gate = _through(self.core, x), _through(self.gate, x)
        if self.norms is not None:
            core, gate = self.norms[0](core), self.norms[1](gate)
        return jax.nn.silu(core) * jax.nn.sigmoid(gate)


def _layers(sizes, key, dtype):
    keys = jax.random.split(key, len(sizes) - 1)
    pairs = zip(sizes[:-1], sizes[1:], keys, strict=True)
    return tuple(Dense(m, n, key=k, dtype=dtype) for m, n, k in pairs)


def _through(layers: tuple[Dense, ...], x: jax.Array) -> jax.Array:
    for layer in layers[:-1]:
        x = jax.nn.silu(layer(x))
    return layers[-1](x)
