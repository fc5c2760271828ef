"""Equations of state: the volume of least energy, and how stiff the crystal is there."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._structure.units import EV_PER_CUBIC_ANGSTROM_IN_GPA


class EquationOfState(NamedTuple):
    """What `equation_of_state` returns.

    - `volume`: of least energy, Å³.
    - `energy`: there, eV.
    - `bulk_modulus`: there, GPa.
    - `slope`: the derivative of the bulk modulus by pressure.
    """

    volume: Float[Array, ""]
    energy: Float[Array, ""]
    bulk_modulus: Float[Array, ""]
    slope: Float[Array, ""]


def equation_of_state(
    volumes: Float[Array, "n"] | Float[np.ndarray, "n"] | Sequence[Any],
    energies: Float[Array, "n"] | Float[np.ndarray, "n"] | Sequence[Any],
) -> EquationOfState:
    """Birch and Murnaghan's equation of state of third order, by least squares.

        E(V) = a + b y + c y² + d y³,   y = V^(-2/3)

    **Arguments:**

    - `volumes`: (n,), Å³, at least four.
    - `energies`: (n,), eV.

    **Returns:** `EquationOfState`; NaN where the fit has no minimum.

    **Raises:** `ValueError` for fewer than four volumes, or other shapes.

    **Good values:** seven volumes within 6 % of the least energy's.

    **Source:** Birch, Phys. Rev. 71, 809 (1947).

    ```python
    v = np.linspace(38.0, 42.0, 7)
    jsci.atoms.equation_of_state(v, 0.01 * (v - 40.0) ** 2).volume
    ```
    """
    # Of thousands of eV single precision keeps no meV, and so they are counted from the first.
    volumes, rise = jnp.asarray(volumes), jnp.asarray([e - energies[0] for e in energies])
    if volumes.ndim != 1 or volumes.shape != rise.shape or len(volumes) < 4:
        raise ValueError(
            f"at least four volumes and as many energies are needed, got {volumes.shape} and "
            f"{rise.shape}."
        )
    middle = jnp.mean(volumes)  # y is of order one in this unit, which keeps its digits
    y = (volumes / middle) ** (-2 / 3)
    a, b, c, d = jnp.linalg.lstsq(jnp.vander(y - 1, 4, increasing=True), rise)[0]
    root = jnp.sqrt(c**2 - 3 * b * d)  # NaN without a minimum
    z = jnp.where(c > 0, -b / (c + root), jnp.nan)
    curvature, third, y = 2 * c + 6 * d * z, 6 * d, 1 + z
    volume = middle * y**-1.5
    # With y' = -2 y / 3 V: B = V E'' = (4/9) y² E_yy / V at the minimum, and its slope in turn.
    modulus = 4 / 9 * y**2 * curvature / volume
    slope = 4 + 2 / 3 * y * third / curvature
    energy = energies[0] + a + b * z + c * z**2 + d * z**3
    return EquationOfState(volume, energy, modulus * EV_PER_CUBIC_ANGSTROM_IN_GPA, slope)
