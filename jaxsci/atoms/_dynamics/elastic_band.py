"""Paths of least energy between two structures, and the barrier between them."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PyTree

from ...core import compiled_call
from .._properties.properties import Properties
from .._structure.atoms import Atoms, moved
from .._structure.neighbour_list import NeighbourList
from .descent import METHODS


class Band(NamedTuple):
    """What `elastic_band` returns.

    - `atoms`: the images, every array with a leading axis over them.
    - `energies`: (images,), eV.
    - `forces`: (images, atoms, 3), eV/Å, of the band; zero at its ends.
    - `converged`: whether all of them are below the limit.
    - `steps`: how many were taken.
    """

    atoms: Atoms
    energies: Float[Array, "images"]
    forces: Float[Array, "images n 3"]
    converged: Bool[Array, ""]
    steps: Int[Array, ""]

    @property
    def barrier(self) -> Float[Array, ""]:
        """The highest energy on the path over that of its first image, eV."""
        return jnp.max(self.energies) - self.energies[0]


class _Search(NamedTuple):
    x: Array  # of the images between the ends, (images - 2) n rows
    memory: PyTree  # of the method
    graphs: PyTree
    built: Atoms
    energies: Array
    forces: Array
    step: Array


def elastic_band(
    f: Callable[..., Properties],
    params: PyTree,
    path: Atoms,
    nearby: NeighbourList,
    *,
    climb: bool = True,
    spring: float = 1.0,
    fmax: float = 0.02,
    steps: int = 1000,
) -> Band:
    """The path of least energy between two structures, by a nudged elastic band.

    Images are pulled by the forces across the path and by springs along it; the one of highest
    energy climbs the path, to a saddle point:

        F_k = F - (F·τ) τ + s (|R_{k+1} - R_k| - |R_k - R_{k-1}|) τ,   F_top = F - 2 (F·τ) τ

    **Arguments:**

    - `f`: `f(params, atoms, graph)`, of `properties`.
    - `params`: its parameters.
    - `path`: the first path, at least three images of one cell stacked: `interpolate` makes it.
        Its ends stay as they are, and are best relaxed.
    - `nearby`: neighbours, `NeighbourList(path, cutoff)`.
    - `climb`: whether the highest image climbs; without it the barrier is a lower bound.
    - `spring`: s, eV/Å².
    - `fmax`: the largest force of the band on an atom, eV/Å.
    - `steps`: the most that are taken.

    **Returns:** `Band`.

    **Raises:** `ValueError` for fewer than three images, images of different cells or elements, or
    limits that are not positive.

    **Notes:** all images are computed at once, and the steps are those of FIRE. Without convergence
    `converged` is false. It finds one path, that near the first; a path over several saddle points
    has one climbing image, on the highest. Positions must be continuous along the path: an atom
    that leaves the cell is not put back.

    **Good values:** five to nine images; `fmax=0.02` gives barriers to some meV.

    **Source:** Henkelman & Jónsson, J. Chem. Phys. 113, 9978 (2000), the tangents; Henkelman,
    Uberuaga & Jónsson, J. Chem. Phys. 113, 9901 (2000), the climbing image.

    ```python
    there = jsci.atoms.Atoms(salt.positions + 0.1, salt.numbers, salt.cell)
    path = jsci.atoms.interpolate(salt, there, 3)
    nearby = jsci.atoms.NeighbourList(path, 6.0)
    band = jsci.atoms.elastic_band(f, params, path, nearby, steps=2)
    band.barrier, band.converged
    ```
    """
    _check(path, spring, fmax, steps)
    fire, relist = METHODS["fire"], jax.vmap(nearby)

    def search(params, path, graphs):
        def images(x):
            return moved(path, path.positions.at[1:-1].set(x.reshape(path.positions[1:-1].shape)))

        def evaluate(now, graphs):
            found = jax.vmap(f, (None, 0, 0))(params, now, graphs)
            pull = _band_forces(now.positions, found.energy, found.forces, spring, climb)
            return found.energy, pull

        def done(s: _Search):
            return jnp.all(jnp.sum(s.forces**2, axis=-1) < fmax**2)

        def going(s: _Search):
            return ~done(s) & (s.step < steps) & jnp.all(jnp.isfinite(s.energies))

        def step(s: _Search):
            x, memory = fire.step(s.memory, s.x, s.forces[1:-1].reshape(-1, 3))
            now = images(x)
            stale = jnp.any(jax.vmap(nearby.stale)(now, s.built))
            new, old = lambda: (relist(now), now), lambda: (s.graphs, s.built)
            graphs, built = jax.lax.cond(stale, new, old)
            return _Search(x, memory, graphs, built, *evaluate(now, graphs), s.step + 1)

        x = path.positions[1:-1].reshape(-1, 3)
        found = evaluate(path, graphs)
        begin = _Search(x, fire.start(x), graphs, path, *found, jnp.array(0))
        end = jax.lax.while_loop(going, step, begin)
        return Band(images(end.x), end.energies, end.forces, done(end), end.step)

    return compiled_call(search, params, path, relist(path))


def interpolate(first: Atoms, last: Atoms, images: int) -> Atoms:
    """A straight path between two structures, as the start of `elastic_band`.

        R_k = R_first + k/(images - 1) d,   d = R_last - R_first

    Each atom takes the shortest way, through the faces of the cell where that is shorter.

    **Arguments:**

    - `first`, `last`: its ends, with the same atoms in the same order and the same cell.
    - `images`: how many, ends included; at least three.

    **Returns:** `Atoms`, with a leading axis over images. The last image may differ from `last` by
    lattice vectors, so that positions are continuous.

    **Raises:** `ValueError` for other atoms, another cell, or fewer than three images.

    **Notes:** where atoms come closer than 0.3 Å on the way, move those of the middle images aside.

    ```python
    there = jsci.atoms.Atoms(salt.positions + 0.1, salt.numbers, salt.cell)
    path = jsci.atoms.interpolate(salt, there, 5)
    ```
    """
    if images < 3:
        raise ValueError(f"a path has at least 3 images, its ends included: got {images}.")
    if not np.array_equal(first.numbers, last.numbers):
        raise ValueError("the ends of a path must have the same atoms in the same order.")
    if (first.cell is None) != (last.cell is None) or (
        first.cell is not None and not np.array_equal(first.cell, np.asarray(last.cell))
    ):
        raise ValueError(f"the ends of a path must have one cell: {first.cell} and {last.cell}.")
    way = last.positions - first.positions
    if first.cell is not None:
        way = _shortest(way, first.cell)
    share = jnp.linspace(0, 1, images, dtype=way.dtype)[:, None, None]
    stack = jax.tree.map(lambda leaf: jnp.stack([leaf] * images), first)
    return moved(stack, first.positions[None] + share * way[None])


def _shortest(way: Array, cell: Array) -> Array:
    """Displacements less the lattice vector that leaves the least of each."""
    near = way - jnp.round(way @ jnp.linalg.inv(cell)) @ cell
    around = jnp.asarray(np.indices((3, 3, 3)).reshape(3, -1).T - 1, way.dtype) @ cell
    choices = near[:, None] + around[None]
    best = jnp.argmin(jnp.sum(choices**2, axis=-1), axis=1)
    return jnp.take_along_axis(choices, best[:, None, None], axis=1)[:, 0]


def _band_forces(positions: Array, energies: Array, forces: Array, spring: float, climb: bool):
    """What moves the images: across the path by the potential, along it by springs."""
    ahead = positions[2:] - positions[1:-1]
    behind = positions[1:-1] - positions[:-2]
    tangent = _tangents(ahead, behind, energies)
    inner = forces[1:-1]
    along = _dot(inner, tangent) * tangent
    springs = spring * (_length(ahead) - _length(behind)) * tangent
    moving = inner - along + springs
    if climb:
        top = jnp.arange(len(inner)) == jnp.argmax(energies[1:-1])
        moving = jnp.where(top[:, None, None], inner - 2 * along, moving)
    return jnp.zeros_like(forces).at[1:-1].set(moving)


def _tangents(ahead: Array, behind: Array, energies: Array) -> Array:
    """Unit vectors towards the higher neighbour; at extrema both, weighted by their heights."""
    up, down = (energies[k] - energies[1:-1] for k in (slice(2, None), slice(-2)))
    large, small = (g(jnp.abs(up), jnp.abs(down)) for g in (jnp.maximum, jnp.minimum))
    level = (large == 0).astype(up.dtype)  # a flat path has the tangent of both sides
    rising = energies[2:] > energies[:-2]
    to_ahead = jnp.where(rising, large, small) + level
    to_behind = jnp.where(rising, small, large) + level
    mixed = _column(to_ahead) * ahead + _column(to_behind) * behind
    uphill, downhill = _column((up > 0) & (down < 0)), _column((up < 0) & (down > 0))
    chosen = jnp.where(uphill, ahead, jnp.where(downhill, behind, mixed))
    return chosen / jnp.maximum(_length(chosen), jnp.finfo(chosen.dtype).tiny)


def _column(w: Array) -> Array:
    return w[:, None, None]


def _dot(a: Array, b: Array) -> Array:
    return jnp.sum(a * b, axis=(1, 2), keepdims=True)


def _length(a: Array) -> Array:
    return jnp.sqrt(_dot(a, a))


def _check(path: Atoms, spring: float, fmax: float, steps: int) -> None:
    if path.positions.ndim != 3 or len(path.positions) < 3:
        raise ValueError(
            f"path must be at least 3 images stacked, got positions {path.positions.shape}: "
            "interpolate(first, last, images) makes one."
        )
    if not (spring > 0 and fmax > 0 and steps > 0):
        raise ValueError(f"spring, fmax, steps must be positive, got {spring}, {fmax}, {steps}.")
    for name, parts in {"cell": path.cell, "elements": path.numbers}.items():
        if parts is None or isinstance(parts, Tracer):
            continue
        if (np.asarray(parts) != np.asarray(parts)[:1]).any():
            raise ValueError(f"all images must have the same {name}: a band holds them fixed.")
