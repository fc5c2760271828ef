"""Integration grids: atomic grids as PySCF makes them, joined by Becke's weights in JAX."""

import functools
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

LEVELS = range(10)


class Grid(eqx.Module):
    """Points around atoms, before the atoms' cells are divided among them.

    **Arguments:**

    - `displacement`: of each point from its atom, in Bohr.
    - `owner`: the atom of each point.
    - `quadrature`: the weight of each point in its atom's own integral, in Bohr³; 0 for padding.
    - `size_adjustment`: Becke's a_ij, which moves the border between atoms of different size.
    """

    displacement: Float[Array, "points 3"]
    owner: Int[Array, " points"]
    quadrature: Float[Array, " points"]
    size_adjustment: Float[Array, "atoms atoms"]


def from_mole(mol: Any, level: int) -> Grid:
    """PySCF's default grid of this level (Treutler-Ahlrichs radii, NWChem pruning)."""
    tables = [_atomic_grid(symbol, level) for symbol in mol.elements]
    displacement = np.concatenate([points for points, _ in tables])
    quadrature = np.concatenate([weights for _, weights in tables])
    owner = np.repeat(np.arange(mol.natm), [len(weights) for _, weights in tables])
    return Grid(
        jnp.asarray(displacement),
        jnp.asarray(owner),
        jnp.asarray(quadrature),
        jnp.asarray(_size_adjustment(mol)),
    )


@functools.lru_cache(maxsize=128)
def _atomic_grid(symbol: str, level: int) -> tuple[np.ndarray, np.ndarray]:
    from pyscf import gto
    from pyscf.dft import gen_grid

    atom = gto.Mole()
    atom.atom, atom.spin, atom.verbose = f"{symbol} 0 0 0", None, 0
    atom.build(basis={symbol: [[0, [1.0, 1.0]]]}, dump_input=False, parse_arg=False)
    points, weights = gen_grid.Grids(atom).gen_atomic_grids(atom, level=level)[symbol]
    return np.ascontiguousarray(points), np.ascontiguousarray(weights)


def _size_adjustment(mol) -> np.ndarray:
    """Treutler and Ahlrichs's a_ij from square roots of Bragg radii, J. Chem. Phys. 102, 346."""
    from pyscf.data import elements, radii

    root = np.sqrt([radii.BRAGG[elements.charge(symbol)] for symbol in mol.elements])
    ratio = root[:, None] / root
    return np.clip(0.25 * (ratio.T - ratio), -0.5, 0.5)


def points_and_weights(
    grid: Grid, coordinates: Float[Array, "atoms 3"], real: Bool[Array, " atoms"]
) -> tuple[Float[Array, "points 3"], Float[Array, " points"]]:
    """Positions and integration weights; differentiable in the coordinates of the atoms.

        w_g = q_g P_A(r_g) / Σ_B P_B(r_g),   P_A = Π_{B≠A} ½ (1 - f(f(f(ν_AB))))

    with ν the elliptic coordinate between two atoms, adjusted to their sizes, and
    f(x) = (3x - x³)/2. `real` is false for the atoms that only fill up a batch.

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
