"""Functionals of the whole density: any pure energy, and local hybrids."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._system.molecule import Molecule
from .._xc import Functional
from .._xc.density import MolecularDensity
from .._xc.features import Features, Level
from .._xc.slater import slater
from .exact_exchange_density import of_orbitals, pair_potentials
from .neural import Network, call_network, check_network, descriptors

PointFeature = Callable[[MolecularDensity], Float[Array, "points *n"]]


def nonlocal_functional(
    energy: Callable[[Any, MolecularDensity], Float[Array, ""]],
    *,
    level: Level = "gga",
    name: str = "nonlocal",
) -> Functional:
    """Any pure energy of a molecule's density as a functional, in every solver at once.

        E_xc = E(θ; ρ, ∇ρ, τ, P, R, ...)

    The potential is its derivative with respect to the density matrix, by reverse mode.

    **Arguments:**

    - `energy`: `energy(params, density) -> ()` in Hartree, of a `MolecularDensity`.
    - `level`: which features it uses: "lda", "gga", "mgga" or "laplacian".
    - `name`: for people.

    **Returns:** a `Functional`; it adds to others and scales.

    **Raises:** `TypeError` or `ValueError` for what is not a function or a level, and at the first
    call for an energy that is not one number.

    ```python
    def self_repulsion_of_spins(params, density):
        f = density.features
        return params * jnp.sum(density.weights * f.rho_a * f.rho_b)

    functional = jsci.dft.xc("pbe") + jsci.dft.nonlocal_functional(self_repulsion_of_spins)
    ```
    """
    check_network(energy, level, "energy(params, density)")
    return Functional((), level, 0.0, name, ((1.0, energy),))


def feature_functional(
    f: Callable[[Any, Features, Mapping[str, Array]], Float[Array, ""]],
    features: Mapping[str, PointFeature],
    *,
    level: Level = "gga",
    name: str = "features",
) -> Functional:
    """An energy density of the usual features and your own.

        E_xc = ∫ f(θ; features(r), own(r)) dr

    **Arguments:**

    - `f`: `f(params, features, own)`, the energy per volume (Hartree/Bohr³) at one point; `own`
        holds your features of that point by name.
    - `features`: name to a pure function of the `MolecularDensity`, which returns one value, or one
        vector, for each point. Arrays known before (distances, potentials) come from
        `molecule.with_extras` as `density.extras[...]`.
    - `level`, `name`: as in `nonlocal_functional`.

    **Returns:** a `Functional`.

    **Raises:** as `nonlocal_functional`; `ValueError` for a feature without the points' axis.

    ```python
    own = {"nearest": lambda d: jnp.min(jnp.linalg.norm(
        d.points[:, None] - d.coordinates, axis=-1), axis=1)}
    functional = jsci.dft.feature_functional(f, own)  # f(params, features, {"nearest": ...})
    ```
    """

    def energy(params: Any, density: MolecularDensity) -> Float[Array, ""]:
        own = {key: of_density(density) for key, of_density in features.items()}
        for key, values in own.items():
            if jnp.shape(values)[:1] != density.weights.shape:
                raise ValueError(
                    f"feature {key!r} must have {density.weights.shape[0]} points on its first "
                    f"axis, got shape {jnp.shape(values)}."
                )
        per_volume = jax.vmap(lambda x, y: f(params, x, y))(density.features, own)
        if per_volume.ndim != 1:
            raise ValueError(
                f"f must return one number for one point, got shape {per_volume.shape[1:]}."
            )
        return jnp.sum(density.weights * per_volume)

    check_network(f, level, "f(params, features, own)")
    return nonlocal_functional(energy, level=level, name=name)


def with_pair_potentials(
    molecule: Molecule, ranges: Sequence[float | None] = (None, 0.4)
) -> Molecule:
    """A molecule with what exact exchange at every point needs: `pair_potentials` as extras.

    **Arguments:**

    - `molecule`: one, not stacked.
    - `ranges`: ω of each in Bohr⁻¹, `None` for the whole interaction.

    **Returns:** the `Molecule`; 8 bytes for each range, point and pair of basis functions.

    **Raises:** as `pair_potentials`.

    ```python
    water = jsci.dft.with_pair_potentials(jsci.dft.molecule(atoms, "def2-svp", grid=1))
    ```
    """
    found = {_key(omega): pair_potentials(molecule, omega=omega) for omega in ranges}
    return molecule.with_extras(**found)


def local_hybrid(
    f: Network,
    *,
    ranges: Sequence[float | None] = (None, 0.4),
    level: Level = "gga",
    inputs: Callable[[Features, Level], Float[Array, " descriptors"]] = descriptors,
) -> Functional:
    """Exchange mixed at every point by a network from the local and the exact one, at each range.

        E_x = ∫ [c₀(θ; d) e_x^LDA + Σ_k c_k(θ; d) e_x^exact,ω_k] dr

    The network sees `descriptors` and, for each range, e_x^exact/(e_x^LDA + e_x^exact).
    The Fock matrix follows by differentiation: exchange is no longer one operator for all space.

    **Arguments:**

    - `f`: `f(params, d) -> (1 + ranges,)`, the coefficients: of local, then of exact exchange.
    - `ranges`: as in `with_pair_potentials`, which the molecules need.
    - `level`, `inputs`: as in `neural_functional`.

    **Returns:** a `Functional`; add a correlation functional to it.

    **Raises:** as `neural_functional`; `ValueError` for a molecule without the pair potentials.
    Forces are not to be had.

    **Source:** Jaramillo, Scuseria & Ernzerhof, J. Chem. Phys. 118, 1068 (2003); its form as in
    Kirkpatrick et al., Science 374, 1385 (2021).

    ```python
    functional = jsci.dft.local_hybrid(f) + jsci.dft.xc("pbe_c")  # 5 inputs, 3 outputs
    molecules = [jsci.dft.with_pair_potentials(m) for m in molecules]
    ```
    """
    ranges = tuple(ranges)
    if not ranges:
        raise ValueError("ranges is empty; give None for the whole interaction, or ω in 1/Bohr.")
    check_network(f, level, "f(params, descriptors)")

    def exact(density: MolecularDensity) -> Float[Array, "points ranges"]:
        advice = f"with_pair_potentials(molecule, ranges={ranges})."
        potentials = [density.extra(_key(omega), advice) for omega in ranges]
        spins = [of_orbitals(density.orbitals, density.density_matrix, v) for v in potentials]
        return jnp.stack([jnp.sum(e, axis=0) for e in spins], axis=-1)

    def energy_density(params: Any, features: Features, own) -> Float[Array, ""]:
        local = slater(features)
        share = own["exact"] / (local + own["exact"])
        d = jnp.concatenate([inputs(features, level), share])
        coefficients = call_network(f, params, d, (1 + len(ranges),))
        return coefficients[0] * local + jnp.vdot(coefficients[1:], own["exact"])

    return feature_functional(energy_density, {"exact": exact}, level=level, name="local hybrid")


def _key(omega: float | None) -> str:
    return "pair_potentials" if omega is None else f"pair_potentials_{omega:g}"
