"""J Jᵀ: the tangent kernel of any pure function."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, PyTree

from .._run.compiling import announced, announced_jit
from .._run.memory import Remedy, device_memory, peak_memory, require_memory
from .._run.program import is_traced, program
from .blocks import kernel_blocks, leading_size, lower_blocks, lower_blocks_over_mesh, mirror
from .checks import check_examples, check_kernel_fits, check_params, example_of, output_of_one
from .layout import OutputLayout, output_layout
from .products import contract_products
from .stream import streamed
from .structured.contract import contract_features
from .structured.features import linearise

Implementation = Literal["auto", "structured", "jacobian", "products"]
# Examples per block of a kernel with a progress bar: products of this size run at full speed.
_STREAMED = 256


def gram(
    f: Callable,
    params: PyTree,
    x1: PyTree,
    x2: PyTree | None = None,
    *,
    trace_axes: int | Sequence[int] = (),
    diagonal_axes: int | Sequence[int] = (),
    implementation: Implementation = "auto",
    batch_size: int | None = None,
    mesh: Mesh | None = None,
    progress: bool = False,
) -> PyTree[Float[Array, "..."]]:
    """The tangent kernel J(x₁) J(x₂)ᵀ of a pure function between two batches of inputs.

        K(x, x')ₐᵦ = Σₚ ∂fₐ(x)/∂θₚ ∂fᵦ(x')/∂θₚ

    **Arguments:**

    - `f`: a function `f(params, x)` of ONE example, returning an array or a pytree of arrays.
    - `params`: pytree of real floating-point arrays.
    - `x1`, `x2`: pytrees whose leaves share a leading axis of examples, n and m of them. Without
        `x2` the kernel of `x1` with itself is computed, at about half the work.
    - `trace_axes`: output axes to average over, (1/|a|) Σₐ Kₐₐ. The batch axis is not counted:
        `trace_axes=-1` averages over the outputs of a classifier: the usual surrogate for wide
        networks, whose kernel is nearly diagonal in the outputs.
    - `diagonal_axes`: output axes for which only equal indices are kept.
    - `implementation`: `"auto"` chooses for each parameter leaf by operation counts; `"structured"`
        contracts activations with cotangents wherever the use of a leaf is understood;
        `"jacobian"` forms J; `"products"` applies J and Jᵀ to unit vectors, in the least memory.
    - `batch_size`: examples per block. This bounds memory to the kernel, two blocks of features,
        and the features of all examples if these take at most 2 GiB; if they take more, each pair
        of blocks repeats the backward pass.
    - `mesh`: a device mesh over which the rows are sharded.
    - `progress`: show a progress bar. The host then computes the blocks one by one, 256 examples
        each unless `batch_size` is given; not under `jax.jit`.

    **Returns:** for one output the kernel `(n, m, o₁, o₁', o₂, o₂', ...)`: each output axis twice,
    once if in `diagonal_axes`, absent if in `trace_axes`. For a pytree of outputs the blocks
    `K[a][b]`, cross blocks included; where `a` has more axes than `b` the rest follow.

    **Raises:** `TypeError` for integer or complex parameters or outputs, `ValueError` for axes that
    do not fit the outputs, no examples, leading axes that differ, an `f` that expects a batch or
    mixes its examples, examples with `"rbg"` keys (which draw other numbers in a batch than alone),
    more memory than the machine has (predicted from the compiled program; the message suggests a
    `batch_size` that fits), or a progress bar inside a transformation or together with a mesh.

    Functions that compute the same compile once, as do networks of other seeds; so does one with
    other coefficients, unless these are multiples of 1/2.

    `f` must treat examples one by one: batch normalisation in training mode has no kernel of one
    example; use its running averages.

    In float32 the small eigenvalues of a kernel are rounding noise and half of them come out
    negative: add a damping of at least 10⁻⁶ times the largest, or use float64.

    **Source:** Jacot, Gabriel and Hongler (2018), equation 4; Novak, Sohl-Dickstein and Schoenholz,
    "Fast finite width neural tangent kernel" (2022), for the contraction of structured derivatives.

    ```python
    f, params = jsci.pure(eqx.nn.MLP(2, 10, 64, 2, key=key))
    x = jnp.linspace(0, 1, 10).reshape(5, 2)
    K = jsci.gram(f, params, x)  # (5, 5, 10, 10)
    k = jsci.gram(f, params, x, trace_axes=-1)  # (5, 5)
    ```
    """
    check_params(params)
    _check_options(implementation, batch_size)
    params = jax.tree.map(jnp.asarray, params)
    x1 = check_examples("x1", x1)
    x2 = None if x2 is None else check_examples("x2", x2, like=x1)
    problem = (_as_integers(trace_axes), _as_integers(diagonal_axes), implementation)
    if not is_traced((f, params, x1, x2)):
        f = program(f, params, example_of(x1))
    if progress:
        _check_progress(mesh, (f, params, x1, x2))
        return _gram_with_progress(f, params, x1, x2, problem, batch_size or _STREAMED)
    if not is_traced((f, params, x1, x2)):
        with announced("compiling gram()"):
            _check_memory(f, params, x1, x2, problem, batch_size, mesh)
    return _gram(f, params, x1, x2, problem, batch_size, mesh)


@eqx.filter_jit
def _gram(f, params, x1, x2, problem, batch_size, mesh):
    sizes = (leading_size(x1), leading_size(x2, x1))
    plan = _plan(f, params, x1, sizes, problem)
    kernel = kernel_blocks(plan.features, plan.contract, x1, x2, batch_size=batch_size, mesh=mesh)
    return plan.layout.blocks(kernel)


class _Plan(NamedTuple):
    """`contract(vmap(features)(x1), vmap(features)(x2))` is the kernel, for `layout` to arrange."""

    features: Callable
    contract: Callable
    layout: OutputLayout


def _plan(f, params, batch, sizes, problem) -> _Plan:
    """How to compute the kernel between `sizes` examples like those of `batch`."""
    trace_axes, diagonal_axes, implementation = problem
    example = example_of(batch)
    layout = output_layout(output_of_one(f, params, batch, example), trace_axes, diagonal_axes)
    check_kernel_fits(sizes, layout.shape, jnp.result_type(*jax.tree.leaves(params)))

    def arranged(p, x):
        return layout.arrange(f(p, x))

    if implementation == "products":
        return _Plan(lambda x: x, contract_products(arranged, params, layout.shape), layout)
    (features,) = linearise([arranged], params, [example], [sizes], implementation)
    return _Plan(features, contract_features, layout)


def _gram_with_progress(f, params, x1, x2, problem, batch_size):
    sizes = (leading_size(x1), leading_size(x2, x1))
    batch = jax.tree.map(lambda a: a[:1], x1)
    kernel = streamed(
        lambda block: _describe(f, params, block, sizes, problem),
        lambda rows, columns: _contract(f, params, batch, sizes, problem, rows, columns),
        x1,
        x2,
        batch_size=batch_size,
    )
    return _arrange(f, params, batch, sizes, problem, kernel)


@announced_jit("compiling gram()")
def _describe(f, params, block, sizes, problem):
    return jax.vmap(_plan(f, params, block, sizes, problem).features)(block)


@announced_jit("compiling gram()")
def _contract(f, params, batch, sizes, problem, rows, columns):
    return _plan(f, params, batch, sizes, problem).contract(rows, columns)


@eqx.filter_jit
def _arrange(f, params, batch, sizes, problem, kernel):
    return _plan(f, params, batch, sizes, problem).layout.blocks(kernel)


def gram_of_terms(
    terms: Mapping[str, Callable],
    params: PyTree,
    batch: Mapping[str, PyTree],
    scales: Mapping[str, Any] | None = None,
    *,
    implementation: Literal["auto", "structured", "jacobian"] = "auto",
    mesh: Mesh | None = None,
) -> Float[Array, "n n"]:
    """J Jᵀ of several residual functions of the same parameters, each on its own batch.

        K = J Jᵀ   with rows   sₖ ∂rₖ(θ, xₖᵢ)ₐ / ∂θ

    **Arguments:**

    - `terms`: name to `r(params, x)` of one sample, returning an array of any shape or a pytree.
    - `params`: pytree of real floating-point arrays.
    - `batch`: name to a pytree of samples with one leading axis; entries without a term are unused.
    - `scales`: name to the factor sₖ of the term's rows, 1 where absent.
    - `implementation`: as in `gram`.
    - `mesh`: a device mesh that shares out the rows; the matrix then lies whole on each device.

    **Returns:** the matrix (n, n), cross blocks included, with rows and columns in the order in
    which `ravel_pytree` lays out `{name: residuals of shape (samples, *output)}`.

    **Raises:** as `gram`, and `ValueError` for a term without a batch.

    ```python
    K = gram_of_terms({"pde": r, "bc": b}, params, {"pde": x, "bc": y}, {"pde": 0.1, "bc": 1.0})
    ```
    """
    check_params(params)
    _check_options(implementation, None)
    if not terms:
        raise ValueError("gram_of_terms() needs at least one term, e.g. {'pde': residual(op, f)}.")
    missing = sorted(set(terms) - set(batch))
    if missing:
        raise ValueError(f"The batch has no entry for {missing}; it has {sorted(batch)}.")
    names = sorted(terms)
    params = jax.tree.map(jnp.asarray, params)
    samples = [check_examples(f"batch[{name!r}]", batch[name]) for name in names]
    scale = [jnp.asarray((scales or {}).get(name, 1.0)) for name in names]
    functions = [terms[name] for name in names]
    if not is_traced((functions, params, samples, scale)):
        pairs = zip(functions, samples, strict=True)
        functions = [program(r, params, example_of(x)) for r, x in pairs]
    return _gram_of_terms(functions, params, samples, scale, implementation, mesh)


@announced_jit("compiling the kernel of an objective")
def _gram_of_terms(terms, params, samples, scales, implementation, mesh):
    examples = [example_of(x) for x in samples]
    layouts = [
        output_layout(output_of_one(r, params, batch, x), (), ())
        for r, batch, x in zip(terms, samples, examples, strict=True)
    ]
    rows = sum(
        leading_size(x) * layout.shape[-1] for x, layout in zip(samples, layouts, strict=True)
    )
    check_kernel_fits((rows, rows), (1, 1, 1), jnp.result_type(*jax.tree.leaves(params)))
    functions = [
        lambda p, x, r=r, layout=layout: layout.arrange(r(p, x))
        for r, layout in zip(terms, layouts, strict=True)
    ]
    sizes = [(leading_size(x), leading_size(x)) for x in samples]
    features = linearise(functions, params, examples, sizes, implementation)
    if mesh is not None:
        lower = lower_blocks_over_mesh(features, contract_features, samples, mesh)
    else:
        lower = lower_blocks(features, contract_features, samples)
    return _assemble(lower, layouts, scales)


def _assemble(lower, layouts, scales):
    """The matrix from its blocks on and below the diagonal, those above mirrored."""
    count = range(len(lower))
    blocks: list[list[Any]] = [[None] * len(lower) for _ in count]
    for i in count:
        for j in range(i + 1):
            scale = (scales[i] * scales[j]).astype(lower[i][j].dtype)
            # Rows of scale zero are zero, also where they are not finite.
            left_out = (scale == 0) & ~jnp.isfinite(lower[i][j])
            block = scale * jnp.where(left_out, 0, lower[i][j])
            blocks[i][j] = _raveled(block, layouts[i], layouts[j])
            if i != j:
                blocks[j][i] = _raveled(mirror(block), layouts[j], layouts[i])
    return jnp.block(blocks)


def _raveled(block, rows: OutputLayout, columns: OutputLayout):
    """(n, m, 1, Q, Q') to a matrix in `ravel_pytree` order: output, then sample, then entry."""
    n, m = block.shape[:2]
    block = jnp.transpose(block[:, :, 0], (0, 2, 1, 3)).reshape(
        n * sum(rows.sizes), m * sum(columns.sizes)
    )
    for axis, (layout, count) in enumerate(((rows, n), (columns, m))):
        if len(layout.sizes) > 1:
            block = jnp.take(block, _ravel_order(layout.sizes, count), axis=axis)
    return block


def _ravel_order(sizes, count):
    entries = jnp.arange(count * sum(sizes)).reshape(count, sum(sizes))
    edges = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    return jnp.concatenate(
        [entries[:, a:b].reshape(-1) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    )


def _check_options(implementation, batch_size):
    allowed = get_args(Implementation)
    if implementation not in allowed:
        raise ValueError(f"implementation={implementation!r} is unknown; choose one of {allowed}.")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")


def _as_integers(axes) -> tuple[int, ...]:
    """Axes as Python integers: a jitted function would take those of NumPy for arrays."""
    return tuple(map(operator.index, (axes,) if hasattr(axes, "__index__") else axes))


def _check_progress(mesh, arguments):
    if mesh is not None:
        raise ValueError("progress=True computes on one device; leave out mesh, or progress.")
    if is_traced(arguments):
        raise ValueError(
            "progress=True works block by block from the host, so not inside jit, vmap or grad; "
            "leave it out there."
        )


def _check_memory(f, params, x1, x2, problem, batch_size, mesh):
    def peak(size):
        return peak_memory(_gram, f, params, x1, x2, problem, size, mesh)

    size = batch_size or max(leading_size(x1), leading_size(x2, x1))
    remedy = Remedy("batch_size={}", size, peak)
    require_memory("gram()", peak(batch_size), device_memory(mesh), [remedy])
