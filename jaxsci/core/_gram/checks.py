"""Checks of the inputs of a tangent kernel: real parameters, a batch, a function of one example."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._run.memory import machine_memory
from .._run.program import shape_of


def check_params(params: PyTree) -> None:
    """Raise unless every leaf is a real floating-point array."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise ValueError("params has no leaves: there is nothing to differentiate.")
    for path, leaf in leaves:
        dtype = jnp.result_type(leaf)
        if jnp.issubdtype(dtype, jnp.floating):
            continue
        where = f"params{jax.tree_util.keystr(path)} has dtype {dtype}"
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise TypeError(
                f"{where}; a tangent kernel needs real parameters. Keep real and imaginary parts "
                "as two real leaves."
            )
        raise TypeError(
            f"{where}, which cannot be differentiated. Leave it out of params (close over it), "
            "or use jsci.pure, which does."
        )


def check_examples(name: str, x: PyTree, like: PyTree | None = None) -> PyTree:
    """The batch as arrays; raise unless its leaves share one non-empty leading axis."""
    leaves = jax.tree_util.tree_leaves_with_path(x)
    shapes = {name + jax.tree_util.keystr(path): jnp.shape(leaf) for path, leaf in leaves}
    sizes = {shape[0] if shape else None for shape in shapes.values()}
    if len(sizes) != 1 or None in sizes:
        raise ValueError(
            f"{name} must have one leading axis of examples shared by all its leaves, got shapes "
            f"{shapes}."
        )
    if sizes == {0}:
        raise ValueError(f"{name} has no examples: its leaves have shapes {shapes}.")
    x = jax.tree.map(jnp.asarray, x)
    _check_keys(name, x)
    if like is not None:
        one, other = (jax.tree.map(lambda a: a.shape[1:], tree) for tree in (like, x))
        if one != other:
            raise ValueError(
                f"x1 and {name} must hold examples of one kind, got shapes {one} and {other} for "
                "one example."
            )
    return x


def _check_keys(name, x):
    """Raise for "rbg" keys: under vmap they draw for the batch, so examples would interact."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(x):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) and "rbg" in str(leaf.dtype):
            raise ValueError(
                f"{name}{jax.tree_util.keystr(path)} has dtype {leaf.dtype}: such keys draw other "
                "numbers in a batch than alone, so one example has no kernel of its own. Use keys "
                'of the default kind, jax.random.key(0, impl="threefry2x32").'
            )


def example_of(batch: PyTree) -> PyTree:
    """Shapes of one example of the batch, without devices, on which the trace must not depend."""
    return jax.tree.map(lambda a: shape_of(a, mapped=True), batch)


def output_of_one(f: Callable, params: PyTree, batch: PyTree, example: PyTree) -> PyTree:
    """Shapes of `f(params, example)`; raise if `f` expects a batch or mixes its examples."""
    try:
        return jax.eval_shape(f, params, example)
    except Exception as problem:
        if "unbound axis name" in str(problem):
            mixing = "it communicates over the batch axis"
        # Matched by name: Flax may not be installed.
        elif type(problem).__name__ == "ModifyScopeVariableError":
            mixing = "it updates statistics of the batch"
        elif _takes_a_batch(f, params, batch):
            raise ValueError(
                f"f must take ONE example, of shape {jax.tree.map(jnp.shape, example)}: it fails "
                f"on one and works on the whole batch ({problem}). If it treats its examples one "
                "by one, give lambda params, x: f(params, x[None])[0]."
            ) from problem
        else:
            problem.add_note(
                f"f was given ONE example, of shape {jax.tree.map(jnp.shape, example)}: the "
                "leading axis of the inputs counts examples."
            )
            raise
        raise ValueError(
            f"f mixes examples, {mixing}, so it has no kernel of one example ({problem}). For "
            "batch normalisation use the running averages (inference mode)."
        ) from problem


def _takes_a_batch(f, params, batch):
    count = jax.tree.leaves(batch)[0].shape[0]
    try:
        outputs = jax.tree.leaves(jax.eval_shape(f, params, batch))
    except Exception:  # f fails for another reason: show its first error
        return False
    return all(a.shape[:1] == (count,) for a in outputs)


def check_kernel_fits(
    sizes: tuple[int, int], outputs: tuple[int, int, int], dtype: jnp.dtype
) -> None:
    """Raise if a kernel of `sizes` examples with (trace, diagonal, full) outputs cannot be held."""
    n, m = sizes
    _, diagonal, full = outputs
    need, have = n * m * diagonal * full**2 * dtype.itemsize, machine_memory()
    if need > have:
        raise ValueError(
            f"The kernel of {n} x {m} examples with {diagonal * full} outputs takes "
            f"{need / 2**30:.3g} GiB, and this machine has {have / 2**30:.3g}. Average over output "
            "axes (trace_axes), keep their diagonal (diagonal_axes), take fewer examples, or use "
            "gram_operator, which never forms it."
        )
