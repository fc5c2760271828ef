"""The iteration of a self-consistent field, and when it has converged."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import DIIS

# Energies are sums of many terms: changes below this fraction of them are rounding.
_ROUNDING = 1e-14


class _Progress(eqx.Module):
    """DIIS's history, the last energy, and whether the one before was the same."""

    history: Any
    energy: Float[Array, ""]
    settled: Array


class EnergyDIIS(DIIS):
    """DIIS that stops when its error is small and the energy has settled, both.

    **Arguments:** as in `DIIS`; the function iterated returns `(g(y), energy)`.

    - `energy_tolerance`: largest change of the energy from one iteration to the next, or the
        rounding of the energy where that is larger.
    """

    energy_tolerance: float = 1e-9

    def init(self, fn, y, args, options, f_struct, aux_struct, tags):
        history = super().init(fn, y, args, options, f_struct, aux_struct, tags)
        return _Progress(history, jnp.full(aux_struct.shape, jnp.inf), jnp.array(False))

    def step(self, fn, y, args, options, state, tags):
        y, history, energy = super().step(fn, y, args, options, state.history, tags)
        smallest = jnp.maximum(self.energy_tolerance, _ROUNDING * jnp.abs(energy))
        settled = jnp.abs(energy - state.energy) <= smallest
        return y, _Progress(history, energy, settled), energy

    def terminate(self, fn, y, args, options, state, tags):
        small, result = super().terminate(fn, y, args, options, state.history, tags)
        return small & state.settled, result

    def postprocess(self, fn, y, aux, args, options, state, tags, result):
        return super().postprocess(fn, y, aux, args, options, state.history, tags, result)
