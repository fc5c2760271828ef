"""Checkpoints of a training run: written atomically, the one before kept, resumed bit for bit."""

import os
import pathlib
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from ._atomic import remove_partial
from ._io import load, read_metadata, save


class Checkpoint:
    """The file of one training run, and the one before it."""

    def __init__(self, path: str | os.PathLike, key: jax.Array):
        self.path = pathlib.Path(path)
        self.previous = self.path.with_name(self.path.name + ".previous")
        self.key = np.asarray(jax.random.key_data(key)).tolist()
        self.unusable = False  # a damaged newest file must not push out the one before it
        if not self.path.parent.is_dir():
            raise ValueError(
                f"Checkpoint folder {self.path.parent} does not exist: create it first."
            )
        if jax.process_index() == 0:
            remove_partial(self.path)

    def write(self, carry, history) -> list:
        """Save the state; returns the history in the form that training goes on with."""
        # Processes that train together hold the same state, and one file is enough.
        if jax.process_index() == 0:
            if self.path.exists() and not self.unusable:
                os.replace(self.path, self.previous)
            metadata = {"step": int(carry.step), "key": self.key, "terms": sorted(history)}
            save(self.path, (carry, history), metadata=metadata)
            self.unusable = False
        return [history]

    def restore(self, carry, empty_history):
        """The state in the newest whole file, or the given one where there is no file."""
        errors = []
        for path in (self.path, self.previous):
            if not path.exists():
                continue
            try:
                metadata = read_metadata(path)
            except ValueError as error:
                errors.append(str(error))
                continue
            self.unusable = bool(errors)
            for error in errors:
                warnings.warn(f"Going on from the checkpoint before: {error}", stacklevel=4)
            return self._load(path, metadata, carry, empty_history)
        if errors:
            raise ValueError(
                f"No checkpoint can be resumed: {' '.join(errors)} Delete it, or give another "
                "checkpoint file, to start afresh."
            )
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
