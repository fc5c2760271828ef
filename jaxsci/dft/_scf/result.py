"""The result of a self-consistent field calculation, and densities taken from it."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from .._basis.orthonormal import NEARLY_DEPENDENT

# Densities that an SCF can begin with, by name: see `scf`.
Guess = Literal["minao", "atoms", "core"]


class SCFResult(eqx.Module):
    """A converged (or flagged) self-consistent solution.

    Restricted results have no spin axis; all others have α and β on axis 0 of all but the energy.
    Restricted open shells have the same orbitals in both, and the eigenvalues of the effective
    Fock matrix.

    **Arguments:**

    - `energy`: total energy in Hartree.
    - `free_energy`: energy minus temperature times entropy, the quantity that is stationary at a
        temperature; without a temperature, the energy.
    - `density_matrix`: P, of both spins together if restricted, else of each.
    - `orbital_energies`: in Hartree, occupied and empty orbitals each ascending.
    - `orbitals`: coefficients, one column per orbital. Signs, and rotations among degenerate
        orbitals, are arbitrary: differentiate what does not depend on them.
    - `occupations`: electrons in each orbital.
    - `gap`: from the highest occupied to the lowest empty orbital, in Hartree; infinite if either
        is missing. A gap near zero warns that derivatives may not exist (see `scf`); a negative one
        that a level shift or a Newton step holds electrons above an empty orbital.
    - `converged`: whether energy and orbital gradient fell below their tolerances.
    - `steps`: Fock matrices built.

    ```python
    result = jsci.dft.scf(water, jsci.dft.xc("pbe"))
    result.energy, result.converged
    ```
    """

    energy: Float[Array, ""]
    free_energy: Float[Array, ""]
    density_matrix: Float[Array, "*spin nao nao"]
    orbital_energies: Float[Array, "*spin nao"]
    orbitals: Float[Array, "*spin nao nao"]
    occupations: Float[Array, "*spin nao"]
    gap: Float[Array, "*spin"]
    converged: Bool[Array, ""]
    steps: Int[Array, ""]

    def __repr__(self) -> str:
        spins = "restricted" if self.gap.ndim == self.energy.ndim else "α and β"
        size = f"{spins}, nao={self.orbitals.shape[-1]}"
        batch = self.energy.shape
        if isinstance(self.energy, Tracer | jax.ShapeDtypeStruct):
            return f"SCFResult({f'batch={batch}, ' if batch else ''}{size})"
        if batch:
            done = f"converged={jnp.sum(self.converged)} of {self.energy.size}"
            return f"SCFResult(batch={batch}, {done}, steps<={jnp.max(self.steps)}, {size})"
        done = "converged" if self.converged else "NOT converged"
        return (
            f"SCFResult(energy={self.energy:.10f} Hartree, {done} in {self.steps} steps, "
            f"gap={jnp.min(self.gap):.4f} Hartree, {size})"
        )


def density_of(given: Any, name: str = "density_matrix", *, symmetric: bool = True) -> Array:
    """The density matrix of a result, or the one that is given.

    **Raises:** `TypeError` for complex numbers; `ValueError` for one that is not symmetric, which
    is not noticed under `jit`, nor asked for where its symmetric part alone counts.
    """
    if isinstance(given, SCFResult):
        return given.density_matrix
    density = jnp.asarray(given)
    if jnp.iscomplexobj(density):
        raise TypeError(f"{name} is complex; densities are real here: take its real part.")
    if symmetric and not isinstance(density, Tracer):
        _check_symmetric(np.asarray(density), name)
    return density


def _check_symmetric(density: np.ndarray, name: str) -> None:
    if density.ndim < 2 or density.shape[-1] != density.shape[-2]:
        return  # a wrong shape, which is for others to explain
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is for others to flag
        off = np.abs(density - density.swapaxes(-1, -2)).max(initial=0)
    size = np.abs(density).max(initial=0)
    # P = X Π Xᵀ has an error of ε |X|², where |X|² is at most 10⁶ by the cut of the overlap; single
    # precision also rounds what is read from elsewhere.
    rounding = np.finfo(float).eps / NEARLY_DEPENDENT
    if density.dtype == np.float32:
        rounding = 100 * np.finfo(np.float32).eps
    if off > rounding * size:
        raise ValueError(
            f"{name} is not symmetric: elements (i, j) and (j, i) differ by up to {off:.2g}, where "
            f"the largest is {size:.2g}. Give ½ (P + Pᵀ) if that is what is meant."
        )
