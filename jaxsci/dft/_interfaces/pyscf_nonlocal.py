"""A functional of the whole density in PySCF: energies and potentials from here, on its grid."""

from typing import Any, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._basis import functions as _basis
from .._basis.grid import BESIDE, Grid
from .._basis.quadrature import Quadrature, block_size
from .._scf.kohn_sham import Density, spin_parts, xc_energy_and_potential
from .._xc import Functional
from .._xc.density import MissingExtra
from .pyscf_names import check_name

Matrices = np.ndarray


class _Mole(eqx.Module):
    """What a functional sees of a Mole: `Surroundings` without extras."""

    quadrature: Quadrature
    charges: Float[Array, " atoms"]
    atom_mask: Bool[Array, " atoms"]
    extras: dict[str, Array]


def integrator(functional: Functional, params: Any, hybrid: float, separation: tuple) -> Any:
    """A `NumInt` of PySCF that integrates one functional, whatever `mf.xc` names."""
    from pyscf.dft import libxc, numint

    define: Any = libxc.define_xc_
    ni = define(numint.NumInt(), _by_points, functional.level.upper(), hybrid, separation)
    whole = _Whole(functional, params)
    ni.nr_rks, ni.nr_uks = whole.restricted, whole.unrestricted
    ni.nr_rks_fxc, ni.nr_uks_fxc = whole.restricted_response, whole.unrestricted_response
    ni.nr_rks_fxc_st = whole.response_of_one_spin
    ni.cache_xc_kernel, ni.cache_xc_kernel1 = whole.linearised, whole.linearised_at
    return ni


def _by_points(*_: Any, **__: Any) -> NoReturn:
    raise ValueError(
        "PySCF asks for the functional point by point, and this one has terms of the whole "
        "density. PySCF's energies, second-order SCF, stability and TDDFT do without; for forces "
        "and Hessians use jsci.dft.forces and jsci.dft.hessian."
    )


class _Whole:
    """The methods of `NumInt`, by its order of arguments."""

    def __init__(self, functional: Functional, params: Any):
        self.functional, self.params = functional, params
        self._kept: tuple[Any, Any] = None, None  # of one molecule and grid

    def restricted(
        self, mol: Any, grids: Any, xc_code: Any, dms: Any, *_: Any, **__: Any
    ) -> tuple[Any, Any, Matrices]:
        """(electrons, energy, potential) of a total density matrix, or of several."""
        see = self._prepared(mol, grids, xc_code)
        dms = np.asarray(dms)
        n, energy, potential = self._each(see, dms.reshape(-1, 1, *dms.shape[-2:]))
        potential = potential.reshape(dms.shape)
        return (n[0, 0], energy[0], potential) if dms.ndim == 2 else (n[:, 0], energy, potential)

    def unrestricted(
        self, mol: Any, grids: Any, xc_code: Any, dms: Any, *_: Any, **__: Any
    ) -> tuple[Any, Any, Matrices]:
        """The same of α and β, which are the first axis; a total is halved."""
        see = self._prepared(mol, grids, xc_code)
        dms = np.asarray(dms)
        dms = np.stack([dms, dms]) / 2 if dms.ndim == 2 else dms
        sets = dms.reshape(2, -1, *dms.shape[-2:]).swapaxes(0, 1)
        n, energy, potential = self._each(see, sets)
        potential = potential.swapaxes(0, 1).reshape(dms.shape)
        return (n[0], energy[0], potential) if dms.ndim == 3 else (n.T, energy, potential)

    def linearised(
        self, mol: Any, grids: Any, xc_code: Any, mo_coeff: Any, mo_occ: Any, spin: int = 0, *_: Any
    ) -> tuple[Matrices, None, Matrices]:
        """What PySCF hands back for responses: the density matrix, and a factor."""
        c, occupations = np.asarray(mo_coeff), np.asarray(mo_occ)
        p = np.einsum("...ik,...k,...jk->...ij", c, occupations, c)
        return self.linearised_at(mol, grids, xc_code, p, spin)

    def linearised_at(
        self, mol: Any, grids: Any, xc_code: Any, dm: Any, spin: int = 0, *_: Any
    ) -> tuple[Matrices, None, Matrices]:
        """The same of a density matrix. PySCF halves the factor where it doubles the change."""
        p = np.asarray(dm)
        return (np.stack([p, p]) / 2 if spin and p.ndim == 2 else p), None, np.ones(1)

    def restricted_response(
        self,
        mol: Any,
        grids: Any,
        xc_code: Any,
        dm0: Any,
        dms: Any,
        relativity: int = 0,
        hermi: int = 0,
        rho0: Any = None,
        vxc: Any = None,
        fxc: Any = None,
        *_: Any,
        **__: Any,
    ) -> Matrices:
        """Σ_kl ∂V_ij/∂P_kl D_kl of a total density, for each D."""
        see = self._prepared(mol, grids, xc_code)
        dms, at = np.asarray(dms), np.asarray(dm0 if rho0 is None else rho0)
        changes = dms.reshape(-1, 1, *dms.shape[-2:])
        return self._responses(see, at[None], changes).reshape(dms.shape) * _factor(fxc)

    def response_of_one_spin(
        self,
        mol: Any,
        grids: Any,
        xc_code: Any,
        dm0: Any,
        dms_alpha: Any,
        hermi: int = 0,
        singlet: bool = True,
        rho0: Any = None,
        vxc: Any = None,
        fxc: Any = None,
        *_: Any,
        **__: Any,
    ) -> Matrices:
        """That of V_α, where D_β is D_α for singlets and -D_α for triplets."""
        see = self._prepared(mol, grids, xc_code)
        dms, at = np.asarray(dms_alpha), np.asarray(dm0 if rho0 is None else rho0)
        at = np.stack([at, at]) / 2 if at.ndim == 2 else at
        one = dms.reshape(-1, *dms.shape[-2:])
        changes = np.stack([one, one if singlet else -one], axis=1)
        return self._responses(see, at, changes)[:, 0].reshape(dms.shape) * _factor(fxc)

    def unrestricted_response(
        self,
        mol: Any,
        grids: Any,
        xc_code: Any,
        dm0: Any,
        dms: Any,
        relativity: int = 0,
        hermi: int = 0,
        rho0: Any = None,
        vxc: Any = None,
        fxc: Any = None,
        *_: Any,
        **__: Any,
    ) -> Matrices:
        """The response of both spins, which are the first axis."""
        see = self._prepared(mol, grids, xc_code)
        dms, at = np.asarray(dms), np.asarray(dm0 if rho0 is None else rho0)
        changes = dms.reshape(2, -1, *dms.shape[-2:]).swapaxes(0, 1)
        found = self._responses(see, at, changes).swapaxes(0, 1)
        return found.reshape(dms.shape) * _factor(fxc)

    def _each(self, see: _Mole, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(sets, spins) electrons, (sets,) energies and (sets, spins, nao, nao) potentials."""
        found = [_evaluated(self.functional, self.params, see, _real(p)) for p in sets]
        n, energy, potential = (np.stack(x) for x in zip(*found, strict=True))
        return n, energy, potential

    def _responses(self, see: _Mole, at: np.ndarray, changes: np.ndarray) -> np.ndarray:
        p = _real(at)
        return np.stack(
            [_response(self.functional, self.params, see, p, _real(d)) for d in changes]
        )

    def _prepared(self, mol: Any, grids: Any, xc_code: Any) -> _Mole:
        """The points and basis functions, made anew if the molecule or its grid has changed."""
        check_name(self.functional, xc_code)
        if grids.coords is None:
            grids.build()
        owner = getattr(grids, "atm_idx", None)
        tables = mol._atm, mol._bas, mol._env, grids.coords, grids.weights
        now = [np.asarray(table).tobytes() for table in tables]
        now.append(b"" if owner is None else np.asarray(owner).tobytes())
        of, see = self._kept
        if of != now:
            see = _seen(mol, grids, self.functional.level)
            self._kept = now, see
        return see


def _factor(fxc: Any) -> Any:
    return 1.0 if fxc is None else fxc


def _real(p: np.ndarray) -> Density:
    """A symmetric density matrix: the features are those of ½ (P + Pᵀ)."""
    if np.iscomplexobj(p):
        raise ValueError("the density matrix is complex; functionals of jsci.dft take real ones.")
    return jnp.asarray(0.5 * (p + p.swapaxes(-1, -2)))


def _seen(mol: Any, grids: Any, level: str) -> _Mole:
    """PySCF's own points and weights, each with its atom, in blocks."""
    owner = getattr(grids, "atm_idx", None)
    if owner is None or len(owner) != len(grids.coords):
        raise ValueError(
            "the points of mf.grids do not say to which atoms they belong, as those of "
            "grids.build() do: a functional of the whole density may need it."
        )
    own = owner >= 0  # the others are padding
    coordinates, owner = mol.atom_coords(), owner[own]
    basis = _basis.from_mole(mol)
    grid = Grid(
        displacement=jnp.asarray(grids.coords[own] - coordinates[owner]),
        owner=jnp.asarray(owner),
        quadrature=jnp.asarray(grids.quadrature_weights[own]),
        size_adjustment=jnp.zeros((mol.natm, mol.natm)),
    )
    block = block_size(basis.rows, grid)
    extra = -grid.size % block
    padded = grid.filled_up(extra)
    beside = np.tile(coordinates[:1] + np.array([BESIDE]), (extra, 1))
    points = np.concatenate([grids.coords[own], beside]).reshape(-1, block, 3)
    weights = np.pad(grids.weights[own], (0, extra)).reshape(-1, block)
    quadrature = Quadrature(
        points=jnp.asarray(points),
        weights=jnp.asarray(weights),
        owner=padded.owner,
        atomic_weights=padded.quadrature,
        basis=basis,
        coordinates=jnp.asarray(coordinates),
        orbitals=None,
        level=level,
        size=grid.size,
    )
    charges = jnp.asarray(mol.atom_charges(), float)
    return _Mole(quadrature, charges, jnp.ones(mol.natm, bool), {})


@eqx.filter_jit
def _evaluated(functional, params, see: _Mole, density: Density):
    """Electrons of each spin, E_xc and ∂E_xc/∂P."""
    rows = see.quadrature.basis.to_rows(density)

    def electrons(orbitals, weights):
        return jnp.stack([jnp.sum(weights * spin_parts(orbitals, p, "lda")[0]) for p in rows])

    energy, potential = _xc(functional, params, see, density)
    return see.quadrature.sum(electrons), energy, potential


@eqx.filter_jit
def _response(functional, params, see: _Mole, density: Density, change: Density):
    def potential(p):
        return _xc(functional, params, see, p)[1]

    return jax.jvp(potential, (density,), (change,))[1]


def _xc(functional, params, see: _Mole, density: Density):
    try:
        return xc_energy_and_potential(functional, params, see, density)
    except MissingExtra as error:
        raise ValueError(
            f"PySCF has no place for arrays of your own, and {functional!r} needs the extra "
            f"{error.name!r} of the molecule: solve it here, by jsci.dft.scf."
        ) from None
