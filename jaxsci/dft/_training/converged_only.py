"""Residuals whose derivative is zero where the SCF did not converge."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# The residual of a molecule without a finite error (Hartree): large, but finite.
_FAILED = 1.0


def converged_only(
    f: Callable[[Any, Any], tuple[Float[Array, "*n"], Bool[Array, ""]]],
) -> Callable[[Any, Any], Float[Array, "*n"]]:
    """A residual `r(params, sample)` from one that also says whether it converged.

    Without convergence the error still counts, up to one, but its derivative is zero, even where
    the SCF is NaN: one bad molecule neither steers the training nor ends it.
    """

    def residual(params: Any, sample: Any) -> Float[Array, "*n"]:
        return _gated(params, sample, f=f)

    return residual


def _bounded(x, converged):
    failed = jnp.clip(jnp.nan_to_num(x, nan=_FAILED), -_FAILED, _FAILED)
    return jnp.where(converged, x, failed)


@eqx.filter_custom_jvp
def _gated(params, sample, *, f):
    return _bounded(*f(params, sample))


@_gated.def_jvp
def _gated_jvp(primals, tangents, *, f):
    params, sample = primals
    moving, still = eqx.partition(params, eqx.is_inexact_array)
    x, linear, converged = jax.linearize(
        lambda p: f(eqx.combine(p, still), sample), moving, has_aux=True
    )

    def gate(t):
        return jnp.where(converged, t, 0)

    # Before the linear map for reverse mode, after it for forward mode: 0 times NaN is NaN.
    steps = jax.tree.map(
        lambda p, t: jnp.zeros_like(p) if t is None else gate(t), moving, tangents[0]
    )
    return _bounded(x, converged), gate(linear(steps))
