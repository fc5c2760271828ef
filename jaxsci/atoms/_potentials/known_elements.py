"""Elements that a potential does not know."""

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool

from .._structure.atoms import Atoms
from .._structure.elements import SYMBOLS


def unknown_elements(atoms: Atoms, known: Iterable[int], what: str) -> Bool[Array, " n"]:
    """Which atoms are of other elements than these; `ValueError` outside jit if there are any."""
    table = np.ones(len(SYMBOLS), bool)
    table[[0, *known]] = False
    if not isinstance(atoms.numbers, Tracer):
        missing = sorted({int(z) for z in np.ravel(atoms.numbers) if table[int(z)]})
        if missing:
            names = ", ".join(SYMBOLS[z] for z in missing)
            raise ValueError(f"{what} of the potential know no {names}.")
    return jnp.asarray(table)[atoms.numbers]
