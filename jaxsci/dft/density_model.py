"""The density of a molecule learned from its geometry: an E(3)-equivariant model."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from .auxiliary_density import Auxiliary, density_guess
from .basis import solid_harmonics
from .harmonics import gaunt_coefficients
from .molecule import Molecule
from .operators import operators
from .response import electrons_per_orbital, orthogonal_fock
from .xc import Functional, as_functional

# The first Gaussian of distance sits at this many Bohr.
_NEAREST = 1.0


class DensityModel(eqx.Module):
    """Coefficients of a molecule's density in an auxiliary basis, from its atoms alone.

        A_lm = Σ_B W φ(r_AB) Y_lm(r_AB),   B = (A, A ⊗ A, A ⊗ A ⊗ A),   c_A = V g(B_00) B

    ⊗ couples spherical harmonics by their Gaunt coefficients, W and V belong to the element of atom
    A, and g are gates that a network computes from the invariants. The coefficients turn with the
    molecule, and the density does not depend on the basis of the orbitals.

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

    **Source:** the products of Drautz, Phys. Rev. B 99, 014104 (2019), with the couplings between
    channels of Batatia et al., NeurIPS 2022 (MACE).

    ```python
    model = jsci.dft.DensityModel(aux, key=jax.random.key(0))
    f, params = jsci.pure(model)
    guess = jsci.dft.density_guess(water, aux[0], f(params, aux[0]))
    ```
    """

    first: Float[Array, "elements lmax radial_elements channels"]
    alone: Float[Array, "elements channels"]
    mix: tuple[Float[Array, "lmax channels channels"], ...]
    read: Float[Array, "elements lmax features shells"]
    means: Float[Array, "elements shells"]
    hidden: Float[Array, "elements features width"]
    gates: Float[Array, "width lmax features"]
    elements: tuple[int, ...] = eqx.field(static=True)
    shells: tuple[int, ...] = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __init__(
        self,
        examples: Sequence[Auxiliary],
        *,
        channels: int = 16,
        radial: int = 8,
        cutoff: float = 8.0,
        width: int = 32,
        key: Key[Array, ""],
    ):
        if not examples or min(channels, radial, width) < 1 or not cutoff > _NEAREST:
            raise ValueError(
                "DensityModel() needs examples, positive sizes and a cutoff beyond "
                f"{_NEAREST} Bohr; got {len(examples)} examples, channels={channels}, "
                f"radial={radial}, width={width}, cutoff={cutoff}."
            )
        charges = np.concatenate([np.asarray(a.charges).round().astype(int) for a in examples])
        self.elements = tuple(sorted({int(z) for z in charges}))
        self.shells = _shells(examples)
        self.cutoff = float(cutoff)
        e, l, f = len(self.elements), len(self.shells), 3 * channels
        keys = iter(jax.random.split(key, 8))

        def normal(*shape, scale):
            return scale * jax.random.normal(next(keys), shape, jnp.float64)

        self.first = normal(e, l, e * radial, channels, scale=radial**-0.5)
        self.alone = normal(e, channels, scale=1.0)
        self.mix = tuple(normal(l, channels, channels, scale=channels**-0.5) for _ in range(3))
        self.read = normal(e, l, f, max(self.shells), scale=0.01 * f**-0.5)
        self.means = jnp.zeros((e, max(self.shells)))
        self.hidden = normal(e, f, width, scale=f**-0.5)
        self.gates = jnp.zeros((width, l, f))

    def __call__(self, aux: Auxiliary) -> Float[Array, " auxiliary"]:
        return aux.scale @ self.scaled(aux)

    def scaled(self, aux: Auxiliary) -> Float[Array, " auxiliary"]:
        """The coefficients of functions that are orthonormal on each atom."""
        element = jnp.stack([jnp.abs(aux.charges - z) < 0.5 for z in self.elements], axis=-1)
        element = element.astype(self.first.dtype)
        features = self._features(aux, element)
        invariants = jnp.einsum("af,ae,efw->aw", features[:, 0], element, self.hidden)
        gates = 1 + jnp.einsum("aw,wlf->alf", jnp.tanh(invariants), self.gates)
        of_l = np.repeat(np.arange(len(self.shells)), [2 * l + 1 for l in range(len(self.shells))])
        features = features * gates[:, of_l]
        read = self.read[:, of_l]
        out = jnp.einsum("amf,ae,emfs->ams", features, element, read)
        out = out.at[:, 0].add(element @ self.means)
        known = jnp.sum(element, axis=1) > 0
        out = jnp.where(known[:, None, None], out, jnp.nan)
        # The padding of a batch has no element and no function.
        return jnp.where(
            jnp.diagonal(aux.scale) > 0, out[aux.basis.atom, aux.basis.angular, aux.rank], 0
        )

    def _features(self, aux: Auxiliary, element) -> Float[Array, "atoms lm features"]:
        lmax = len(self.shells) - 1
        of_l = np.repeat(np.arange(lmax + 1), [2 * l + 1 for l in range(lmax + 1)])
        near = self._neighbours(aux, element, lmax)
        first = jnp.einsum("amk,ae,emkc->amc", near, element, self.first[:, of_l])
        first = first.at[:, 0].add(element @ self.alone)
        gaunt = jnp.asarray(gaunt_coefficients(lmax))

        def mixed(x, weights):
            return jnp.einsum("amc,mcd->amd", x, weights[of_l])

        second = jnp.einsum("aic,ajc,ijm->amc", mixed(first, self.mix[0]), first, gaunt)
        third = jnp.einsum("aic,ajc,ijm->amc", mixed(second, self.mix[1]), first, gaunt)
        return jnp.concatenate([first, second, mixed(third, self.mix[2])], axis=-1)

    def _neighbours(self, aux: Auxiliary, element, lmax) -> Float[Array, "atoms lm k"]:
        """Σ_B φ_n(r_AB) Y_lm(r_AB) of each element and radial function: k runs over both."""
        r = aux.coordinates
        pair = aux.atom_mask[:, None] & aux.atom_mask[None] & ~jnp.eye(len(r), dtype=bool)
        displacement = jnp.where(pair[..., None], r[None] - r[:, None], 1)
        distance = jnp.linalg.norm(displacement, axis=-1)
        unit = (displacement / distance[..., None]).transpose(2, 0, 1)
        harmonics = solid_harmonics(unit, lmax)  # (lm, A, B)
        count = self.first.shape[2] // len(self.elements)
        centres, step = np.linspace(_NEAREST, self.cutoff, count, retstep=True)
        width = step if count > 1 else self.cutoff
        offset = (distance[..., None] - jnp.asarray(centres)[None, None]) / width
        radial = jnp.exp(-0.5 * offset**2)
        inside = jnp.maximum(1 - (distance / self.cutoff) ** 2, 0) ** 2 * pair
        near = jnp.einsum("mab,abn,ab,be->amen", harmonics, radial, inside, element)
        return near.reshape(*near.shape[:2], -1)


def _shells(examples) -> tuple[int, ...]:
    """The largest number of shells of each angular momentum on an atom."""
    lmax = max(a.basis.lmax for a in examples)
    most = [0] * (lmax + 1)
    for a in examples:
        for angular, rank in zip(np.asarray(a.basis.angular), np.asarray(a.rank), strict=True):
            l = int(np.sqrt(angular))
            most[l] = max(most[l], int(rank) + 1)
    return tuple(most)


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
        element = jnp.stack([jnp.abs(a.charges - z) < 0.5 for z in model.elements], axis=-1)
        spherical = jnp.linalg.pinv(a.scale) @ c * (a.basis.angular == 0)
        spherical = jnp.where(jnp.diagonal(a.scale) > 0, spherical, 0)
        table = jnp.zeros((a.charges.size, model.means.shape[1]))
        table = table.at[a.basis.atom, a.rank].add(spherical)
        return element.T.astype(table.dtype) @ table, jnp.sum(element, axis=0)

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
