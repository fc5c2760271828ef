"""Kernels with output axes as matrices, and targets as vectors."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

# A kernel of a set with itself is symmetric up to rounding, at worst that of float32.
_ASYMMETRY = 3e-4


class KernelMatrix(NamedTuple):
    """A kernel as a matrix; `vectors` lays out targets to match, `targets` undoes it."""

    matrix: Float[Array, "rows columns"]
    outputs: int | None

    def __str__(self) -> str:
        o = self.outputs or 1
        examples = tuple(n // o for n in self.matrix.shape)
        return str(examples if self.outputs is None else (*examples, o, o))

    def vectors(self, y: Float[Array, "n ..."]) -> Float[Array, "entries outputs"]:
        """Targets (n, ...) as columns: one for each output if the kernel has no output axes."""
        y = jnp.asarray(y)
        size = self.matrix.shape[1]
        examples = size // (self.outputs or 1)
        fits = y.shape[:1] == (examples,) and (y.size if self.outputs is None else y.size == size)
        if not fits or jnp.iscomplexobj(y):
            raise ValueError(
                f"Targets of shape {y.shape} and dtype {y.dtype} do not fit a kernel of {size} "
                f"columns: give one row of real numbers for each of {examples} training examples"
                + ("." if self.outputs is None else f", of {self.outputs} outputs each.")
            )
        return y.reshape(size, -1)

    def targets(
        self, vectors: Float[Array, "rows outputs"], like: Float[Array, "n ..."]
    ) -> Float[Array, "m ..."]:
        """Columns as predictions (m, ...) with the output shape of `like`."""
        return vectors.reshape(-1, *like.shape[1:])


def kernel_matrix(kernel: Float[Array, "..."], name: str = "kernel") -> KernelMatrix:
    """(n, m), or (n, m, o, o') as (n o, m o')."""
    kernel = jnp.asarray(kernel)
    if jnp.iscomplexobj(kernel) or kernel.size == 0:
        raise ValueError(
            f"{name} has shape {kernel.shape} and dtype {kernel.dtype}; it must be real, and the "
            "kernel of at least one example."
        )
    kernel = kernel.astype(jnp.result_type(kernel, float))
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
    kernel = jnp.asarray(kernel)
    matrix = kernel_matrix(kernel, name)
    if kernel.shape[0] != kernel.shape[1]:
        raise ValueError(
            f"{name} has shape {kernel.shape}; it must be the kernel of the training set with "
            "itself, (n, n) or (n, n, o, o)."
        )
    _check_symmetry(matrix.matrix, name)
    return matrix


def test_kernel(kernel: Float[Array, "..."], train: KernelMatrix) -> KernelMatrix:
    """As `kernel_matrix`, for the kernel of a test set with the training set."""
    matrix = kernel_matrix(kernel, "kernel_test")
    if matrix.matrix.shape[1] != train.matrix.shape[0] or matrix.outputs != train.outputs:
        raise ValueError(
            f"kernel_test {jnp.shape(kernel)} must have one column for each training example, and "
            f"the output axes of kernel_train, {train}."
        )
    return matrix


def _check_symmetry(matrix: Float[Array, "n n"], name: str) -> None:
    """Raise unless symmetric: two sets of equal size have a square kernel too."""
    if isinstance(matrix, Tracer):
        return
    gap, size = (float(jnp.max(jnp.abs(a))) for a in (matrix - matrix.T, matrix))
    if gap > _ASYMMETRY * size:
        raise ValueError(
            f"{name} is not symmetric: entries that mirror each other differ by up to {gap:.3g}, "
            f"where the largest is {size:.3g}. Give the kernel of one set with itself, not of two."
        )
    if (least := float(jnp.min(jnp.diagonal(matrix)))) < -_ASYMMETRY * size:
        raise ValueError(
            f"{name} has {least:.3g} on its diagonal, where J Jᵀ has sums of squares: is its sign "
            "the other one?"
        )


def outputs_at_start(
    y: Float[Array, "n ..."],
    f_train: Float[Array, "n ..."] | None,
    f_test: Float[Array, "m ..."] | None,
    kernel_test: Float[Array, "m n ..."] | None,
) -> tuple[Float[Array, "n ..."], Float[Array, "q ..."] | None]:
    """f₀ on the training set, and f₀ where outputs are requested, None if zero."""
    if (f_test is not None) != (f_train is not None and kernel_test is not None):
        raise ValueError(
            "f_test goes with both kernel_test and f_train: initial outputs are needed on both "
            "sets. Give zeros where they are zero, or leave out f_train and f_test."
        )
    for name, f, rows in (("f_train", f_train, y), ("f_test", f_test, kernel_test)):
        if (
            f is not None
            and rows is not None
            and jnp.shape(f) != (wanted := (*rows.shape[:1], *jnp.shape(y)[1:]))
        ):
            raise ValueError(f"{name} must have the shape {wanted}, got {jnp.shape(f)}.")
    start = jnp.zeros_like(y) if f_train is None else jnp.asarray(f_train)
    return start, start if kernel_test is None else f_test
