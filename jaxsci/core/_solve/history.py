"""The history of an iteration and what it extrapolates to, as pure functions.

`Anderson` and `DIIS` wrap them for `fixed_point`; a loop with a stopping rule of its own calls
them directly.
"""

import equinox as eqx
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Int, PyTree, Shaped

from .._run.one_copy import one_copy


class History(eqx.Module):
    """The last m candidates for the solution and their errors, flattened.

    - `candidates`: (m, n), one per row.
    - `errors`: (m, k), the error of each.
    - `count`: how many there have been; the oldest rows are overwritten.

    ```python
    from jaxsci.core import empty_history

    history = empty_history(8, jnp.zeros(3), jnp.zeros(3))
    history.candidates.shape  # (8, 3)
    ```
    """

    candidates: Shaped[Array, "m n"]
    errors: Shaped[Array, "m k"]
    count: Int[Array, ""]


def empty_history(length: int, candidate: PyTree, error: PyTree) -> History:
    """Room for candidates and errors of these shapes and dtypes.

    **Arguments:**

    - `length`: m, how many are kept; 6 to 10 are usual.
    - `candidate`, `error`: pytrees of floating arrays, of which only shapes and dtypes count.

    **Returns:** a `History` without entries.

    ```python
    from jaxsci.core import empty_history

    empty_history(8, jnp.zeros((2, 2)), jnp.zeros(3)).errors.shape  # (8, 3)
    ```
    """

    def slots(tree):
        flat = eqx.filter_eval_shape(lambda tree: ravel_pytree(tree)[0], tree)
        return jnp.zeros((length, flat.size), flat.dtype)

    return History(slots(candidate), slots(error), jnp.array(0))


def push(history: History, candidate: PyTree, error: PyTree) -> History:
    """The history with one more entry, in place of the oldest once it is full.

    **Arguments:**

    - `history`: from `empty_history` or `push`.
    - `candidate`, `error`: pytrees like those that it was made for.

    **Returns:** a new `History`.

    ```python
    from jaxsci.core import empty_history, push

    history = empty_history(8, jnp.zeros(3), jnp.zeros(3))
    push(history, jnp.ones(3), 0.1 * jnp.ones(3)).count  # 1
    ```
    """
    slot = history.count % history.errors.shape[0]
    return History(
        history.candidates.at[slot].set(ravel_pytree(candidate)[0]),
        history.errors.at[slot].set(ravel_pytree(error)[0]),
        history.count + 1,
    )


def extrapolate(history: History, like: PyTree) -> PyTree:
    """The combination of the candidates whose errors cancel best.

        y = Σ cᵢ candidateᵢ,   c = argmin ‖Σ cᵢ errorᵢ‖ with Σ cᵢ = 1

    **Arguments:**

    - `history`: with at least one entry.
    - `like`: a candidate, for its structure.

    **Returns:** a pytree like `like`.

    **Source:** Pulay, Chem. Phys. Lett. 73, 393 (1980).

    ```python
    from jaxsci.core import empty_history, extrapolate, push

    history = empty_history(8, jnp.zeros(1), jnp.zeros(1))
    for y in (0.0, 1.0):
        history = push(history, jnp.array([y]), jnp.array([y - 0.25]))
    extrapolate(history, jnp.zeros(1))[0]  # 0.25
    ```
    """
    newest = (history.count - 1) % history.errors.shape[0]
    weights = _weights(history.errors, newest, history.count)
    return ravel_pytree(like)[1](weights.astype(history.candidates.dtype) @ history.candidates)


@one_copy
def _weights(errors, newest, count) -> Shaped[Array, " m"]:
    """argmin ‖Σ cᵢ eᵢ‖ with Σ cᵢ = 1, over the first `count` slots in use.

    Solved in the differences eₙ - eᵢ, each scaled to length one: unlike the bordered matrix of
    the textbooks, this stays solvable when the errors vanish or coincide.
    """
    m = errors.shape[0]
    used = (jnp.arange(m) < count) & (jnp.arange(m) != newest)
    differences = jnp.where(used[:, None], errors[newest][None] - errors, 0)
    squares = jnp.sum((differences * differences.conj()).real, axis=1)
    safe = jnp.sqrt(jnp.where(squares > 0, squares, 1))  # has a derivative where they vanish
    unit = differences / safe[:, None]
    gram = unit.conj() @ unit.T
    ridge = 10 * jnp.finfo(errors.dtype).eps * m
    gamma = jnp.linalg.solve(
        gram + ridge * jnp.eye(m, dtype=gram.dtype), unit.conj() @ errors[newest]
    )
    weights = jnp.where(used, gamma / safe, 0)
    return weights.at[newest].set(1 - weights.sum())
