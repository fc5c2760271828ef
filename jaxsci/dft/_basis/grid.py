"""Integration grids: the atomic grids of PySCF, joined with Becke weights in JAX."""

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

LEVELS = range(10)
# Angular points (pruned), and radial points up to each noble gas, of the coarse grid for the
# iterations: enough that one correction on the full grid leaves 1e-9 Hartree or less.
_COARSE_ANGLES = 50
_COARSE_RADII = {10: 20, 18: 25, 36: 30, 118: 35}
_WORTHWHILE = 2  # the full grid must have at least this many times the points

# Where points of weight zero lie from the first atom: at a nucleus itself the distance has no
# derivative.
BESIDE = (0.1, 0.2, 0.3)


class Grid(eqx.Module):
    """Points around atoms, before the Becke weights that depend on the geometry.

    **Arguments:**

    - `displacement`: of each point from its atom, in Bohr.
    - `owner`: the atom of each point.
    - `quadrature`: the weight of each point in its atom's own integral, in Bohr³; 0 for padding.
    - `size_adjustment`: Becke's a_ij, which shifts the boundary between atoms of different size.
    - `coarse`: a grid with far fewer points for cheap iterations; `None` if it would not have far
        fewer.
    """

    displacement: Float[Array, "points 3"]
    owner: Int[Array, " points"]
    quadrature: Float[Array, " points"]
    size_adjustment: Float[Array, "atoms atoms"]
    coarse: "Grid | None" = None

    @property
    def size(self) -> int:
        """Number of points."""
        return self.owner.shape[-1]

    def filled_up(self, extra: int) -> "Grid":
        """Padded by `extra` points of weight zero."""
        beside = jnp.tile(jnp.array([BESIDE]), (extra, 1))
        return dataclasses.replace(
            self,
            displacement=jnp.concatenate([self.displacement, beside]),
            owner=jnp.pad(self.owner, (0, extra)),
            quadrature=jnp.pad(self.quadrature, (0, extra)),
        )


def from_mole(mol: Any, level: int) -> Grid:
    """PySCF's default grid of this level (Treutler-Ahlrichs radii, NWChem pruning)."""
    fine = _points([_atomic_grid(symbol, level) for symbol in mol.elements])
    coarse = _points([_atomic_grid(symbol, None) for symbol in mol.elements])
    worthwhile = _WORTHWHILE * len(coarse[1]) <= len(fine[1])
    (fine, coarse), adjustment = jax.device_put(((fine, coarse), _size_adjustment(mol)))
    rough = Grid(coarse[0], coarse[1], coarse[2], adjustment) if worthwhile else None
    return Grid(fine[0], fine[1], fine[2], adjustment, rough)


def _points(tables) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Displacement, owner and quadrature weight, from points and weights around each atom."""
    owner = np.repeat(np.arange(len(tables)), [len(weights) for _, weights in tables])
    displacement, quadrature = (np.concatenate(x) for x in zip(*tables, strict=True))
    return displacement, owner, quadrature


@functools.lru_cache(maxsize=128)
def _atomic_grid(symbol: str, level: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights around one atom, of a level or of the coarse grid (`None`)."""
    from pyscf import gto
    from pyscf.dft import gen_grid

    atom = gto.Mole()
    atom.atom, atom.spin, atom.verbose = f"{symbol} 0 0 0", None, 0
    atom.build(basis={symbol: [[0, [1.0, 1.0]]]}, dump_input=False, parse_arg=False)
    grids = gen_grid.Grids(atom)
    if level is None:
        number = _element(symbol)
        radii = next(n for last, n in _COARSE_RADII.items() if number <= last)
        grids.atom_grid = {symbol: (radii, _COARSE_ANGLES)}
    points, weights = grids.gen_atomic_grids(atom, level=level)[symbol]
    return np.ascontiguousarray(points), np.ascontiguousarray(weights)


def _element(symbol: str) -> int:
    """The atomic number, for a ghost that of its element, whose grid and radius it has."""
    from pyscf.data import elements

    return elements.charge(symbol.rpartition("-")[2])


def _size_adjustment(mol) -> np.ndarray:
    """a_ij from roots of Bragg radii: Treutler & Ahlrichs, J. Chem. Phys. 102, 346 (1995)."""
    from pyscf.data import radii

    root = np.sqrt([radii.BRAGG[_element(symbol)] for symbol in mol.elements])
    ratio = root[:, None] / root
    return np.clip(0.25 * (ratio.T - ratio), -0.5, 0.5)


def points_and_weights(
    grid: Grid, coordinates: Float[Array, "atoms 3"], real: Bool[Array, " atoms"]
) -> tuple[Float[Array, "points 3"], Float[Array, " points"]]:
    """Positions and integration weights; differentiable in the coordinates of the atoms.

        w_g = q_g P_A(r_g) / Σ_B P_B(r_g),   P_A = Π_{B≠A} ½ (1 - f(f(f(ν_AB))))

    with ν the elliptic coordinate between two atoms, adjusted to their sizes, and
    f(x) = (3x - x³)/2. `real` is false for padded atoms.

    **Source:** Becke, J. Chem. Phys. 88, 2547 (1988), equations 13 to 22.
    """
    points = grid.displacement + coordinates[grid.owner]
    difference = points[:, None] - coordinates[None]
    distance = jnp.sqrt(jnp.sum(difference**2, axis=-1)).T  # (atoms, points)
    n = coordinates.shape[0]
    off = ~jnp.eye(n, dtype=bool)
    separation2 = jnp.sum((coordinates[:, None] - coordinates[None]) ** 2, axis=-1)
    inverse = jnp.where(off, 1 / jnp.sqrt(jnp.where(off, separation2, 1)), 0)
    mu = (distance[:, None] - distance[None]) * inverse[..., None]
    nu = mu + grid.size_adjustment[..., None] * (1 - mu**2)
    for _ in range(3):
        nu = 0.5 * nu * (3 - nu**2)
    counts = off & real[:, None] & real[None]
    cell = jnp.prod(jnp.where(counts[..., None], 0.5 * (1 - nu), 1), axis=1)
    cell = jnp.where(real[:, None], cell, 0)
    own = jnp.take_along_axis(cell, grid.owner[None], axis=0)[0]
    return points, grid.quadrature * own / jnp.sum(cell, axis=0)
