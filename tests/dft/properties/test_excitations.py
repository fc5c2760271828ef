"""Excited states against PySCF, and their derivatives against finite differences."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import vmap
from jaxsci.dft import DIIS, excitations, molecule, scf, stack, xc

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.7572, -0.4692)), ("H", (0.0, -0.7572, -0.4692))]
AMIDOGEN = [("N", (0.0, 0.0, 0.14)), ("H", (0.0, 0.80, -0.49)), ("H", (0.0, -0.82, -0.50))]
HYDRIDE = [("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.6))]


def hydrogen(distance=0.74, basis="6-31g", **options):
    atoms = [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, distance))]
    return molecule(atoms, basis, grid=0, **options)


def by_pyscf(atoms, name, spin, tda, triplet, nstates):
    """Energies and oscillator strengths. PySCF may miss states of a symmetry: more are asked."""
    from pyscf import dft, gto

    field: Any = (dft.UKS if spin else dft.RKS)(
        gto.M(atom=atoms, basis="sto-3g", spin=spin, verbose=0)
    )
    field.xc, field.grids.level, field.conv_tol = name, 0, 1e-12
    field.kernel()
    states = field.TDA() if tda else field.TDDFT()
    states.nstates, states.conv_tol, states.singlet = nstates + 3, 1e-8, not triplet
    states.kernel()
    order = np.argsort(states.e)[:nstates]
    return states.e[order], states.oscillator_strength()[order]


@pytest.mark.parametrize(
    ("atoms", "name", "spin", "tda", "triplet"),
    [
        (WATER, "lda,vwn", 0, True, False),
        (WATER, "pbe", 0, False, False),
        (WATER, "b3lyp", 0, True, False),
        (WATER, "pbe0", 0, False, True),
        (AMIDOGEN, "lda,vwn", 1, False, False),
        (AMIDOGEN, "hf", 1, False, False),
        pytest.param(WATER, "cam-b3lyp", 0, False, False, marks=pytest.mark.slow),
        pytest.param(WATER, "r2scan", 0, False, False, marks=pytest.mark.slow),
        pytest.param(AMIDOGEN, "pbe0", 1, False, False, marks=pytest.mark.slow),
        pytest.param(AMIDOGEN, "tpss", 1, True, False, marks=pytest.mark.slow),
    ],
)
def test_equal_to_pyscf(atoms, name, spin, tda, triplet):
    functional = xc(name)
    m = molecule(atoms, "sto-3g", spin=spin, grid=0, omega=functional.omega)
    result = scf(m, functional, tolerance=1e-12)
    ours = excitations(m, functional, result=result, nstates=4, tda=tda, triplet=triplet)
    energies, strengths = by_pyscf(atoms, name, spin, tda, triplet, 4)
    assert ours.converged.all() and ours.stable
    np.testing.assert_allclose(ours.energies, energies, atol=1e-7)
    np.testing.assert_allclose(ours.oscillator_strengths, strengths, atol=1e-6)


def test_amplitudes_are_those_of_the_orbitals():
    """Of two electrons in two orbitals, X+Y is √(Δε/ω) of norm: A-B is the gap."""
    h2 = hydrogen(basis="sto-3g")
    lda = xc("lda,vwn")
    result = scf(h2, lda, tolerance=1e-13)
    states = excitations(h2, lda, result=result, nstates=1)
    c, s = result.orbitals, h2.overlap
    amplitude = c.T @ s @ states.transition_densities[0] @ s @ c
    expected = np.sqrt(
        2 * (result.orbital_energies[1] - result.orbital_energies[0]) / states.energies[0]
    )
    np.testing.assert_allclose(np.abs(amplitude), [[0, 0], [expected, 0]], atol=1e-7)
    moment = jnp.einsum("xij,ij->x", h2.dipole_integrals, states.transition_densities[0])
    np.testing.assert_allclose(moment, states.transition_dipoles[0], atol=1e-12)


def _scaled(params, d):
    """Exchange of a scaled local density."""
    return params["scale"] * xc("lda")(None, d) - params["tail"] * d.rho**2


@pytest.mark.parametrize(("exact", "tda", "triplet", "spin"), [
    (0.0, False, False, 0), (0.3, False, True, 0), (0.3, True, False, 1),
])  # fmt: skip
def test_derivatives_of_energies_are_those_of_differences(exact, tda, triplet, spin):
    functional = dataclasses.replace(xc("lda"), terms=((1.0, _scaled),), exact_exchange=exact)
    atoms = HYDRIDE if spin == 0 else [("Li", (0.0, 0.0, 0.0))]
    m = molecule(atoms, "sto-3g" if spin == 0 else "6-31g", spin=spin, grid=0)
    kinds = {"tda": tda, "triplet": triplet}
    # Lithium's lowest states are three p, which are degenerate: their sum.
    count = 2 if spin == 0 else 3

    def solved(params):
        return scf(m, functional, params, tolerance=1e-13)

    def total(params, result):
        states = excitations(m, functional, params, result=result, nstates=count, **kinds)
        return jnp.sum(states.energies[:count])

    params = {"scale": jnp.array(0.9), "tail": jnp.array(0.02)}
    value, slopes = jax.value_and_grad(total)(params, solved(params))
    h = 1e-4
    for name in params:
        sides = [params | {name: params[name] + sign * h} for sign in (1, -1)]
        up, down = (total(p, solved(p)) for p in sides)
        np.testing.assert_allclose(slopes[name], (up - down) / (2 * h), atol=2e-6)
    assert np.isfinite(value)


def test_what_has_no_derivative_says_nan():
    m, functional = (
        hydrogen(basis="sto-3g"),
        dataclasses.replace(xc("lda"), terms=((1.0, _scaled),)),
    )
    params = {"scale": jnp.array(1.0), "tail": jnp.array(0.0)}
    result = scf(m, functional, params)
    for name in ("oscillator_strengths", "transition_dipoles"):
        slopes = jax.grad(
            lambda p, n=name: jnp.sum(
                getattr(excitations(m, functional, p, result=result, nstates=1), n)
            )
        )(params)
        assert np.isnan(slopes["scale"])


def test_a_stack_equals_its_molecules():
    both, hf = [hydrogen(), molecule(HYDRIDE, "sto-3g", grid=0)], xc("hf")
    batch = stack(both)

    def states(m, nstates):
        result = scf(m, hf, tolerance=1e-12, throw=False)
        return excitations(m, hf, result=result, nstates=nstates)

    together = vmap(lambda m: states(m, 3))(batch)
    for i, m in enumerate(both):
        alone = states(m, 3)
        np.testing.assert_allclose(together.energies[i], alone.energies, atol=1e-9)
        np.testing.assert_allclose(
            together.oscillator_strengths[i], alone.oscillator_strengths, atol=1e-7
        )
    assert together.converged.all() and together.stable.all()
    # Hydrogen has three pairs of orbitals, padding has none.
    more = vmap(lambda m: states(m, 4))(batch)
    np.testing.assert_array_equal(more.converged, [[1, 1, 1, 0], [1, 1, 1, 1]])
    assert np.isnan(more.energies[0, 3]) and not more.stable[0] and more.stable[1]


@pytest.mark.parametrize("tda", [False, True])
def test_an_unstable_reference_is_flagged(tda):
    stretched, hf = hydrogen(2.5), xc("hf")
    result = scf(stretched, hf, tolerance=1e-12)
    with pytest.warns(UserWarning, match=r"not a minimum: the lowest energy is -.*stable_scf"):
        states = excitations(stretched, hf, result=result, nstates=2, tda=tda, triplet=True)
    assert not states.stable and states.energies[0] < 0 < states.energies[1]
    singlets = excitations(stretched, hf, result=result, nstates=2, tda=tda)
    assert singlets.stable


def test_bad_input_is_explained():
    h2, pbe = hydrogen(basis="sto-3g"), xc("pbe")
    result = scf(h2, pbe)
    with pytest.raises(ValueError, match="nstates is 2, and there are 1 pairs"):
        excitations(h2, pbe, result=result, nstates=2)
    with pytest.raises(ValueError, match="nstates is a whole number from 1, got 0"):
        excitations(h2, pbe, result=result, nstates=0)
    with pytest.raises(TypeError, match="takes what scf returned, got NoneType"):
        excitations(h2, pbe, result=None, nstates=1)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="of another molecule or geometry"):
        excitations(hydrogen(0.9, "sto-3g"), pbe, result=result, nstates=1)
    failed = scf(h2, pbe, max_steps=1, throw=False)
    with pytest.raises(RuntimeError, match="has not converged: converge it"):
        excitations(h2, pbe, result=failed, nstates=1)
    open_shell = hydrogen(basis="sto-3g", restricted=False)
    with pytest.raises(ValueError, match="triplet=True is for closed shells"):
        excitations(open_shell, pbe, result=scf(open_shell, pbe), nstates=1, triplet=True)
    shared = molecule([("Li", (0.0, 0.0, 0.0))], "sto-3g", spin=1, grid=0, restricted=True)
    with pytest.raises(ValueError, match="no restricted open shells"):
        excitations(shared, pbe, result=scf(shared, pbe), nstates=1)
    warm = scf(h2, pbe, solver=DIIS(temperature=0.2))
    with pytest.raises(ValueError, match="fractional occupations"):
        excitations(h2, pbe, result=warm, nstates=1)
    with pytest.raises(ValueError, match="one molecule"):
        excitations(stack([h2, h2]), pbe, result=result, nstates=1)
