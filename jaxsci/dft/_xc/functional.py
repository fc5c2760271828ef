"""A functional: a weighted sum of pure energy densities, with a fraction of exact exchange."""

import dataclasses
from collections.abc import Callable
from numbers import Real
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._dispersion.dispersion import Dispersion
from .._system.molecule import Molecule
from .density import MolecularDensity
from .features import DENSITY_CUTOFF, LEVELS, Features, Level, highest_level

EnergyDensity = Callable[[Any, Features], Float[Array, "*n"]]
NonlocalEnergy = Callable[[Any, MolecularDensity], Float[Array, ""]]
NuclearEnergy = Callable[[Molecule], Float[Array, ""]]


class Functional(eqx.Module):
    """An exchange-correlation functional E_xc = ∫ Σ_k w_k e_k(θ; features) dr + a E_x + b E_x^ω.

    E_x is exact exchange, and E_x^ω is exact exchange of the long-range interaction erf(ω r)/r.
    Nonlocal terms add Σ_k w_k E_k[ρ; θ], and nuclear terms Σ_k w_k E_k(R), which no orbital feels.

    Called as `functional(params, features)`, it gives the energy per volume (Hartree/Bohr³) at each
    point. Functionals can be added, and multiplied by a number. Every term gets all parameters.
    `functional + jsci.dft.d3("pbe")` adds a dispersion energy.

    **Arguments:**

    - `terms`: pairs of weight and pure function `e(params, features)`.
    - `level`: what the terms need: "lda" (densities), "gga" (gradients), "mgga" (τ too),
        "laplacian" (∇²ρ too).
    - `exact_exchange`: the fraction a of exact exchange at any distance.
    - `name`: display name.
    - `nonlocal_terms`: pairs of weight and pure function `E(params, MolecularDensity)` that returns
        an energy in Hartree; made by `nonlocal_functional`.
    - `long_range_exchange`: the fraction b of exact exchange that is added at long range.
    - `omega`: ω in Bohr⁻¹, which the molecule must be built with; `None` if b is zero.
    - `nuclear_terms`: pairs of weight and pure function `E(molecule)` of the nuclei alone, in
        Hartree, such as `d3("pbe")`.

    **Raises:** `ValueError` for an unknown level, or for long-range exchange without ω > 0.

    ```python
    hybrid = 0.75 * jsci.dft.xc("pbe_x") + jsci.dft.xc("pbe_c") + 0.25 * jsci.dft.xc("hf")
    ```
    """

    terms: tuple[tuple[float, EnergyDensity], ...] = eqx.field(static=True)
    level: Level = eqx.field(static=True, default="mgga")
    exact_exchange: float = eqx.field(static=True, default=0.0)
    name: str = eqx.field(static=True, default="")
    nonlocal_terms: tuple[tuple[float, NonlocalEnergy], ...] = eqx.field(static=True, default=())
    long_range_exchange: float = eqx.field(static=True, default=0.0)
    omega: float | None = eqx.field(static=True, default=None)
    nuclear_terms: tuple[tuple[float, NuclearEnergy], ...] = eqx.field(static=True, default=())

    def __check_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"level is {self.level!r}; allowed are {', '.join(LEVELS)}.")
        if self.long_range_exchange and not (self.omega and self.omega > 0):
            raise ValueError(f"long-ranged exchange needs omega > 0 (1/Bohr), got {self.omega!r}.")

    def __call__(self, params: Any, features: Features) -> Float[Array, "*n"]:
        # The input is replaced as well as the output: otherwise the branch not taken has infinite
        # derivatives, and infinity times zero is NaN.
        present = ~(features.rho <= DENSITY_CUTOFF)  # NaN propagates
        safe = jax.tree.map(lambda x: jnp.where(present, x, 1), features)
        total = jnp.zeros_like(features.rho)
        for weight, term in self.terms:
            energy = _evaluate(term, params, safe)
            if jnp.shape(energy) not in ((), total.shape):
                raise ValueError(
                    f"an energy density must return one number for one point, got shape "
                    f"{jnp.shape(energy)} for features of shape {total.shape}."
                )
            total = total + weight * energy
        return jnp.where(present, total, 0)

    @property
    def semilocal(self) -> bool:
        """Whether it is a function of the features at each point alone."""
        exchange = self.exact_exchange or self.long_range_exchange
        return not (exchange or self.nonlocal_terms or self.nuclear_terms)

    @property
    def on_grid(self) -> bool:
        """Whether it has any term other than exact exchange."""
        return bool(self.terms or self.nonlocal_terms)

    def nonlocal_energy(self, params: Any, density: MolecularDensity) -> Float[Array, ""]:
        """Σ_k w_k E_k of the nonlocal terms, in Hartree."""
        energies = [weight * _evaluate(e, params, density) for weight, e in self.nonlocal_terms]
        wrong = [jnp.shape(e) for e in energies if jnp.shape(e) != ()]
        if wrong:
            raise ValueError(
                f"a nonlocal term must return one energy, got shape {wrong[0]}: integrate it with "
                "jnp.sum(density.weights * ...)."
            )
        return sum(energies, jnp.zeros(()))

    def nuclear_energy(self, molecule: Molecule) -> Float[Array, ""]:
        """Σ_k w_k E_k of the nuclear terms, in Hartree."""
        return sum((weight * e(molecule) for weight, e in self.nuclear_terms), jnp.zeros(()))

    def __add__(self, other: "Functional | Dispersion") -> "Functional":
        if isinstance(other, Dispersion):
            other = Functional((), "lda", name=other.method, nuclear_terms=((1.0, other),))
        if not isinstance(other, Functional):
            return NotImplemented
        if None not in (self.omega, other.omega) and self.omega != other.omega:
            raise ValueError(
                f"cannot add exact exchange separated at omega={self.omega:g} ({self.name}) and at "
                f"omega={other.omega:g} ({other.name}): a molecule holds the integrals of one."
            )
        return Functional(
            self.terms + other.terms,
            highest_level(self.level, other.level),
            self.exact_exchange + other.exact_exchange,
            f"{self.name} + {other.name}",
            self.nonlocal_terms + other.nonlocal_terms,
            self.long_range_exchange + other.long_range_exchange,
            self.omega or other.omega,
            self.nuclear_terms + other.nuclear_terms,
        )

    def __mul__(self, factor: float) -> "Functional":
        if not isinstance(factor, Real):
            return NotImplemented
        factor = float(factor)  # a NumPy scalar as well
        return Functional(
            tuple((factor * weight, term) for weight, term in self.terms),
            self.level,
            factor * self.exact_exchange,
            f"{factor:g} ({self.name})",
            tuple((factor * weight, term) for weight, term in self.nonlocal_terms),
            factor * self.long_range_exchange,
            self.omega,
            tuple((factor * weight, term) for weight, term in self.nuclear_terms),
        )

    __rmul__ = __mul__

    def named(self, name: str) -> "Functional":
        """The same under another name."""
        return dataclasses.replace(self, name=name)

    def __repr__(self) -> str:
        separated = f", omega={self.omega:g}" if self.omega else ""
        return (
            f"Functional({self.name!r}, level={self.level!r}, "
            f"exact_exchange={self.exact_exchange:g}{separated})"
        )


def _evaluate(term: Callable, params: Any, seen: Any) -> Any:
    """The energy of a term; errors from missing or complex parameters are explained."""
    try:
        energy = term(params, seen)
    except Exception as error:
        if params is not None or isinstance(error, ValueError):
            raise
        raise TypeError(
            "the functional failed with params=None: if it has parameters, give them, as in "
            f"scf(molecule, functional, params). It said: {error}"
        ) from error
    if jnp.iscomplexobj(energy):
        raise TypeError(
            "the functional returned a complex energy; parameters must be real: keep real and "
            "imaginary parts in two real arrays."
        )
    return energy


def as_functional(functional: Functional | EnergyDensity) -> Functional:
    """A `Functional` from any pure energy density.

    **Arguments:**

    - `functional`: a `Functional`, which is returned as it is, or a pure function
        `exc(params, features)` of the energy per volume (Hartree/Bohr³) at one point.

    **Returns:** a `Functional`; for a function, one of level "mgga": ρ, ∇ρ and τ are computed.

    **Raises:** `TypeError` for anything else. For a name, use `xc(name)`.

    ```python
    slater = jsci.dft.as_functional(lambda params, d: params * d.rho ** (4 / 3))
    ```
    """
    if isinstance(functional, Functional):
        return functional
    if isinstance(functional, str):
        raise TypeError(
            f"functional is the string {functional!r}; write jsci.dft.xc({functional!r})."
        )
    if not callable(functional):
        raise TypeError(
            "functional must be jsci.dft.xc(name), neural_functional(...) or a pure function "
            f"exc(params, features), got {type(functional).__name__}."
        )
    return Functional(((1.0, functional),), name=getattr(functional, "__name__", "user"))
