"""Kernels with output axes as matrices, and targets as vectors."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class KernelMatrix(NamedTuple):
    """A kernel as a matrix; `vectors` lays targets out to match, `targets` undoes it."""

    matrix: Float[Array, "rows columns"]
    outputs: int | None

    def vectors(self, y: Float[Array, "n ..."]) -> Float[Array, "entries outputs"]:
        """Targets (n, ...) as columns: one for each output if the kernel has no output axes."""
        size = self.matrix.shape[1]
        flat = self.outputs is not None or y.ndim == 0 or y.size == 0
        columns = y.reshape(-1, 1) if flat else y.reshape(y.shape[0], -1)
        if columns.shape[0] != size or jnp.iscomplexobj(y):
            raise ValueError(
                f"Targets of shape {y.shape} and dtype {y.dtype} do not fit a kernel of {size} "
                "columns: give one row of real numbers for each training example"
                + ("." if self.outputs is None else f", of {self.outputs} outputs each.")
            )
        return columns

    def targets(
        self, vectors: Float[Array, "rows outputs"], like: Float[Array, "n ..."]
    ) -> Float[Array, "m ..."]:
        """Columns as predictions (m, ...) with the output shape of `like`."""
        return vectors.reshape(-1, *like.shape[1:])


def kernel_matrix(kernel: Float[Array, "..."], name: str = "kernel") -> KernelMatrix:
    """(n, m), or (n, m, o, o') as (n o, m o')."""
    if jnp.iscomplexobj(kernel) or kernel.size == 0:
        raise ValueError(
            f"{name} has shape {kernel.shape} and dtype {kernel.dtype}; it must be real, and the "
            "kernel of at least one example."
        )
    if kernel.ndim == 2:
        return KernelMatrix(kernel, None)
    if kernel.ndim == 4 and kernel.shape[2] == kernel.shape[3]:
        n, m, o, _ = kernel.shape
        return KernelMatrix(jnp.transpose(kernel, (0, 2, 1, 3)).reshape(n * o, m * o), o)
    raise ValueError(
        f"{name} has shape {kernel.shape}; it must be (n, m), as from trace_axes=-1, or "
        "(n, m, o, o). Blocks of several outputs are given one at a time."
    )


def square_kernel(kernel: Float[Array, "..."], name: str) -> KernelMatrix:
    """As `kernel_matrix`, for a kernel of a set with itself."""
    matrix = kernel_matrix(kernel, name)
    if kernel.shape[0] != kernel.shape[1]:
        raise ValueError(
            f"{name} has shape {kernel.shape}; it must be the kernel of the training set with "
            "itself, (n, n) or (n, n, o, o)."
        )
    return matrix
