"""Batches of molecules with reference values, and how well a functional reproduces them."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ...core import announced_jit
from .._basis.units import HARTREE_IN_KCAL_PER_MOL
from .._properties.integral_tangents import IntegralSlopes, integral_slopes, pad_slopes
from .._scf.result import SCFResult, density_of
from .._scf.scf import scf
from .._scf.solvers.options import DIIS, Newton
from .._system.molecule import Molecule
from .._system.stack import stack
from .._xc import Functional, as_functional


class Sample(eqx.Module):
    """A molecule with its reference values; made by `training_batch`.

    **Arguments:**

    - `molecule`: one, or many on a leading axis.
    - `energy`: total energy in Hartree.
    - `density`: density matrix in the shape of `SCFResult.density_matrix`, or `None`.
    - `force`: on each nucleus in Hartree/Bohr, or `None`.
    - `slopes`: derivatives of the integrals, which forces in a loss need, or `None`.

    ```python
    data = jsci.dft.training_batch([water, ammonia], [-76.33, -56.50])
    data.energy
    ```
    """

    molecule: Molecule
    energy: Float[Array, "*n"]
    density: Float[Array, "... nao nao"] | None = None
    force: Float[Array, "*n atoms 3"] | None = None
    slopes: IntegralSlopes | None = None


class Reaction(eqx.Module):
    """ΔE = Σ_i ν_i E_i; made by `reaction`. Several reactions of k species each stack.

    **Arguments:**

    - `species`: molecules on a leading axis.
    - `coefficients`: ν, positive for products, negative for reactants, zero for padding.
    - `energy`: ΔE in Hartree.

    ```python
    atomisation = jsci.dft.reaction([h2, h], (-1, 2), 0.1745)
    atomisation.coefficients
    ```
    """

    species: Molecule
    coefficients: Float[Array, "*n k"]
    energy: Float[Array, "*n"]


def training_batch(
    molecules: Sequence[Molecule],
    energies: ArrayLike,
    *,
    densities: ArrayLike | SCFResult | Sequence[ArrayLike | SCFResult] | None = None,
    forces: Sequence[ArrayLike] | None = None,
    names: Sequence[str] | None = None,
) -> Sample:
    """Molecules and their reference values, padded and stacked.

    **Arguments:**

    - `molecules`: of similar size, as all are padded to the largest. Of padded ones the densities
        and forces may be with or without their padding.
    - `energies`: total energies in Hartree, one per molecule.
    - `densities`: density matrices of the stacked molecules, or the results of `scf` for them:
        `jsci.vmap(lambda m: scf(m, reference, throw=False))(stack(molecules))`; or a list of those
        of single molecules, as from `reference_densities`. `None` for none.
    - `forces`: for each molecule the forces on its nuclei in Hartree/Bohr, (atoms, 3), or `None`.
        The derivatives of the integrals are then kept with the molecules: 12 n⁴ bytes each for n
        basis functions.
    - `names`: for error messages; "molecule 0", ... by default.

    **Returns:** a `Sample` with the batch on axis 0.

    **Raises:** `ValueError` if the number or the shape of the targets does not match the molecules,
    or a target is not finite, naming the molecule; `TypeError` for complex targets.

    ```python
    data = jsci.dft.training_batch([water, ammonia], [-76.33, -56.50], names=["H2O", "NH3"])
    loss = jsci.objective({"energy": jsci.dft.energy_error(functional)})
    jsci.fit(loss, params, {"energy": data}, optax.adam(1e-3), steps=100)
    ```
    """
    batch = stack(molecules)
    n, nao = batch.overlap.shape[:2]
    names = [f"molecule {i}" for i in range(n)] if names is None else list(names)
    if len(names) != n:
        raise ValueError(f"{n} molecules, but {len(names)} names.")
    _check_molecules(molecules, names)
    sample = Sample(batch, _checked("energies", energies, (n,), names))
    if densities is not None:
        shape = (n, *batch.spins.density_shape(nao))
        if isinstance(densities, list | tuple):
            densities = _padded(densities, molecules, batch)
        known = _checked("densities", density_of(densities, "densities"), shape, names)
        sample = dataclasses.replace(sample, density=known)
    if forces is not None:
        known, slopes = _forces(molecules, forces, batch, names)
        sample = dataclasses.replace(sample, force=known, slopes=slopes)
    return sample


def _padded(densities, molecules, batch):
    """Density matrices of single molecules in the shape of the batch."""
    if len(densities) != len(molecules):
        raise ValueError(f"{len(molecules)} molecules, but densities for {len(densities)}.")
    size, rows = batch.overlap.shape[1], []
    for density, m in zip(densities, molecules, strict=True):
        p = np.asarray(density_of(density, "a density matrix"), float)
        own = int(m.basis_mask.sum())  # a padded molecule's own, or with its padding
        if p.shape not in ((own, own), (2, own, own), (m.size, m.size), (2, m.size, m.size)):
            raise ValueError(
                f"a density matrix has shape {p.shape}, its molecule {own} basis functions."
            )
        if batch.restricted and p.ndim == 3:
            p = p.sum(axis=0)
        elif not batch.restricted and p.ndim == 2:
            p = np.stack([p / 2, p / 2])
        extra = size - p.shape[-1]
        rows.append(np.pad(p, [(0, 0)] * (p.ndim - 2) + [(0, extra)] * 2))
    return np.stack(rows)


def _check_molecules(molecules, names):
    wrong = [
        name
        for name, m in zip(names, molecules, strict=True)
        if not all(np.isfinite(x).all() for x in jax.tree.leaves(m) if eqx.is_inexact_array(x))
    ]
    if wrong:
        raise ValueError(
            f"molecules hold numbers that are not finite: {', '.join(wrong)}. Look at their "
            "positions and the arrays given to with_extras."
        )


def _forces(molecules, forces, batch, names):
    """Forces and derivatives of the integrals, padded as the batch is."""
    if len(forces) != len(names):
        raise ValueError(f"{len(names)} molecules, but forces for {len(forces)}.")
    atoms, nao = batch.charges.shape[1], batch.overlap.shape[1]
    known, slopes = [], []
    for m, force, name in zip(molecules, forces, names, strict=True):
        n = int(m.atom_mask.sum())
        force = jnp.asarray(force)
        if force.shape == m.coordinates.shape:
            force = force[:n]
        force = _checked("forces", force[None], (1, n, 3), [name])[0]
        known.append(jnp.pad(force, ((0, atoms - n), (0, 0))))
        slopes.append(pad_slopes(integral_slopes(m), atoms, nao))
    return jnp.stack(known), jax.tree.map(lambda *x: jnp.stack(x), *slopes)


def reaction(species: Sequence[Molecule], coefficients: Sequence[float], energy: float) -> Reaction:
    """A reaction or atomisation and its energy.

        ΔE = Σ_i ν_i E_i

    **Arguments:**

    - `species`: the molecules.
    - `coefficients`: ν, positive for products: H₂ → 2 H has species [H₂, H] and (-1, 2).
    - `energy`: ΔE in Hartree.

    **Returns:** a `Reaction`.

    **Raises:** `ValueError` if `len(coefficients) != len(species)` or the energy is not finite.

    ```python
    atomisation = jsci.dft.reaction([h2, h], (-1, 2), 0.1745)
    ```
    """
    names = [f"coefficient {i}" for i in range(len(species))]
    nu = _checked("coefficients", coefficients, (len(species),), names)
    return Reaction(stack(species), nu, _checked("energy", energy, (), ["the reaction"]))


class Report(NamedTuple):
    """How well a functional reproduces the energies of a batch.

    - `mae`: mean absolute error of the converged energies in kcal/mol.
    - `errors`: of each molecule in kcal/mol, NaN where the SCF did not converge.
    - `steps`: mean number of Fock matrices built.
    - `unconverged`: how many molecules did not converge.
    """

    mae: float
    errors: np.ndarray
    steps: float
    unconverged: int


def training_report(
    functional: Functional | Callable,
    params: Any,
    batch: Sample,
    *,
    max_steps: int = 100,
    solver: DIIS | Newton = DIIS(),
) -> Report:
    """Self-consistent energies of a batch against their references.

    **Arguments:**

    - `functional`: as in `scf`.
    - `params`: the functional's parameters.
    - `batch`: from `training_batch`.
    - `max_steps`: Fock matrices built for one molecule before giving up.
    - `solver`: `DIIS(...)` or `Newton(...)`, as in `scf`; at a temperature the energies are free
        energies.

    **Returns:** a `Report`.

    **Raises:** `RuntimeError` if no molecule converged.

    ```python
    def show(step, metrics, params):
        print(step, jsci.dft.training_report(functional, params, data).mae)

    jsci.fit(loss, params, {"energy": data}, optimizer, steps=100, callback=show)
    ```
    """
    solved = _solve_all(as_functional(functional), params, batch.molecule, max_steps, solver)
    energy, converged, steps = map(np.asarray, solved)
    if not converged.any():
        raise RuntimeError(
            f"None of the {converged.size} molecules converged with these parameters: start closer "
            "to a classical functional (a smaller last layer), or train at a fixed density first."
        )
    errors = HARTREE_IN_KCAL_PER_MOL * np.where(converged, energy - batch.energy, np.nan)
    mae = float(np.abs(errors[converged]).mean())
    return Report(mae, errors, float(steps.mean()), int((~converged).sum()))


@announced_jit("compiling the SCF of a batch")
def _solve_all(functional, params, molecules, max_steps, solver):
    def one(m):
        r = scf(m, functional, params, max_steps=max_steps, solver=solver, throw=False)
        return r.free_energy, r.converged, r.steps

    return jax.lax.map(one, molecules)


def _checked(what, values, shape, names) -> Array:
    values = jnp.asarray(values)
    if jnp.iscomplexobj(values):
        raise TypeError(f"{what} must be real, got {values.dtype}.")
    values = values.astype(jnp.float64)
    if values.shape != shape:
        raise ValueError(f"{what} must have shape {shape}, got {values.shape}.")
    rows = np.asarray(values).reshape(len(names), -1)
    wrong = [n for n, row in zip(names, rows, strict=True) if not np.isfinite(row).all()]
    if wrong:
        raise ValueError(f"{what} not finite for {', '.join(wrong)}: fix or remove them.")
    return values
