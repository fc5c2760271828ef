"""What a simulation is at one instant, and how a step is taken."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from .._properties.properties import Properties
from .._structure.atoms import Atoms
from .._structure.graph import Graph
from .._structure.neighbour_list import NeighbourList
from .._structure.units import ACCELERATION, BOLTZMANN


class State(eqx.Module):
    """A simulation at one instant.

    - `atoms`: where the atoms are, and the cell.
    - `velocities`: (atoms, 3), Å/fs.
    - `found`: energy, forces and stress there.
    - `graph`, `built`: the neighbours, and the structure for which they were listed.
    - `extra`: variables of a thermostat or barostat, or a PRNG key.
    - `time`: fs.
    - `conserved`: eV, what the equations of motion keep: the total energy, with what thermostat
        and barostat hold or have taken.
    """

    atoms: Atoms
    velocities: Float[Array, "*b n 3"]
    found: Properties
    graph: Graph
    built: Atoms
    extra: PyTree
    time: Float[Array, "*b"]
    conserved: Float[Array, "*b"]

    @property
    def overflow(self) -> Bool[Array, "*b"]:
        """Whether the neighbours once had too little room; the energy is NaN since."""
        return self.graph.overflow

    @property
    def temperature(self) -> Float[Array, ""]:
        """2 K / (3 N k), K."""
        degrees = 3 * jnp.sum(self.atoms.mask)
        return 2 * kinetic_energy(self.atoms, self.velocities) / (degrees * BOLTZMANN)


class Dynamics(NamedTuple):
    """Equations of motion in discrete time, as two pure functions.

    - `init`: `init(params, atoms, velocities)` or `init(params, atoms, velocities, key)` gives the
        first state.
    - `step`: `step(params, state)` gives the next one.
    """

    init: Callable[..., State]
    step: Callable[[PyTree, State], State]


def thermal_velocities(
    key: Array, atoms: Atoms, temperature: float | Float[Array, ""]
) -> Float[Array, "n 3"]:
    """Velocities from the Maxwell-Boltzmann distribution, without motion of the whole.

    **Arguments:**

    - `key`: a PRNG key.
    - `atoms`: the structure.
    - `temperature`: K; below zero, velocities are NaN.

    **Returns:** (atoms, 3), Å/fs; zero for padding. The kinetic energy is 3/2 (N - 1) k T on
    average.

    ```python
    velocities = jsci.atoms.thermal_velocities(key, salt, 300.0)
    ```
    """
    spread = jnp.sqrt(BOLTZMANN * temperature * ACCELERATION / atoms.masses)
    noise = jax.random.normal(key, atoms.positions.shape, atoms.positions.dtype)
    velocities = spread[:, None] * noise
    masses = jnp.where(atoms.mask, atoms.masses, 0.0)[:, None]
    drift = jnp.sum(masses * velocities, axis=0, keepdims=True) / jnp.sum(masses)
    return jnp.where(atoms.mask[:, None], velocities - drift, 0.0)


def kinetic_energy(atoms: Atoms, velocities: Float[Array, "n 3"]) -> Float[Array, ""]:
    """½ Σ m v², eV."""
    masses = jnp.where(atoms.mask, atoms.masses, 0.0)
    return 0.5 * jnp.sum(masses[:, None] * velocities**2) / ACCELERATION


def kick(state: State, time: float) -> Float[Array, "n 3"]:
    """The velocities after the forces have acted for some time."""
    return state.velocities + time * ACCELERATION * state.found.forces / state.atoms.masses[:, None]


def first_state(
    f: Callable[..., Properties],
    nearby: NeighbourList,
    params: PyTree,
    atoms: Atoms,
    velocities: Any,
    extra: PyTree = None,
) -> State:
    """At time zero; what is conserved is then the total energy."""
    velocities = jnp.asarray(velocities, atoms.positions.dtype)
    if velocities.shape != atoms.positions.shape:
        raise ValueError(
            f"velocities must have the shape {atoms.positions.shape}, got {velocities.shape}: "
            "see thermal_velocities."
        )
    graph = nearby(atoms)
    found = f(params, atoms, graph)
    energy = found.energy + kinetic_energy(atoms, velocities)
    return State(
        atoms, velocities, found, graph, atoms, extra, jnp.zeros_like(energy), energy
    )  # fmt: skip


def at(
    f: Callable[..., Properties], nearby: NeighbourList, params: PyTree, state: State, atoms: Atoms
) -> State:
    """The state with its atoms elsewhere: neighbours anew where they have to be, then forces."""
    old = state.graph.overflow
    graph, built = jax.lax.cond(
        nearby.stale(atoms, state.built),
        lambda: (nearby(atoms), atoms),
        lambda: (state.graph, state.built),
    )
    graph = eqx.tree_at(lambda g: g.overflow, graph, graph.overflow | old)
    found = f(params, atoms, graph)
    new = (atoms, found, graph, built)
    return eqx.tree_at(lambda s: (s.atoms, s.found, s.graph, s.built), state, new)


def check_step(**values: float) -> None:
    """Refuse times, temperatures and rates that are negative, or not numbers."""
    for name, value in values.items():
        if not isinstance(value, jax.Array) and not value > 0:
            raise ValueError(f"{name} must be positive, got {value!r}.")
