"""A functional for PySCF: its values and derivatives by JAX, in the layout of libxc."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...core import require_x64
from .._xc import Functional, as_functional
from .._xc.features import DENSITY_CUTOFF, Features
from .pyscf_names import check_name
from .pyscf_nonlocal import integrator

Definition = tuple[Callable, str, float, tuple[float, float, float]]


def to_pyscf_xc(functional: Functional | Callable, params: Any = None) -> Definition | Any:
    """A functional as PySCF takes it, so that it runs on what is too large here.

        E_xc = ∫ ρ ε(ρ, σ, τ) dr,   v = ∂(ρε)/∂(ρ, σ, τ),   f = ∂²(ρε)/∂(ρ, σ, τ)²

    The derivatives are exact, by JAX. PySCF's energies, gradients, Hessians, stability and TDDFT
    need no more; what needs third derivatives (gradients of TDDFT) is refused.

    A functional of the whole density, such as `skala`, is given all points of PySCF's grid at once,
    with the atoms that they belong to. PySCF's energies, second-order SCF, stability and TDDFT take
    it; gradients and Hessians, for which PySCF would need it point by point, are refused.

    **Arguments:**

    - `functional`: `xc(name)`, `neural_functional(...)`, or a pure `exc(params, features)`, of
        level "lda", "gga" or "mgga", with any share of exact exchange; or a functional of the whole
        density, `skala(...)` or `nonlocal_functional(...)`.
    - `params`: the functional's parameters.

    **Returns:** (evaluation, type, fraction of exact exchange, (ω, long-range fraction, short less
    long)), to be unpacked: `mf.define_xc_(*to_pyscf_xc(functional, params))`. Of the whole density,
    a `NumInt` instead, to be assigned: `mf._numint = to_pyscf_xc(functional, params)`.

    **Raises:** `ValueError` for parameters that are not finite, a functional of the Laplacian,
    which PySCF does not give point by point, or one with a dispersion energy; when PySCF calls it,
    for `mf.xc` that contradicts it, a functional that needs a molecule's extras, or a grid whose
    points have no atoms.

    **Notes:** PySCF decides by the name `mf.xc` whether it builds exact exchange and nonlocal
    correlation. Give it xc="hf" if the functional has exact exchange, and "lda" otherwise. By the
    same name it would choose a dispersion energy: name the functional, `mf.disp = "d3bj:b3lyp"`.

    ```python
    from pyscf import dft, gto

    mf = dft.RKS(gto.M(atom="H 0 0 0; H 0 0 0.74", basis="sto-3g", verbose=0), xc="lda")
    mf.define_xc_(*jsci.dft.to_pyscf_xc(functional, params))
    mf.kernel()
    ```
    """
    require_x64("jsci.dft.to_pyscf_xc")
    functional = as_functional(functional)
    require_no_dispersion(functional)
    _require_finite(params)
    a, b = functional.exact_exchange, functional.long_range_exchange
    separation = (float(functional.omega or 0.0), a + b, -b) if b else (0.0, 0.0, 0.0)
    if functional.nonlocal_terms:
        return integrator(functional, params, a, separation)
    if functional.level == "laplacian":
        raise ValueError(
            f"PySCF gives no Laplacian of the density, and {functional!r} needs it: use the "
            "levels lda, gga or mgga."
        )
    return _Evaluation(functional, params), functional.level.upper(), a, separation


def require_no_dispersion(functional: Functional) -> None:
    """PySCF would compute the energy of the nuclei without it, and say nothing."""
    if functional.nuclear_terms:
        raise ValueError(
            f"{functional!r} has a dispersion energy, which PySCF would leave out: hand over the "
            "functional without it, with a result of its own, as in scf(molecule, xc('b3lyp'), "
            "guess=result), and add jsci.dft.d3('b3lyp')(molecule) to its energies or set mf.disp "
            "= 'd3bj:b3lyp'. Without the name PySCF would take the parameters by mf.xc, which is "
            "'hf' or 'lda' here."
        )


def _require_finite(params: Any) -> None:
    """PySCF would end in an error of its linear algebra."""
    for path, x in jax.tree_util.tree_flatten_with_path(params)[0]:
        if eqx.is_inexact_array_like(x) and not np.isfinite(x).all():
            count = int((~np.isfinite(x)).sum())
            raise ValueError(
                f"params{jax.tree_util.keystr(path)} has {count} of {np.size(x)} numbers that are "
                "not finite: give the parameters of a step before the training diverged."
            )


class _Evaluation(NamedTuple):
    """What PySCF calls at the points of its grid."""

    functional: Functional
    params: Any

    def __call__(
        self, xc_code: Any, rho: Any, spin: int = 0, *_: Any, deriv: int = 1, **__: Any
    ) -> tuple:
        """(energies per electron, first, second and third derivatives) in the layout of libxc."""
        if deriv > 2:
            raise ValueError("third derivatives of a functional of jsci.dft are not to be had.")
        check_name(self.functional, xc_code)
        level, polarised = self.functional.level, bool(spin)
        points = _variables(np.asarray(rho), level, polarised)
        count = points.shape[1]
        # Few sizes, so few programs: PySCF's blocks are of any size.
        size = 1 << max(count - 1, 255).bit_length()
        padded = jnp.asarray(np.pad(points, ((0, 0), (0, size - count)), constant_values=1.0))
        found = _derivatives(self.functional, self.params, padded, polarised, order=deriv)
        energy, *slopes = (np.asarray(x)[:count] for x in found)
        density = points[:2].sum(axis=0) if polarised else points[0]
        present = density > DENSITY_CUTOFF
        per_electron = np.where(present, energy / np.where(present, density, 1), 0)
        first = _first(slopes[0], level, polarised) if deriv > 0 else None
        return (
            per_electron,
            first,
            _second(slopes[1], level, polarised) if deriv > 1 else None,
            None,
        )


def _kinds(level: str, polarised: bool) -> list[list[int]]:
    """The variables ρ, σ and τ: which entries of a point each has."""
    sizes = {"lda": 1, "gga": 2, "mgga": 3}[level]
    counts = ((2, 3, 2) if polarised else (1, 1, 1))[:sizes]
    edges = np.cumsum([0, *counts])
    return [list(range(i, j)) for i, j in itertools.pairwise(edges)]


def _variables(rho: np.ndarray, level: str, polarised: bool) -> np.ndarray:
    """(variables, points) from densities and gradients as PySCF has them, τ in the last row.

    PySCF before and after 2.14 has five or six rows: the Laplacian may stand before τ.
    """
    spins = rho.reshape(2 if polarised else 1, -1, rho.shape[-1])
    rows = [spins[:, 0]]
    if level != "lda":
        pairs = ((0, 0), (0, 1), (1, 1)) if polarised else ((0, 0),)
        slopes = spins[:, 1:4]
        rows.append(np.stack([np.einsum("xg,xg->g", slopes[i], slopes[j]) for i, j in pairs]))
    if level == "mgga":
        rows.append(spins[:, -1])
    return np.concatenate(rows)


def _features(x: Float[Array, " variables"], level: str, polarised: bool) -> Features:
    kinds = [[x[i] for i in kind] for kind in _kinds(level, polarised)]
    if not polarised:  # half of the density, a quarter of σ and half of τ for each spin
        kinds = [
            [c * k[0]] * n for k, c, n in zip(kinds, (0.5, 0.25, 0.5), (2, 3, 2), strict=False)
        ]
    return Features(*itertools.chain(*kinds), polarised=polarised)


@eqx.filter_jit
def _derivatives(
    functional: Functional,
    params: Any,
    points: Float[Array, "variables points"],
    polarised: bool,
    *,
    order: int,
) -> list[Array]:
    """The energy per volume at each point and its derivatives in the variables, up to an order."""

    def energy(x):
        return functional(params, _features(x, functional.level, polarised))

    kernels = [energy, jax.grad(energy), jax.hessian(energy)][: order + 1]
    return [jax.vmap(kernel, in_axes=1)(points) for kernel in kernels]


def _first(slope: np.ndarray, level: str, polarised: bool) -> tuple:
    """(v_ρ, v_σ, v_∇²ρ, v_τ), each (points,) or (points, spins)."""
    rows = [_entries(slope[:, kind], polarised) for kind in _kinds(level, polarised)]
    rows += [None] * (3 - len(rows))
    return rows[0], rows[1], None, rows[2]


def _second(curvature: np.ndarray, level: str, polarised: bool) -> tuple:
    """f_ρρ, f_ρσ, f_σσ, then f_ρτ, f_στ, f_ττ: what there is of them, without repetitions."""
    kinds = _kinds(level, polarised)

    def of(a: int, b: int):
        pairs = itertools.combinations_with_replacement(kinds[a], 2)
        pairs = pairs if a == b else itertools.product(kinds[a], kinds[b])
        return _entries(np.stack([curvature[:, i, j] for i, j in pairs], axis=1), polarised)

    order = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
    return tuple(of(a, b) for a, b in order if max(a, b) < len(kinds))


def _entries(values: np.ndarray, polarised: bool) -> np.ndarray:
    return values if polarised else values[:, 0]
