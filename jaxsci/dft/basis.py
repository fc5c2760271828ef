"""Atomic orbitals and their gradients at points in space, from arrays, in JAX.

The shells of a molecule are data, not code: one compiled program serves every molecule of the
same shape, and the values are differentiable in the positions of the atoms.
"""

import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Basis(eqx.Module):
    """Contracted Gaussians: χ_i(r) = Y_i(r - R) Σ_p c_ip exp(-α_p |r - R|²).

    **Arguments:**

    - `exponents`: α of every primitive on every atom, in Bohr⁻².
    - `primitive_atom`: the atom that carries each primitive.
    - `contraction`: c, one row a shell; normalisation included.
    - `shell`: the shell of each basis function.
    - `angular`: the row of `angular_table(lmax, cartesian)` of each basis function.
    - `atom`: the atom of each basis function.
    """

    exponents: Float[Array, " primitives"]
    primitive_atom: Int[Array, " primitives"]
    contraction: Float[Array, "shells primitives"]
    shell: Int[Array, " nao"]
    angular: Int[Array, " nao"]
    atom: Int[Array, " nao"]
    lmax: int = eqx.field(static=True)
    cartesian: bool = eqx.field(static=True)

    @property
    def size(self) -> int:
        """Number of basis functions."""
        return self.shell.shape[-1]


def from_mole(mol: Any) -> Basis:
    """The basis of a PySCF `Mole`, in the order of its integrals."""
    exponents: list[np.ndarray] = []
    atoms: list[int] = []
    blocks: list[tuple[int, np.ndarray]] = []
    shell, angular, atom = [], [], []
    for i in range(mol.nbas):
        l, a = int(mol.bas_angular(i)), int(mol.bas_atom(i))
        start = sum(map(len, exponents))
        exponents.append(mol.bas_exp(i))
        atoms += [a] * len(exponents[-1])
        first = _first_row(l, mol.cart)
        count = (l + 1) * (l + 2) // 2 if mol.cart else 2 * l + 1
        for column in mol._libcint_ctr_coeff(i).T:
            shell += [len(blocks)] * count
            angular += range(first, first + count)
            atom += [a] * count
            blocks.append((start, column))
    total = sum(map(len, exponents))
    contraction = np.zeros((len(blocks), total))
    for row, (start, column) in enumerate(blocks):
        contraction[row, start : start + len(column)] = column
    lmax = max(int(mol.bas_angular(i)) for i in range(mol.nbas))
    return Basis(
        jnp.asarray(np.concatenate(exponents)),
        jnp.asarray(atoms),
        jnp.asarray(contraction),
        jnp.asarray(shell),
        jnp.asarray(angular),
        jnp.asarray(atom),
        lmax,
        bool(mol.cart),
    )


def evaluate(
    basis: Basis,
    coordinates: Float[Array, "atoms 3"],
    points: Float[Array, "points 3"],
    *,
    gradient: bool,
) -> Float[Array, "components nao points"]:
    """Values of the basis functions, and with `gradient` their x, y, z derivatives, at points.

    **Returns:** components are (value,) or (value, ∂x, ∂y, ∂z).
    """
    displacement = (points[:, None, :] - coordinates[None]).transpose(2, 1, 0)  # (3, atoms, n)
    r2 = jnp.sum(displacement**2, axis=0)
    primitives = jnp.exp(-basis.exponents[:, None] * r2[basis.primitive_atom])
    radial = (basis.contraction @ primitives)[basis.shell]
    table = angular_table(basis.lmax, basis.cartesian)
    monomials = _monomials(displacement, basis.lmax)  # (monomials, atoms, n)

    def angular(matrix):
        return jnp.tensordot(matrix, monomials, 1)[basis.angular, basis.atom]

    value = angular(table[0])
    if not gradient:
        return (radial * value)[None]
    # ∂R/∂(r²), by which R's gradient is 2 (r - R_A) times
    slope = (basis.contraction * -basis.exponents[None]) @ primitives
    slope = 2 * slope[basis.shell] * value
    by_axis = [
        radial * angular(table[1 + k]) + slope * displacement[k][basis.atom] for k in range(3)
    ]
    return jnp.stack([radial * value, *by_axis])


def laplacians(
    basis: Basis, coordinates: Float[Array, "atoms 3"], points: Float[Array, "points 3"]
) -> Float[Array, "nao points"]:
    """∇² of the basis functions at points: the gradient differentiated once more."""

    def second(k):
        along = jnp.zeros_like(points).at[:, k].set(1)
        gradient = functools.partial(evaluate, basis, coordinates, gradient=True)
        return jax.jvp(gradient, (points,), (along,))[1][1 + k]

    return sum((second(k) for k in range(3)), start=jnp.zeros(()))


def solid_harmonics(
    displacement: Float[Array, "3 atoms points"], lmax: int
) -> Float[Array, "functions atoms points"]:
    """r^l Y_lm for l up to lmax in libcint's order: rows l² to (l+1)² - 1 belong to l."""
    return jnp.tensordot(angular_table(lmax, False)[0], _monomials(displacement, lmax), 1)


def _exponents_of(l: int) -> list[tuple[int, int, int]]:
    """x, y, z powers of degree l in libcint's order."""
    return [(i, j, l - i - j) for i in range(l, -1, -1) for j in range(l - i, -1, -1)]


def _first_row(l: int, cartesian: bool) -> int:
    return l * (l + 1) * (l + 2) // 6 if cartesian else l * l


@functools.cache
def angular_table(lmax: int, cartesian: bool) -> np.ndarray:
    """Angular parts as polynomials: (value, ∂x, ∂y, ∂z) × functions × monomials.

    Real solid harmonics, or Cartesian monomials, normalised as in libcint.
    """
    from pyscf.gto.mole import cart2sph

    monomials = [m for l in range(lmax + 1) for m in _exponents_of(l)]
    index = {m: i for i, m in enumerate(monomials)}
    n = len(monomials)
    rows = []
    for l in range(lmax + 1):
        columns = [index[m] for m in _exponents_of(l)]
        size = len(columns)
        # libcint leaves the angular normalisation of s and p out of both conventions.
        normalisation = (math.sqrt(0.25 / math.pi), math.sqrt(0.75 / math.pi), 1.0)[min(l, 2)]
        matrix = np.eye(size) if cartesian else np.asarray(cart2sph(l, normalized="sp")).T
        matrix = normalisation * matrix
        block = np.zeros((matrix.shape[0], n))
        block[:, columns] = matrix
        rows.append(block)
    value = np.concatenate(rows)
    table = np.stack([value] + [value @ _derivative_matrix(monomials, index, k) for k in range(3)])
    table.setflags(write=False)
    return table


def _derivative_matrix(monomials, index, axis) -> np.ndarray:
    """∂ monomial_i = Σ_j D_ij monomial_j."""
    matrix = np.zeros((len(monomials), len(monomials)))
    for i, powers in enumerate(monomials):
        if powers[axis]:
            lower = tuple(p - (k == axis) for k, p in enumerate(powers))
            matrix[i, index[lower]] = powers[axis]
    return matrix


def _monomials(displacement, lmax) -> Float[Array, "monomials atoms points"]:
    """Every x^i y^j z^k with i + j + k ≤ lmax, each from one of lower degree by one product."""
    done: dict[tuple[int, ...], jax.Array] = {(0, 0, 0): jnp.ones_like(displacement[0])}
    for l in range(1, lmax + 1):
        for powers in _exponents_of(l):
            axis = next(k for k, p in enumerate(powers) if p)
            lower = tuple(p - (k == axis) for k, p in enumerate(powers))
            done[powers] = done[lower] * displacement[axis]
    return jnp.stack([done[m] for l in range(lmax + 1) for m in _exponents_of(l)])
