"""The file in which `march` keeps the slabs that it has solved."""

import os
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ....core import load, read_metadata, save
from .slabs import State

Slab = tuple[State, Array]


class SlabFile:
    """Slabs on the disk: written after each, and read where a march is run again."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        bounds: Float[np.ndarray, " bounds"],
        params: Float[np.ndarray, "*outputs n"],
        state: State,
    ):
        self.path, self.bounds = pathlib.Path(path), bounds
        self.like = (state, jnp.asarray(params))
        if not self.path.parent.is_dir():
            raise ValueError(f"Checkpoint folder {self.path.parent} does not exist: create it.")
        if self.path.exists() and not self.path.is_file():
            raise ValueError(f"{self.path} is not a file, so it cannot be a checkpoint.")

    def write(self, solved: list[Slab], residuals: list[float]) -> None:
        """Replace the file by one with all slabs so far."""
        metadata = {"times": self.bounds[: len(solved) + 1].tolist(), "residuals": residuals}
        save(self.path, _stacked(solved), metadata=metadata)

    def restore(
        self, share_left: Callable[[State, np.ndarray], float], tolerance: float
    ) -> tuple[list[Slab], list[float]]:
        """The slabs of the file, none if there is none.

        Equations, features and conditions are checked by what they leave of each slab's residual,
        which is kept with it: those that differ at early times alone change no later one.
        """
        if not self.path.exists():
            return [], []
        times, residuals = self._metadata()
        if times != self.bounds[: len(times)].tolist():
            raise ValueError(
                f"{self.path} holds slabs between the times {times}, which are not the first of "
                f"{self.bounds.tolist()}: give these, or another file."
            )
        stacked = load(self.path, _stacked([self.like] * len(residuals)))
        solved = [jax.tree.map(lambda leaf, k=k: leaf[k], stacked) for k in range(len(residuals))]
        for k, (state, params) in enumerate(solved):
            self._check(k, share_left(state, np.asarray(params)), residuals[k], tolerance)
        return solved, residuals

    def _metadata(self) -> tuple[list[float], list[float]]:
        found = read_metadata(self.path)
        times, residuals = found.get("times"), found.get("residuals")
        if not isinstance(times, list) or not residuals or len(times) != len(residuals) + 1:
            raise ValueError(
                f"{self.path} is no checkpoint of march, but another file written by jaxsci.save."
            )
        return times, residuals

    def _check(self, slab: int, left: float, had: float, tolerance: float) -> None:
        if not np.isclose(left, had, rtol=0.5):
            raise ValueError(
                f"{self.path} is the checkpoint of another march: its slab {slab} leaves a "
                f"relative residual of {left:.1e} here and had {had:.1e}. Give the same equations, "
                "features, points and key, or another file."
            )
        if had > tolerance:
            raise ValueError(
                f"{self.path} was made with a larger tolerance: its slab {slab} has a relative "
                f"residual of {had:.1e}, above {tolerance:.1e}. Give that, or another file."
            )


def _stacked(slabs: list[Slab]) -> Slab:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *slabs)
