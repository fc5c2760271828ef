"""Checkpoints of a training run: written atomically, the previous one kept, resumed bit for bit."""

import os
import warnings
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from .._files.atomic_write import remove_partial, resolved
from .._files.io import load, read_metadata, save_keeping
from .fingerprint import differences, versions

Resume = Literal["same", "changed"]


class Checkpoint:
    """The checkpoint file of a training run, and its predecessor."""

    def __init__(
        self,
        path: str | os.PathLike,
        key: jax.Array,
        made_of: dict[str, list[str]] | None = None,
        resume: Resume = "same",
    ):
        self.path = resolved(path)  # its predecessor lies beside the file, not the link
        self.previous = self.path.with_name(self.path.name + ".previous")
        self.key = np.asarray(jax.random.key_data(key)).tolist()
        self.made_of = made_of or {}
        self.versions = versions()
        self.resume = resume
        self.unusable = False  # a damaged newest file must not replace the previous one
        self.written: int | None = None  # the step of the newest intact file
        self.failing = False
        self._check()
        if jax.process_index() == 0:
            remove_partial(self.path)

    def _check(self):
        folder = self.path.parent
        if self.resume not in ("same", "changed"):
            raise ValueError(f'resume must be "same" or "changed", got {self.resume!r}.')
        if not folder.is_dir():
            raise ValueError(f"Checkpoint folder {folder} does not exist: create it first.")
        if self.path.exists() and not self.path.is_file():
            raise ValueError(f"{self.path} is not a file, so it cannot be a checkpoint.")

    def write(self, carry, history) -> list:
        """Save the state; returns the history in the form in which training continues.

        A full disk does not end training: it continues, with a warning.
        """
        # Processes that train together hold the same state, so one file is enough.
        if jax.process_index() == 0:
            step = int(carry.step)
            metadata = {
                "step": step,
                "key": self.key,
                "terms": sorted(history),
                "made_of": self.made_of,
                "versions": self.versions,
            }
            previous = None if self.unusable else self.previous
            try:
                save_keeping(self.path, (carry, history), metadata, previous)
            except OSError as error:
                self._warn_of_failure(step, error)
            else:
                self.unusable, self.written, self.failing = False, step, False
        return [history]

    def _warn_of_failure(self, step, error):
        if self.failing:
            return  # warn once until a file is written again
        self.failing = True
        left = "There is none yet." if self.written is None else f"That of step {self.written} is."
        warnings.warn(
            f"The checkpoint of step {step} is not on the disk: {error}. {left} Training "
            "continues, and each report tries again.",
            stacklevel=5,
        )

    def restore(self, carry, empty_history, steps):
        """The state in the newest intact file, or the given state where there is no file."""
        errors = []
        for path in (self.path, self.previous):
            if not path.exists():
                continue
            try:
                metadata = read_metadata(path)
            except ValueError as error:
                errors.append(str(error))
                continue
            carry, history = self._load(path, metadata, carry, empty_history, steps)
            self.unusable, self.written = bool(errors), int(carry.step)
            for error in errors:
                warnings.warn(f"Resuming from the checkpoint before: {error}", stacklevel=3)
            return carry, history
        if errors:
            raise ValueError(
                f"No checkpoint can be resumed: {' '.join(errors)} Delete it, or give another "
                "checkpoint file, to start afresh."
            )
        return carry, []

    def _load(self, path, metadata, carry, empty_history, steps):
        self._check_metadata(path, metadata, empty_history, steps)
        dtype = jnp.result_type(*map(jnp.result_type, jax.tree.leaves(carry.params)))
        entries = jax.ShapeDtypeStruct((metadata["step"],), jnp.finfo(dtype).dtype)
        try:
            carry, history = load(path, (carry, dict.fromkeys(empty_history, entries)))
        except ValueError as error:
            raise ValueError(
                f"The checkpoint is of another model or optimiser. {error} "
                "Delete it, or give another checkpoint file, to start afresh."
            ) from error
        self._check_same_run(path, metadata)
        return carry, [history]

    def _check_metadata(self, path, metadata, empty_history, steps):
        step = metadata.get("step")
        if not isinstance(step, int) or step < 0 or "key" not in metadata:
            raise ValueError(
                f"{path} is no checkpoint of fit, but another file written by jaxsci.save."
            )
        if metadata.get("terms") != sorted(empty_history):
            raise ValueError(
                f"{path} is a checkpoint of another objective: its terms are "
                f"{metadata.get('terms')}, these are {sorted(empty_history)}."
            )
        if step > steps:
            raise ValueError(
                f"{path} holds {step} steps, more than the steps={steps} asked for, which counts "
                f"them: give steps={step} or more, or another checkpoint file."
            )
        if metadata["key"] != self.key and self.resume == "same":
            raise ValueError(
                f"{path} was started with another key, so it cannot be resumed exactly. Give the "
                'same key, another checkpoint file, or resume="changed" to continue anyway.'
            )

    def _check_same_run(self, path, metadata):
        """Raise where the run was started differently; files of earlier versions do not say."""
        old = metadata.get("made_of")
        if self.resume == "changed" or not isinstance(old, dict) or not old or not self.made_of:
            return
        other, rounded, traced = differences(old, self.made_of)
        if traced and metadata.get("versions") != self.versions:
            warnings.warn(
                f"Whether {' and '.join(traced)} are those that {path} was started with cannot be "
                f"told: it was written with {metadata.get('versions')}, this is {self.versions}.",
                stacklevel=5,
            )
            traced = []
        if other or traced:
            raise ValueError(
                f"{path} is of a run with other arguments. Different: {', '.join(other + traced)}. "
                "Going on would mix two runs: give what it was started with, another checkpoint "
                'file, or resume="changed" to continue from it anyway.'
            )
        if rounded:
            warnings.warn(
                f"{path} is resumed, but not bit for bit: {' and '.join(rounded)} differ from what "
                "it was started with by rounding, as computed on another machine.",
                stacklevel=5,
            )
