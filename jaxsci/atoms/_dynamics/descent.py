"""Ways downhill: the next step of a relaxation, from the forces so far."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, PyTree

from . import fire, lbfgs

_FARTHEST = 0.2  # Å, of a coordinate in one step


class Descent(NamedTuple):
    """A method as two functions: `start(x)`, and `move(state, x, force)` to `(change, state)`."""

    start: Callable[[Array], PyTree]
    move: Callable[[PyTree, Array, Array], tuple[Array, PyTree]]

    def step(self, state: PyTree, x: Array, force: Array) -> tuple[Array, PyTree]:
        """The next x and state."""
        change, state = self.move(state, x, force)
        return x + _limited(change), state


def _limited(change: Array) -> Array:
    """No row longer than the farthest step, all shortened alike."""
    longest = jnp.sqrt(jnp.max(jnp.sum(change**2, axis=1)))
    return change * jnp.minimum(1.0, _FARTHEST / jnp.maximum(longest, jnp.finfo(change.dtype).tiny))


METHODS = {"fire": Descent(fire.start, fire.move), "lbfgs": Descent(lbfgs.start, lbfgs.move)}
