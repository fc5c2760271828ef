"""Harmonic vibrations: frequencies, modes, infrared intensities and what heat adds."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from ....core import Failure, require_x64
from ..._basis.orthonormal import kept_directions
from ..._basis.units import (
    DALTON_IN_ELECTRON_MASSES,
    HARTREE_IN_WAVENUMBERS,
    INFRARED_IN_KM_PER_MOL,
)
from ..._scf.result import SCFResult
from ..._scf.solvers.options import DIIS, Newton, first_of
from ..._system.molecule import Molecule, check_one, check_whole
from ..._xc import Functional, as_functional
from .._geometry.surface import Job, Surface
from .._hessian.hessian import Slopes, hessian_and_slopes, largest_force, warn_unless_stationary
from ..forces import check_forces, forces
from ..moments import dipole
from ..nuclei import check_nuclei
from ..solution import solution
from .motion import masses_of, moments_of_inertia, rigid_motions, symmetry_number
from .thermochemistry import Thermochemistry, ideal_gas

_STEP = 0.005  # Bohr, of the differences of forces


class Vibrations(eqx.Module):
    """Harmonic vibrations of a molecule of N atoms: 3N - 6, or 3N - 5 of a linear one.

    **Arguments:**

    - `frequencies`: cm⁻¹, ascending; imaginary ones, of directions in which the energy falls, are
        negative.
    - `modes`: displacements of the atoms, each mode of length 1.
    - `intensities`: of infrared absorption, km/mol.
    - `hessian`: second derivatives of the energy, Hartree/Bohr².
    - `dipole_slopes`: derivatives of the dipole moment (last axis) in the positions, e.
    - `gradient`: the largest force on an atom, Hartree/Bohr.
    - `stationary`: whether it is below 1e-3. Elsewhere frequencies depend on the coordinates that
        they are taken in, and thermochemistry means little.
    - `energy`: of the electrons and nuclei at rest, Hartree.
    - `positions`, `masses`, `numbers`: of the atoms, in Bohr and daltons.
    - `unpaired`: number of unpaired electrons.

    ```python
    relaxed = jsci.dft.relax(water, functional)
    v = jsci.dft.vibrations(relaxed.molecule, functional)
    v.frequencies, v.intensities, v.thermochemistry(temperature=300.0).free_energy
    ```
    """

    frequencies: Float[Array, " modes"]
    modes: Float[Array, "modes atoms 3"]
    intensities: Float[Array, " modes"]
    hessian: Float[Array, "atoms 3 atoms 3"]
    dipole_slopes: Float[Array, "atoms 3 3"]
    gradient: Float[Array, ""]
    stationary: Bool[Array, ""]
    energy: Float[Array, ""]
    positions: Float[Array, "atoms 3"]
    masses: Float[Array, " atoms"]
    numbers: np.ndarray
    unpaired: int = eqx.field(static=True)

    def __repr__(self) -> str:
        if isinstance(self.frequencies, Tracer | jax.ShapeDtypeStruct):
            return f"Vibrations(atoms={len(self.numbers)})"
        found = ", ".join(f"{frequency:.1f}" for frequency in self.frequencies)
        kind = "at a stationary point" if self.stationary else "not at a stationary point"
        return f"Vibrations({found} 1/cm, {kind})"

    def thermochemistry(
        self,
        *,
        temperature: float = 298.15,
        pressure: float = 101325.0,
        symmetry_number: int | None = None,
        quasi_harmonic: bool = False,
    ) -> Thermochemistry:
        """Enthalpy, entropy and free energy of an ideal gas of rigid rotors and oscillators.

        **Arguments:**

        - `temperature`: kelvin.
        - `pressure`: pascal.
        - `symmetry_number`: rotations that turn the molecule into itself; `None` counts them.
        - `quasi_harmonic`: take vibrations below about 100 cm⁻¹ as free rotors in the entropy.

        **Returns:** a `Thermochemistry`. Imaginary frequencies contribute nothing.

        **Raises:** `ValueError` for a temperature, pressure or symmetry number that is not
        positive.

        **Source:** Grimme, Chem. Eur. J. 18, 9955 (2012), for the quasi-harmonic entropy.
        """
        for name, value in (("temperature", temperature), ("pressure", pressure)):
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value!r}.")
        x, masses = np.asarray(self.positions), np.asarray(self.masses)
        if symmetry_number is None:
            symmetry_number = _symmetry_number(x, self.numbers, masses)
        if symmetry_number < 1:
            raise ValueError(f"symmetry_number is a whole number from 1, got {symmetry_number!r}.")
        frequencies = np.asarray(self.frequencies)
        return ideal_gas(
            float(self.energy),
            frequencies[frequencies > 0],
            moments_of_inertia(x, masses),
            float(masses.sum()),
            self.unpaired + 1,
            symmetry_number,
            temperature=temperature,
            pressure=pressure,
            quasi_harmonic=quasi_harmonic,
        )


_symmetry_number = symmetry_number


def vibrations(
    molecule: Molecule,
    functional: Functional | Callable,
    params: Any = None,
    *,
    masses: Sequence[float] | None = None,
    result: SCFResult | None = None,
    tolerance: float = 1e-12,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
) -> Vibrations:
    """Harmonic frequencies, normal modes and infrared intensities at a stationary geometry.

        M^(-1/2) H M^(-1/2) l = ω² l,   I = N_A e²/(12 ε₀ c²) |Σ_A ∂μ/∂R_A l_A/√m_A|²

    Shifts and turns of the whole molecule are projected out. The Hessian is analytic with full
    integrals of one range; with density fitting, range separation or a nearly linearly dependent
    basis it is made of central differences of analytic forces, all displaced geometries in one
    batch.

    **Arguments:**

    - `molecule`: one molecule, relaxed.
    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `masses`: of the atoms in daltons, for isotopes (deuterium: 2.0141); `None` takes the average
        masses of the elements.
    - `result`: what `scf` returned for them, to 1e-12 Hartree or tighter; `None` solves.
    - `tolerance`: of the energy in Hartree, of every SCF.
    - `max_steps`: Fock matrices built before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`.

    **Returns:** a `Vibrations`, without atoms that pad the molecule. Where the geometry is not
    relaxed its `stationary` is false, and a warning says the largest force.

    **Raises:** what `scf`, `forces` and `hessian` raise; `ValueError` for ghost atoms, batches and
    masses that are not positive; `RuntimeError` where the SCF of a displaced geometry fails, or
    leaves out another number of directions of a nearly dependent basis.

    **Notes:** it runs outside of `jit`.

    **Source:** Wilson, Decius & Cross, Molecular Vibrations (1955).

    ```python
    relaxed = jsci.dft.relax(water, functional)
    v = jsci.dft.vibrations(relaxed.molecule, functional)
    v.frequencies, v.thermochemistry().free_energy
    ```
    """
    require_x64("jsci.dft.vibrations")
    functional = as_functional(functional)
    check_one(molecule, "vibrations(m, functional)")
    check_whole(molecule, "vibrations()")
    check_forces(molecule, functional, "vibrations")
    check_nuclei(molecule, "vibrations")
    found = masses_of(molecule, masses)
    settings = {"tolerance": tolerance, "max_steps": max_steps, "solver": solver}
    result = solution(
        molecule, functional, params, result, "vibrations", guess="minao", throw=True, **settings
    )
    if molecule.fit is None and molecule.long_range is None and not molecule.dependent:
        heat = first_of(solver).temperature
        second = hessian_and_slopes(molecule, functional, params, result, heat)
        second = _without_padding(second, len(found))
    else:
        surface = Surface(functional, params, batch_size=None, **settings)
        force = forces(molecule, functional, params, result=result)
        second = _by_differences(molecule, surface, np.asarray(result.density_matrix), -force)
    why = "frequencies there depend on the coordinates"
    stationary = warn_unless_stationary(second.gradient, why, stacklevel=3)
    return _analysed(molecule, result, found, second, stationary)


def _without_padding(found: Slopes, atoms: int) -> Slopes:
    second, moments, gradient = (np.asarray(x) for x in found)
    return _slopes(second[:atoms, :, :atoms], moments[:atoms], gradient[:atoms])


def _slopes(*arrays: np.ndarray) -> Slopes:
    return Slopes(*map(jax.device_put, arrays))  # `jnp.asarray` compiles a program for each shape


def _by_differences(
    molecule: Molecule, surface: Surface, density: np.ndarray, gradient: Array
) -> Slopes:
    """The Hessian and ∂μ/∂R, from forces and dipole moments on both sides of each coordinate."""
    x, atoms = np.asarray(molecule.coordinates), int(np.sum(molecule.atom_mask))
    shifts = _STEP * np.eye(x.size)[: 3 * atoms].reshape(-1, *x.shape)
    jobs = [Job(molecule, x + sign * s, density) for s in shifts for sign in (1, -1)]
    gradients, moments = np.zeros((len(jobs), atoms, 3)), np.zeros((len(jobs), 3))
    kept = kept_directions(molecule.overlap)
    for i, point in surface(jobs):
        if isinstance(point, Failure):
            raise RuntimeError(f"a displaced geometry failed: {point.reason}")
        if not bool(point.result.converged):
            raise RuntimeError("the SCF of a displaced geometry did not converge.")
        if kept_directions(point.molecule.overlap) != kept:
            raise RuntimeError(
                f"within {_STEP} Bohr of the geometry the number of directions left out of the "
                "nearly dependent basis changes, and the energy jumps: take a basis with fewer "
                "diffuse functions."
            )
        gradients[i] = point.gradient[:atoms]
        moments[i] = dipole(point.molecule, point.result)
    shape = atoms, 3
    second = ((gradients[::2] - gradients[1::2]) / (2 * _STEP)).reshape(*shape, *shape)
    slopes = ((moments[::2] - moments[1::2]) / (2 * _STEP)).reshape(*shape, 3)
    second = 0.5 * (second + second.transpose(2, 3, 0, 1))
    return _slopes(second, slopes, np.asarray(gradient)[:atoms])


def _analysed(molecule, result, masses, slopes: Slopes, stationary: bool) -> Vibrations:
    x, weight = np.asarray(molecule.coordinates)[: len(masses)], np.repeat(masses**-0.5, 3)
    second, by_position = np.asarray(slopes.hessian), np.asarray(slopes.dipole_slopes)
    _, _, whole = np.linalg.svd(rigid_motions(x, masses))
    inner = whole[len(rigid_motions(x, masses)) :]
    weighted = weight[:, None] * second.reshape(x.size, x.size) * weight
    curvatures, vectors = np.linalg.eigh(inner @ weighted @ inner.T)
    displacements = (vectors.T @ inner) * weight  # ∂R/∂Q
    quanta = np.sqrt(np.abs(curvatures) / DALTON_IN_ELECTRON_MASSES)
    moments = displacements @ by_position.reshape(x.size, 3)
    length = np.linalg.norm(displacements, axis=1, keepdims=True)
    return Vibrations(
        frequencies=jnp.asarray(np.sign(curvatures) * quanta * HARTREE_IN_WAVENUMBERS),
        modes=jnp.asarray((displacements / length).reshape(-1, *x.shape)),
        intensities=jnp.asarray(INFRARED_IN_KM_PER_MOL * np.sum(moments**2, axis=1)),
        hessian=slopes.hessian,
        dipole_slopes=slopes.dipole_slopes,
        gradient=jnp.asarray(largest_force(slopes.gradient)),
        stationary=jnp.asarray(stationary),
        energy=result.free_energy,
        positions=jnp.asarray(x),
        masses=jnp.asarray(masses),
        numbers=np.asarray(molecule.libcint.elements)[: len(masses)],
        unpaired=abs(int(molecule.electrons[0] - molecule.electrons[1])),
    )
