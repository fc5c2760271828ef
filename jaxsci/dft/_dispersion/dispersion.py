"""Dispersion energies by the name of a functional: `d3("pbe")`, `d4("b3lyp")`."""

import dataclasses
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from .._system.molecule import Molecule, check_one
from .models import Damping, Method, d3_energy, d4_energy
from .pairs import pairs_of
from .parameters import damping_of
from .tables import LAST_ELEMENT


@dataclasses.dataclass(frozen=True)
class Dispersion:
    """The dispersion energy of a molecule, E(R): made by `d3` or `d4`.

    It depends on the elements and the positions of the nuclei (D4: and on the total charge), not on
    the density. `functional + dispersion` is a functional whose energy, forces and Hessian contain
    it.

    **Arguments:**

    - `functional`: name of the functional that it corrects.
    - `method`: "d3bj", "d3zero" or "d4".
    - `damping`: s₈ and the two radii or radius factors of the damping.
    - `three_body`: with the energy of Axilrod, Teller and Muto.

    ```python
    dispersion = jsci.dft.d3("pbe")
    jax.grad(dispersion.of_atoms)(water.coordinates, jnp.array([8, 1, 1]))
    ```
    """

    functional: str
    method: Method
    damping: Damping
    three_body: bool

    def __call__(self, molecule: Molecule) -> Float[Array, ""]:
        """The energy of one molecule in Hartree, differentiable in its coordinates."""
        check_one(molecule, f"{self.call}(m)")
        charge = jnp.sum(molecule.charges) - jnp.sum(molecule.electrons)
        return self.of_atoms(molecule.coordinates, molecule.libcint.elements, charge)

    def of_atoms(
        self,
        coordinates: Float[Array, "atoms 3"],
        elements: Int[Array, " atoms"],
        charge: Float[Array, ""] | float = 0.0,
    ) -> Float[Array, ""]:
        """The energy of atoms at positions in Bohr; element 0 is a ghost or padding.

        Differentiable, and NaN under `jit` for an element beyond radon. It raises `ValueError` for
        arrays of other shapes.
        """
        coordinates, elements = jnp.asarray(coordinates), jnp.asarray(elements)
        _check_atoms(coordinates, elements, self.call)
        check_elements(elements, self.call)
        known = (elements >= 0) & (elements <= LAST_ELEMENT)
        pairs = pairs_of(coordinates, jnp.where(known, elements, 0))
        if self.method == "d4":
            energy = d4_energy(pairs, self.damping, self.three_body, jnp.asarray(charge, float))
        else:
            energy = d3_energy(pairs, self.method, self.damping, self.three_body)
        return jnp.where(jnp.all(known), energy, jnp.nan)

    @property
    def call(self) -> str:
        """How it is made."""
        damping = {"d3bj": "", "d3zero": ', damping="zero"', "d4": ""}[self.method]
        return f'jsci.dft.{self.method[:2]}("{self.functional}"{damping})'


def d3(
    functional_name: str, damping: Literal["bj", "zero"] = "bj", *, three_body: bool = False
) -> Dispersion:
    """The D3 dispersion energy that belongs to a functional.

        E = -Σ_{A<B} Σ_{n=6,8} s_n C_n^AB/(R^n + R₀^n),  R₀ = a₁ √(C₈/C₆) + a₂

    C₆ is interpolated between reference molecules by the coordination numbers of both atoms, and
    C₈ is proportional to it. Zero damping: E = -Σ s_n C_n f_n/Rⁿ, f_n = 1/(1 + 6 (s_nR R₀/R)^α_n).

    **Arguments:**

    - `functional_name`: "pbe", "b3lyp", ...; case is ignored.
    - `damping`: "bj", the rational damping of Becke and Johnson, or "zero", whose energy vanishes
        as R → 0.
    - `three_body`: adds the energy of Axilrod, Teller and Muto. The published parameters are
        fitted without it.

    **Returns:** a `Dispersion`, a pure `f(molecule) -> energy` in Hartree. Ghosts and padding do
    not contribute. `jsci.dft.xc("pbe") + jsci.dft.d3("pbe")` is `xc("pbe-d3bj")`.

    **Raises:** `ValueError` for a functional without parameters, or an unknown damping; when
    called, for an element beyond radon.

    **Notes:** pairs beyond 60 Bohr and triples beyond 40 Bohr are left out, as in simple-dftd3.

    **Source:** Grimme, Antony, Ehrlich & Krieg, J. Chem. Phys. 132, 154104 (2010); Grimme, Ehrlich
    & Goerigk, J. Comput. Chem. 32, 1456 (2011).

    ```python
    energy = jsci.dft.d3("pbe")
    energy(water)  # -0.0003 Hartree
    jsci.vmap(energy)(batch)
    ```
    """
    if damping not in ("bj", "zero"):
        raise ValueError(f"damping is {damping!r}; allowed are 'bj' and 'zero'.")
    return _dispersion(functional_name, "d3bj" if damping == "bj" else "d3zero", three_body, "d3")


def d4(functional_name: str, *, three_body: bool = True) -> Dispersion:
    """The D4 dispersion energy that belongs to a functional.

        E = -Σ_{A<B} Σ_{n=6,8} s_n C_n^AB/(R^n + R₀^n) + E_ABC,  C₆ = 3/π ∫ α_A(iω) α_B(iω) dω

    The polarisabilities are interpolated between reference molecules by coordination number, and
    scaled by charges that equilibrate the electronegativities of the atoms.

    **Arguments:**

    - `functional_name`: "pbe", "b3lyp", ...; case is ignored.
    - `three_body`: with the energy E_ABC of Axilrod, Teller and Muto, with which the published
        parameters are fitted.

    **Returns:** a `Dispersion`, a pure `f(molecule) -> energy` in Hartree. Ghosts and padding do
    not contribute. `jsci.dft.xc("pbe") + jsci.dft.d4("pbe")` is `xc("pbe-d4")`.

    **Raises:** `ValueError` for a functional without parameters; when called, for an element beyond
    radon.

    **Notes:** pairs beyond 60 Bohr and triples beyond 40 Bohr are left out, as in dftd4.

    **Source:** Caldeweyher et al., J. Chem. Phys. 147, 034112 (2017) and 150, 154122 (2019).

    ```python
    energy = jsci.dft.d4("b3lyp")
    energy(water)  # -0.0002 Hartree
    ```
    """
    return _dispersion(functional_name, "d4", three_body, "d4")


def _dispersion(name: str, method: Method, three_body: bool, call: str) -> Dispersion:
    if not isinstance(name, str):
        raise TypeError(f"{call}() takes the name of a functional, got {type(name).__name__}.")
    key, damping = damping_of(name, method)
    return Dispersion(key, method, damping, three_body)


def _check_atoms(coordinates: Array, elements: Array, call: str) -> None:
    """Refuse what is not a position and a whole number for each atom."""
    whole = jnp.issubdtype(elements.dtype, jnp.integer)
    if elements.ndim != 1 or coordinates.shape != (*elements.shape, 3) or not whole:
        raise ValueError(
            f"{call}.of_atoms takes positions (atoms, 3) in Bohr and atomic numbers (atoms,), got "
            f"{coordinates.shape} and {elements.shape} of {elements.dtype}."
        )


def check_elements(
    elements: Int[Array, " atoms"], call: str, last: int = LAST_ELEMENT, symbol: str = "Rn"
) -> None:
    """Refuse elements beyond the last that is known; under `jit` they are not seen."""
    if isinstance(elements, Tracer):
        return
    found = np.asarray(elements)
    unknown = found[(found < 0) | (found > last)]
    if unknown.size:
        raise ValueError(
            f"{call} knows the elements 1 to {last} (H to {symbol}), got {unknown[0]}."
        )
