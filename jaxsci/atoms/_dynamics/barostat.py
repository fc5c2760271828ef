"""Dynamics at constant temperature and pressure, with a cell that is free to change its shape."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from .._properties.properties import Properties
from .._structure.atoms import moved
from .._structure.neighbour_list import NeighbourList
from .._structure.units import ACCELERATION, BOLTZMANN, EV_PER_CUBIC_ANGSTROM_IN_GPA
from .state import Dynamics, State, at, check_step, first_state, kinetic_energy


def langevin_cell(
    f: Callable[..., Properties],
    nearby: NeighbourList,
    *,
    dt: float,
    temperature: float,
    pressure: float = 0.0,
    friction: float = 0.01,
    period: float = 1000.0,
) -> Dynamics:
    """Dynamics at constant temperature and pressure: the cell may change in size and shape.

        dR/dt = v + R g,   dv/dt = F/m - v (g + tr g / 3N),   dL/dt = L g,
        W dg/dt = V (P_int - P) + 2 K / 3N

    with V P_int = Σ m v v - V σ, W = (N + 1) k T τ², and g symmetric, so that the cell does not
    turn. Velocities and g are coupled to the temperature by Langevin's friction and noise.

    **Arguments:**

    - `f`, `nearby`: as in `verlet`; `room=1.5` leaves places for a denser cell.
    - `dt`: the time step, fs.
    - `temperature`: T, K.
    - `pressure`: P, GPa.
    - `friction`: of the atoms, 1/fs; a tenth of it acts on the cell. Zero leaves both alone, and
        then `state.conserved` is constant to order dt².
    - `period`: τ, in which the cell responds, fs.

    **Returns:** `Dynamics`: `init(params, atoms, velocities, key)` and `step(params, state)`.

    **Raises:** `ValueError` for arguments that are not positive, a negative friction, or a
    molecule.

    **Notes:** a liquid resists no shear, so that its cell may become very flat in a long run.

    **Good values:** `period=1000 * dt`.

    **Source:** Martyna, Tobias & Klein, J. Chem. Phys. 101, 4177 (1994); with Langevin's thermostat
    as in Quigley & Probert, J. Chem. Phys. 120, 11432 (2004).

    ```python
    dynamics = jsci.atoms.langevin_cell(f, nearby, dt=1.0, temperature=300.0)
    state = dynamics.init(params, salt, jnp.zeros((2, 3)), key)
    state = jax.jit(dynamics.step)(params, state)
    ```
    """
    check_step(dt=dt, temperature=temperature, period=period)
    if not friction >= 0:
        raise ValueError(f"friction must not be negative, got {friction!r}.")
    heat, push = BOLTZMANN * temperature, pressure / EV_PER_CUBIC_ANGSTROM_IN_GPA

    def step(params, state: State) -> State:
        key, first, last = jax.random.split(state.extra[0], 3)
        mass = _mass(state.atoms, heat, period)
        before = _enthalpy(state, push, mass)
        state, warmed = _noise(state, first, heat, mass, friction, dt / 2)
        state = _cell_kick(state, push, mass, dt / 2)
        state = _kick(state, dt / 2, scaled_first=True)
        state = at(f, nearby, params, state, _drift(state, dt))
        state = _kick(state, dt / 2, scaled_first=False)
        state = _cell_kick(state, push, mass, dt / 2)
        state, warmer = _noise(state, last, heat, mass, friction, dt / 2)
        conserved = state.conserved + _enthalpy(state, push, mass) - before - warmed - warmer
        new = ((key, state.extra[1]), state.time + dt, conserved)
        return eqx.tree_at(lambda s: (s.extra, s.time, s.conserved), state, new)

    def init(params, atoms, velocities, key) -> State:
        if atoms.cell is None:
            raise ValueError("langevin_cell() needs a crystal: a molecule has no cell to change.")
        still = jnp.zeros((3, 3), atoms.positions.dtype)
        return first_state(f, nearby, params, atoms, velocities, (key, still))

    return Dynamics(init, step)


def _mass(atoms, heat, period):
    return (jnp.sum(atoms.mask) + 1) * heat * period**2


def _enthalpy(state: State, push, mass):
    """The energy with that of the cell, eV."""
    kinetic = kinetic_energy(state.atoms, state.velocities)
    cell = push * state.atoms.volume + 0.5 * mass * jnp.sum(state.extra[1] ** 2)
    return state.found.energy + kinetic + cell


def _cell_kick(state: State, push, mass, time) -> State:
    """The rate of the cell after the pressure has acted for some time."""
    atoms, v = state.atoms, state.velocities
    masses = jnp.where(atoms.mask, atoms.masses, 0.0)
    momentum = jnp.einsum("i,ij,ik->jk", masses, v, v) / ACCELERATION
    one = jnp.eye(3, dtype=v.dtype)
    extra = jnp.trace(momentum) / (3 * jnp.sum(atoms.mask)) * one
    drive = momentum - atoms.volume * (state.found.stress + push * one) + extra
    rate = state.extra[1] + time * drive / mass
    return eqx.tree_at(lambda s: s.extra[1], state, rate)


def _kick(state: State, time, *, scaled_first: bool) -> State:
    """The velocities after forces and the cell's rate, in an order or its reverse."""
    rate = state.extra[1]
    slowing = jnp.trace(rate) / (3 * jnp.sum(state.atoms.mask))
    scale = _exponential(-time * (rate + slowing * jnp.eye(3, dtype=rate.dtype)))
    push = time * ACCELERATION * state.found.forces / state.atoms.masses[:, None]
    v = state.velocities
    v = v @ scale + push if scaled_first else (v + push) @ scale
    return eqx.tree_at(lambda s: s.velocities, state, v)


def _drift(state: State, time):
    """Atoms and cell after some time."""
    half = _exponential(0.5 * time * state.extra[1])
    positions = (state.atoms.positions @ half + time * state.velocities) @ half
    return moved(state.atoms, positions, state.atoms.cell @ half @ half)


def _noise(state: State, key, heat, mass, friction, time):
    """Friction and noise on atoms and cell for some time, and the heat that they bring."""
    one, two = jax.random.split(key)
    rate, v, atoms = state.extra[1], state.velocities, state.atoms
    kept, slow = jnp.exp(-friction * time), jnp.exp(-0.1 * friction * time)
    spread = jnp.sqrt((1 - kept**2) * heat * ACCELERATION / atoms.masses)[:, None]
    new = kept * v + spread * jax.random.normal(one, v.shape, v.dtype)
    noise = jax.random.normal(two, (3, 3), v.dtype)
    noise = 0.5 * (noise + noise.T)  # on the diagonal twice the variance of that beside it
    turned = slow * rate + jnp.sqrt((1 - slow**2) * heat / mass) * noise
    warmth = kinetic_energy(atoms, new) - kinetic_energy(atoms, v)
    warmth = warmth + 0.5 * mass * (jnp.sum(turned**2) - jnp.sum(rate**2))
    return eqx.tree_at(lambda s: (s.velocities, s.extra[1]), state, (new, turned)), warmth


def _exponential(symmetric):
    values, vectors = jnp.linalg.eigh(symmetric)
    return (vectors * jnp.exp(values)[None]) @ vectors.T
