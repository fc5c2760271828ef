"""The density of a molecule learned from its geometry: an E(3)-equivariant model."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._scf.hamiltonian import operators
from .._scf.response import electrons_per_orbital, orthogonal_fock
from .._system.molecule import Molecule
from .._xc import Functional, as_functional
from .atom_features import AtomFeatures, degrees, elements_of, shells_of
from .auxiliary_density import Auxiliary
from .guesses import density_guess


class DensityModel(eqx.Module):
    """Coefficients of a molecule's density in an auxiliary basis, from its atoms alone.

        c_A = V features(A),   features as in `AtomFeatures`

    V belongs to the element of atom A. The coefficients turn with the molecule, and the density
    does not depend on the basis of the orbitals.

    **Arguments:**

    - `examples`: auxiliary bases of molecules that hold every element it will see.
    - `channels`: copies of each angular momentum.
    - `radial`: Gaussians of distance, out to the `cutoff` in Bohr.
    - `width`: of the network of the gates.
    - `key`: for the initial weights.

    Call it with an `Auxiliary`; it returns (auxiliary,) coefficients. `jsci.pure` splits it into a
    function and its parameters for `fit`.

    **Raises:** `ValueError` without examples or for sizes that are not positive. An element that no
    example holds gives NaN.

    **Good values:** the defaults for some hundred small molecules. `set_means` before training.

    **Source:** as `AtomFeatures`: Drautz (2019), Batatia et al. (2022).

    ```python
    model = jsci.dft.DensityModel(aux, key=jax.random.key(0))
    f, params = jsci.pure(model)
    guess = jsci.dft.density_guess(water, aux[0], f(params, aux[0]))
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
        key: PRNGKeyArray,
    ):
        if not examples:
            raise ValueError("DensityModel() needs examples of the molecules it will see.")
        elements = elements_of([a.charges for a in examples])
        shells = shells_of([a.basis for a in examples])
        key, of_read = jax.random.split(key)
        self.atoms = AtomFeatures(
            elements, len(shells) - 1, channels=channels, radial=radial, cutoff=cutoff,
            width=width, key=key,
        )  # fmt: skip
        shape = len(elements), len(shells), self.atoms.size, max(shells)
        self.read = 0.01 * self.atoms.size**-0.5 * jax.random.normal(of_read, shape, jnp.float64)
        self.means = jnp.zeros((len(elements), max(shells)))

    def __call__(self, aux: Auxiliary) -> Float[Array, " auxiliary"]:
        features = self.atoms(aux.coordinates, aux.charges, aux.atom_mask)
        element = self.atoms.one_hot(aux.charges)
        read = self.read[:, degrees(self.atoms.lmax)]
        out = jnp.einsum("amf,ae,emfs->ams", features, element, read)
        out = out.at[:, 0].add(element @ self.means)
        basis = aux.basis
        # The padding of a batch has no function.
        real = jnp.diagonal(aux.scale) > 0
        return aux.scale @ jnp.where(real, out[basis.atom, basis.angular, basis.rank], 0)


def set_means(
    model: DensityModel, aux: Auxiliary, coefficients: Float[Array, "n auxiliary"]
) -> DensityModel:
    """The model with the mean spherical density of each element as its start.

    **Arguments:** `aux` and `coefficients` of a stacked batch.

    ```python
    model = jsci.dft.set_means(model, batch, coefficients)
    ```
    """

    def sums(a: Auxiliary, c):
        element = model.atoms.one_hot(a.charges)
        spherical = jnp.linalg.pinv(a.scale) @ c * (a.basis.angular == 0)
        spherical = jnp.where(jnp.diagonal(a.scale) > 0, spherical, 0)
        table = jnp.zeros((a.charges.size, model.means.shape[1]))
        table = table.at[a.basis.atom, a.basis.rank].add(spherical)
        return element.T @ table, jnp.sum(element, axis=0)

    total, count = jax.vmap(sums)(aux, coefficients)
    means = jnp.sum(total, axis=0) / jnp.maximum(jnp.sum(count, axis=0), 1)[:, None]
    return eqx.tree_at(lambda m: m.means, model, means)


def coefficient_error(f: Callable[[Any, Auxiliary], Array]) -> Callable:
    """The learned less the given coefficients in the Coulomb metric, for `objective`.

        ‖r‖² = Δcᵀ V Δc / N: twice the self-repulsion of the density's error, per electron

    **Arguments:** `f`: `f(params, aux) -> coefficients`, from `jsci.pure(model)`.

    **Returns:** `r(params, (aux, coefficients)) -> (auxiliary,)` in √Hartree.

    ```python
    loss = jsci.objective({"density": jsci.dft.coefficient_error(f)})
    jsci.fit(loss, params, {"density": (aux, coefficients)}, optax.adam(1e-3), steps=2000)
    ```
    """

    def residual(params: Any, sample: tuple[Auxiliary, Array]) -> Float[Array, " auxiliary"]:
        aux, coefficients = sample
        return aux.factor.T @ (f(params, aux) - coefficients) / jnp.sqrt(jnp.sum(aux.charges))

    return residual


def guess_error(
    f: Callable[[Any, Auxiliary], Array], functional: Functional | Callable
) -> Callable:
    """The orbital gradient where a learned density starts the self-consistent field.

        r = ‖F Π - Π F‖ / N,   Π = Π(θ) the projector of `density_guess`, F = Xᵀ F[P(θ)] X

    What the iterations have to bring to zero: trained on it, the model learns those parts of the
    density that cost steps.

    **Arguments:** `f` as in `coefficient_error`; `functional` to start.

    **Returns:** `r(params, (molecule, aux)) -> ()` in Hartree per electron.

    ```python
    loss = jsci.objective({"field": jsci.dft.guess_error(f, jsci.dft.xc("pbe"))}, batch_size=1)
    jsci.fit(loss, params, {"field": (molecules, aux)}, optax.adam(1e-4), steps=100)
    ```
    """
    functional = as_functional(functional)

    def residual(params: Any, sample: tuple[Molecule, Auxiliary]) -> Float[Array, ""]:
        m, aux = sample
        density = density_guess(m, aux, f(params, aux)).reshape(-1, m.size, m.size)
        fock = orthogonal_fock(functional, None, operators(m, functional.level), density)
        lower = jnp.linalg.cholesky(m.overlap)
        occupied = lower.T @ density @ lower / electrons_per_orbital(density)
        commutator = fock @ occupied - occupied @ fock
        return jnp.sqrt(jnp.sum(commutator**2) + 1e-24) / jnp.sum(m.electrons)

    return residual
