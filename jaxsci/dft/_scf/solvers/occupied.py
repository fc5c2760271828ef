"""The occupied orbitals of converged Fock matrices, as differentiable functions."""

from collections.abc import Callable

from jaxtyping import Array, Float

from ..equations import Equations
from ..kohn_sham import Density
from ..response import converged_projectors, turned_projectors
from .restricted_open import converged_shared_projectors, turned_shared_projectors
from .smearing import converged_fermi_operators, refilled_operators


def occupied_at(
    equations: Equations, fock: Float[Array, "channels n n"], focks: Density, temperature: float
) -> Float[Array, "spins n n"]:
    """The occupied projectors, or operators, of converged Fock matrices.

    **Arguments:** `fock` are the matrices whose orbitals are filled, one for both spins of a
    restricted open shell; `focks` are those of each spin, known already.
    """
    if temperature:
        return converged_fermi_operators(fock, equations, focks, temperature=temperature)
    if equations.ops.spins.shared:
        return converged_shared_projectors(fock, equations, focks)
    return converged_projectors(fock, equations, focks)


def occupied_response(
    equations: Equations,
    fock: Float[Array, "channels n n"],
    focks: Density,
    occupied: Density,
    linear: Callable[[Density], Density],
    temperature: float,
) -> Callable[[Density], Density]:
    """The map from a change of the Fock matrices at fixed orbitals to that of `occupied`.

    What the derivative of `occupied_at` solves, for many changes at one solution: `linear` is
    `equations.response(occupied)`, made once.
    """
    if temperature:
        counts = equations.ops.counts
        return lambda b: refilled_operators(counts, focks, linear, b, temperature)
    turned = turned_shared_projectors if equations.ops.spins.shared else turned_projectors
    return lambda b: turned(fock, equations, focks, occupied, linear, b)
