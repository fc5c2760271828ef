"""A potential as a calculator of ASE."""

from collections.abc import Callable
from typing import Any

from jaxtyping import PyTree

from .._structure.neighbours import Reaching, cutoffs
from .properties import Properties


def calculator(
    f: Callable[..., Properties],
    params: PyTree,
    cutoff: float | Reaching,
    *,
    angle_cutoff: float | None = None,
) -> Any:
    """An ASE calculator of energy, forces, stress and magnetic moments.

    **Arguments:**

    - `f`: `f(params, atoms, graph)`, of `properties`; it is compiled here.
    - `params`: its parameters.
    - `cutoff`, `angle_cutoff`: of the potential, Å, or the potential itself, as in `neighbours`.

    **Returns:** an `ase.calculators.calculator.Calculator` for `atoms.calc`, in eV and Å. The
    stress has ASE's order and sign.

    **Raises:** `ImportError` without ASE; for a structure what `from_ase`, `neighbours` and the
    potential raise, and `FloatingPointError` where the energy is not finite.

    **Notes:** edges and angles are padded by a quarter, so that atoms that move compile nothing
    new until the room is used up. `label` is the way back: any calculator of ASE as data.

    ```python
    import ase.build

    argon = ase.build.bulk("Ar", "fcc", 5.3)
    argon.calc = jsci.atoms.calculator(f, params, 6.0)
    argon.get_potential_energy(), argon.get_stress()
    ```
    """
    try:
        from .ase_calculator import AtomsCalculator
    except ImportError:
        raise ImportError("jsci.atoms.calculator needs ASE: pip install 'jaxsci[ase]'") from None
    return AtomsCalculator(f, params, *cutoffs(cutoff, angle_cutoff))
