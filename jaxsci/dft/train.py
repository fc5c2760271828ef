"""Residuals and batches for training functionals with `jsci.objective` and `jsci.fit`."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from .batch import stack
from .fixed_density import fixed_density_energy, harris_energy
from .molecule import Molecule
from .operators import operators
from .response import electrons_per_orbital, orthogonal_fock
from .scf import SCFResult, scf
from .units import HARTREE_IN_KCAL_PER_MOL
from .xc import Functional, as_functional

Residual = Callable[[Any, Any], Float[Array, ""]]
_WITHOUT_SCF = {"fixed": fixed_density_energy, "harris": harris_energy}
# Distance of densities below which its square root is rounded off, so that it has a derivative.
_NEGLIGIBLE = 1e-12


class Sample(eqx.Module):
    """A molecule with what is known of it; made by `training_batch`.

    - `molecule`: one, or many on a leading axis.
    - `energy`: total energy in Hartree.
    - `density`: density matrix in the shape of `SCFResult.density_matrix`, or `None`.
    """

    molecule: Molecule
    energy: Float[Array, "*n"]
    density: Float[Array, "... nao nao"] | None = None


class Reaction(eqx.Module):
    """ΔE = Σ_i ν_i E_i; made by `reaction`. Several reactions of k species each stack.

    - `species`: molecules on a leading axis.
    - `coefficients`: ν, positive for products, negative for reactants, zero for padding.
    - `energy`: ΔE in Hartree.
    """

    species: Molecule
    coefficients: Float[Array, "*n k"]
    energy: Float[Array, "*n"]


def training_batch(
    molecules: Sequence[Molecule],
    energies: ArrayLike,
    *,
    densities: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Sample:
    """Molecules and their reference values, padded and stacked.

    **Arguments:**

    - `molecules`: of similar size; everyone pays for the largest.
    - `energies`: total energies in Hartree, one a molecule.
    - `densities`: density matrices of the stacked molecules, for example
        `jsci.vmap(lambda m: scf(m, reference, throw=False).density_matrix)(stack(molecules))`.
    - `names`: for error messages; "molecule 0", ... by default.

    **Returns:** a `Sample` with the batch on axis 0.

    **Raises:** `ValueError` for a number of targets or a shape that does not fit, and for a target
    that is not finite, naming the molecule.

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
    energy = _checked("energies", energies, (n,), names)
    if densities is None:
        return Sample(batch, energy)
    shape = (n, nao, nao) if batch.restricted else (n, 2, nao, nao)
    return Sample(batch, energy, _checked("densities", densities, shape, names))


def reaction(species: Sequence[Molecule], coefficients: Sequence[float], energy: float) -> Reaction:
    """A reaction or atomisation and its energy.

        ΔE = Σ_i ν_i E_i

    **Arguments:**

    - `species`: the molecules.
    - `coefficients`: ν, positive for products: H₂ → 2 H has species [H₂, H] and (-1, 2).
    - `energy`: ΔE in Hartree.

    **Returns:** a `Reaction`.

    **Raises:** `ValueError` for as many coefficients as species not given, or a ΔE not finite.

    ```python
    atomisation = jsci.dft.reaction([h2, h], (-1, 2), 0.1745)
    ```
    """
    names = [f"coefficient {i}" for i in range(len(species))]
    nu = _checked("coefficients", coefficients, (len(species),), names)
    return Reaction(stack(species), nu, _checked("energy", energy, (), ["the reaction"]))


def energy_error(functional: Functional | Callable, *, density: str = "scf") -> Residual:
    """E(θ) - E_ref of one molecule, as a residual for `objective`.

    **Arguments:**

    - `functional`: as in `scf`.
    - `density`: "scf" solves the Kohn-Sham equations of the functional in training, with implicit
        derivatives; "fixed" evaluates it at the density of the sample, which costs no iterations;
        "harris" lets that density take one step first.

    **Returns:** `r(params, sample) -> ()` in Hartree. Where the field did not converge the error
    counts in the loss, but has no derivative: such a molecule does not steer the training.

    **Raises:** `ValueError` for another `density`, or a sample without the density that is needed.

    ```python
    loss = jsci.objective({"energy": jsci.dft.energy_error(functional)})
    ```
    """
    functional = as_functional(functional)
    if density not in ("scf", *_WITHOUT_SCF):
        raise ValueError(f"density is {density!r}; allowed are 'scf', 'fixed' and 'harris'.")

    def residual(params: Any, sample: Sample) -> Float[Array, ""]:
        if density != "scf":
            if sample.density is None:
                raise ValueError(
                    f"density={density!r} needs densities in the batch: "
                    "training_batch(..., densities=...)."
                )
            energy = _WITHOUT_SCF[density]
            return energy(sample.molecule, functional, sample.density, params) - sample.energy
        result = scf(sample.molecule, functional, params, throw=False)
        return _if_converged(result, result.energy - sample.energy)

    return residual


def reaction_error(functional: Functional | Callable) -> Residual:
    """Σ_i ν_i E_i(θ) - ΔE of one reaction, as a residual for `objective`.

    **Arguments:** `functional`: as in `scf`.

    **Returns:** `r(params, reaction) -> ()` in Hartree, without a derivative unless every species
    converged.

    ```python
    jsci.objective({"energy": energy_error(functional), "reaction": reaction_error(functional)})
    ```
    """
    functional = as_functional(functional)

    def residual(params: Any, r: Reaction) -> Float[Array, ""]:
        results = jax.vmap(lambda m: scf(m, functional, params, throw=False))(r.species)
        return _if_converged(results, jnp.vdot(r.coefficients, results.energy) - r.energy)

    return residual


def density_error(functional: Functional | Callable, *, tolerance: float = 1e-12) -> Residual:
    """The distance of the self-consistent density matrix from the sample's, for `objective`.

        r = ‖S^½ (P(θ) - P_ref) S^½‖ / N

    **Arguments:**

    - `functional`: as in `scf`.
    - `tolerance`: of the field; tight, for the error of a density is the root of the energy's.

    **Returns:** `r(params, sample) -> ()`, dimensionless: per electron. No derivative where the
    field did not converge.

    **Raises:** `ValueError` for a sample without a density.

    ```python
    terms = {"energy": energy_error(functional), "density": density_error(functional)}
    loss = jsci.objective(terms, weights={"density": 0.1})
    ```
    """
    functional = as_functional(functional)

    def residual(params: Any, sample: Sample) -> Float[Array, ""]:
        if sample.density is None:
            raise ValueError(
                "density_error needs densities in the batch: training_batch(..., densities=...)."
            )
        m = sample.molecule
        result = scf(m, functional, params, tolerance=tolerance, throw=False)
        lower = jnp.linalg.cholesky(m.overlap)
        difference = lower.T @ (result.density_matrix - sample.density) @ lower
        distance = jnp.sqrt(jnp.sum(difference**2) + _NEGLIGIBLE**2)
        return _if_converged(result, distance / jnp.sum(m.electrons))

    return residual


def self_consistency_error(functional: Functional | Callable) -> Residual:
    """How far the sample's density is from being the functional's own, for `objective`.

        r = ‖F Π - Π F‖ / N,   F = Xᵀ F[P_ref; θ] X,   Π the projector of P_ref

    Zero where P_ref is a solution of the Kohn-Sham equations. It takes no iterations and always has
    a derivative, so it trains densities before the field converges, and as a regulariser holds the
    field near a known density.

    **Arguments:** `functional`: as in `scf`.

    **Returns:** `r(params, sample) -> ()` in Hartree per electron.

    **Raises:** `ValueError` for a sample without a density.

    **Good values:** a weight of 0.1 to 1 beside `energy_error`.

    ```python
    terms = {"energy": energy_error(functional), "field": self_consistency_error(functional)}
    loss = jsci.objective(terms, weights={"field": 0.1})
    ```
    """
    functional = as_functional(functional)

    def residual(params: Any, sample: Sample) -> Float[Array, ""]:
        if sample.density is None:
            raise ValueError(
                "self_consistency_error needs densities in the batch: "
                "training_batch(..., densities=...)."
            )
        m = sample.molecule
        density = sample.density.reshape(-1, m.size, m.size)
        fock = orthogonal_fock(functional, params, operators(m, functional.level), density)
        lower = jnp.linalg.cholesky(m.overlap)
        occupied = lower.T @ density @ lower / electrons_per_orbital(density)
        commutator = fock @ occupied - occupied @ fock
        norm = jnp.sqrt(jnp.sum(commutator**2) + _NEGLIGIBLE**2)
        return norm / jnp.sum(m.electrons)

    return residual


class Report(NamedTuple):
    """How well a functional does on a batch.

    - `mae`: mean absolute error of the converged energies in kcal/mol.
    - `errors`: of each molecule in kcal/mol, NaN where unconverged.
    - `steps`: mean number of Fock matrices built.
    - `unconverged`: how many molecules did not converge.
    """

    mae: float
    errors: np.ndarray
    steps: float
    unconverged: int


def training_report(functional: Functional | Callable, params: Any, batch: Sample) -> Report:
    """Self-consistent energies of a batch against their references.

    **Arguments:** `functional` and `params` as in `scf`; `batch` from `training_batch`.

    **Returns:** a `Report`.

    **Raises:** `RuntimeError` if no molecule converged.

    ```python
    def show(step, metrics, params):
        print(step, jsci.dft.training_report(functional, params, batch).mae)

    jsci.fit(loss, params, {"energy": batch}, optimizer, steps=100, callback=show)
    ```
    """
    solved = _solve_all(as_functional(functional), params, batch.molecule)
    energy, converged, steps = map(np.asarray, solved)
    if not converged.any():
        raise RuntimeError(
            f"None of the {converged.size} molecules converged with these parameters: start nearer "
            "to a classical functional (a smaller last layer), or train at a fixed density first."
        )
    errors = HARTREE_IN_KCAL_PER_MOL * np.where(converged, energy - batch.energy, np.nan)
    mae = float(np.abs(errors[converged]).mean())
    return Report(mae, errors, float(steps.mean()), int((~converged).sum()))


@eqx.filter_jit
def _solve_all(functional, params, molecules):
    def one(m):
        r = scf(m, functional, params, throw=False)
        return r.energy, r.converged, r.steps

    return jax.lax.map(one, molecules)


def _if_converged(result: SCFResult, x: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.where(jnp.all(result.converged), x, jax.lax.stop_gradient(x))


def _checked(what, values, shape, names) -> Array:
    values = jnp.asarray(values, jnp.float64)
    if values.shape != shape:
        raise ValueError(f"{what} must have shape {shape}, got {values.shape}.")
    rows = np.asarray(values).reshape(len(names), -1)
    wrong = [n for n, row in zip(names, rows, strict=True) if not np.isfinite(row).all()]
    if wrong:
        raise ValueError(f"{what} not finite for {', '.join(wrong)}: mend or leave out.")
    return values
