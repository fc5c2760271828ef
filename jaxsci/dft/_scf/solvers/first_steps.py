"""The first steps of an SCF with DIIS, differentiated through: how much a guess leaves to do."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ....core import empty_history, extrapolate, push
from ..equations import Equations
from ..kohn_sham import Density
from .diis import HISTORY, fill
from .restricted_open import effective_fock

_NEGLIGIBLE = 1e-12  # Hartree: rounded off a norm, so that it has a derivative at zero


def first_gradients(equations: Equations, occupied: Density, steps: int) -> Float[Array, " steps"]:
    """‖[F_t, Π_t]‖ in Hartree of the first steps from the projectors Π_0.

        Π_t = Π(Σ_s c_s F_s) over s < t, with the coefficients c of DIIS

    The derivative is that of the steps themselves, through the equations for c and the response of
    the projectors; one step costs one Fock matrix.
    """
    ops = equations.ops

    def advance(carried, _):
        occupied, history = carried
        focks = equations.fock(occupied)
        error = equations.orbital_gradient(focks, occupied)
        new = effective_fock(focks, occupied) if ops.spins.shared else focks
        history = push(history, new, error)
        norm = jnp.sqrt(jnp.sum(error**2) + _NEGLIGIBLE**2)
        return (fill(extrapolate(history, new), ops, 0.0), history), norm

    n = occupied.shape[-1]
    like = jnp.zeros((1 if ops.spins.shared else ops.spins.channels, n, n), occupied.dtype)
    history = empty_history(min(steps, HISTORY), like, like)
    return jax.lax.scan(advance, (occupied, history), None, length=steps)[1]
