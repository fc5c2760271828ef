"""Derivatives of the integrals in the positions of the nuclei, by libcint on the host."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.linalg

from .._basis.libcint import Libcint, to_auxiliary_mole, to_mole

# Bytes of derivatives of three-centre integrals held at once.
_BLOCK = 1 << 28
_SMALLEST_OCCUPATION = 1e-12
# Products of an integral's derivative and a density (Hartree/Bohr) that are left out.
_NEGLIGIBLE = 1e-12

# (omega or None for the whole interaction, share of exact exchange by it)
Exchange = tuple[tuple[float | None, float], ...]


def integral_gradient(
    exchange: Exchange,
    tables: Libcint,
    coordinates: np.ndarray,
    atoms: np.ndarray,
    by_overlap: np.ndarray,
    density: np.ndarray,
) -> np.ndarray:
    """Σ_ij ∂E/∂S_ij ∇S_ij + tr(P ∇h) + ∇(½ tr(P J) - ½ Σ_s tr(P_s K_s)) at fixed P, for each atom.

    **Arguments:** `exchange` holds the shares of K; `density` has a spin axis; `by_overlap` is
    symmetric. All may be padded at the end beyond `atoms` atoms.
    """
    coordinates = np.asarray(coordinates)
    mol = to_mole(tables, coordinates, int(atoms))
    n = mol.nao_nr()
    spins = np.asarray(density)[:, :n, :n]
    total = spins.sum(axis=0)
    gradient = np.zeros(coordinates.shape)
    gradient[: mol.natm] = _one_electron(mol, np.asarray(by_overlap)[:n, :n], total)
    # A total density is that of two spins with half of it each.
    half = 0.5 if len(spins) == 1 else 1.0
    auxiliary = to_auxiliary_mole(tables, mol)
    for omega, share in exchange:
        with mol.with_range_coulomb(omega or 0.0):
            coulomb = total if omega is None else None
            if auxiliary is None:
                found = _two_electron(mol, coulomb, half * share, spins)
            else:
                with auxiliary.with_range_coulomb(omega or 0.0):
                    found = _fitted(mol, auxiliary, coulomb, half * share, spins)
        gradient[: mol.natm] += found
    return gradient


def integral_hessian(
    exact_exchange: float,
    tables: Libcint,
    coordinates: np.ndarray,
    atoms: int,
    by_overlap: np.ndarray,
    density: np.ndarray,
) -> np.ndarray:
    """What second derivatives of full integrals contribute, as `integral_gradient` for the first.

    **Returns:** (atoms, 3, atoms, 3).
    """
    from pyscf.hessian import rhf, uhf

    mol = to_mole(tables, coordinates, atoms)
    n = mol.nao_nr()
    by_overlap, density = by_overlap[:n, :n], density[:, :n, :n]
    of_spins = uhf if len(density) == 2 else rhf
    orbitals = [_square_root(p) for p in density / (3 - len(density))]
    ones = [np.ones(z.shape[1]) for z in orbitals]
    zeros = [0 * n for n in ones]
    if of_spins is rhf:
        (orbitals,), (ones,), (zeros,) = orbitals, ones, zeros
    last = dearest_atom(mol)
    others = [atom for atom in range(atoms) if atom != last]
    # Energies of zero leave out PySCF's own share of the overlap's derivatives.
    core, coulomb, exchange = of_spins._partial_hess_ejk(
        rhf.HessianBase(Field(mol)),
        zeros,
        orbitals,
        ones,
        atmlst=others,
        with_k=bool(exact_exchange),
    )
    found = np.zeros((atoms, 3, atoms, 3))
    known = (core + coulomb - exact_exchange * exchange).transpose(0, 2, 1, 3)
    found[np.ix_(others, range(3), others, range(3))] = known
    # Where all nuclei move together, nothing changes.
    found[others, :, last] = -known.sum(2)
    found[last] = -found.sum(0)
    one, both, _ = rhf.get_ovlp(mol)
    one = np.einsum("xyij,ij->xyi", one, by_overlap)
    both = both * by_overlap
    slices: Sequence[Any] = mol.aoslice_by_atom()[:, 2:]
    for a, (i, j) in enumerate(slices):
        found[a, :, a] += 2 * one[..., i:j].sum(-1)
        for b, (k, l) in enumerate(slices):
            found[a, :, b] += 2 * both[..., i:j, k:l].sum((-2, -1))
    extra = (0, len(coordinates) - atoms), (0, 0)
    return np.pad(found, extra * 2)


def _one_electron(mol, by_overlap, total) -> np.ndarray:
    from pyscf.grad import rhf

    # libcint differentiates the first function with respect to the electron: minus the nucleus.
    weighted = by_overlap * -mol.intor("int1e_ipovlp", comp=3)
    core = rhf.Gradients(Field(mol)).hcore_generator(mol)
    electrons = [np.einsum("xij,ij->x", core(atom), total) for atom in range(mol.natm)]
    return 2 * by_atom(mol, weighted.sum(2)) + np.array(electrons)


def _two_electron(mol, coulomb, share, spins) -> np.ndarray:
    """The whole of the four-centre integrals; `coulomb` is the density of J, or `None`.

    They stay the same where all nuclei move together: the derivatives of the atom whose integrals
    take longest are minus the sum of the others'.
    """
    from pyscf.grad import rhf
    from pyscf.scf import _vhf

    # One pass over the integrals for all.
    terms = [] if coulomb is None else [("lk->s1ij", 1.0, coulomb)]
    terms += [("jk->s1il", -share, p) for p in spins] if share else []
    if not terms:
        return np.zeros((mol.natm, 3))
    contractions, shares, densities = map(list, zip(*terms, strict=True))
    kinds = "j" * (coulomb is not None) + "k" * bool(share)
    screened = _vhf._VHFOpt(
        mol,
        "int2e_ip1",
        f"CVHFgrad_{kinds}_prescreen",
        dmcondname="CVHFnr_dm_cond1",
        direct_scf_tol=_NEGLIGIBLE,
    )
    screened.q_cond = rhf._calc_q_cond(mol, screened)
    tables, edges = (mol._atm, mol._bas, mol._env), mol.ao_loc_nr()
    last = dearest_atom(mol)
    start, stop = mol.aoslice_by_atom()[last][:2]
    by_function = np.zeros((3, mol.nao))
    for shells in ((0, start), (stop, mol.nbas)):
        if shells[0] == shells[1]:
            continue
        found = _vhf.direct_bindm(
            mol._add_suffix("int2e_ip1"),
            "s2kl",
            contractions,
            densities,
            3,
            *tables,
            vhfopt=screened,
            shls_slice=(*shells, *(0, mol.nbas) * 3),
        )
        rows = slice(edges[shells[0]], edges[shells[1]])
        for factor, slopes, p in zip(shares, found, densities, strict=True):
            by_function[:, rows] -= factor * np.einsum("xij,ij->xi", slopes, p[rows])
    gradient = 2 * by_atom(mol, by_function)
    gradient[last] = -gradient.sum(0)
    return gradient


def dearest_atom(mol) -> int:
    """The atom whose integrals take longest: that with most pairs of a function and a primitive."""
    work = np.zeros(mol.natm)
    for shell in range(mol.nbas):
        functions = mol.bas_len_cart(shell) * mol.bas_nctr(shell)
        work[mol.bas_atom(shell)] += functions * mol.bas_nprim(shell)
    return int(np.argmax(work))


def _fitted(mol, auxiliary, coulomb, share, spins) -> np.ndarray:
    """With (ij|kl) = Σ_PQ A_P,ij (V⁻¹)_PQ A_Q,kl, so that E = ½ Σ_PQ M_PQ (V⁻¹)_PQ.

        dE = Σ_P,ij Γ_P,ij dA_P,ij + ½ Σ_PQ M_PQ d(V⁻¹)_PQ
        Γ_P = c_P P - a Σ_s P_s C_P P_s,  M_PQ = tr(A_P P) tr(A_Q P) - a Σ_s tr(P_s A_P P_s A_Q)

    with C = V⁻¹A and c_P = tr(C_P P). In occupied orbitals, P_s = Z Zᵀ, each A_P is small.
    """
    from pyscf.gto import mole

    joint = mole.conc_mol(mol, auxiliary)
    joint.set_range_coulomb(mol.omega)
    occupied = [_square_root(p) for p in spins] if share else []
    potential = np.zeros(auxiliary.nao)
    pairs = [np.zeros((auxiliary.nao, z.shape[1], z.shape[1])) for z in occupied]
    for start, stop, integrals in _three_centre(joint, mol, auxiliary, "int3c2e", 1):
        if coulomb is not None:
            potential[start:stop] = np.einsum("ijp,ij->p", integrals, coulomb)
        for pair, z in zip(pairs, occupied, strict=True):
            pair[start:stop] = np.einsum("ai,ijp,jb->pab", z.T, integrals, z, optimize=True)
    metric = _Metric(auxiliary.intor("int2c2e", hermi=1))
    by_metric = metric.mixed(lambda: _moments(potential, pairs, share))
    potential = metric.solve(potential)
    pairs = [metric.solve(pair.reshape(len(pair), -1)).reshape(pair.shape) for pair in pairs]
    # V⁻¹ M V⁻¹ from what is solved already: V is nearly singular, and M loses its digits twice.
    by_metric = by_metric - _moments(potential, pairs, share)

    by_function = np.zeros((3, mol.nao))
    by_auxiliary = -np.einsum("xpq,pq->xp", auxiliary.intor("int2c2e_ip1"), by_metric)
    for start, stop, slopes in _three_centre(joint, mol, auxiliary, "int3c2e_ip1", 3):
        weight = np.zeros((stop - start, mol.nao, mol.nao))
        if coulomb is not None:
            weight += potential[start:stop, None, None] * coulomb
        for pair, z in zip(pairs, occupied, strict=True):
            weight -= share * (z @ pair[start:stop] @ z.T)
        product = np.einsum("xijp,pij->xip", slopes, weight)
        # Both functions of a pair move it; so does, by invariance, the auxiliary one, oppositely.
        by_function -= 2 * product.sum(2)
        by_auxiliary[:, start:stop] += 2 * product.sum(1)
    return by_atom(mol, by_function) + by_atom(auxiliary, by_auxiliary)


def _moments(potential, pairs, share) -> np.ndarray:
    """M_PQ of the J-like and the K-like sums of each auxiliary function."""
    moments = np.outer(potential, potential)
    for pair in pairs:
        moments -= share * np.einsum("pab,qab->pq", pair, pair, optimize=True)
    return moments


def _three_centre(joint, mol, auxiliary, name, components):
    """Blocks (first, last, integrals) of auxiliary functions, the last axis of the integrals."""
    edges = auxiliary.ao_loc_nr()
    size = max(1, _BLOCK // (8 * components * mol.nao**2))
    shell = 0
    while shell < auxiliary.nbas:
        end = int(np.searchsorted(edges, edges[shell] + size, side="right")) - 1
        end = max(end, shell + 1)
        where = (0, mol.nbas, 0, mol.nbas, mol.nbas + shell, mol.nbas + end)
        yield edges[shell], edges[end], joint.intor(name, shls_slice=where)
        shell = end


class _Metric:
    """V⁻¹ in its eigenvectors, without those that PySCF leaves out where V is not positive.

    At long range V is singular to rounding, and what is left out moves with the nuclei: the
    derivative of f(V), f = 1/λ or 0, is that of a function of a matrix (Daleckii & Krein).
    """

    def __init__(self, metric: np.ndarray):
        from pyscf.df.incore import LINEAR_DEP_THR

        try:
            scipy.linalg.cholesky(metric, lower=True)
            smallest = 0.0
        except scipy.linalg.LinAlgError:
            smallest = LINEAR_DEP_THR
        self.values, self.vectors = scipy.linalg.eigh(metric)
        self.kept = self.values > smallest
        self.inverse = np.where(self.kept, 1 / np.where(self.kept, self.values, 1), 0)

    def solve(self, b: np.ndarray) -> np.ndarray:
        """V⁻¹ b."""
        return (self.vectors * self.inverse) @ (self.vectors.T @ b)

    def mixed(self, moments: Callable[[], np.ndarray]) -> np.ndarray | float:
        """N with Σ N_PQ dV_PQ = Σ M_PQ d(V⁻¹)_PQ + Σ (V⁻¹ M V⁻¹)_PQ dV_PQ.

        What is kept turns towards what is left out: zero where nothing is.
        """
        if self.kept.all():
            return 0.0
        mixed = self.kept[:, None] & ~self.kept
        distance = np.where(mixed, self.values[:, None] - self.values, 1)
        across = np.where(mixed, self.inverse[:, None] / distance, 0)
        u = self.vectors
        return u @ ((across + across.T) * (u.T @ moments() @ u)) @ u.T


def _square_root(density: np.ndarray) -> np.ndarray:
    """Z with P = Z Zᵀ, one column for each occupied orbital."""
    values, vectors = np.linalg.eigh(density)
    kept = values > _SMALLEST_OCCUPATION
    return vectors[:, kept] * np.sqrt(values[kept])


def by_atom(mol, by_function: np.ndarray) -> np.ndarray:
    """(3, functions) summed over the functions of each atom."""
    slices: Sequence[Any] = mol.aoslice_by_atom()
    return np.array([by_function[:, start:stop].sum(1) for _, _, start, stop in slices])


class Field:
    """The part of a PySCF mean field that its gradient object reads."""

    def __init__(self, mol):
        self.mol, self.verbose, self.stdout, self.max_memory = mol, 0, mol.stdout, mol.max_memory
