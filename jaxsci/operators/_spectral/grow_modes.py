"""Parameters of a network with few modes as those of one with more."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .factorised import CPTensor, TuckerTensor
from .fourier import coefficient_shape
from .spectral_conv import SpectralConv
from .spherical_conv import SphericalConv


def grow_modes(params: PyTree, into: PyTree) -> PyTree:
    """Parameters of a network for the same network with more modes, without changing its function.

        R_k: as before where |kⱼ| <= mⱼ, and zero beyond

    To train on a coarse grid with few modes first, and to finish on a fine one: the first steps
    are cheap there, and the parameters belong to functions, not to a grid.

    **Arguments:**

    - `params`: what `jsci.pure` gives for the network with few modes, such as an `FNO`, `UNO` or
        one of your own with `SpectralConv` and `SphericalConv` in it; or a state of an optimiser
        that contains such trees, as Adam's moments are.
    - `into`: the same of the network with more modes, otherwise made alike. Its values are not
        used.

    **Returns:** a tree like `into`. Factors of "tucker" and "cp" keep the rank of `params`.

    **Raises:** `ValueError` for another network, other channels or another basis, and for fewer
    modes than `params` has.

    **Notes:** all else stays as it is, so the function is the same to rounding. Exceptions: a `UNO`
    on a grid so coarse that its modes decide the number of points within, and the sphere on n <= 2
    degree equal latitudes, where all coefficients of a field that is not band-limited are fitted
    together.

    **Good values:** three quarters of the modes, and half of the points along each axis, for 80 %
    of the time.

    ```python
    options = dict(width=8, depth=2, padding=0.25, key=key)
    _, few = jsci.pure(jsci.operators.FNO(1, 1, modes=6, **options))
    f, more = jsci.pure(jsci.operators.FNO(1, 1, modes=12, **options))
    u = f(jsci.operators.grow_modes(few, more), a)  # as with 6 modes
    ```
    """
    old, new = (jax.tree.leaves(tree, is_leaf=_is_layer) for tree in (params, into))
    structure = jax.tree.structure(into, is_leaf=_is_layer)
    if len(old) != len(new):
        raise ValueError(
            "grow_modes() needs two networks that differ in their modes alone; got one of "
            f"{len(old)} and one of {len(new)} spectral layers and other arrays."
        )
    return jax.tree.unflatten(structure, map(_grown, old, new))


def _is_layer(node: Any) -> bool:
    return isinstance(node, SpectralConv | SphericalConv)


def _grown(old, new):
    """A layer of more modes, or what is no spectral layer as it was."""
    if not (_is_layer(old) and _is_layer(new)):
        if type(old) is not type(new) or jnp.shape(old) != jnp.shape(new):
            raise ValueError(
                "grow_modes() needs two networks that differ in their modes alone; got "
                f"{_described(old)} and {_described(new)} in the same place."
            )
        return old
    places, sizes = _places(old, new)
    weight = old.weight
    if isinstance(weight, CPTensor | TuckerTensor):
        factors = list(weight.factors)
        for axis, (place, size) in enumerate(zip(places, sizes, strict=True)):
            factors[axis] = _embedded(factors[axis], [place], [size])
        weight = eqx.tree_at(lambda tensor: tensor.factors, weight, tuple(factors))
    else:
        weight = _embedded(weight, places, sizes)
    return eqx.tree_at(lambda layer: layer.weight, new, weight)


def _embedded(array: Array, places, sizes) -> Array:
    """The array at these places of its first axes, in one that is zero elsewhere."""
    whole = jnp.zeros((*sizes, *array.shape[len(sizes) :]), array.dtype)
    return whole.at[np.ix_(*places)].set(array)


def _places(old, new):
    """Where the coefficients of `old` are among those of `new`, and how many these are per axis."""
    _check_alike(old, new)
    if isinstance(old, SphericalConv):
        return [np.arange(old.degree + 1)], [new.degree + 1]
    sizes = coefficient_shape(new.modes, new.axes)
    places = []
    for few, more, size in zip(old.modes, new.modes, sizes, strict=True):
        k = np.arange(few + 1)
        # Where negative wave numbers are kept, they follow the positive ones.
        places.append(k if size == more + 1 else np.concatenate([k, more + k[1:]]))
    return places, sizes


def _check_alike(old, new):
    def options(layer):
        if isinstance(layer, SphericalConv):
            return *layer.weight.shape[1:], layer.grid
        return layer.in_channels, layer.out_channels, layer.axes, type(layer.weight).__name__

    def modes(layer):
        return layer.modes if isinstance(layer, SpectralConv) else (layer.degree,)

    if type(old) is not type(new) or options(old) != options(new):
        raise ValueError(
            "grow_modes() needs layers that differ in their modes alone; got "
            f"{type(old).__name__}{options(old)} and {type(new).__name__}{options(new)}."
        )
    if any(few > more for few, more in zip(modes(old), modes(new), strict=True)):
        raise ValueError(
            f"grow_modes() adds modes: it cannot turn modes={modes(old)} into {modes(new)}."
        )


def _described(node):
    return type(node).__name__ if _is_layer(node) else f"an array of shape {jnp.shape(node)}"
