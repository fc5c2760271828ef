"""Second derivatives of the energy on the grid, block by block of points that one atom carries.

Moving a nucleus moves its functions and its points. Relative to the points of an atom O only the
functions of other atoms B move, by s_B = R_B - R_O. So the derivatives are those of single
functions, summed over the functions of each atom: no pass over the grid for each coordinate.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..._basis.functions import Rows, evaluate_rows
from ..._basis.grid import BESIDE
from ..._basis.quadrature import block_size
from ..._scf.fock_response import energy_of_numbers
from ..._scf.kohn_sham import Density
from ..._system.molecule import Molecule
from ..._xc import Functional
from ..._xc.features import Level
from .weight_slopes import weight_slopes


class OwnedBlocks(NamedTuple):
    """A grid in blocks of points of one atom each, padded by points of weight zero."""

    displacement: Float[Array, "blocks block 3"]
    quadrature: Float[Array, "blocks block"]
    owner: Int[Array, " blocks"]


def owned_blocks(molecule: Molecule) -> OwnedBlocks:
    """On the host: how many blocks an atom has depends on its element."""
    grid, size = molecule.grid, block_size(molecule.basis.rows, molecule.grid)
    displacement, quadrature, owner = map(
        np.asarray, (grid.displacement, grid.quadrature, grid.owner)
    )
    places, weights, owners = [], [], []
    for atom in range(len(molecule.charges)):
        own = np.flatnonzero((owner == atom) & (quadrature != 0))
        blocks = -(-len(own) // size)
        extra = blocks * size - len(own)
        places += [displacement[own], np.tile(BESIDE, (extra, 1))]
        weights += [quadrature[own], np.zeros(extra)]
        owners += [atom] * blocks
    shape = len(owners), size
    place, weight = np.concatenate(places), np.concatenate(weights)
    arrays = place.reshape(*shape, 3), weight.reshape(shape), np.array(owners)
    return OwnedBlocks(*jax.device_put(arrays))


def slopes_by_block(
    molecule: Molecule, functional: Functional, params: Any, density: Density, blocks: OwnedBlocks
) -> tuple[Array, Array, Array]:
    """∂E/∂R, ∂²E/∂R∂R and ∂²E/∂R∂P of ∫ e_xc at fixed P, for what depends on ρ, ∇ρ and τ."""
    basis, atoms = molecule.basis, len(molecule.charges)
    rows = basis.to_rows(density)
    of_row = jax.nn.one_hot(basis.atom[basis.function], atoms, axis=0, dtype=density.dtype)

    def add(total, block):
        part = _of_block(molecule, functional, params, rows, of_row, OwnedBlocks(*block))
        return jax.tree.map(jnp.add, total, part), None

    n = basis.rows
    empty = (
        jnp.zeros((atoms, 3)),
        jnp.zeros((atoms, 3, atoms, 3)),
        jnp.zeros((atoms, 3, *rows.shape)),
        jnp.zeros((3, len(rows), n, n)),
    )
    (gradient, second, potential, moving), _ = jax.lax.scan(add, empty, blocks)
    # Row i of a potential moves with the atom of function i.
    potential += jnp.einsum("ai,xsij->axsij", of_row, moving)
    potential = basis.from_rows(potential)
    return gradient, second, potential + potential.swapaxes(-1, -2)


def _of_block(molecule, functional, params, density, of_row, block: OwnedBlocks):
    """Gradient, Hessian, and ∂V/∂R in two parts: by positions, and by the atom of each row."""
    level, x = functional.level, molecule.coordinates
    shells, cartesian = molecule.basis.shells, molecule.basis.cartesian
    points = block.displacement + x[block.owner][None]

    def orbitals(shift) -> Rows:
        return evaluate_rows(shells, cartesian, x + shift, points, gradient=level != "lda")

    along = jnp.broadcast_to(jnp.eye(3)[:, None], (3, *x.shape))  # all functions, by one axis
    phi, push = jax.linearize(orbitals, jnp.zeros_like(x))
    slopes = jax.vmap(push)(along)  # each (3, rows, points)
    half = [density @ value for value in phi]
    numbers = _numbers(phi, half, level)
    value, slope, curvature = _functional_derivatives(functional, params, numbers)
    weight, weight_change, weight_hessian = weight_slopes(
        *block, molecule.grid.size_adjustment, x, molecule.atom_mask, value
    )

    own = jax.nn.one_hot(block.owner, len(x), dtype=x.dtype)
    moved = _number_slopes(slopes, half, of_row, level)  # (s, k, atoms, 3, points)
    moved = moved - own[None, None, :, None, None] * jnp.sum(moved, axis=2, keepdims=True)
    induced = jnp.einsum("p,sktlp,tlaxp->skaxp", weight, curvature, moved)
    by_numbers = jnp.einsum("skp,skaxp->axp", slope, moved)
    crossed = jnp.einsum("axp,byp->axby", weight_change, by_numbers)
    second = jnp.einsum("skaxp,skbyp->axby", moved, induced)
    second += crossed + crossed.transpose(2, 3, 0, 1) + weight_hessian

    field = weight[None, None] * slope
    by_functions = _functions_hessian(slopes, field, level, density, of_row)
    curved = _own_curvature(orbitals, half, field, level, along).transpose(1, 0, 2)
    by_functions += jnp.eye(len(x))[:, None, :, None] * curved[:, :, None]
    relative = jnp.eye(len(x)) - own[None]  # ∂s_B/∂R_C
    second += jnp.einsum("ba,bxcy,cd->axdy", relative, by_functions, relative)
    moving = _moving_potential(phi, slopes, field, level)
    changed = induced + weight_change[None, None] * slope[:, :, None, None]
    potential = _changed_potential(phi, changed, level)
    potential = potential - own[:, None, None, None, None] * moving[None]
    return weight_change @ value + by_numbers @ weight, second, potential, moving


def _functional_derivatives(functional, params, numbers):
    """e, ∂e/∂u and ∂²e/∂u∂u at each point, the last axis."""

    def first(u):
        value, slope = jax.value_and_grad(lambda u: energy_of_numbers(functional, params, u))(u)
        return slope, (value, slope)

    def all_three(u):
        curvature, (value, slope) = jax.jacfwd(first, has_aux=True)(u)
        return value, slope, curvature

    return jax.vmap(all_three, in_axes=-1, out_axes=-1)(numbers)


def _numbers(phi, half, level: Level) -> Float[Array, "spins k points"]:
    """ρ, ∇ρ and τ."""

    def product(h, p):
        return jnp.einsum("sip,ip->sp", h, p)

    found = [product(half[0], phi[0])]
    if level != "lda":
        found += [2 * product(half[0], slope) for slope in phi[1:]]
    if level == "mgga":
        found.append(0.5 * sum(map(product, half[1:], phi[1:]), start=jnp.zeros(())))
    return jnp.stack(found, axis=1)


def _number_slopes(slopes, half, of_row, level: Level) -> Float[Array, "spins k atoms 3 points"]:
    """∂u/∂s, by each function and then summed over those of an atom."""

    def product(s, h):
        return s[None] * h[:, None]

    found = [2 * product(slopes[0], half[0])]
    if level != "lda":
        pairs = zip(slopes[1:], half[1:], strict=True)
        found += [2 * (product(slopes[0], h) + product(s, half[0])) for s, h in pairs]
    if level == "mgga":
        found.append(sum(map(product, slopes[1:], half[1:]), start=jnp.zeros(())))
    return jnp.stack([jnp.einsum("ai,sxip->saxp", of_row, each) for each in found], axis=1)


def _sides(phi, field: Float[Array, "spins k *more points"], level: Level) -> list[Array]:
    """r with Σ_l φ_l r_lᵀ + transpose = ∂E/∂P, for a field ∂E/∂u: the form of functions φ."""
    u = jnp.moveaxis(field, 1, 0)[..., None, :]
    phi = [jax.lax.broadcast_to_rank(p, u.ndim - 1) for p in phi]
    first = 0.5 * u[0] * phi[0]
    if level != "lda":
        first = first + sum(v * p for v, p in zip(u[1:4], phi[1:], strict=True))
    return [first] + ([0.25 * u[4] * p for p in phi[1:]] if level == "mgga" else [])


def _changed_potential(phi, field, level: Level) -> Float[Array, "atoms 3 spins rows rows"]:
    """Half of ∂V/∂R by fields that change."""
    sides = _sides(phi, field, level)
    pairs = zip(phi, sides, strict=False)
    found = [jnp.einsum("ip,saxjp->axsij", left, right) for left, right in pairs]
    return sum(found[1:], start=found[0])


def _moving_potential(phi, slopes, field, level: Level) -> Float[Array, "3 spins rows rows"]:
    """∂V_ij/∂s of the atom of function i."""
    still, moving = _sides(phi, field, level), _sides(slopes, field[:, :, None], level)
    found = [
        jnp.einsum("xip,sjp->xsij", slope, side) + jnp.einsum("sxip,jp->xsij", other, value)
        for slope, side, other, value in zip(slopes, still, moving, phi, strict=False)
    ]
    return sum(found[1:], start=found[0])


def _functions_hessian(slopes, field, level: Level, density, of_row):
    """∂²E/∂s∂s by first derivatives of two functions, summed over those of two atoms."""
    sides = _sides(slopes, field[:, :, None], level)
    found = [
        jnp.einsum("xip,syjp->xysij", slope, side)
        for slope, side in zip(slopes, sides, strict=False)
    ]
    products = jnp.sum(density[None, None] * sum(found[1:], start=found[0]), axis=2)
    pairs = jnp.einsum("ai,xyij,cj->axcy", of_row, products, of_row)
    return 2 * (pairs + pairs.transpose(2, 3, 0, 1))


def _own_curvature(orbitals, half, field, level: Level, along) -> Float[Array, "3 atoms 3"]:
    """What second derivatives of single functions contribute, both by the same atom."""

    def energy(shift):
        phi = orbitals(shift)
        sides = _sides(phi, field, level), _sides(half, field, level)
        left = sum(jnp.sum(p[None] * side) for p, side in zip(phi, sides[1], strict=False))
        return 2 * (left + sum(jnp.sum(h * side) for h, side in zip(half, sides[0], strict=False)))

    product = jax.linearize(jax.grad(energy), jnp.zeros(along.shape[1:]))[1]
    return jax.lax.map(product, along)
