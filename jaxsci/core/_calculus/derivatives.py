"""Differential operators: a function of one point becomes another function of one point."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .forward_laplacian import forward_laplacian

Point = Float[Array, " d"]


def derivative(u: Callable, *axes: int, component: int | None = None) -> Callable:
    """The partial derivative of a scalar field along coordinate axes.

        derivative(u, i, j, ...)(x) = ∂ⁿu / ∂xᵢ∂xⱼ… (x)

    Each axis is one nested forward-mode pass: exact, and cheap for the low orders that occur in
    equations.

    **Arguments:**

    - `u`: a function of one point of shape `(d,)`, returning a scalar.
    - `axes`: the coordinates, once for each order: `derivative(u, 0, 0)` is u_xx.
    - `component`: the entry of a vector-valued `u` to differentiate.

    **Returns:** a function of one point returning a scalar.

    **Raises:** `ValueError` if an axis is out of range or no axis is given; `TypeError` if `u`
    is not scalar and `component` does not say which entry is meant.

    ```python
    u_t, u_xx = jsci.derivative(u, 0), jsci.derivative(u, 1, 1)
    heat = lambda x: u_t(x) - 0.1 * u_xx(x)
    heat(jnp.array([0.2, 0.5]))
    ```
    """
    if not axes:
        raise ValueError("derivative() needs at least one axis, e.g. derivative(u, 0) for ∂u/∂x₀.")
    for axis in axes:
        if not isinstance(axis, int | np.integer):
            raise TypeError(f"Axes must be integers, got {axis!r} of type {type(axis).__name__}.")
    field = _scalar(u, "derivative", component)
    for axis in axes:
        field = _along(field, axis)
    return field


def grad(u: Callable) -> Callable:
    """The gradient of a scalar field, ∇u(x) of shape `(d,)`.

    **Arguments:**

    - `u`: a function of one point of shape `(d,)`, returning a scalar.

    **Returns:** a function of one point returning shape `(d,)`.

    **Raises:** `TypeError` if `u` is not scalar or the point is not one array of floats.

    ```python
    flux = lambda x: a(x) * jsci.grad(u)(x)
    ```
    """
    gradient = jax.grad(_scalar(u, "grad"))

    def grad_of_u(x):
        _check_point(x)  # before JAX refuses whole numbers in words of its own
        return gradient(x)

    return grad_of_u


def jacobian(u: Callable) -> Callable:
    """The Jacobian of a field, J(x)ᵢⱼ = ∂uᵢ/∂xⱼ, by forward mode (points have few coordinates).

    **Arguments:**

    - `u`: a function of one point of shape `(d,)`, returning any array.

    **Returns:** a function of one point returning shape `(*output, d)`.

    **Raises:** `TypeError` if a point is not a one-dimensional array of floats.

    ```python
    strain = lambda x: 0.5 * (jsci.jacobian(u)(x) + jsci.jacobian(u)(x).T)
    ```
    """

    def jacobian_of_u(x):
        _check_point(x)
        return jax.jacfwd(u)(x)

    return jacobian_of_u


def hessian(u: Callable) -> Callable:
    """The Hessian of a scalar field, H(x)ᵢⱼ = ∂²u/∂xᵢ∂xⱼ, forward over reverse.

    For the trace alone use `laplacian`, which never forms H.

    **Arguments:**

    - `u`: a function of one point of shape `(d,)`, returning a scalar.

    **Returns:** a function of one point returning shape `(d, d)`.

    **Raises:** `TypeError` if `u` is not scalar or the point is not one array of floats.

    ```python
    curvature = jsci.hessian(u)(jnp.zeros(3))  # (3, 3)
    ```
    """
    second = jax.jacfwd(jax.grad(_scalar(u, "hessian")))

    def hessian_of_u(x):
        _check_point(x)
        return second(x)

    return hessian_of_u


def divergence(v: Callable) -> Callable:
    """The divergence of a vector field, ∇·v(x) = Σᵢ ∂vᵢ/∂xᵢ.

    **Arguments:**

    - `v`: a function of one point of shape `(d,)`, returning shape `(d,)`.

    **Returns:** a function of one point returning a scalar.

    **Raises:** `TypeError` if `v` does not return one component per coordinate.

    ```python
    darcy = lambda x: jsci.divergence(lambda y: a(y) * jsci.grad(u)(y))(x) + 1.0
    ```
    """

    def divergence_of_v(x):
        _check_point(x)
        matrix = jax.jacfwd(v)(x)
        if matrix.shape != (x.size, x.size):
            raise TypeError(
                f"divergence() needs a field with {x.size} components at a point of shape "
                f"{x.shape}, but it returned shape {matrix.shape[:-1]}."
            )
        return jnp.trace(matrix)

    return divergence_of_v


def laplacian(u: Callable, *, directions: Float[Array, "k d"] | None = None) -> Callable:
    """The Laplacian Δu(x) = Σᵢ ∂²u/∂xᵢ² of each component, by the forward Laplacian.

    Value, d first derivatives and the one sum of second derivatives travel through `u`
    together (collapsed Taylor mode): about d + 2 evaluations, and no Hessian.

    **Arguments:**

    - `u`: a function of one point of shape `(d,)`, returning a scalar or an array.
    - `directions`: k vectors vᵢ, for Σᵢ vᵢᵀ H vᵢ in k + 2 evaluations. Random ones with
        E Σᵢ vᵢ vᵢᵀ = 1, from `jsci.pde.random_directions`, estimate the Laplacian in high
        dimension.

    **Returns:** a function of one point returning the shape that `u` returns.

    **Raises:** `TypeError` if a point is not a one-dimensional array; `ValueError` if the
    directions do not match it.

    **Source:** Li et al., "A computational framework for neural network-based variational
    Monte Carlo with Forward Laplacian" (2024).

    ```python
    poisson = lambda x: -jsci.laplacian(u)(x) - source(x)
    ```
    """

    def laplacian_of_u(x):
        _check_point(x)
        if x.size == 1 and directions is None:
            # In one dimension nested forward mode costs the same and shares u_x with other terms.
            return _along(_along(u, 0), 0)(x)
        return forward_laplacian(u, x, directions=directions)[2]

    return laplacian_of_u


def biharmonic(u: Callable) -> Callable:
    """The biharmonic operator Δ²u(x) = Σᵢⱼ ∂⁴u/∂xᵢ²∂xⱼ².

    Four nested forward passes for each pair of axes, of which the mixed ones are doubled.

    **Arguments:**

    - `u`: a function of one point of shape `(d,)`, returning a scalar.

    **Returns:** a function of one point returning a scalar.

    **Raises:** `TypeError` if `u` is not scalar.

    ```python
    plate = lambda x: jsci.biharmonic(u)(x) - load(x)
    ```
    """
    field = _scalar(u, "biharmonic")

    def biharmonic_of_u(x):
        _check_point(x)
        axes = range(x.size)
        # ∂ᵢ²∂ⱼ² is symmetric in i and j: each mixed pair once, doubled.
        return sum(
            (1.0 if i == j else 2.0) * _along(_along(_along(_along(field, i), i), j), j)(x)
            for i in axes
            for j in axes[i:]
        )

    return biharmonic_of_u


def _along(u, axis):
    def derivative_of_u(x):
        _check_point(x)
        if not -x.size <= axis < x.size:
            raise ValueError(
                f"Axis {axis} is out of range: the point has {x.size} coordinates "
                f"(0 to {x.size - 1})."
            )
        return jax.jvp(u, (x,), (jnp.zeros_like(x).at[axis].set(1),))[1]

    return derivative_of_u


def _scalar(u, verb, component=None):
    def scalar_u(x):
        _check_point(x)
        y = u(x)
        if component is not None:
            if jnp.ndim(y) != 1 or not -y.size <= component < y.size:
                raise ValueError(
                    f"component={component} does not index the field's output of shape "
                    f"{jnp.shape(y)}: the field needs more than {component} components."
                )
            return y[component]
        if jnp.ndim(y) != 0:
            how = f"select one, e.g. {verb}(lambda x: u(x)[0])"
            raise TypeError(
                f"{verb}() needs a scalar field, but it returned shape {jnp.shape(y)}. Say which "
                f"entry is meant: {'give component=i' if verb == 'derivative' else how}."
            )
        return y

    return scalar_u


def _check_point(x):
    if not isinstance(x, jax.Array | np.ndarray) or not jnp.issubdtype(x.dtype, jnp.inexact):
        kind = getattr(x, "dtype", type(x).__name__)
        raise TypeError(
            f"A field takes a point of floating-point numbers, got {kind}: write "
            "jnp.array([1.0, 2.0]), or x.astype(float)."
        )
    if x.ndim != 1:
        raise TypeError(
            f"A field takes one point of shape (d,), got shape {x.shape}. "
            "For many points use jsci.vmap."
        )
