"""The parameters of Skala: random ones, and whether some are of its architecture."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .couplings import weight_counts

_INPUTS = 7
_PARTS = "encoder", "layers", "output"


def random(key, width, channels, lmax, layers) -> dict[str, Any]:
    """Uniform weights of unit gain, biases of zero."""
    keys = iter(jax.random.split(key, 6 + layers * (5 + 2 * (lmax + 1))))

    def uniform(shape):
        bound = math.sqrt(6 / (shape[-2] + shape[-1]))
        return jax.random.uniform(next(keys), shape, float, -bound, bound)

    def dense(inputs, outputs):
        return uniform((inputs, outputs)), jnp.zeros(outputs)

    def products(counts):
        one, two, three = counts
        both = jax.random.normal(next(keys), (two + three, channels))
        both = both / jnp.where(jnp.arange(two + three) < two, two, three)[:, None]
        return jax.random.normal(next(keys), (one, channels)), both[:two], both[two:]

    def layer():
        return {
            "send": dense(width, channels),
            "down": uniform((lmax + 1, channels, channels)),
            "mix": jnp.tile(jnp.eye(channels), (lmax + 1, 1, 1)),
            "products": [products(counts) for counts in weight_counts(lmax)],
            "up": uniform((lmax + 1, channels, channels)),
            "read": dense(channels, channels),
            "join": dense(width + channels, width),
        }

    return {
        "encoder": [dense(_INPUTS, width), dense(width, width)],
        "layers": [layer() for _ in range(layers)],
        "output": [dense(width, width), dense(width, 1)],
    }


def check(params: Any) -> None:
    """Refuse parameters of another architecture, naming the array that tells them apart.

    Beside them there may be those of other terms of a sum.
    """
    if params is None:
        raise TypeError("skala has parameters")
    own = {k: x for k, x in params.items() if k in _PARTS} if isinstance(params, dict) else params
    found = _shapes_by_name(own)
    width = found.get("['encoder'][0][0]", ())[-1:]
    down = found.get("['layers'][0]['down']", ())
    if not (width and len(down) == 3 and down[0] and down[1] == down[2]):
        raise ValueError(
            "these parameters are not of skala, which has params['encoder'][0][0] of shape "
            "(7, width) and params['layers'][0]['down'] of shape (lmax + 1, channels, channels); "
            f"they have {list(found.items())[:3]}."
        )
    layers = sum(f"['layers'][{i}]['down']" in found for i in range(len(found)))
    sizes = {"width": width[0], "channels": down[1], "lmax": down[0] - 1, "layers": layers}
    needed = _shapes_by_name(jax.eval_shape(lambda: random(jax.random.key(0), **sizes)))
    for name in {**needed, **found}:
        if found.get(name) != needed.get(name):
            raise ValueError(
                f"the parameters are of another architecture than skala({_listed(sizes)}): "
                f"params{name} is {_told(found, name, 'missing')}, and should be "
                f"{_told(needed, name, 'left out')}."
            )


def _shapes_by_name(tree) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path): tuple(np.shape(x)) for path, x in leaves}


def _listed(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


def _told(shapes: dict[str, tuple[int, ...]], name: str, otherwise: str) -> str:
    return f"of shape {shapes[name]}" if name in shapes else otherwise
