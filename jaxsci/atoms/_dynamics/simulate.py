"""Runs of a simulation, with a trajectory, progress and checkpoints."""

import os
import pathlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree
from tqdm import tqdm

from ...core import load, program, read_metadata, save
from .._files.extxyz import write
from .._structure.frame import Frame
from .state import Dynamics, State


def simulate(
    dynamics: Dynamics,
    params: PyTree,
    state: State,
    steps: int,
    *,
    every: int = 100,
    trajectory: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> State:
    """Take many steps of a simulation, and write where it passes.

    **Arguments:**

    - `dynamics`: of `verlet`, `langevin`, `nose_hoover` or `langevin_cell`.
    - `params`: of the potential.
    - `state`: the first, of `dynamics.init`, or the last of an earlier run.
    - `steps`: how many steps the whole run has.
    - `every`: steps between frames, checkpoints and reports; `steps` is a multiple of it.
    - `trajectory`: an extended .xyz file to which frames are added, with energy, forces, stress,
        velocities (Å/fs) and time (fs).
    - `checkpoint`: a file that holds the last state. If it exists, the run continues from it, and
        frames that the trajectory got after it was written are removed, to be written again.
    - `progress`: show a bar with the temperature.

    **Returns:** the last state.

    **Raises:** `ValueError` if `steps`, or what a checkpoint leaves of them, is no multiple of
    `every`, or the trajectory is shorter than the checkpoint says; `FloatingPointError`, naming the
    time, if the energy is not finite, as after an overflow of the neighbours or with a time step
    that is too long. The trajectory then ends before it.

    **Notes:** a run that was interrupted and continues is the same, bit by bit, as one that was
    not, and so is its trajectory.

    ```python
    dynamics = jsci.atoms.verlet(f, nearby, dt=1.0)
    state = dynamics.init(params, salt, jnp.zeros((2, 3)))
    state = jsci.atoms.simulate(dynamics, params, state, 4, every=2, trajectory="run.xyz")
    ```
    """
    if steps < 0 or every < 1 or steps % every:
        raise ValueError(f"steps must be a multiple of every, got {steps} and {every}.")
    done = 0
    if checkpoint is not None and pathlib.Path(checkpoint).exists():
        state, done = load(checkpoint, like=(state, np.array(0)))
        done = int(done)
        if done < steps and (steps - done) % every:
            raise ValueError(
                f"the checkpoint is at step {done}: the {steps - done} steps up to {steps} are no "
                f"multiple of every={every}."
            )
        _cut(trajectory, read_metadata(checkpoint))
    elif checkpoint is not None and trajectory is not None:
        save(checkpoint, (state, np.array(0)), metadata=_length(trajectory))

    def steps_of_report(params: PyTree, state: State) -> State:
        return jax.lax.fori_loop(0, every, lambda _, s: dynamics.step(params, s), state)

    several = program(steps_of_report, params, state)
    with tqdm(total=steps, initial=done, disable=not progress, delay=2.0, unit="step") as bar:
        while done < steps:
            state = _advanced(several, params, state)
            done += every
            _require_finite(state)
            if trajectory is not None:
                write(trajectory, _frame(state), append=True)
            if checkpoint is not None:
                save(checkpoint, (state, np.array(done)), metadata=_length(trajectory))
            bar.set_postfix_str(f"{float(state.temperature):.0f} K")
            bar.update(every)
    return state


def _length(trajectory: str | os.PathLike[str] | None) -> dict[str, Any]:
    """How long a trajectory is, which may not be there yet, for the checkpoint that follows it."""
    if trajectory is None:
        return {}
    path = pathlib.Path(trajectory)
    return {"trajectory": path.name, "bytes": path.stat().st_size if path.exists() else 0}


def _cut(trajectory: str | os.PathLike[str] | None, known: dict[str, Any]) -> None:
    """Take off what a run that was killed wrote after its last checkpoint, half a frame perhaps."""
    now = _length(trajectory)
    if trajectory is None or now["trajectory"] != known.get("trajectory"):
        return  # another file, in which the run goes on
    if now["bytes"] < known["bytes"]:
        raise ValueError(
            f"{os.fspath(trajectory)} has {now['bytes']} bytes, and had {known['bytes']} when the "
            "checkpoint was written: give the file as it was, or another name."
        )
    if now["bytes"] > known["bytes"]:
        os.truncate(trajectory, known["bytes"])


@eqx.filter_jit
def _advanced(several: Callable[[PyTree, State], State], params: PyTree, state: State) -> State:
    return several(params, state)


def _require_finite(state: State) -> None:
    if np.isfinite(float(state.found.energy)):
        return
    if bool(state.overflow):
        why = (
            "the neighbours overflowed, or two atoms came closer than 0.3 Å: look at the last "
            "frame, and make a NeighbourList of it with more room"
        )
    else:
        why = "the time step is too long, or atoms came too close for the potential"
    raise FloatingPointError(f"the energy is not finite at {float(state.time):.1f} fs: {why}.")


def _frame(state: State) -> Frame:
    found = state.found
    stress = None if found.stress is None else np.asarray(found.stress)
    magmoms = None if found.magmoms is None else np.asarray(found.magmoms)
    info = {"time": float(state.time), "velocities": np.asarray(state.velocities)}
    return Frame(state.atoms, float(found.energy), np.asarray(found.forces), stress, magmoms, info)
