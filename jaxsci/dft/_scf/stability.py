"""Stability analysis: is an SCF solution a minimum, and if not, what lies below it."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from ...core import announced_jit, require_x64
from ...numerics import lowest_eigenpair
from .._system.molecule import Molecule, check_one, check_whole
from .._xc import Functional, as_functional
from .equations import Equations
from .fock_response import fock_and_response
from .hamiltonian import operators
from .kohn_sham import Density, electrons_per_orbital, total_energy
from .old_order import accepts_old_order
from .result import Guess
from .scf import SCFResult, scf
from .solvers.options import DIIS, Newton, first_of

# Eigenvalues above this (Hartree) count as stable: rotations that symmetry leaves free have zero.
_FLAT = -1e-5
_NO_ORBITAL = 1e-6  # the largest coefficient of a direction of the basis that is left out
# Angles tried along an unstable direction, in radians.
_ANGLES = (-1.2, -0.8, -0.4, -0.1, 0.1, 0.4, 0.8, 1.2)


class Stability(eqx.Module):
    """The softest orbital rotations of an SCF solution.

    **Arguments:**

    - `internal`: the lowest curvature λ (Hartree) among rotations of occupied into empty orbitals
        of the same spin: a rotation by θ changes the energy by f λ θ², with f electrons per
        orbital. Without interaction it is the gap. Infinite if no orbital is empty.
    - `external`: of a restricted solution, the same among rotations opposite in α and β; infinite
        for an unrestricted one.
    - `stable`: whether neither is negative, and both have converged.
    - `guess`: an initial guess for another SCF: the density lowest in energy along the internal
        direction.
    - `spin_guess`: of a restricted solution, the α and β densities lowest in energy along the
        external direction, for the same molecule made unrestricted; else `None`.
    - `converged`: whether the eigenvalues have converged.

    ```python
    check = jsci.dft.stability(molecule, functional, result=result)
    check.stable, check.internal
    ```
    """

    internal: Float[Array, ""]
    external: Float[Array, ""]
    stable: Bool[Array, ""]
    guess: Float[Array, "*spin nao nao"]
    spin_guess: Float[Array, "2 nao nao"] | None
    converged: Bool[Array, ""]


@accepts_old_order("result")
def stability(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    result: SCFResult,
    tolerance: float = 1e-4,
    max_steps: int = 200,
) -> Stability:
    """Whether a converged SCF solution is a minimum of the energy.

        λ = min ⟨κ| (ε_a - ε_i) δ + ∂F_ai/∂κ |κ⟩,   |κ| = 1,   C' = C exp(κ - κᵀ)

    A converged solution is only known to be stationary: at a saddle point its energy is too high.
    The lowest eigenvalue of the real orbital Hessian tells them apart. Davidson's method finds it
    from products with the response of the Fock matrix, without forming the Hessian.

    **Arguments:**

    - `molecule`: one molecule, as given to `scf`; for a batch use `jsci.vmap`.
    - `functional`: as given to `scf`.
    - `params`: the functional's parameters, as given to `scf`.
    - `result`: what `scf` returned for them, without a temperature.
    - `tolerance`: of the eigenvector's residual norm, in Hartree; the eigenvalue's error is about
        its square over the distance to the next eigenvalue.
    - `max_steps`: products with the Hessian before giving up.

    **Returns:** a `Stability`, meaningful only if `result` is converged. With fractional
    occupations it is NaN and not stable.

    **Raises:** `ValueError` for float32, a batch (use `jsci.vmap`), a restricted open shell, or a
    result whose shape is not the molecule's.

    **Notes:** a `stable` solution is a minimum, which need not be the lowest one.

    **Source:** Seeger & Pople, J. Chem. Phys. 66, 3045 (1977); Davidson, J. Comput. Phys. 17, 87
    (1975).

    ```python
    check = jsci.dft.stability(molecule, functional, result=result)
    if check.internal < 0:  # follow the direction down
        result = jsci.dft.scf(molecule, functional, guess=check.guess)
    if check.external < 0:  # separate α and β orbitals are lower
        open_shell = dataclasses.replace(molecule, spins="unrestricted")
        result = jsci.dft.scf(open_shell, functional, guess=check.spin_guess)
    ```
    """
    require_x64("jsci.dft.stability")
    check_one(molecule, "stability(m, functional, result=r)")
    check_whole(molecule, "stability()")
    if molecule.spins.shared:
        raise ValueError(
            "stability() knows no restricted open shells; scf(..., solver=jsci.dft.Newton()) "
            "leaves their saddle points by itself."
        )
    n = molecule.size
    expected = molecule.spins.density_shape(n)
    if result.orbitals.shape != expected:
        raise ValueError(
            f"result holds orbitals of shape {result.orbitals.shape}, and this molecule's are "
            f"{expected}: give what scf returned for this molecule, one molecule at a time."
        )
    return _analyse(molecule, as_functional(functional), result, params, tolerance, max_steps)


def stable_scf(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    guess: Guess | Float[Array, "*spin nao nao"] | SCFResult = "minao",
    tolerance: float = 1e-9,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
    attempts: int = 5,
    throw: bool = True,
) -> SCFResult:
    """An SCF solution that is a minimum: instabilities are followed down, one by one.

    `solver` comes first. Where it fails, and below every saddle point that `stability` finds,
    Newton's method starts from the lowest density along the softest rotation. Each check costs
    about as much as ten to thirty Fock matrices.

    **Arguments:**

    - `molecule`: one molecule.
    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `guess`: the initial guess, as in `scf`.
    - `tolerance`: of the energy in Hartree, as in `scf`.
    - `max_steps`: Fock matrices built in each descent before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)` of the first SCF, without a temperature.
    - `attempts`: descents before giving up.
    - `throw`: raise if no minimum is found, rather than flag it in `.converged`.

    **Returns:** an `SCFResult`; with `throw=False`, `converged` is false unless it is a minimum.

    **Raises:** as `scf` and `stability`; `ValueError` for a temperature, negative `attempts`, and
    under `jit` or `vmap`, since it decides on numbers: there use `scf(..., solver=Newton())`, then
    `stability`.

    **Notes:** a closed shell stays closed: build the molecule with `restricted=False` to let α and
    β separate, as in stretched bonds and biradicals. A minimum need not be the lowest one.

    ```python
    stretched = jsci.dft.molecule("n2.xyz", "def2-svp", restricted=False)
    result = jsci.dft.stable_scf(stretched, jsci.dft.xc("pbe"))
    ```
    """
    check_one(molecule, "stable_scf(m, functional, throw=False)")
    if isinstance(molecule.overlap, Tracer):
        raise ValueError(
            "stable_scf() decides on numbers, which jit and vmap do not have: there use "
            "scf(..., solver=jsci.dft.Newton()), then stability()."
        )
    if attempts < 0:
        raise ValueError(f"attempts is a whole number from 0, got {attempts!r}.")
    newton = Newton(first=first_of(solver))  # refuses a temperature

    def solve(guess, solver):
        options = {"tolerance": tolerance, "max_steps": max_steps, "throw": False}
        return scf(molecule, functional, params, guess=guess, solver=solver, **options)

    result = solve(guess, solver)
    if not bool(result.converged):
        result = solve(result.density_matrix, newton)
    for attempt in range(attempts + 1):
        check = stability(molecule, functional, params, result=result)
        minimum = check.converged & (check.internal > _FLAT)
        if bool(minimum) or attempt == attempts:
            break
        result = solve(check.guess, newton)
    result = eqx.tree_at(lambda r: r.converged, result, result.converged & minimum)
    if throw and not bool(result.converged):
        raise RuntimeError(
            f"no minimum after {attempts} descents: the softest curvature is "
            f"{float(check.internal):.1e} Hartree. Try more attempts or steps, or another guess."
        )
    return result


@announced_jit("compiling the stability analysis")
def _analyse(molecule, functional, result, params, tolerance, max_steps) -> Stability:
    ops = operators(molecule, functional)
    n = molecule.size
    orbitals, occupied = result.orbitals.reshape(-1, n, n), result.occupations.reshape(-1, n)
    whole = jnp.all((occupied == 0) | (occupied == electrons_per_orbital(occupied)))
    equations = Equations(functional, params, ops)
    kinds = [(equations, orbitals, occupied > 0, 1.0)]
    if molecule.restricted:
        both, filled = jnp.concatenate([orbitals] * 2), jnp.concatenate([occupied > 0] * 2)
        kinds.append((equations, both, filled, -1.0))
    softest = [_softest(*kind, tolerance, max_steps) for kind in kinds]
    values = [jnp.where(whole, value, jnp.nan) for value, _, _ in softest]
    converged = jnp.all(jnp.stack([done for _, _, done in softest]))
    guess = softest[0][1]
    return Stability(
        internal=values[0],
        external=values[1] if molecule.restricted else jnp.asarray(jnp.inf),
        # Before it has converged, a value is only an upper bound.
        stable=converged & jnp.all(jnp.stack(values) > _FLAT),
        guess=guess[0] if molecule.restricted else guess,
        spin_guess=softest[1][1] if molecule.restricted else None,
        converged=converged,
    )


def _softest(equations: Equations, orbitals, filled, sign, tolerance, max_steps):
    """Curvature along the softest rotation, the best density along it, and if it converged.

    `sign` is -1 where β rotates opposite to α; else each channel rotates freely.
    """
    functional, params, ops = equations.functional, equations.params, equations.ops
    electrons = electrons_per_orbital(orbitals)
    density = _density(orbitals, filled, electrons)
    fock, response = fock_and_response(functional, params, ops, density)
    # Directions of the basis that are left out have orbitals of zeros.
    exists = jnp.max(jnp.abs(orbitals), axis=1) > _NO_ORBITAL
    between = (exists & ~filled)[:, :, None] & filled[:, None, :]
    levels = _to_orbitals(orbitals, fock)
    independent = orbitals.shape[0] if sign > 0 else 1

    def channels(kappa):
        return kappa if sign > 0 else jnp.concatenate([kappa, -kappa])

    def product(kappa):
        kappa = jnp.where(between, channels(kappa), 0)
        half = electrons * (orbitals @ kappa @ orbitals.transpose(0, 2, 1))
        induced = _to_orbitals(orbitals, response(half + half.transpose(0, 2, 1)))
        change = levels @ kappa - kappa @ levels + induced
        return jnp.where(between, change, 0)[:independent]

    energies = jnp.diagonal(levels, axis1=1, axis2=2)
    gaps = energies[:, :, None] - energies[:, None, :]
    value, kappa, converged = lowest_eigenpair(
        product,
        gaps[:independent],
        between[:independent],
        tolerance=tolerance,
        max_steps=max_steps,
    )
    # A rotation by θ/√2 in each of two channels is one by θ in all.
    direction = channels(kappa) * (1.0 if sign > 0 else 0.5**0.5)

    def along(angle):
        turned = orbitals @ jax.vmap(jsl.expm)(angle * (direction - direction.transpose(0, 2, 1)))
        density = _density(turned, filled, electrons)
        return total_energy(functional, params, ops, density), density

    energies, densities = jax.lax.map(along, jnp.array(_ANGLES))
    return value, densities[jnp.argmin(energies)], converged


def _density(orbitals, filled, electrons) -> Density:
    occupied = orbitals * filled[:, None]
    return electrons * (occupied @ occupied.transpose(0, 2, 1))


def _to_orbitals(orbitals, matrix):
    return orbitals.transpose(0, 2, 1) @ matrix @ orbitals
