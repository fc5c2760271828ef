"""Scores of attention by functions of one variable that are learned."""

import equinox as eqx
import jax
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from .._bases import Fourier
from .._dense import Dense, check_vector
from .._kan import KANLayer


class FourierNormaliser(eqx.Module):
    """Learned scores in place of the softmax: a Kolmogorov-Arnold layer of Fourier series.

        s_p = c_p + Σ_r W_rp (b_r + Σ_j φ_rj(l_j)),
        φ(t) = v silu(t) + Σ_k (α_k cos kt + β_k sin kt)

    of the logits l of one query, for the `normaliser` of `attention` and `Attention`.

    **Arguments:**

    - `points`: number of points of a row.
    - `rank`: number of sums over j, fewer than points; a full layer would have points² functions.
    - `degree`: largest k of the Fourier series.
    - `key`: PRNG key of the parameters.
    - `dtype`: of the parameters; by default JAX's default float type.

    Called with the logits of one query `(points,)`; returns the scores `(points,)`, which may be
    negative and do not sum to 1.

    **Raises:** `ValueError` for sizes that are not positive, or a row of another length.

    **Notes:** it ties a network to a number of points and their order, as of the patches of an
    image: permuting points changes the result, and sets or fields need the softmax. With a mask it
    gets 0 in place of masked logits. For one normaliser per head, map `attention` over heads.

    **Good values:** rank 8 to 16, degree 1 to 3. Published accuracies on images are at best those
    of the softmax, at a higher cost.

    **Source:** Maity et al., "Kolmogorov-Arnold Attention: Is Learnable Attention Better For Vision
    Transformers?" (2025), section 4, with the silu of `KANLayer`.

    ```python
    scores = jsci.nn.FourierNormaliser(50, rank=8, key=key)
    layer = jsci.nn.Attention(8, heads=2, normaliser=scores, key=key)
    b = layer(jnp.ones((50, 8)), jnp.ones((50, 8)))  # (50, 8)
    ```
    """

    down: KANLayer
    up: Dense

    def __init__(
        self,
        points: int,
        *,
        rank: int,
        degree: int = 2,
        key: PRNGKeyArray,
        dtype: DTypeLike | None = None,
    ):
        keys = jax.random.split(key)
        self.down = KANLayer(points, rank, basis=Fourier(degree), key=keys[0], dtype=dtype)
        self.up = Dense(rank, points, key=keys[1], dtype=dtype)

    def __call__(self, logits: Float[Array, " points"]) -> Float[Array, " points"]:
        check_vector(logits, self.up.weight.shape[1], "FourierNormaliser")
        return self.up(self.down(logits))
