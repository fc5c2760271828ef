"""Dynamics at constant energy."""

from collections.abc import Callable

import equinox as eqx

from .._properties.properties import Properties
from .._structure.atoms import moved
from .._structure.neighbour_list import NeighbourList
from .state import Dynamics, State, at, check_step, first_state, kick, kinetic_energy


def verlet(f: Callable[..., Properties], nearby: NeighbourList, *, dt: float) -> Dynamics:
    """Newton's equations by the velocity Verlet method, at constant energy and cell.

        m dv/dt = F,   dR/dt = v

    **Arguments:**

    - `f`: `f(params, atoms, graph)`, of `properties`.
    - `nearby`: of the structure, `NeighbourList`.
    - `dt`: the time step, fs.

    **Returns:** `Dynamics`: `init(params, atoms, velocities)` and `step(params, state)`, both pure.

    **Raises:** `ValueError` for a time step that is not positive.

    **Notes:** the error of the energy is of order dt². If the neighbours overflow, the energy is
    NaN from then on and `state.overflow` true. Under `jax.vmap` every step lists neighbours anew.

    **Good values:** 1 fs; 0.5 fs with hydrogen.

    **Source:** Swope et al., J. Chem. Phys. 76, 637 (1982).

    ```python
    dynamics = jsci.atoms.verlet(f, nearby, dt=1.0)
    state = dynamics.init(params, salt, jnp.zeros((2, 3)))
    state = jax.jit(dynamics.step)(params, state)
    ```
    """
    check_step(dt=dt)

    def step(params, state: State) -> State:
        velocities = kick(state, dt / 2)
        atoms = moved(state.atoms, state.atoms.positions + dt * velocities)
        state = at(f, nearby, params, state, atoms)
        state = eqx.tree_at(lambda s: s.velocities, state, velocities)
        velocities = kick(state, dt / 2)
        energy = state.found.energy + kinetic_energy(atoms, velocities)
        new = (velocities, state.time + dt, energy)
        return eqx.tree_at(lambda s: (s.velocities, s.time, s.conserved), state, new)

    def init(params, atoms, velocities) -> State:
        return first_state(f, nearby, params, atoms, velocities)

    return Dynamics(init, step)
