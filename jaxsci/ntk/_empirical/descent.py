"""Gradient descent on a linearised model, step by step, for any loss."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .matrices import KernelMatrix, outputs_at_start, square_kernel, test_kernel
from .spectrum import spectrum


def gradient_descent(
    kernel_train: Float[Array, "..."],
    y_train: Float[Array, "n ..."],
    *,
    learning_rate: Float[Array, ""] | float,
    steps: int,
    momentum: float = 0.0,
    loss: Callable | None = None,
    kernel_test: Float[Array, "..."] | None = None,
    f_train: Float[Array, "..."] | None = None,
    f_test: Float[Array, "..."] | None = None,
) -> Float[Array, "q ..."]:
    """The outputs of a linearised model after a number of steps of gradient descent with momentum.

        fₖ(x) = f₀(x) + Θ(x, X) aₖ
        aₖ₊₁ = aₖ + β (aₖ - aₖ₋₁) - η ∂L/∂f (fₖ(X)),   a₀ = a₋₁ = 0

    These are exactly the steps of the optimiser in parameter space, at any learning rate. For the
    default loss ½ Σᵢ ‖f(xᵢ) - yᵢ‖² they have a closed form along each eigenvector of the kernel,
    whose cost grows with log(steps); for other losses each step costs a product with the kernel.
    `predict` is the limit of small steps, t = η · steps.

    **Arguments:**

    - `kernel_train`: Θ(X, X), (n, n) or (n, n, o, o). An (n, n) kernel is shared by all outputs.
    - `y_train`: targets y, (n,) or (n, o); with a `loss` of your own, whatever shape it takes.
    - `learning_rate`: η; keep it below `max_learning_rate(kernel_train, momentum=momentum)`.
    - `steps`: the number of steps.
    - `momentum`: β of the heavy ball, in [0, 1).
    - `loss`: `loss(f, y) -> scalar` of the outputs on the whole training set; needs `f_train`.
    - `kernel_test`: Θ(x, X), (m, n) or (m, n, o, o); without it the training outputs are returned.
    - `f_train`, `f_test`: outputs f₀ at initialisation, zero by default; with `kernel_test` give
        both or neither.

    **Returns:** outputs (m, ...) or (n, ...).

    **Raises:** `ValueError` for shapes that do not fit, a `kernel_train` that is not symmetric, a
    negative number of steps, or a momentum outside [0, 1).

    **Notes:** above the largest stable learning rate the outputs diverge, as training does.

    **Source:** Lee et al., "Wide neural networks of any depth evolve as linear models" (2019),
    section 2.2; Polyak (1964) for the heavy ball.

    ```python
    cross_entropy = lambda f, y: optax.softmax_cross_entropy(f, y).mean()
    after = jsci.ntk.gradient_descent(
        theta, labels, learning_rate=0.1, steps=500, loss=cross_entropy, f_train=logits
    )
    ```
    """
    if steps < 0:
        raise ValueError(f"steps must not be negative, got {steps}.")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must lie in [0, 1), got {momentum}.")
    train = square_kernel(kernel_train, "kernel_train")
    cross = train if kernel_test is None else test_kernel(kernel_test, train)
    if loss is None:
        y_train = jnp.asarray(y_train)
        start, offset = outputs_at_start(y_train, f_train, f_test, kernel_test)
        target = train.vectors(y_train - start)
        values, vectors = spectrum(kernel_train)
        learnt = _least_squares(values, learning_rate, momentum, steps)
        dual = vectors @ (learnt[:, None] * (vectors.T @ target))
    else:
        if f_train is None:
            raise ValueError(
                "A loss of your own needs f_train, the initial outputs: give "
                "jax.vmap(f, (None, 0))(params, x), or zeros."
            )
        start, offset = outputs_at_start(f_train, f_train, f_test, kernel_test)
        dual = _iterate(train, start, y_train, loss, learning_rate, momentum, steps)
    change = train.targets(cross.matrix @ dual, start)
    return change if offset is None else offset + change


def _least_squares(values, learning_rate, momentum, steps):
    """a after `steps` steps for a unit target along eigenvectors of eigenvalues λ.

    Each step multiplies (a, previous a, 1) by a 3 x 3 matrix, whose power is taken by squaring.
    """
    zero, one = jnp.zeros_like(values), jnp.ones_like(values)
    rate = one * learning_rate
    step = jnp.stack(
        [
            jnp.stack([1 + momentum - rate * values, -momentum * one, rate], -1),
            jnp.stack([one, zero, zero], -1),
            jnp.stack([zero, zero, one], -1),
        ],
        -2,
    )
    return jnp.linalg.matrix_power(step, steps)[:, 0, 2]


def _iterate(train: KernelMatrix, start, y, loss, learning_rate, momentum, steps):
    origin = train.vectors(start)
    slope = jax.grad(lambda f: loss(train.targets(f, start), y))

    def step(_, state):
        a, previous = state
        force = slope(origin + train.matrix @ a)
        return a + momentum * (a - previous) - learning_rate * force, a

    rest = jnp.zeros_like(origin)
    return jax.lax.fori_loop(0, steps, step, (rest, rest))[0]
