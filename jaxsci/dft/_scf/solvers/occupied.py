"""The occupied orbitals of converged Fock matrices, as differentiable functions."""

from jaxtyping import Array, Float

from ..equations import Equations
from ..kohn_sham import Density
from ..response import converged_projectors
from .restricted_open import converged_shared_projectors
from .smearing import converged_fermi_operators


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
