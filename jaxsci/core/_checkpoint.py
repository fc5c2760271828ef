"""Checkpoints of a training run: written atomically, the one before kept, resumed bit for bit."""

import os
import pathlib
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from ._io import load, read_metadata, save


class Checkpoint:
    """The file of one training run, and the one before it."""

    def __init__(self, path: str | os.PathLike, key: jax.Array):
        self.path = pathlib.Path(path)
        self.previous = self.path.with_name(self.path.name + ".previous")
        self.key = np.asarray(jax.random.key_data(key)).tolist()
        if not self.path.parent.is_dir():
            raise ValueError(
                f"Checkpoint folder {self.path.parent} does not exist: create it first."
            )

    def write(self, carry, history) -> list:
        """Save the state; returns the history in the form that training goes on with."""
        if self.path.exists():
            os.replace(self.path, self.previous)
        metadata = {"step": int(carry.step), "key": self.key, "terms": sorted(history)}
        save(self.path, (carry, history), metadata=metadata)
        return [history]

    def restore(self, carry, empty_history):
        """The state in the newest whole file, or the given one where there is no file."""
        for path in (self.path, self.previous):
            if not path.exists():
                continue
            try:
                metadata = read_metadata(path)
            except ValueError as error:
                warnings.warn(f"Skipping a checkpoint: {error}", stacklevel=4)
                continue
            return self._load(path, metadata, carry, empty_history)
        return carry, []

    def _load(self, path, metadata, carry, empty_history):
        if metadata.get("terms") != sorted(empty_history):
            raise ValueError(
                f"{path} is a checkpoint of another objective: its terms are "
                f"{metadata.get('terms')}, these are {sorted(empty_history)}."
            )
        if metadata["key"] != self.key:
            raise ValueError(
                f"{path} was started with another key, so it cannot be resumed exactly. Give the "
                "same key, or another checkpoint file."
            )
        dtype = jnp.result_type(*map(jnp.result_type, jax.tree.leaves(carry.params)))
        history = {
            name: jnp.zeros(metadata["step"], jnp.finfo(dtype).dtype) for name in empty_history
        }
        try:
            carry, history = load(path, (carry, history))
        except ValueError as error:
            raise ValueError(
                f"The checkpoint is of another model or optimiser. {error} "
                "Delete it, or give another checkpoint file, to start afresh."
            ) from error
        return carry, [history]
