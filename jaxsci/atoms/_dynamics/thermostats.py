"""Dynamics at constant temperature."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from .._properties.properties import Properties
from .._structure.atoms import moved
from .._structure.neighbour_list import NeighbourList
from .._structure.units import ACCELERATION, BOLTZMANN
from .state import Dynamics, State, at, check_step, first_state, kick, kinetic_energy

_CHAIN = 3  # thermostats of a chain, each of which holds the one before


def langevin(
    f: Callable[..., Properties],
    nearby: NeighbourList,
    *,
    dt: float,
    temperature: float,
    friction: float = 0.01,
) -> Dynamics:
    """Langevin's equations at constant temperature and cell, split as BAOAB.

        m dv = F dt - γ m v dt + √(2 γ m k T) dW,   dR = v dt

    **Arguments:**

    - `f`, `nearby`: as in `verlet`.
    - `dt`: the time step, fs.
    - `temperature`: T, K.
    - `friction`: γ, 1/fs.

    **Returns:** `Dynamics`: `init(params, atoms, velocities, key)` and `step(params, state)`.

    **Raises:** `ValueError` for arguments that are not positive.

    **Notes:** the whole drifts, as every atom is kicked: there are 3 N degrees of freedom.
    `state.conserved` is the energy less the heat taken in, which is constant to order dt².

    **Good values:** `friction=0.01` equilibrates within 100 fs and disturbs vibrations; 0.001
    leaves them.

    **Source:** Leimkuhler & Matthews, Appl. Math. Res. eXpress 2013, 34.

    ```python
    dynamics = jsci.atoms.langevin(f, nearby, dt=1.0, temperature=300.0)
    state = dynamics.init(params, salt, jnp.zeros((2, 3)), key)
    state = jax.jit(dynamics.step)(params, state)
    ```
    """
    check_step(dt=dt, temperature=temperature, friction=friction)
    kept = jnp.exp(-friction * dt)

    def step(params, state: State) -> State:
        key, now = jax.random.split(state.extra)
        before = state.found.energy + kinetic_energy(state.atoms, state.velocities)
        velocities = kick(state, dt / 2)
        halfway = state.atoms.positions + dt / 2 * velocities
        spread = jnp.sqrt((1 - kept**2) * BOLTZMANN * temperature * ACCELERATION)
        noise = jax.random.normal(now, velocities.shape, velocities.dtype)
        noise = spread * noise / jnp.sqrt(state.atoms.masses)[:, None]
        new = (kept * velocities + noise).astype(velocities.dtype)
        heat = kinetic_energy(state.atoms, new) - kinetic_energy(state.atoms, velocities)
        atoms = moved(state.atoms, halfway + dt / 2 * new)
        state = at(f, nearby, params, state, atoms)
        state = eqx.tree_at(lambda s: s.velocities, state, new)
        new = kick(state, dt / 2)
        after = state.found.energy + kinetic_energy(atoms, new)
        values = (new, key, state.time + dt, state.conserved + after - before - heat)
        return eqx.tree_at(
            lambda s: (s.velocities, s.extra, s.time, s.conserved), state, values
        )  # fmt: skip

    def init(params, atoms, velocities, key) -> State:
        return first_state(f, nearby, params, atoms, velocities, key)

    return Dynamics(init, step)


def nose_hoover(
    f: Callable[..., Properties],
    nearby: NeighbourList,
    *,
    dt: float,
    temperature: float,
    period: float = 100.0,
) -> Dynamics:
    """Nosé and Hoover's equations with a chain of three thermostats, at constant temperature.

        dv/dt = F/m - η₁ v,   Q₁ dη₁/dt = 2 K - 3 (N - 1) k T - Q₁ η₁ η₂,  ...

    with Q₁ = 3 (N - 1) k T τ² and Q₂ = Q₃ = k T τ².

    **Arguments:**

    - `f`, `nearby`: as in `verlet`.
    - `dt`: the time step, fs.
    - `temperature`: T, K.
    - `period`: τ, of the exchange with the thermostat, fs.

    **Returns:** `Dynamics`: `init(params, atoms, velocities)` and `step(params, state)`. The
    velocities should sum to no momentum, as those of `thermal_velocities` do.

    **Raises:** `ValueError` for arguments that are not positive, or a single atom.

    **Notes:** deterministic: `state.conserved` is the energy with that of the chain, constant to
    order dt². Small harmonic systems may not reach all of their phase space: use `langevin`.

    **Good values:** `period=100 * dt`.

    **Source:** Martyna, Klein & Tuckerman, J. Chem. Phys. 97, 2635 (1992).

    ```python
    dynamics = jsci.atoms.nose_hoover(f, nearby, dt=1.0, temperature=300.0)
    state = dynamics.init(params, salt, jnp.zeros((2, 3)))
    state = jax.jit(dynamics.step)(params, state)
    ```
    """
    check_step(dt=dt, temperature=temperature, period=period)
    heat = BOLTZMANN * temperature

    def step(params, state: State) -> State:
        degrees = (3 * (jnp.sum(state.atoms.mask) - 1)).astype(state.velocities.dtype)
        position, rate = state.extra
        kinetic = kinetic_energy(state.atoms, state.velocities)
        position, rate, scale = _chain(position, rate, kinetic, degrees, heat, period, dt / 2)
        state = eqx.tree_at(lambda s: s.velocities, state, scale * state.velocities)
        velocities = kick(state, dt / 2)
        atoms = moved(state.atoms, state.atoms.positions + dt * velocities)
        state = at(f, nearby, params, state, atoms)
        velocities = kick(eqx.tree_at(lambda s: s.velocities, state, velocities), dt / 2)
        kinetic = kinetic_energy(atoms, velocities)
        position, rate, scale = _chain(position, rate, kinetic, degrees, heat, period, dt / 2)
        masses = _masses(degrees, heat, period)
        held = 0.5 * jnp.sum(masses * rate**2) + heat * (
            degrees * position[0] + jnp.sum(position[1:])
        )
        energy = state.found.energy + scale**2 * kinetic + held
        new = (scale * velocities, (position, rate), state.time + dt, energy)
        return eqx.tree_at(lambda s: (s.velocities, s.extra, s.time, s.conserved), state, new)

    def init(params, atoms, velocities) -> State:
        if len(atoms.numbers) < 2:
            raise ValueError("nose_hoover() needs two atoms: one alone has no thermal motion.")
        still = jnp.zeros(_CHAIN, atoms.positions.dtype)
        return first_state(f, nearby, params, atoms, velocities, (still, still))

    return Dynamics(init, step)


def _masses(degrees, heat, period):
    return heat * period**2 * jnp.stack([degrees] + [jnp.ones_like(degrees)] * (_CHAIN - 1))


def _chain(position, rate, kinetic, degrees, heat, period, time):
    """The chain after some time, and the factor by which it scales the velocities meanwhile.

    Symmetric in time: from the last thermostat to the first, the velocities, and back.
    """
    masses = _masses(degrees, heat, period)
    last = _CHAIN - 1

    def force(rate, k, kinetic):
        drive = 2 * kinetic - degrees * heat if k == 0 else masses[k - 1] * rate[k - 1] ** 2 - heat
        return drive / masses[k]

    def push(rate, k, kinetic):
        damp = 1.0 if k == last else jnp.exp(-rate[k + 1] * time / 4)
        return rate.at[k].set((rate[k] * damp + time / 2 * force(rate, k, kinetic)) * damp)

    for k in range(last, -1, -1):
        rate = push(rate, k, kinetic)
    scale = jnp.exp(-rate[0] * time)
    position = position + time * rate
    for k in range(_CHAIN):
        rate = push(rate, k, kinetic * scale**2)
    return position, rate, scale
