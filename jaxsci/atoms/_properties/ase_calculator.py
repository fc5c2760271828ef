"""The calculator class, which only those import who have ASE."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from jaxtyping import PyTree

from .._structure.ase_atoms import from_ase
from .._structure.atoms import Atoms, moved
from .._structure.graph import Graph
from .._structure.neighbours import listed
from .properties import Properties

_ROOM = 1.25
_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


class AtomsCalculator(Calculator):
    """Made by `jsci.atoms.calculator`, which describes it."""

    name = "jaxsci"  # pyright: ignore[reportAssignmentType]
    implemented_properties = ["energy", "free_energy", "forces", "stress", "magmoms"]  # noqa: RUF012

    def __init__(
        self,
        f: Callable[..., Properties],
        params: PyTree,
        cutoff: float,
        angle_cutoff: float | None,
    ):
        super().__init__()
        self.f, self.compiled, self.potential_params = f, eqx.filter_jit(f), params
        self.cutoffs = (cutoff, angle_cutoff)
        self.room = (0, 0)

    def calculate(
        self,
        atoms: Any = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Everything at once, of which ASE keeps what it is asked for later."""
        super().calculate(atoms, properties, system_changes)
        ours = from_ase(self.atoms)
        graph = listed(ours, *self.cutoffs, self._room_for)
        found = self.compiled(self.potential_params, ours, graph)
        energy = float(found.energy)
        if not np.isfinite(energy):
            self._refuse(ours, graph)
        self.results = {"energy": energy, "free_energy": energy, "forces": np.array(found.forces)}
        if found.stress is not None:
            self.results["stress"] = np.array(found.stress)[_VOIGT]
        if found.magmoms is not None:
            self.results["magmoms"] = np.array(found.magmoms)

    def _refuse(self, ours: Atoms, graph: Graph) -> None:
        """Under jit an unknown element is NaN; by name it is refused where numbers are known."""

        def again(positions, params, graph):
            return self.f(params, moved(ours, positions), graph)

        jax.eval_shape(again, ours.positions, self.potential_params, graph)
        raise FloatingPointError(
            "the energy of the potential is not finite for this structure, whose shortest distance "
            f"is {float(np.linalg.norm(graph.vectors(ours), axis=1).min(initial=np.inf)):.3g} Å."
        )

    def _room_for(self, edges: int, angles: int) -> tuple[int, int]:
        """Places for these numbers: those of the last call while they suffice."""
        have = self.room
        self.room = (
            have[0] if have[0] >= edges else int(_ROOM * edges) + 1,
            have[1] if have[1] >= angles else int(_ROOM * angles) + 1,
        )
        return self.room
