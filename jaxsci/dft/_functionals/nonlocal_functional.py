"""Functionals of the whole density: any pure energy, and local hybrids."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import memoised
from .._system.molecule import Molecule
from .._system.pair_geometry import MADE_AT, name_of
from .._xc import Functional
from .._xc.density import MolecularDensity
from .._xc.features import Features, Level
from .._xc.slater import slater
from .exact_exchange_density import of_orbitals, pair_potentials
from .neural import Network, call_network, check_network, descriptors

PointFeature = Callable[[MolecularDensity], Float[Array, "points *n"]]


@memoised
def nonlocal_functional(
    energy: Callable[[Any, MolecularDensity], Float[Array, ""]],
    *,
    level: Level = "gga",
    name: str = "nonlocal",
) -> Functional:
    """A functional from any pure energy of the density of a molecule.

        E_xc = E(θ; ρ, ∇ρ, τ, P, R, ...)

    Every solver takes it. The potential is its derivative with respect to the density matrix, by
    reverse mode. `scf` takes most of its steps on a coarser grid, unless the molecule has extras,
    or parameters or other arrays have an axis of points, so that the energy does not fit that grid.

    **Arguments:**

    - `energy`: `energy(params, density) -> ()` in Hartree, of a `MolecularDensity`.
    - `level`: which features it uses: "lda", "gga", "mgga" or "laplacian".
    - `name`: display name.

    **Returns:** a `Functional`, which can be added to others and multiplied by a number.

    **Raises:** `TypeError` if `energy` is not callable; `ValueError` for an unknown level, or at
    the first call for an energy that is not one number.

    ```python
    def contact_of_spins(params, density):
        f = density.features
        return params * jnp.sum(density.weights * f.rho_a * f.rho_b)

    functional = jsci.dft.xc("pbe") + jsci.dft.nonlocal_functional(contact_of_spins)
    ```
    """
    check_network(energy, level, "energy(params, density)")
    return Functional((), level, 0.0, name, ((1.0, energy),))


@memoised
def feature_functional(
    f: Callable[[Any, Features, Mapping[str, Array]], Float[Array, ""]],
    features: Mapping[str, PointFeature],
    *,
    level: Level = "gga",
    name: str = "features",
) -> Functional:
    """A functional of the usual features of each point and of your own.

        E_xc = ∫ f(θ; features(r), own(r)) dr

    **Arguments:**

    - `f`: `f(params, features, own)`, the energy per volume (Hartree/Bohr³) at one point; `own`
        holds your features of that point by name.
    - `features`: maps a name to a pure function of the `MolecularDensity` that returns one value or
        one vector per point, (points,) or (points, n). Arrays that are known in advance (distances,
        potentials) come from `molecule.with_extras` as `density.extras[...]`.
    - `level`: which of the usual features `f` uses: "lda", "gga", "mgga" or "laplacian".
    - `name`: display name.

    **Returns:** a `Functional`.

    **Raises:** as `nonlocal_functional`; `ValueError` for a feature whose first axis is not that of
    the points.

    ```python
    def nearest(density):  # the distance to the nearest atom, in Bohr
        away = density.points[:, None] - density.coordinates
        return jnp.min(jnp.linalg.norm(away, axis=-1), axis=1)

    f = lambda params, d, own: -params * d.rho ** (4 / 3) * jnp.exp(-own["nearest"])
    functional = jsci.dft.feature_functional(f, {"nearest": nearest}, level="lda")
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
    """The molecule with its `pair_potentials` as extras, as `local_hybrid` needs them.

    **Arguments:**

    - `molecule`: one, not stacked.
    - `ranges`: the range separations ω in Bohr⁻¹; `None` for the full interaction.

    **Returns:** the `Molecule`, larger by 8 bytes per range, point and pair of basis functions,
    and with the positions for which they hold: moved, it is refused, or under `jit` and `vmap` its
    energy is NaN.

    **Raises:** as `pair_potentials`.

    ```python
    water = jsci.dft.with_pair_potentials(water)
    ```
    """
    found = {name_of(omega): pair_potentials(molecule, omega=omega) for omega in ranges}
    return molecule.with_extras(**found, **{MADE_AT: molecule.coordinates})


@memoised
def local_hybrid(
    f: Network,
    *,
    ranges: Sequence[float | None] = (None, 0.4),
    level: Level = "gga",
    inputs: Callable[[Features, Level], Float[Array, " descriptors"]] = descriptors,
) -> Functional:
    """A network mixes local and exact exchange at every point, at one or more ranges.

        E_x = ∫ [c₀(θ; d) e_x^LDA + Σ_k c_k(θ; d) e_x^exact,ω_k] dr

    The inputs of the network are the `descriptors` and, for each range,
    e_x^exact/(e_x^LDA + e_x^exact). The Fock matrix is obtained by differentiation.

    **Arguments:**

    - `f`: `f(params, d) -> (1 + ranges,)`, the coefficients of local exchange and then of exact
        exchange at each range; d has as many entries as `level` says and one more per range.
    - `ranges`: as in `with_pair_potentials`, with which the molecules must be built.
    - `level`: which descriptors: "lda" (2), "gga" (3), "mgga" (4) or "laplacian" (5).
    - `inputs`: your own descriptors instead, `inputs(features, level) -> vector`.

    **Returns:** a `Functional`; add a correlation functional to it.

    **Raises:** as `neural_functional`; `ValueError` for a molecule without the pair potentials.

    `forces` takes it: it knows how the pair potentials change. `relax` and `vibrations` do not, as
    they would have to make them anew.

    **Source:** Jaramillo, Scuseria & Ernzerhof, J. Chem. Phys. 118, 1068 (2003); in the form of
    Kirkpatrick et al., Science 374, 1385 (2021).

    ```python
    f, params = jsci.pure(jsci.nn.MLP(5, 3, width=8, depth=2, key=jax.random.key(0)))
    functional = jsci.dft.local_hybrid(f) + jsci.dft.xc("pbe_c")
    jsci.dft.scf(jsci.dft.with_pair_potentials(water), functional, params).energy
    ```
    """
    ranges = tuple(ranges)
    if not ranges:
        raise ValueError("ranges is empty; give None for the full interaction, or ω in 1/Bohr.")
    check_network(f, level, "f(params, descriptors)")

    def exact(density: MolecularDensity) -> Float[Array, "points ranges"]:
        advice = f"with_pair_potentials(molecule, ranges={ranges})."
        potentials = [density.extra(name_of(omega), advice) for omega in ranges]
        density.extra(MADE_AT, advice)
        spins = [of_orbitals(density.orbitals, density.density_matrix, v) for v in potentials]
        return jnp.stack([jnp.sum(e, axis=0) for e in spins], axis=-1)

    def energy_density(params: Any, features: Features, own) -> Float[Array, ""]:
        local = slater(features)
        share = own["exact"] / (local + own["exact"])
        d = jnp.concatenate([inputs(features, level), share])
        coefficients = call_network(f, params, d, (1 + len(ranges),))
        return coefficients[0] * local + jnp.vdot(coefficients[1:], own["exact"])

    return feature_functional(energy_density, {"exact": exact}, level=level, name="local hybrid")
