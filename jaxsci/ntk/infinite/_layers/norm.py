"""Layer normalisation over channels, in the limit of many."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from .layer import AbstractLayer, FiniteLayer
from .pair import Pair
from .pooling import finite


class LayerNorm(AbstractLayer):
    """Normalisation over the channels, at every position.

        K(x, x') ← K(x, x') / √((K(x, x) + ε) (K(x', x') + ε)),   Θ likewise

    With many channels the mean is zero and the variance deterministic, so normalisation is division
    by a number, and its derivative has no further terms.

    **Arguments:**

    - `epsilon`: ε, added to the variance.

    **Raises:** `ValueError` unless it follows a layer of weights, since otherwise the channels have
    a mean.

    **Source:** Ba, Kiros and Hinton (2016); Yang, "Tensor programs I" (2019), appendix B.

    ```python
    infinite.serial(infinite.Dense(512), infinite.LayerNorm(), infinite.Gelu(), infinite.Dense(1))
    ```
    """

    epsilon: float = eqx.field(static=True, default=1e-6, kw_only=True)

    def propagate(self, pair: Pair) -> Pair:
        if not pair.gaussian:
            raise ValueError("LayerNorm must follow a layer of weights, such as Dense or Conv.")

        def normalised(k: Pair) -> tuple[jax.Array, jax.Array]:
            v1, v2 = k.variances
            scale = jax.lax.rsqrt((v1 + self.epsilon) * (v2 + self.epsilon))
            return k.nngp * scale, k.ntk * scale

        nngp, ntk = normalised(pair)
        cov1, _ = normalised(pair.of_first())
        cov2, _ = normalised(pair.of_second())
        return replace(pair, nngp=nngp, ntk=ntk, cov1=cov1, cov2=cov2)

    def init(self, shape: tuple[int, ...], key: PRNGKeyArray) -> FiniteLayer:
        def normalise(x):
            centred = x - jnp.mean(x, axis=-1, keepdims=True)
            return centred * jax.lax.rsqrt(jnp.mean(centred**2, -1, keepdims=True) + self.epsilon)

        return finite(normalise, shape)
