"""A batch of molecules: padding to common shapes that changes no result."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from ...core import machine_memory
from .._basis.functions import Basis, Shells, functions_of
from .._basis.grid import BESIDE, Grid
from .._basis.libcint import Libcint
from .._basis.long_range import LongRange
from .._basis.orthonormal import UNUSED_ORBITAL_ENERGY
from .molecule import Molecule
from .spins import Spins

# Distance between padded atoms (Bohr).
_PADDED_SPACING = 1e2


def stack(molecules: Sequence[Molecule]) -> Molecule:
    """Pad molecules to common shapes and stack them along a new leading axis.

    Padded basis functions are orthogonal to all others and far above every occupied orbital,
    padded points have no weight and padded atoms no space: results stay the same. If any molecule
    is unrestricted or a restricted open shell, closed shells are treated the same way.

    **Arguments:**

    - `molecules`: at least one; all with full integrals, or all with density fitting.

    **Returns:** a `Molecule` whose arrays carry the batch on axis 0, for `jsci.vmap`.

    **Raises:** `ValueError` for an empty list; for a mixture of density fitting and full integrals,
    of spherical and Cartesian functions, or of restricted open shells and unrestricted ones; and
    for more than fits into memory, with the number that fits.

    **Good values:** molecules of similar size, as all are padded to the largest.

    ```python
    batch = jsci.dft.stack([water, ammonia])
    energies = jsci.vmap(lambda m: jsci.dft.scf(m, pbe, throw=False).energy)(batch)
    ```
    """
    molecules = list(molecules)
    if not molecules:
        raise ValueError("stack() needs at least one molecule, got an empty list.")
    check_alike(molecules, "stack()")
    n = Sizes(molecules)
    first = pad(molecules[0], n)
    _check_memory(len(molecules), sum(x.nbytes for x in jax.tree.leaves(first)))
    padded = [first, *(pad(m, n) for m in molecules[1:])]
    return jax.tree.map(lambda *x: jax.device_put(np.stack(x)), *padded)


def check_alike(molecules: Sequence[Molecule], call: str) -> None:
    """Refuse molecules of which padding makes no equal shapes."""
    for what, values in (
        ("full integrals and density fitting", {m.fit is None for m in molecules}),
        ("spherical and Cartesian basis functions", {m.basis.cartesian for m in molecules}),
        (
            "restricted open shells and unrestricted ones",
            {m.spins for m in molecules if not m.restricted},
        ),
        ("different ranges omega", {m.long_range and m.long_range.omega for m in molecules}),
        ("molecules with different extras", {tuple(sorted(m.extras)) for m in molecules}),
    ):
        if len(values) > 1:
            raise ValueError(f"{call} cannot mix {what}: build all molecules with the same.")


def _check_memory(count: int, padded: int) -> None:
    need, have = 2 * count * padded, machine_memory()  # the padded ones and the stack
    if need > have:
        raise ValueError(
            f"{count} molecules padded to common shapes take {need / 2**30:.3g} GiB while they are "
            f"stacked, and there are {have / 2**30:.3g}: stack at most {int(have / (2 * padded))} "
            "at once, and molecules of similar size."
        )


class Sizes:
    """The largest of each dimension of some molecules."""

    def __init__(self, molecules: Sequence[Molecule]):
        def largest(f):
            return max(f(m) for m in molecules)

        self.atoms = largest(lambda m: m.charges.shape[0])
        self.nao = largest(lambda m: m.size)
        self.pairs = self.nao * (self.nao + 1) // 2
        self.points = largest(lambda m: m.grid.size)
        # Without a coarse grid in one, there is none in the batch.
        all_coarse = all(m.grid.coarse is not None for m in molecules)
        self.coarse_points = largest(lambda m: m.grid.coarse.size) if all_coarse else None
        self.shells = common_shells([m.basis for m in molecules])
        fits = [x.fit for m in molecules for x in (m, m.long_range) if x and x.fit is not None]
        self.auxiliary = max((fit.shape[0] for fit in fits), default=0)
        self.bas = largest(lambda m: m.libcint.bas.shape[0])
        self.env = largest(lambda m: m.libcint.env.shape[0])
        self.auxbas = largest(lambda m: m.libcint.auxbas.shape[0])
        self.ecpbas = largest(lambda m: m.libcint.ecpbas.shape[0])
        self.dependent = any(m.dependent for m in molecules)
        self.soft_cores = any(m.libcint.soft_cores for m in molecules)
        self.spins = next((m.spins for m in molecules if not m.restricted), Spins.RESTRICTED)
        self.extras = {
            name: np.max([np.shape(m.extras[name]) for m in molecules], axis=0)
            for name in molecules[0].extras
        }


def _pad_to(x, *shape, value: float = 0):
    x = np.asarray(x)
    widths = [(0, new - old) for old, new in zip(x.shape, shape, strict=True)]
    return jax.device_put(np.pad(x, widths, constant_values=value))


def pad(m: Molecule, n: Sizes) -> Molecule:
    """The molecule in these sizes, by NumPy, since JAX would compile a program for each shape.

    `jnp.asarray` compiles one as well, and `jax.device_put` none.
    """
    extra = n.atoms - m.charges.shape[0]
    coordinates = np.asarray(m.coordinates)
    # Far from the molecule and from each other, or distances between atoms would vanish.
    far = np.max(np.abs(coordinates)) + _PADDED_SPACING * (1 + np.arange(extra))
    return Molecule(
        coordinates=jax.device_put(np.concatenate([coordinates, np.stack([far] * 3, axis=-1)])),
        charges=_pad_to(m.charges, n.atoms),
        overlap=_pad_with_diagonal(m.overlap, n, 1.0),
        core_hamiltonian=_pad_with_diagonal(m.core_hamiltonian, n, UNUSED_ORBITAL_ENERGY),
        repulsion=_pad_repulsion(m.repulsion, n),
        fit=_pad_fit(m.fit, n),
        dipole_integrals=_pad_to(m.dipole_integrals, 3, n.nao, n.nao),
        guess=_pad_to(m.guess, n.nao, n.nao),
        electrons=m.electrons,
        atom_mask=_pad_to(m.atom_mask, n.atoms, value=False),
        basis_mask=_pad_to(m.basis_mask, n.nao, value=False),
        basis=pad_basis(m.basis, n.shells, n.nao),
        grid=_pad_grids(m.grid, n),
        libcint=_pad_libcint(m.libcint, n),
        spins=n.spins,
        dependent=n.dependent,
        extras={name: _pad_to(x, *n.extras[name]) for name, x in m.extras.items()},
        long_range=m.long_range
        and LongRange(
            _pad_repulsion(m.long_range.repulsion, n),
            _pad_fit(m.long_range.fit, n),
            m.long_range.omega,
        ),
    )


def _pad_with_diagonal(matrix, n: Sizes, value: float):
    unused = np.diag(value * (np.arange(n.nao) >= matrix.shape[0]))
    unused[: matrix.shape[0], : matrix.shape[0]] = matrix
    return jax.device_put(unused)


def _pad_repulsion(repulsion, n: Sizes):
    return None if repulsion is None else _pad_to(repulsion, n.pairs, n.pairs)


def _pad_fit(fit, n: Sizes):
    return None if fit is None else _pad_to(fit, n.auxiliary, n.pairs)


def _kinds(b: Basis) -> dict[tuple[int, int], int]:
    """Number of shells of each angular momentum and number of primitives."""
    return {(s.l, s.exponents.shape[1]): s.exponents.shape[0] for s in b.shells}


def common_shells(bases: Sequence[Basis]) -> dict[tuple[int, int], int]:
    """The largest number of shells of each kind in any of them."""
    kinds = [_kinds(b) for b in bases]
    return {k: max(x.get(k, 0) for x in kinds) for k in sorted({k for x in kinds for k in x})}


def pad_basis(b: Basis, shells_of: dict[tuple[int, int], int], nao: int) -> Basis:
    """The basis with `shells_of` shells of each kind, and `nao` functions."""
    have, shells, rows, new_first = dict(zip(_kinds(b), b.shells, strict=True)), [], [], 0
    for (l, primitives), count in shells_of.items():
        s = have.get((l, primitives))
        if s is None:
            none = jax.device_put(np.zeros((0, primitives)))
            s = Shells(none, none, jax.device_put(np.zeros(0, int)), l)
        old, functions = s.exponents.shape[0], functions_of(l, b.cartesian)
        shells.append(
            Shells(
                _pad_to(s.exponents, count, primitives, value=1.0),
                _pad_to(s.contraction, count, primitives),
                _pad_to(s.atom, count),
                l,
            )
        )
        # Where each of the old rows has gone.
        rows += [new_first + m * count + np.arange(old) for m in range(functions)]
        new_first += functions * count
    moved = np.concatenate(rows)
    unused = np.setdiff1d(np.arange(new_first), moved)
    function = np.zeros(new_first, int)  # the unused rows are zero, whatever they stand for
    function[moved] = np.asarray(b.function)
    row = np.full(nao, unused[0] if len(unused) else 0)
    row[: b.size] = moved[np.asarray(b.row)]
    return Basis(
        shells=tuple(shells),
        function=jax.device_put(function),
        row=jax.device_put(row),
        atom=_pad_to(b.atom, nao),
        shell=_pad_to(b.shell, nao),
        angular=_pad_to(b.angular, nao),
        cartesian=b.cartesian,
    )


def _pad_libcint(t: Libcint, n: Sizes) -> Libcint:
    return Libcint(
        elements=_pad_to(t.elements, n.atoms),
        atm=_pad_to(t.atm, n.atoms, t.atm.shape[1]),
        bas=_pad_to(t.bas, n.bas, t.bas.shape[1]),
        env=_pad_to(t.env, n.env),
        ecpbas=_pad_to(t.ecpbas, n.ecpbas, t.ecpbas.shape[1]),
        auxbas=_pad_to(t.auxbas, n.auxbas, t.auxbas.shape[1]),
        ghosts=_pad_to(t.ghosts, n.atoms),
        cartesian=t.cartesian,
        soft_cores=n.soft_cores,
    )


def _pad_grid(g: Grid, atoms: int, points: int) -> Grid:
    beside = np.tile(BESIDE, (points - g.size, 1))
    return Grid(
        displacement=jax.device_put(np.concatenate([g.displacement, beside])),
        owner=_pad_to(g.owner, points),
        quadrature=_pad_to(g.quadrature, points),
        size_adjustment=_pad_to(g.size_adjustment, atoms, atoms),
    )


def _pad_grids(g: Grid, n: Sizes) -> Grid:
    fine = _pad_grid(g, n.atoms, n.points)
    if n.coarse_points is None or g.coarse is None:
        return fine
    return dataclasses.replace(fine, coarse=_pad_grid(g.coarse, n.atoms, n.coarse_points))
