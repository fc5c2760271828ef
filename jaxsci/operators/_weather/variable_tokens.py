"""Any set of named variables on the sphere becomes one field of a fixed number of channels."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.fields import check_field
from .._fields.pointwise import Pointwise
from .._spectral.spherical_conv import (
    SphereGrid,
    analysis,
    as_sphere_grid,
    check_sphere_points,
    synthesis,
    warn_of_poles,
)


class VariableTokens(eqx.Module):
    """A token per variable at every point of the sphere, and their average by attention.

        t_v = w_v a_v + K_v a_v + e_v,   b = Σ_v softmax_v(q·t_v) ⊙ V t_v

    with the weights w_v, the zonal kernel K_v (as in `SphericalConv`) and the embedding e_v of each
    variable. The average over variables is cross-attention with a learned query, for each head: a
    sum over the variables that are there, so any subset in any order gives a field of the same
    channels. Tokens belong to points, not to patches: no patch lies about a pole, and the same
    parameters serve every grid.

    **Arguments:**

    - `variables`: the names of all variables, such as ("height", "vorticity").
    - `width`: channels of tokens and output, a multiple of `heads`.
    - `degree`: highest degree of the kernels. Good values: a third of the number of latitudes.
    - `heads`: number of independent averages.
    - `key`: PRNG key of the weights.

    Called as `tokens(a, variables, grid)` with one sample `(latitudes, longitudes, len(variables))`
    of scaled fields, the names of its channels, and its latitudes, as in `sphere_grid`. Returns
    `(latitudes, longitudes, width)`.

    **Raises:** `ValueError` for names that are unknown or occur twice, another number of channels,
    a grid that cannot hold the degree, or sizes that are not positive.

    **Source:** Nguyen et al., "ClimaX: A foundation model for weather and climate", ICML 2023,
    section 3.1, with points and spherical convolutions for patches.

    ```python
    tokens = jsci.operators.VariableTokens(("height", "wind"), 8, degree=4, key=key)
    b = tokens(jnp.ones((6, 12, 1)), ("wind",), "gauss")  # (6, 12, 8)
    ```
    """

    weight: Float[Array, "variables width"]
    kernel: Float[Array, "variables degrees width"]
    embedding: Float[Array, "variables width"]
    score: Pointwise
    value: Pointwise
    variables: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        variables: Sequence[str],
        width: int,
        *,
        degree: int,
        heads: int = 1,
        key: PRNGKeyArray,
    ):
        if min(width, heads) < 1 or width % heads or degree < 0 or not variables:
            raise ValueError(
                "VariableTokens needs variables, degree >= 0 and heads that divide width; got "
                f"{variables!r}, {degree}, {heads} and {width}."
            )
        self.variables = _names(variables)
        _check_once(self.variables, "VariableTokens")
        keys, count = jax.random.split(key, 5), len(self.variables)
        self.weight = jax.random.normal(keys[0], (count, width))
        self.kernel = jax.random.normal(keys[1], (count, degree + 1, width)) / 2
        self.embedding = jax.random.normal(keys[2], (count, width)) / 2
        self.score = Pointwise(width, heads, key=keys[3])
        self.value = Pointwise(width, width, key=keys[4])

    def __call__(
        self,
        a: Float[Array, "latitudes longitudes channels"],
        variables: Sequence[str],
        grid: SphereGrid,
    ) -> Float[Array, "latitudes longitudes width"]:
        rows = self.rows(variables, "VariableTokens")
        check_field(a, len(rows), 2, "VariableTokens")
        degree = self.kernel.shape[1] - 1
        check_sphere_points(a.shape[:2], degree, as_sphere_grid(grid))
        warn_of_poles(a, grid, "VariableTokens")
        coefficients = analysis(a, degree, grid)
        mixed = jnp.einsum("mlv,vlc->mlvc", coefficients, self.kernel[rows])
        smooth = synthesis(mixed.reshape(*mixed.shape[:2], -1), a.shape[0], a.shape[1], grid)
        lifted = jnp.einsum("xyv,vc->xyvc", a, self.weight[rows])
        tokens = lifted + smooth.reshape(lifted.shape) + self.embedding[rows][None, None]
        share = jax.nn.softmax(self.score(tokens), axis=2)
        value = self.value(tokens)
        value = value.reshape(*value.shape[:3], share.shape[-1], -1)
        return jnp.einsum("xyvh,xyvhd->xyhd", share, value).reshape(*a.shape[:2], -1)

    def rows(self, variables: Sequence[str], name: str) -> np.ndarray:
        """The places of names among all variables.

        **Arguments:**

        - `variables`: names.
        - `name`: who asks, for the message.

        **Returns:** integers.

        **Raises:** `ValueError` for names that are unknown or occur twice, or none.
        """
        asked = _names(variables)
        unknown = [v for v in asked if v not in self.variables]
        if unknown or not asked:
            raise ValueError(
                f"{name} was made for the variables {self.variables}; got {asked!r}. A variable is "
                "known by its name, and all names are given when the network is made."
            )
        _check_once(asked, name)
        return np.array([self.variables.index(v) for v in asked])


def _names(variables):
    """A tuple; a text is one name, not one for each letter."""
    return (variables,) if isinstance(variables, str) else tuple(variables)


def _check_once(variables, name):
    if len(set(variables)) != len(variables):
        raise ValueError(f"{name} takes each variable once; got {tuple(variables)!r}.")
