"""Solvers of an SCF as values, and the settings that the iterations derive from them."""

import dataclasses
import math
import numbers

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

_FIRST = 15  # steps of DIIS before Newton's


def _check_number(name, number):
    if not isinstance(number, numbers.Real | jax.Array):
        raise TypeError(f"{name} must be a number, got {number!r}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DIIS:
    """Direct inversion in the iterative subspace, the default `solver` of an SCF.

        F ← (1-d) (F[Π] + s (1-Π)) + d F,   extrapolated from the commutators [F, Π]

    with level shift s and damping d. Values are equal by their numbers and hashable.

    **Arguments:**

    - `level_shift`: s, added to the energies of the empty orbitals (Hartree) during the iterations
        so that occupations do not flip. It does not change the solution or its derivatives.
    - `damping`: d, the share of the old Fock matrix in the new one, from 0 to below 1. It does not
        change the solution either.
    - `temperature`: electronic temperature k_B T in Hartree (0.01 is 3158 K) of Fermi-Dirac
        occupations, with a fixed number of electrons per spin. It does change the solution.

    **Raises:** `ValueError` for numbers out of range, or for a level shift together with a
    temperature, whose fractional occupations it would change; `TypeError` for something that is not
    a number.

    **Notes:** at a temperature there are first derivatives, and second ones of the free energy;
    higher ones are NaN.

    **Good values:** the defaults; `damping=0.2` where the energy oscillates; `level_shift=0.3` for
    small gaps.

    **Source:** Pulay, J. Comput. Chem. 3, 556 (1982); Saunders & Hillier, Int. J. Quantum Chem. 7,
    699 (1973) for the shift; Mermin, Phys. Rev. 137, A1441 (1965) for temperatures.

    ```python
    jsci.dft.scf(molecule, functional, solver=jsci.dft.DIIS(damping=0.2))
    ```
    """

    level_shift: float = 0.0
    damping: float = 0.0
    temperature: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            number = getattr(self, field.name)
            _check_number(field.name, number)
            # An array would not be hashable.
            object.__setattr__(self, field.name, float(number))
        if not 0 <= self.level_shift < math.inf:
            raise ValueError(f"level_shift must be zero or positive, got {self.level_shift}.")
        if not 0 <= self.damping < 1:
            raise ValueError(f"damping must lie in [0, 1), got {self.damping}.")
        if not 0 <= self.temperature < math.inf:
            raise ValueError(
                f"temperature is k_B T in Hartree, zero or positive, got {self.temperature}."
            )
        if self.level_shift and self.temperature:
            raise ValueError(
                "a level shift would change fractional occupations: set level_shift=0 or "
                "temperature=0."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Newton:
    """A trust-region Newton method in the orbital rotations, for an SCF that DIIS cannot converge.

        C ← C exp(κ - κᵀ),   κ minimises ⟨g, κ⟩ + ½⟨κ, H κ⟩ within the trust radius

    It takes over after at most 15 steps of DIIS. From there the energy only decreases, and saddle
    points are left: for small gaps, stretched bonds and metals. One step costs about as much as 5
    to 20 steps of DIIS.

    **Arguments:**

    - `first`: the `DIIS` of the steps before it, without a temperature.

    **Raises:** `ValueError` for a temperature; `TypeError` for a `first` that is not a `DIIS`.

    **Good values:** the default.

    **Source:** Helmich-Paris, J. Chem. Phys. 154, 164104 (2021).

    ```python
    jsci.dft.scf(molecule, functional, solver=jsci.dft.Newton())
    ```
    """

    first: DIIS = DIIS()

    def __post_init__(self) -> None:
        if not isinstance(self.first, DIIS):
            raise TypeError(f"first must be a jsci.dft.DIIS(...), got {self.first!r}.")
        if self.first.temperature:
            raise ValueError(
                "Newton's method minimises over whole orbitals: set temperature=0, or let scf use "
                "DIIS alone."
            )


class Iteration(eqx.Module):
    """How to iterate, and when to stop.

    Numbers that do not change the program are data, so that another value compiles nothing.
    """

    tolerance: Float[Array, ""]
    max_steps: Int[Array, ""]
    level_shift: Float[Array, ""]
    damping: Float[Array, ""]
    temperature: float = eqx.field(static=True)
    newton: bool = eqx.field(static=True)

    @classmethod
    def checked(
        cls, tolerance: float, max_steps: int, solver: DIIS | Newton = DIIS()
    ) -> "Iteration":
        """An `Iteration`, or a `ValueError` or `TypeError` that says what is allowed."""
        _check_number("tolerance", tolerance)
        _check_number("max_steps", max_steps)
        if not 0 < tolerance < math.inf:
            raise ValueError(f"tolerance must be positive and finite, got {tolerance}.")
        if max_steps < 1 or max_steps % 1:  # a NaN too
            raise ValueError(f"max_steps must be a whole number from 1, got {max_steps}.")
        diis = first_of(solver)
        return cls(
            tolerance=jnp.asarray(tolerance, float),
            max_steps=jnp.asarray(int(max_steps)),
            level_shift=jnp.asarray(diis.level_shift, float),
            damping=jnp.asarray(diis.damping, float),
            temperature=diis.temperature,
            newton=isinstance(solver, Newton),
        )

    def first(self) -> Int[Array, ""]:
        """Steps of DIIS before Newton's method takes over, if it does."""
        return jnp.minimum(self.max_steps, _FIRST) if self.newton else self.max_steps


def first_of(solver: DIIS | Newton) -> DIIS:
    """The DIIS that a solver begins with, or a `TypeError` for something that is not a solver."""
    if isinstance(solver, Newton):
        return solver.first
    if isinstance(solver, DIIS):
        return solver
    raise TypeError(
        f"solver is {solver!r}; allowed are jsci.dft.DIIS(...) and jsci.dft.Newton(...). "
        "(jsci.DIIS, without `dft`, is the extrapolation that fixed_point takes.)"
    )
