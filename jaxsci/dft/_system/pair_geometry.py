"""The geometry that a molecule's pair potentials were made for, which may not be that of now."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from .molecule import Molecule

Extras = dict[str, Array]

# Calls that use of their inputs what the equations inside use.
_CALLS = ("jit", "pjit")

# Among a molecule's extras: pair potentials, without range separation and with it, and the
# positions of the nuclei for which they were made.
POTENTIALS = "pair_potentials"
MADE_AT = "positions_of_pair_potentials"


def name_of(omega: float | None) -> str:
    """Of the pair potentials among a molecule's extras."""
    return POTENTIALS if omega is None else f"{POTENTIALS}_{float(omega)!r}"


def ranges_of(extras: Extras) -> dict[str, float | None]:
    """The range separation of each of a molecule's extras that are pair potentials."""
    found: dict[str, float | None] = {k: None for k in extras if k == POTENTIALS}
    others = [k for k in extras if k.startswith(f"{POTENTIALS}_")]
    return found | {k: float(k.removeprefix(f"{POTENTIALS}_")) for k in others}


def extras_here(
    extras: Extras, coordinates: Float[Array, "atoms 3"], mask: Bool[Array, " atoms"]
) -> Extras:
    """A molecule's extras, NaN where they are pair potentials of another geometry."""
    if MADE_AT not in extras:
        return extras
    here = _are_made_at(extras[MADE_AT], coordinates, mask)
    return extras | {k: jnp.where(here, extras[k], jnp.nan) for k in _potentials(extras)}


def check_pair_potentials(molecule: Molecule, energy: Callable[[Extras], Any]) -> None:
    """Refuse those of another geometry if an energy depends on them, unless they are traced."""
    made_at = molecule.extras.get(MADE_AT)
    if made_at is None or isinstance(made_at, Tracer) or isinstance(molecule.coordinates, Tracer):
        return
    if bool(_are_made_at(made_at, molecule.coordinates, molecule.atom_mask)):
        return
    if not _depends(energy, molecule.extras):
        return
    if made_at.shape != molecule.coordinates.shape:
        raise ValueError(
            f"the molecule's pair potentials were made for {len(made_at)} atoms, and it has "
            f"{len(molecule.coordinates)}: call with_pair_potentials(molecule)."
        )
    moved = np.abs(np.asarray(made_at - molecule.coordinates))[np.asarray(molecule.atom_mask)]
    raise ValueError(
        "the molecule's pair potentials are of another geometry, in which nuclei lie up to "
        f"{moved.max():.3g} Bohr from where they are now: call with_pair_potentials(molecule) "
        "again."
    )


def _potentials(extras: Extras) -> Extras:
    return {k: x for k, x in extras.items() if k.startswith(POTENTIALS)}


def _are_made_at(made_at, coordinates, mask) -> Bool[Array, ""]:
    """Whether pair potentials are those of this geometry, which is never changed by rounding."""
    if made_at.shape != coordinates.shape:
        return jnp.zeros((), bool)
    return jnp.all((made_at == coordinates) | ~mask[:, None])


def _depends(energy: Callable[[Extras], Any], extras: Extras) -> bool:
    """Whether they enter an energy, by its program; also where they do not fit the molecule."""
    try:
        program = jax.make_jaxpr(lambda x: energy(extras | x))(_potentials(extras)).jaxpr
    except (TypeError, ValueError):
        return True
    return any(_used(program, [True] * len(program.outvars)))


def _used(program: Any, wanted: Sequence[bool]) -> list[bool]:
    """Which inputs of a program its wanted outputs are computed from."""
    needed = {id(v) for v, is_wanted in zip(program.outvars, wanted, strict=True) if is_wanted}
    for equation in reversed(program.eqns):
        outputs = [id(v) in needed for v in equation.outvars]
        if any(outputs):
            inputs = [True] * len(equation.invars)
            if equation.primitive.name in _CALLS:
                body = equation.params["jaxpr"]
                inputs = _used(getattr(body, "jaxpr", body), outputs)
            pairs = zip(equation.invars, inputs, strict=True)
            needed |= {id(v) for v, is_used in pairs if is_used}
    return [id(v) in needed for v in program.invars]
