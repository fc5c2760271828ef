"""The solution that a property is taken at: the result at hand, or a new SCF."""

from typing import Any

from jax.core import Tracer

from .._scf.at_result import check_result
from .._scf.result import SCFResult
from .._scf.scf import scf
from .._system.molecule import Molecule
from .._xc import Functional


def solution(
    molecule: Molecule,
    functional: Functional,
    params: Any,
    result: SCFResult | None,
    name: str,
    *,
    throw: bool,
    **settings: Any,
) -> SCFResult:
    """`result` if it is given and of this molecule, else what `scf` finds with these settings."""
    if result is None:
        return scf(molecule, functional, params, throw=throw, **settings)
    result = check_result(molecule, result, name)
    if throw and not isinstance(result.converged, Tracer) and not bool(result.converged):
        raise RuntimeError(
            f"{name}() was given a result that has not converged: converge it, or set throw=False "
            "for NaN."
        )
    return result
