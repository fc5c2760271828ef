"""Forecasts of any set of variables on the sphere, at any lead time."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.fields import known
from .._fields.pointwise import Pointwise, gelu
from .._layers.film import FiLM, films
from .._spectral.spherical_conv import SphereGrid, sphere_grid
from .transport import Transport
from .variable_tokens import VariableTokens


class Forecaster(eqx.Module):
    """Maps the present state of any set of variables on the sphere to that at a lead time.

        b₀ = P[tokens(a), cos θ],   bₙ₊₁ = bₙ + Wₙ σ(s(τ) (Tₙ + Vₙ) bₙ + t(τ)),
        u_v = a_v + τ ρ_v · σ(Q b)

    with `VariableTokens`, blocks T of zonal kernels and advection between channels, scales and
    shifts (`FiLM`) of the lead time, in units of the longest, τ, and one row ρ_v for each variable.
    At lead time zero it is the identity. All variables, grids and lead times share the blocks, so
    that one network learns from sources that differ in all three. It commutes with rotations about
    the axis: what is fixed to a longitude, such as orography, is a variable of the input.

    **Arguments:**

    - `variables`: the names of all variables, of every source, such as ("height", "vorticity").
    - `width`: channels of the blocks. Good values: 16 to 64.
    - `degree`: highest degree of the kernels. Good values: a third of the number of latitudes.
    - `depth`: number of blocks. Good value: 3.
    - `leads`: shortest and longest lead time of the data, in any unit.
    - `heads`: of the average over variables; a divisor of `width`.
    - `key`: PRNG key of the weights.

    Called as `model(a, variables, lead, grid)`: `a` is one sample
    `(latitudes, longitudes, len(variables))` of fields scaled to be of order one, with the names of
    its channels, a lead time, and its latitudes, as in `sphere_grid`. Returns the same variables at
    that lead time.

    **Raises:** `ValueError` for a lead time outside `leads`, names that are unknown or occur twice,
    another number of channels, a grid that cannot hold the degree, or settings that are not
    positive.

    **Notes:** under jit, where it is not known, a lead time outside `leads` gives NaN. Components
    of vectors are no scalars: take vorticity and divergence (`Sphere`).

    **Source:** Nguyen et al., "ClimaX: A foundation model for weather and climate", ICML 2023,
    section 3, with the blocks in place of a vision transformer.

    ```python
    model = jsci.operators.Forecaster(
        ("height", "vorticity"), width=8, degree=3, depth=1, leads=(6.0, 72.0), key=key
    )
    u = model(jnp.ones((6, 12, 1)), ("height",), 24.0, "gauss")  # (6, 12, 1)
    ```
    """

    tokens: VariableTokens
    lift: Pointwise
    blocks: list[Transport]
    skips: list[Pointwise]
    mixes: list[Pointwise]
    films: list[FiLM]
    project: Pointwise
    readout: Float[Array, "variables width"]
    leads: tuple[float, float] = eqx.field(static=True)

    def __init__(
        self,
        variables: Sequence[str],
        *,
        width: int,
        degree: int,
        depth: int,
        leads: tuple[float, float],
        heads: int = 1,
        key: PRNGKeyArray,
    ):
        shortest, longest = (float(lead) for lead in leads)
        if depth < 1 or not 0 <= shortest <= longest < math.inf or longest == 0:
            raise ValueError(
                "Forecaster needs depth >= 1 and leads=(shortest, longest), 0 <= shortest <= "
                f"longest, which is positive and finite; got {depth} and {leads}."
            )
        keys = iter(jax.random.split(key, 3 * depth + 4))
        self.leads = shortest, longest
        self.tokens = VariableTokens(variables, width, degree=degree, heads=heads, key=next(keys))
        self.lift = Pointwise(width + 1, width, key=next(keys))
        blocks = range(depth)
        self.blocks = [Transport(width, width, degree=degree, key=next(keys)) for _ in blocks]
        self.skips = [Pointwise(width, width, key=next(keys)) for _ in blocks]
        self.mixes = [Pointwise(width, width, key=next(keys)) for _ in blocks]
        self.films = films([width] * depth, 1, key, "Forecaster")
        self.project = Pointwise(width, width, key=next(keys))
        self.readout = jax.random.normal(next(keys), (len(self.tokens.variables), width)) / width

    def __call__(
        self,
        a: Float[Array, "latitudes longitudes channels"],
        variables: Sequence[str],
        lead: float | Float[Array, "..."],
        grid: SphereGrid,
    ) -> Float[Array, "latitudes longitudes channels"]:
        b = self.tokens(a, variables, grid)
        share = self._share(lead, a.dtype)
        height = np.cos(sphere_grid(a.shape[0], a.shape[1], grid=grid)[0])[:, None, None]
        height = jnp.broadcast_to(jnp.asarray(height, a.dtype), (*a.shape[:2], 1))
        b = self.lift(jnp.concatenate([b, height], -1))
        blocks = zip(self.blocks, self.skips, self.films, self.mixes, strict=True)
        for block, skip, film, mix in blocks:
            b = b + mix(gelu(film(block(b, grid) + skip(b), share[None])))
        rows = self.tokens.rows(variables, "Forecaster")
        return a + share * gelu(self.project(b)) @ self.readout[rows].T

    def _share(self, lead, dtype):
        """The lead time in units of the longest; refused, or NaN, outside those of the data."""
        if jnp.shape(lead):
            raise ValueError(
                f"Forecaster takes one lead time, got shape {jnp.shape(lead)}. Batch with jax.vmap."
            )
        value, (shortest, longest) = known(lead), self.leads
        if value is not None and not shortest <= value <= longest:
            raise ValueError(
                f"The lead times of the data are {shortest:g} to {longest:g}; got {value}. Beyond "
                "them apply the network to its own forecast, or train it with longer ones."
            )
        inside = (jnp.asarray(lead) >= shortest) & (jnp.asarray(lead) <= longest)
        return jnp.where(inside, jnp.asarray(lead, dtype) / longest, jnp.nan)
