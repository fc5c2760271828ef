"""The density of a molecule learned from its geometry: an E(3)-equivariant model."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ...core import memoised
from .._basis.orthonormal import to_orthonormal
from .._scf.equations import Equations
from .._scf.hamiltonian import operators
from .._scf.kohn_sham import electrons_per_orbital
from .._scf.solvers.first_steps import first_gradients
from .._system.molecule import Molecule
from .._xc import Functional, as_functional
from .atom_features import AtomFeatures, degrees, shells_of
from .auxiliary_density import Auxiliary
from .guesses import density_guess


class DensityModel(eqx.Module):
    """A model of the density of a molecule in an auxiliary basis, from its atoms alone.

        c_A = V features(A)

    V depends on the element of atom A. The features are E(3)-equivariant, of body order up to four,
    so the coefficients rotate with the molecule. The density does not depend on the orbital basis.

    **Arguments:**

    - `examples`: auxiliary bases of the molecules to train with: all elements, and all pairs of
        neighbours, that are in them are supported.
    - `channels`: copies of each angular momentum.
    - `radial`: number of radial Gaussians.
    - `cutoff`: distance beyond which atoms do not interact, in Bohr.
    - `width`: of the network of the gates.
    - `layers`: 1 for features of an atom and its neighbours, 2 with those that these see.
    - `key`: PRNG key of the initial weights.

    Call it with an `Auxiliary`; it returns (auxiliary,) coefficients. `jsci.pure` splits it into a
    function and its parameters for `fit`.

    **Raises:** `ValueError` without examples or for sizes that are not positive. An element that is
    in no example, or had another core potential there, gives NaN; a pair of neighbours, or a charge
    of the molecule, that is in none is an extrapolation, of which a call outside of `jit` warns.

    **Good values:** the defaults for a few hundred small molecules. Call `set_means` before
    training.

    **Source:** Drautz, Phys. Rev. B 99, 014104 (2019); Batatia et al., NeurIPS 2022 (MACE).

    ```python
    aux = jsci.dft.auxiliary(water)
    f, params = jsci.pure(jsci.dft.DensityModel([aux], key=jax.random.key(0)))
    guess = jsci.dft.density_guess(water, aux, f(params, aux))
    ```
    """

    atoms: AtomFeatures
    read: Float[Array, "elements lmax features shells"]
    means: Float[Array, "elements shells"]

    def __init__(
        self,
        examples: Sequence[Auxiliary],
        *,
        channels: int = 16,
        radial: int = 8,
        cutoff: float = 8.0,
        width: int = 32,
        layers: int = 2,
        key: PRNGKeyArray,
    ):
        if not examples:
            raise ValueError("DensityModel() needs examples: at least one molecule.")
        shells = shells_of([a.basis for a in examples])
        key, of_read = jax.random.split(key)
        self.atoms = AtomFeatures(
            [a.nuclei for a in examples], len(shells) - 1, channels=channels, radial=radial,
            cutoff=cutoff, width=width, layers=layers, key=key,
        )  # fmt: skip
        elements = len(self.atoms.elements)
        shape = elements, len(shells), self.atoms.size, max(shells)
        self.read = 0.01 * self.atoms.size**-0.5 * jax.random.normal(of_read, shape, jnp.float64)
        self.means = jnp.zeros((elements, max(shells)))

    def __call__(self, aux: Auxiliary) -> Float[Array, " auxiliary"]:
        features = self.atoms(aux.nuclei)
        element = self.atoms.one_hot(aux.nuclei)
        read = self.read[:, degrees(self.atoms.lmax)]
        out = jnp.einsum("amf,ae,emfs->ams", features, element, read)
        out = out.at[:, 0].add(element @ self.means)
        basis = aux.basis
        # Padding has no functions.
        real = jnp.diagonal(aux.scale) > 0
        return aux.scale @ jnp.where(real, out[basis.atom, basis.angular, basis.rank], 0)


def set_means(
    model: DensityModel, aux: Auxiliary, coefficients: Float[Array, "n auxiliary"]
) -> DensityModel:
    """The model with the mean spherical density of each element as its initial prediction.

    **Arguments:**

    - `model`: a `DensityModel`, before training.
    - `aux`: the auxiliary bases of n molecules, from `stack_auxiliary`.
    - `coefficients`: their densities from `fit_density`, (n, auxiliary).

    **Returns:** a `DensityModel`.

    ```python
    model = jsci.dft.DensityModel([aux], key=jax.random.key(0))
    model = jsci.dft.set_means(model, jsci.dft.stack_auxiliary([aux]), coefficients[None])
    ```
    """

    def sums(a: Auxiliary, c):
        element = model.atoms.one_hot(a.nuclei)
        spherical = jnp.linalg.pinv(a.scale) @ c * (a.basis.angular == 0)
        spherical = jnp.where(jnp.diagonal(a.scale) > 0, spherical, 0)
        table = jnp.zeros((a.charges.size, model.means.shape[1]))
        table = table.at[a.basis.atom, a.basis.rank].add(spherical)
        return element.T @ table, jnp.sum(element, axis=0)

    total, count = jax.vmap(sums)(aux, coefficients)
    means = jnp.sum(total, axis=0) / jnp.maximum(jnp.sum(count, axis=0), 1)[:, None]
    return eqx.tree_at(lambda m: m.means, model, means)


@memoised
def coefficient_error(f: Callable[[Any, Auxiliary], Array]) -> Callable:
    """The error of the learned density in the Coulomb metric, as a residual for `objective`.

        r = Lᵀ (c(θ) - c) / √N,   ‖r‖² = Δcᵀ V Δc / N with V = L Lᵀ

    ‖r‖² is twice the self-repulsion of the error of the density, per electron of the neutral
    molecule, so that molecules of different size count alike.

    **Arguments:**

    - `f`: `f(params, aux) -> (auxiliary,)`, from `jsci.pure(model)`.

    **Returns:** `r(params, (aux, coefficients)) -> (auxiliary,)` in √Hartree.

    ```python
    f, params = jsci.pure(jsci.dft.DensityModel([aux], key=jax.random.key(0)))
    loss = jsci.objective({"density": jsci.dft.coefficient_error(f)})
    data = {"density": (jsci.dft.stack_auxiliary([aux]), coefficients[None])}
    jsci.fit(loss, params, data, optax.adam(1e-3), steps=100)
    ```
    """

    def residual(params: Any, sample: tuple[Auxiliary, Array]) -> Float[Array, " auxiliary"]:
        aux, coefficients = sample
        return aux.factor.T @ (f(params, aux) - coefficients) / jnp.sqrt(jnp.sum(aux.charges))

    return residual


@memoised
def guess_error(
    f: Callable[[Any, Auxiliary], Array], functional: Functional | Callable, *, steps: int = 1
) -> Callable:
    """The orbital gradients of the first SCF steps from a learned density, as a residual.

        r = Σ_t ‖F_t Π_t - Π_t F_t‖ / N,   Π_0 = Π(θ) the projector of `density_guess`,
        F_t = Xᵀ F[P_t] X,   Π_t the occupied projector of what DIIS makes of F_0 to F_(t-1)

    The SCF iterations bring them to zero. Trained on them, the model learns those parts of the
    density that cost iterations, and needs no converged densities.

    **Arguments:**

    - `f`: `f(params, aux) -> (auxiliary,)`, from `jsci.pure(model)`.
    - `functional`: the functional of the SCF.
    - `steps`: terms of the sum; the cost is that of as many Fock matrices. In restricted open
        shells, where α and β share their orbitals, the norm is that of the sum over spins.

    **Returns:** `r(params, (molecule, aux)) -> ()` in Hartree per electron.

    **Raises:** `ValueError` for `steps` below 1.

    **Good values:** one step first, then 3 to 5: what a further step removes by itself need not be
    learned.

    ```python
    f, params = jsci.pure(jsci.dft.DensityModel([aux], key=jax.random.key(0)))
    loss = jsci.objective({"guess": jsci.dft.guess_error(f, jsci.dft.xc("pbe"))}, batch_size=1)
    data = {"guess": (jsci.dft.stack([water]), jsci.dft.stack_auxiliary([aux]))}
    jsci.fit(loss, params, data, optax.adam(1e-4), steps=10)
    ```
    """
    functional = as_functional(functional)
    if steps < 1:
        raise ValueError(f"steps is {steps}; guess_error() sums over at least one.")

    def residual(params: Any, sample: tuple[Molecule, Auxiliary]) -> Float[Array, ""]:
        m, aux = sample
        equations = Equations(functional, None, operators(m, functional))
        density = density_guess(m, aux, f(params, aux)).reshape(-1, m.size, m.size)
        occupied = to_orthonormal(density, m.overlap, m.dependent) / electrons_per_orbital(density)
        return jnp.sum(first_gradients(equations, occupied, steps)) / jnp.sum(m.electrons)

    return residual
