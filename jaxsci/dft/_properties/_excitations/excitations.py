"""Excited states by linear response: energies, transition dipoles and oscillator strengths."""

import functools
import numbers
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from ....core import announced_jit, require_x64
from ....numerics import lowest_eigenpairs, lowest_paired_eigenpairs
from ..._basis.orthonormal import kept_directions
from ..._scf.equations import Equations
from ..._scf.hamiltonian import operators
from ..._scf.implicit_derivatives import constant, known
from ..._scf.kohn_sham import electrons_per_orbital
from ..._scf.projector import projectors
from ..._scf.result import SCFResult
from ..._scf.solvers.occupied import occupied_at
from ..._system.molecule import Molecule, check_one, check_whole
from ..._xc import Functional, as_functional
from ..solution import converged_result, focks_of
from .response import Orbitals, energies_at, orbitals, response


class Excitations(eqx.Module):
    """Excited states in ascending order.

    **Arguments:**

    - `energies`: ω, Hartree. Where the reference is unstable some are negative: -|ω| of an
        imaginary ω, or a state below the reference. NaN where there is no such state, where the
        reference has not converged or is of another functional, or where A-B is not positive.
    - `oscillator_strengths`: 2/3 ω |μ|², zero for triplets.
    - `transition_dipoles`: μ = ⟨0|r|n⟩ in Bohr, of arbitrary sign, zero for triplets.
    - `transition_densities`: T, of both spins together if restricted, else of each, so that
        μ = tr(r T). `C.T @ S @ T @ S @ C` in the orbitals C has the amplitudes X+Y from occupied
        orbitals (columns) to empty ones (rows). Of triplets, that of α less that of β.
    - `residuals`: norms of what is left of the equations, Hartree.
    - `converged`: whether they are within the tolerance.
    - `stable`: whether no energy is negative or NaN: the reference is a minimum as far as these
        states can tell. `stability` tells all.
    - `steps`: blocks of trial vectors.

    ```python
    states = jsci.dft.excitations(water, functional, result=result, nstates=3)
    states.energies * 27.2114, states.oscillator_strengths
    ```
    """

    energies: Float[Array, " states"]
    oscillator_strengths: Float[Array, " states"]
    transition_dipoles: Float[Array, "states 3"]
    transition_densities: Float[Array, "states *spin nao nao"]
    residuals: Float[Array, " states"]
    converged: Bool[Array, " states"]
    stable: Bool[Array, ""]
    steps: Int[Array, ""]


class _Settings(NamedTuple):
    nstates: int
    tda: bool
    triplet: bool
    tolerance: float
    max_steps: int


def excitations(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    result: SCFResult,
    nstates: int,
    tda: bool = False,
    triplet: bool = False,
    tolerance: float = 1e-6,
    max_steps: int = 40,
) -> Excitations:
    """The lowest excited states by linear response, in full or in the Tamm-Dancoff approximation.

        A X + B Y = ω X,   B X + A Y = -ω Y,   |X|² - |Y|² = 1;   Tamm-Dancoff: A X = ω X

    A holds the orbitals' gaps, and A and B the response of the Kohn-Sham matrix to a change of the
    density matrix, by the adiabatic kernel of the functional. Davidson's method finds the lowest
    states from products with blocks of trial vectors. The energies can be differentiated, with
    respect to `params` for example: the response of the SCF solution is included.

    **Arguments:**

    - `molecule`: one closed shell or unrestricted molecule; for a batch use `jsci.vmap` over the
        stack and its results.
    - `functional`: as in `scf`: local to range-separated hybrid functionals, and trained ones.
    - `params`: the functional's parameters.
    - `result`: what `scf` returned for them, without a temperature. The error of an energy is
        linear in that of the density: solve to 1e-11 Hartree or tighter.
    - `nstates`: number of states. One more than are needed is safe where a degenerate pair could
        be cut in two.
    - `tda`: leave out B, which is safer where the reference is nearly unstable.
    - `triplet`: triplets of a closed shell instead of singlets.
    - `tolerance`: of each state's residual norm, Hartree: the error of its energy is about the
        square, and that of its oscillator strength is linear.
    - `max_steps`: blocks of trial vectors before giving up.

    **Returns:** an `Excitations`, which says of each state whether it converged. A warning says
    that the reference is unstable.

    **Raises:** `ValueError` for float32, a batch, a restricted open shell, triplets of an
    unrestricted molecule, more states than pairs of an occupied and an empty orbital, fractional
    occupations, a functional of the molecule's extras such as a local hybrid, or a result of
    another molecule or geometry; `TypeError` for something that is not a result; `RuntimeError`
    for one that has not converged.

    **Notes:** oscillator strengths, dipoles and densities have no derivatives: these are NaN. Of
    degenerate states only the sum of the energies can be differentiated. Charge-transfer and
    Rydberg states are too low without long-range exchange, and states of unrestricted molecules
    may be mixed in spin.

    **Good values:** a basis with diffuse functions (aug-cc-pvdz); a hybrid functional.

    **Source:** Casida, in Recent Advances in Density Functional Methods I (1995), 155;
    Bauernschmitt & Ahlrichs, Chem. Phys. Lett. 256, 454 (1996); Stratmann, Scuseria & Frisch, J.
    Chem. Phys. 109, 8218 (1998).

    ```python
    result = jsci.dft.scf(water, pbe, tolerance=1e-12)
    states = jsci.dft.excitations(water, pbe, result=result, nstates=3, tda=True)
    states.energies, states.oscillator_strengths, states.converged
    ```
    """
    require_x64("jsci.dft.excitations")
    functional = as_functional(functional)
    check_one(molecule, "excitations(m, functional, result=r, nstates=n)")
    check_whole(molecule, "excitations()")
    if not isinstance(nstates, numbers.Integral) or nstates < 1:
        raise ValueError(f"nstates is a whole number from 1, got {nstates!r}.")
    settings = _Settings(int(nstates), bool(tda), bool(triplet), tolerance, max_steps)
    _check(molecule, functional, settings)
    advice = "converge it, or use stable_scf"
    result = converged_result(molecule, result, "excitations", advice)
    _check_whole(result)
    found = _excitations(molecule, functional, params, result, settings)
    if not isinstance(found.stable, Tracer) and bool(jnp.any(found.energies < 0)):
        warnings.warn(
            f"the reference is not a minimum: the lowest energy is {float(found.energies[0]):.1e} "
            "Hartree. Solve with jsci.dft.stable_scf, and let α and β separate.",
            stacklevel=2,
        )
    return found


def _check(molecule: Molecule, functional: Functional, settings: _Settings) -> None:
    if molecule.spins.shared:
        raise ValueError(
            "excitations() knows no restricted open shells: build the molecule unrestricted."
        )
    if settings.triplet and not molecule.restricted:
        raise ValueError(
            "triplet=True is for closed shells: in an unrestricted molecule the states of both "
            "kinds are found together."
        )
    if functional.nonlocal_terms and molecule.extras:
        raise ValueError(
            f"excitations() cannot tell how {functional.name!r} responds to currents: it depends "
            f"on the molecule's extras ({', '.join(map(repr, molecule.extras))})."
        )
    if isinstance(molecule.electrons, Tracer):
        return
    size = _size(molecule)
    counts = molecule.spins.counts(molecule.electrons)
    pairs = int(jnp.sum(counts * (size - counts)))
    if settings.nstates > pairs:
        raise ValueError(
            f"nstates is {settings.nstates}, and there are {pairs} pairs of an occupied and an "
            "empty orbital: ask for fewer states, or use a larger basis."
        )


def _size(molecule: Molecule) -> Int[Array, ""]:
    """The number of orbitals that are neither padding nor left out of a dependent basis."""
    whole = kept_directions(molecule.overlap) if molecule.dependent else molecule.size
    return whole - jnp.sum(~molecule.basis_mask)


def _check_whole(result: SCFResult) -> None:
    if not isinstance(result.occupations, Tracer) and not bool(_is_whole(result.occupations)):
        raise ValueError(
            "result has fractional occupations, of which excitations() knows nothing: call scf "
            "without a temperature."
        )


def _is_whole(occupations: Array) -> Bool[Array, ""]:
    full = jnp.max(occupations)
    return jnp.all((occupations == 0) | (occupations == full)) & ((full == 1) | (full == 2))


@announced_jit("compiling the excitations")
def _excitations(molecule, functional, params, result, settings: _Settings) -> Excitations:
    equations = Equations(functional, params, operators(molecule, functional))
    fixed, triplet = constant(equations), settings.triplet
    fock, focks = focks_of(fixed, molecule, constant(result), 0.0)
    occupied = projectors(fock, fixed.ops.counts)
    space = orbitals(fixed, occupied, _size(molecule))
    values, z, w, residuals, steps = _states(fixed, occupied, space, settings)
    sound = result.converged & _is_whole(result.occupations)
    values = jnp.where(sound & jnp.isfinite(values), values, jnp.nan)
    energies = known(values, equations, fock, focks, z, w, f=_ENERGIES[triplet])
    densities, dipoles = _transitions(molecule, fixed, z, triplet)
    strengths = 2 / 3 * values * jnp.sum(dipoles**2, axis=1)
    return Excitations(
        energies=energies,
        oscillator_strengths=_frozen(strengths, energies),
        transition_dipoles=_frozen(dipoles, energies),
        transition_densities=_frozen(densities, energies),
        residuals=residuals,
        converged=(residuals <= settings.tolerance) & jnp.isfinite(values),
        stable=jnp.all(values > 0),
        steps=steps,
    )


def _states(equations: Equations, occupied, space: Orbitals, settings: _Settings):
    """ω, z = X+Y and w = X-Y in an orthonormal basis, residuals and steps."""
    products, u = response(equations, occupied, settings.triplet), space.vectors
    functional, gaps, between = equations.functional, space.gaps, space.between

    def both(x):
        a, b = products(u @ x @ u.transpose(0, 2, 1))
        return tuple(jnp.where(between, u.transpose(0, 2, 1) @ y @ u, 0) for y in (a, b))

    limits = {"tolerance": settings.tolerance, "max_steps": settings.max_steps}
    if settings.tda:
        found = _tamm_dancoff(both, gaps, between, settings.nstates, limits)
    elif functional.exact_exchange or functional.long_range_exchange:

        def plus_and_minus(x):
            a, b = both(x)
            return a + b, a - b

        found = lowest_paired_eigenpairs(plus_and_minus, gaps, between, settings.nstates, **limits)
    else:
        found = _symmetric(both, gaps, between, settings.nstates, limits)
    values, z, w, residuals, steps = found
    z, w = (jax.vmap(lambda x: u @ x @ u.transpose(0, 2, 1))(x) for x in (z, w))
    return values, z, w, residuals, steps


def _tamm_dancoff(both, gaps, between, nstates, limits):
    values, x, residuals, steps = lowest_eigenpairs(
        lambda x: both(x)[0], gaps, between, nstates, **limits
    )
    return values, x, x, residuals, steps


def _symmetric(both, gaps, between, nstates, limits):
    """Without exact exchange A-B is the diagonal D of gaps: D^½ (A+B) D^½ y = ω² y."""
    # D is positive unless an empty orbital lies below an occupied one.
    root = jnp.sqrt(jnp.where(between, gaps, 1))

    def product(y):
        a, b = both(root * y)
        return root * (a + b)

    def unit(squares):
        return 2 * jnp.sqrt(jnp.maximum(jnp.abs(squares), 1e-8))

    squares, y, residuals, steps = lowest_eigenpairs(
        product, gaps**2, between, nstates, unit=unit, **limits
    )
    sign, omega = jnp.sign(squares), 0.5 * unit(squares)
    scale = jnp.sqrt(omega).reshape(-1, *[1] * gaps.ndim)
    z, w = root[None] * y / scale, sign.reshape(scale.shape) * scale * y / root[None]
    return sign * omega, z, w, residuals, steps


def _energies(equations: Equations, fock, focks, z, w, *, triplet: bool):
    return energies_at(equations, occupied_at(equations, fock, focks, 0.0), z, w, triplet)


# Equal by identity, so that nothing is traced again.
_ENERGIES = {triplet: functools.partial(_energies, triplet=triplet) for triplet in (False, True)}


def _transitions(molecule: Molecule, equations: Equations, z: Array, triplet: bool):
    """Transition densities, and the moments of their sum over spins."""
    x = equations.ops.orthonormal.x
    # Of a closed shell, α and β have 1/√2 each of what is normalised to one.
    densities = jax.vmap(lambda t: x @ t @ x.T)(z) * (
        2**0.5 if electrons_per_orbital(z[0]) == 2 else 1.0
    )
    if triplet:
        dipoles = jnp.zeros((len(z), 3), z.dtype)
    else:
        dipoles = jnp.einsum("xij,nsij->nx", molecule.dipole_integrals, densities)
    return densities[:, 0] if molecule.restricted else densities, dipoles


def _frozen(value: Array, energies: Array) -> Array:
    """The value, with NaN for its derivatives wherever the energies have some."""
    shape = value.shape

    def unknown(e):
        return jnp.broadcast_to(jnp.nan * e.reshape(-1, *[1] * (len(shape) - 1)), shape)

    return known(value, energies, f=unknown)
