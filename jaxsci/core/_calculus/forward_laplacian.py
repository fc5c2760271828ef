"""Forward Laplacian: value, Jacobian and Laplacian of a function in one forward pass.

Also known as collapsed Taylor mode. The pass carries, through every operation, the value y, the
slopes ∂ᵢy along each direction, and ONE sum of second derivatives Σᵢ ∂ᵢ²y, where nested forward
mode would carry one second derivative per direction.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn, Literal
from jaxtyping import Array, Float, Num, PyTree

# Primitives whose second derivative in their differentiable operands (taken together) is zero.
_LINEAR = frozenset(
    """abs add add_any broadcast_in_dim clamp concatenate convert_element_type copy copy_p cummax
    cummin cumsum dynamic_slice dynamic_update_slice expand_dims fft gather imag max min neg pad
    real reduce_max reduce_min reduce_sum reduce_window_sum reshape rev roll scatter scatter-add
    select_n slice sort split squeeze sub transpose""".split()  # noqa: SIM905
)
# Linear in each operand: the product rule adds one cross term.
_BILINEAR = frozenset({"mul", "dot_general", "conv_general_dilated"})
# Act on each entry by itself (checked: one active operand, output of its shape).
_ELEMENTWISE = frozenset(
    """acos acosh asin asinh atan atan2 atanh cbrt cos cosh digamma div erf erf_inv erfc exp exp2
    expm1 integer_pow lgamma log log1p logistic pow rsqrt sin sinh sqrt square tan
    tanh""".split()  # noqa: SIM905
)
# Calls whose body is interpreted in place. A custom_vjp has no forward rule of its own, so its
# body is differentiated; a custom_jvp has one and keeps it (softplus'' at 0 needs it).
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}


class _Taylor(NamedTuple):
    """One intermediate: y, slopes (directions, *y.shape) and Σ ∂ᵢ²y; None is an exact zero."""

    value: Array
    slopes: Array
    curvature: Array | None


def forward_laplacian(
    u: Callable[[Float[Array, "..."]], PyTree[Array]],
    x: Num[Array, "..."],
    *,
    directions: Float[Array, "directions ..."] | None = None,
) -> tuple[PyTree[Array], PyTree[Array], PyTree[Array]]:
    """Value, Jacobian and Laplacian of `u` at one point, exactly, in one forward pass.

    (u(x), ∂u/∂x, Σᵢ ∂²u/∂xᵢ²); for an MLP the cost is that of d + 2 forward passes, where nested
    forward mode takes 2d + 1 and `jax.hessian` keeps d² second derivatives.

    **Arguments:**

    - `u`: any pure function of one point, returning an array or a pytree of arrays.
    - `x`: the point, an array of floats of any shape, d entries in all.
    - `directions`: k vectors vᵢ of the shape of `x`. Then slopes are vᵢ·∇u and the last result is
        Σᵢ vᵢᵀ H vᵢ: with random signs divided by √k this is Hutchinson's estimate of the Laplacian
        at the cost of k + 2 passes. Default: the coordinate directions.

    **Returns:** `(value, jacobian, laplacian)`, each a pytree like `u(x)`; `jacobian` leaves have
    shape `(*output, *x.shape)`, or `(*output, k)` when `directions` are given.

    **Raises:** `TypeError` when `x` is not a floating-point array, `ValueError` when `directions`
    do not match `x`.

    Operations without a rule of their own (`scan`, `cond`, `custom_jvp`, linear algebra, ...) are
    differentiated twice along each direction, which is exact and costs more. A `custom_vjp` is
    differentiated through its body.

    **Source:** Li et al., "A computational framework for neural network-based variational Monte
    Carlo with Forward Laplacian" (2024); Dangel et al., "Collapsing Taylor Mode Automatic
    Differentiation" (2025).

    ```python
    u = lambda x: jnp.sin(x[0]) * x[1] ** 2
    value, gradient, laplacian = forward_laplacian(u, jnp.array([1.0, 2.0]))
    ```
    """
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"forward_laplacian needs a floating-point point x, got dtype {x.dtype}.")
    if directions is None:
        slopes, axes = jnp.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape), x.shape
    else:
        directions = jnp.asarray(directions)
        if directions.shape[1:] != x.shape:
            raise ValueError(
                f"directions must have shape (k, *x.shape) with x.shape = {x.shape}, "
                f"got {directions.shape}."
            )
        slopes, axes = directions.astype(x.dtype), directions.shape[:1]

    slopes = slopes + jnp.zeros_like(x)[None]  # inside `shard_map` they vary over devices like x

    closed, shapes = jax.make_jaxpr(u, return_shape=True)(x)
    outputs = _interpret(closed.jaxpr, closed.consts, [_Taylor(x, slopes, None)])
    tree = jax.tree.structure(shapes)
    outputs = [_filled(_active(y, len(slopes))) for y in outputs]
    values = [y.value for y in outputs]
    jacobians = [jnp.moveaxis(y.slopes, 0, -1).reshape(*jnp.shape(y.value), *axes) for y in outputs]
    return (
        tree.unflatten(values),
        tree.unflatten(jacobians),
        tree.unflatten([y.curvature for y in outputs]),
    )


def _interpret(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Evaluate `jaxpr`; arguments that depend on x are `_Taylor`, the others plain arrays."""
    env: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(atom):
        return atom.val if isinstance(atom, Literal) else env[atom]

    for eqn in jaxpr.eqns:
        env.update(
            zip(eqn.outvars, _propagate(eqn, [read(atom) for atom in eqn.invars]), strict=True)
        )
    return [read(atom) for atom in jaxpr.outvars]


def _propagate(eqn: JaxprEqn, inputs: list[Any]) -> list[Any]:
    """The outputs of one equation."""

    def bind(*args):
        # Up to jax 0.10.0, functions among the parameters are returned separately.
        bound = eqn.primitive.get_bind_params(eqn.params)
        functions, params = bound if isinstance(bound, tuple) else ((), bound)
        out = eqn.primitive.bind(*functions, *args, **params)
        return list(out) if eqn.primitive.multiple_results else [out]

    where = [i for i, a in enumerate(inputs) if isinstance(a, _Taylor)]
    smooth = [i for i, v in enumerate(eqn.outvars) if _is_inexact(v.aval)]
    if not where or not smooth:
        return bind(*map(_value, inputs))
    name = eqn.primitive.name
    if name in _CALLS:
        return _inline(eqn, inputs)

    def f(*args):
        full = [_value(a) for a in inputs]
        for i, a in zip(where, args, strict=True):
            full[i] = a
        out = bind(*full)
        return [out[i] for i in smooth]

    results = _rule(name, eqn, len(where))(f, [inputs[i] for i in where])
    if len(smooth) == len(eqn.outvars):
        return results
    outputs = bind(*map(_value, inputs))
    for i, y in zip(smooth, results, strict=True):
        outputs[i] = y
    return outputs


def _rule(name: str, eqn: JaxprEqn, active: int) -> Callable[[Callable, list[_Taylor]], list]:
    """The cheapest exact rule for a primitive, `active` of whose operands depend on x."""
    operand = eqn.invars[0].aval
    if name == "abs" and not _is_real(operand):
        return _general
    if name in _LINEAR:
        return _linear
    if name in _BILINEAR and active <= 2:
        return _linear if active == 1 else _bilinear
    if name in _ELEMENTWISE and active == 1:
        return _tanh if name == "tanh" else _elementwise
    if name == "div" and active == 2:
        return _quotient
    return _general


def _inline(eqn: JaxprEqn, inputs: list[Any]) -> list[Any]:
    """Interpret the body of a call, keeping a request to rematerialise."""
    name, body = eqn.primitive.name, eqn.params[_CALLS[eqn.primitive.name]]
    jaxpr, consts = (body.jaxpr, body.consts) if hasattr(body, "consts") else (body, [])
    if name not in ("remat2", "checkpoint"):
        return _interpret(jaxpr, consts, inputs)
    options = {key: eqn.params[key] for key in ("policy", "prevent_cse")}
    return jax.checkpoint(lambda args: _interpret(jaxpr, consts, args), **options)(inputs)


def _linear(f: Callable, args: list[_Taylor]) -> list[_Taylor]:
    values, push = jax.linearize(f, *[a.value for a in args])
    slopes = jax.vmap(push)(*[a.slopes for a in args])
    if all(a.curvature is None for a in args):
        return [_Taylor(y, s, None) for y, s in zip(values, slopes, strict=True)]
    curvature = push(*[_filled(a).curvature for a in args])
    return [_Taylor(*y) for y in zip(values, slopes, curvature, strict=True)]


def _bilinear(f: Callable, args: list[_Taylor]) -> list[_Taylor]:
    """B(a, b): Σ∂²B = B(Σ∂²a, b) + B(a, Σ∂²b) + 2 Σ B(∂a, ∂b)."""
    (y,) = _linear(f, args)
    (cross,) = jax.vmap(f)(*[a.slopes for a in args])
    cross = 2 * cross.sum(0)
    return [y._replace(curvature=cross if y.curvature is None else y.curvature + cross)]


def _elementwise(f: Callable, args: list[_Taylor]) -> list[_Taylor]:
    """f(a): Σ∂²f = f'(a) Σ∂²a + f''(a) Σ(∂a)²."""
    (a,) = args
    one = jnp.ones_like(a.value)

    def slope(x):
        (y,), (dy,) = jax.jvp(f, (x,), (one,))
        return dy, y

    first, second, value = jax.jvp(slope, (a.value,), (one,), has_aux=True)
    if jnp.shape(value) != jnp.shape(a.value):
        return _general(f, args)
    return [_chain(a, value, first, second)]


def _tanh(f: Callable, args: list[_Taylor]) -> list[_Taylor]:
    """As `_elementwise`, with fewer passes over memory for the most common activation."""
    (a,) = args
    value = f(a.value)[0]
    first = 1 - value * value
    return [_chain(a, value, first, -2 * value * first)]


def _chain(a: _Taylor, value: Array, first: Array, second: Array) -> _Taylor:
    curvature = second * jnp.sum(a.slopes * a.slopes, axis=0)
    if a.curvature is not None:
        curvature = curvature + first * a.curvature
    return _Taylor(value, first[None] * a.slopes, curvature)


def _quotient(f: Callable, args: list[_Taylor]) -> list[_Taylor]:
    """q = a/b: Σ∂²q = (Σ∂²a - q Σ∂²b - 2 Σ ∂q ∂b) / b."""
    a, b = map(_filled, args)
    if jnp.shape(a.value) != jnp.shape(b.value):
        return _general(f, args)
    q = f(a.value, b.value)[0]
    slopes = (a.slopes - q[None] * b.slopes) / b.value[None]
    cross = 2 * jnp.sum(slopes * b.slopes, axis=0)
    return [_Taylor(q, slopes, (a.curvature - q * b.curvature - cross) / b.value)]


def _general(f: Callable, args: list[_Taylor]) -> list[_Taylor]:
    """Any f: J Σ∂²a + Σᵢ ∂ᵢaᵀ H ∂ᵢa, the second term by forward mode twice along each direction."""
    at = tuple(a.value for a in args)

    def along(*v):
        return jax.jvp(lambda *x: jax.jvp(f, x, v)[1], at, v)

    slopes, second = jax.vmap(along)(*[a.slopes for a in args])
    values, first = jax.jvp(f, at, tuple(_filled(a).curvature for a in args))
    return [
        _Taylor(y, s, c + h.sum(0))
        for y, s, c, h in zip(values, slopes, first, second, strict=True)
    ]


def _value(a: Any) -> Any:
    return a.value if isinstance(a, _Taylor) else a


def _active(a: Any, directions: int) -> _Taylor:
    """A result that does not depend on x, with zero derivatives."""
    if isinstance(a, _Taylor):
        return a
    a = jnp.asarray(a)
    return _Taylor(a, jnp.zeros((directions, *a.shape), a.dtype), None)


def _filled(a: _Taylor) -> _Taylor:
    return a if a.curvature is not None else a._replace(curvature=jnp.zeros_like(a.value))


def _is_inexact(aval: Any) -> bool:
    return hasattr(aval, "dtype") and jnp.issubdtype(aval.dtype, jnp.inexact)


def _is_real(aval: Any) -> bool:
    return jnp.issubdtype(aval.dtype, jnp.floating)
