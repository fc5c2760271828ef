"""Atomic orbitals and their gradients at points in space, from arrays, in JAX.

The shells of a molecule are data, not code: one compiled program serves all molecules of the same
shape. The values are differentiable in the positions of the atoms.
"""

import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# One array (rows, points) for the values, three more for the x, y, z derivatives, and one for the
# Laplacians.
Rows = tuple[Float[Array, "rows points"], ...]


class Shells(eqx.Module):
    """Contracted Gaussians of one angular momentum and one number of primitives.

        χ(r) = Y_lm(r - R) Σ_p c_p exp(-α_p |r - R|²)

    **Arguments:**

    - `exponents`: α in Bohr⁻².
    - `contraction`: c, including the normalisation; zeros for padding.
    - `atom`: the atom at R.
    - `l`: the angular momentum.
    """

    exponents: Float[Array, "shells primitives"]
    contraction: Float[Array, "shells primitives"]
    atom: Int[Array, " shells"]
    l: int = eqx.field(static=True)


class Basis(eqx.Module):
    """The basis functions of a molecule, as rows sorted by kind of shell.

    Within a kind, the functions of all shells with the same m follow each other.

    **Arguments:**

    - `shells`: the shells by kind.
    - `function`: the basis function of each row, in the order of the integrals.
    - `row`: the row of each basis function.
    - `atom`, `shell`: the atom and the shell of each basis function.
    - `angular`: the row of each basis function in `angular_table(lmax, cartesian)`.
    - `cartesian`: Cartesian rather than spherical functions.
    """

    shells: tuple[Shells, ...]
    function: Int[Array, " rows"]
    row: Int[Array, " nao"]
    atom: Int[Array, " nao"]
    shell: Int[Array, " nao"]
    angular: Int[Array, " nao"]
    cartesian: bool = eqx.field(static=True)

    @property
    def size(self) -> int:
        """Number of basis functions."""
        return self.row.shape[-1]

    @property
    def lmax(self) -> int:
        """The largest angular momentum."""
        return max(shells.l for shells in self.shells)

    @property
    def rank(self) -> Int[Array, " nao"]:
        """The index of each function's shell among those of its angular momentum on its atom."""
        alike = _equal(self.atom) & _equal(self.angular)
        return jnp.sum(jnp.tril(alike, -1), axis=1)

    @property
    def rows(self) -> int:
        """Number of rows, including padding."""
        return self.function.shape[-1]

    def to_rows(self, matrix: Float[Array, "*spin nao nao"]) -> Float[Array, "*spin rows rows"]:
        """A matrix over basis functions as one over rows."""
        return matrix[..., self.function[:, None], self.function[None]]

    def from_rows(self, matrix: Float[Array, "*spin rows rows"]) -> Float[Array, "*spin nao nao"]:
        """The inverse of `to_rows`."""
        return matrix[..., self.row[:, None], self.row[None]]


def _equal(x: Int[Array, " n"]):
    return x[:, None] == x[None]


def functions_of(l: int, cartesian: bool) -> int:
    """Number of functions in a shell."""
    return (l + 1) * (l + 2) // 2 if cartesian else 2 * l + 1


def from_mole(mol: Any) -> Basis:
    """The basis of a PySCF `Mole`, in the order of its integrals."""
    kinds: dict[tuple[int, int], list[tuple]] = {}
    atom, shells, angular = [], [], []
    for i in range(mol.nbas):
        l, a, exponents = int(mol.bas_angular(i)), int(mol.bas_atom(i)), mol.bas_exp(i)
        for column in mol._libcint_ctr_coeff(i).T:
            shell = (exponents, column, a, len(atom))
            kinds.setdefault((l, len(exponents)), []).append(shell)
            count, first = functions_of(l, mol.cart), first_row(l, mol.cart)
            atom += [a] * count
            shells += [shells[-1] + 1 if shells else 0] * count
            angular += range(first, first + count)
    arrays, function = [], []
    for (l, _), members in sorted(kinds.items()):
        *of_shells, first = map(np.array, zip(*members, strict=True))
        arrays.append(of_shells)
        function += [first + m for m in range(functions_of(l, mol.cart))]
    order = np.concatenate(function)
    # One transfer: they are many and small.
    index = order, np.argsort(order), np.array(atom), np.array(shells), np.array(angular)
    arrays, (function, row, atom, shell, angular) = jax.device_put((arrays, index))
    of_kinds = [
        Shells(a, c, at, l) for (l, _), (a, c, at) in zip(sorted(kinds), arrays, strict=True)
    ]
    return Basis(tuple(of_kinds), function, row, atom, shell, angular, bool(mol.cart))


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
    at = basis.shells, basis.cartesian, coordinates, points
    return jnp.stack(evaluate_rows(*at, gradient=gradient))[:, basis.row]


def evaluate_rows(
    shells: tuple[Shells, ...],
    cartesian: bool,
    coordinates: Float[Array, "atoms 3"],
    points: Float[Array, "points 3"],
    *,
    gradient: bool,
) -> Rows:
    """As `evaluate`, in the order of rows, which needs no permutation."""
    kinds = [_kind(s, cartesian, coordinates, points, gradient) for s in shells]
    return tuple(
        jnp.concatenate([kind[component] for kind in kinds])
        for component in range(4 if gradient else 1)
    )


def laplacian_rows(
    shells: tuple[Shells, ...],
    cartesian: bool,
    coordinates: Float[Array, "atoms 3"],
    points: Float[Array, "points 3"],
) -> Float[Array, "rows points"]:
    """∇² of the basis functions at points: the gradient differentiated once more."""

    def second(k):
        along = jnp.zeros_like(points).at[:, k].set(1)
        gradient = functools.partial(evaluate_rows, shells, cartesian, coordinates, gradient=True)
        return jax.jvp(gradient, (points,), (along,))[1][1 + k]

    return sum((second(k) for k in range(3)), start=jnp.zeros(()))


def _kind(shells, cartesian, coordinates, points, gradient) -> list[Float[Array, "rows points"]]:
    """Values of the functions of a kind, and with `gradient` their derivatives."""
    displacement = points.T[:, None] - coordinates[shells.atom].T[:, :, None]
    r2 = jnp.sum(displacement**2, axis=0)
    primitives = jnp.exp(-shells.exponents[:, :, None] * r2[:, None])
    radial = jnp.sum(shells.contraction[:, :, None] * primitives, axis=1)[None]
    value, *slopes = _polynomials(displacement, shells.l, cartesian, 4 if gradient else 1)
    rows = [radial * value]
    if gradient:
        # ∂R/∂(r²): the gradient of R is 2 (r - R_A) times this
        weights = -2 * shells.contraction * shells.exponents
        slope = jnp.sum(weights[:, :, None] * primitives, axis=1)
        outer = [(slope * displacement[axis])[None] * value for axis in range(3)]
        rows += [o + radial * s if shells.l else o for o, s in zip(outer, slopes, strict=True)]
    return [row.reshape(-1, len(points)) for row in rows]


def solid_harmonics(
    displacement: Float[Array, "3 atoms points"], lmax: int
) -> Float[Array, "functions atoms points"]:
    """r^l Y_lm for l up to lmax in libcint's order: rows l² to (l+1)² - 1 belong to l."""
    values = [_polynomials(displacement, l, False, 1)[0] for l in range(lmax + 1)]
    return jnp.concatenate([y + jnp.zeros_like(displacement[:1]) for y in values])


def _polynomials(displacement, l, cartesian, components) -> list[Array | np.ndarray]:
    """Angular parts of a shell, then their derivatives, constants as (functions, 1, 1).

    One expression for all functions of a shell: one for each of them, though sparser, took twice
    as long to compile.
    """
    monomials: dict[tuple[int, ...], Any] = {(0, 0, 0): 1.0}

    def monomial(powers):
        """x^i y^j z^k, one product away from one of lower degree."""
        if powers not in monomials:
            axis = next(k for k, p in enumerate(powers) if p)
            lower = tuple(p - (k == axis) for k, p in enumerate(powers))
            monomials[powers] = monomial(lower) * displacement[axis][None]
        return monomials[powers]

    def polynomials(table):
        pairs = zip(table.T, exponents, strict=True)
        terms = [c[:, None, None] * monomial(m) for c, m in pairs if c.any()]
        return sum(terms[1:], start=terms[0]) if terms else np.zeros((len(table), 1, 1))

    exponents = [m for degree in range(l + 1) for m in _exponents_of(degree)]
    tables = angular_table(l, cartesian)[:components, first_row(l, cartesian) :]
    return list(map(polynomials, tables))


def _exponents_of(l: int) -> list[tuple[int, int, int]]:
    """x, y, z powers of degree l in libcint's order."""
    return [(i, j, l - i - j) for i in range(l, -1, -1) for j in range(l - i, -1, -1)]


def first_row(l: int, cartesian: bool) -> int:
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
