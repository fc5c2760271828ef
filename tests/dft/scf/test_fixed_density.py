"""Energies off self-consistency: second order in the density's error, and PySCF's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.linalg import expm

from jaxsci.dft import (
    DIIS,
    density_corrected_energy,
    fixed_density_energy,
    harris_energy,
    molecule,
    scf,
    xc,
)

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.12)), ("H", (0.0, 0.76, -0.47)), ("H", (0.0, -0.76, -0.47))]
CH = [("C", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.12))]
PBE = xc("pbe")


@pytest.fixture(scope="module", params=["closed", "open"])
def solved(request):
    if request.param == "closed":
        m = molecule(WATER, "sto-3g", grid=0)
    else:
        m = molecule(CH, "sto-3g", spin=3, grid=0)
    return m, scf(m, PBE, tolerance=1e-12)


def test_at_the_functionals_own_density_all_energies_agree(solved):
    m, result = solved
    for energy in (fixed_density_energy, harris_energy):
        found = energy(m, PBE, density_matrix=result)
        np.testing.assert_allclose(found, result.energy, atol=1e-10)


def turned(result, t):
    """The density of the result's orbitals, turned by an angle of order t."""
    n = result.orbitals.shape[-1]
    noise = jax.random.normal(jax.random.key(0), (n, n))
    orbitals = result.orbitals @ expm(t * (noise - noise.T))
    return (orbitals * result.occupations[..., None, :]) @ jnp.swapaxes(orbitals, -1, -2)


def mixed(result, t):
    """A density that is no longer that of orthonormal orbitals."""
    return (1 - t) * result.density_matrix + t * turned(result, 0.3)


@pytest.mark.parametrize(
    ("energy", "path"),
    [(fixed_density_energy, turned), (harris_energy, turned), (harris_energy, mixed)],
)
def test_errors_are_of_second_order_in_the_density(solved, energy, path):
    m, result = solved
    densities = [path(result, t) for t in (0.001, 0.0005)]
    errors = [float(energy(m, PBE, density_matrix=p) - result.energy) for p in densities]
    # halving t quarters the error, but for terms of third order
    assert abs(errors[0] / errors[1] - 4) < 0.4
    if energy is fixed_density_energy:
        assert min(errors) > 0


def test_energy_of_a_density_is_pyscfs():
    from pyscf import dft, gto

    m = molecule(WATER, "sto-3g", grid=0)
    density = scf(m, xc("hf"), tolerance=1e-10).density_matrix
    field = dft.RKS(gto.M(atom=WATER, basis="sto-3g", verbose=0), xc="pbe,pbe")
    field.grids.level = 0
    wanted = field.energy_tot(dm=np.asarray(density))
    np.testing.assert_allclose(
        fixed_density_energy(m, PBE, density_matrix=density), wanted, atol=1e-9
    )


@pytest.mark.slow
def test_derivative_of_the_harris_energy_in_a_parameter():
    m = molecule(WATER, "sto-3g", grid=0)

    def energy(a):
        return harris_energy(m, lambda p, f: p * PBE(None, f), a, density_matrix=m.guess)

    h = 1e-4
    difference = (energy(1.0 + h) - energy(1.0 - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(energy)(1.0), difference, rtol=1e-6)


def test_a_density_of_another_shape_is_refused():
    m = molecule(WATER, "sto-3g", grid=0)
    with pytest.raises(ValueError, match=r"shape \(3, 3\); for this molecule it must be \(7, 7\)"):
        fixed_density_energy(m, PBE, density_matrix=jnp.eye(3))


@pytest.mark.parametrize("solve", [harris_energy, fixed_density_energy, scf])
def test_a_density_matrix_that_is_not_symmetric_is_refused(solve):
    m = molecule([("H", (0.0, 0.0, 0.0)), ("F", (0.0, 0.0, 1.0))], "sto-3g", grid=0)
    name = "guess" if solve is scf else "density_matrix"
    upper = jnp.triu(m.guess)
    with pytest.raises(ValueError, match=f"{name} is not symmetric.*differ by up to"):
        solve(m, xc("svwn"), **{name: upper})
    rounded = m.guess.at[0, 1].mul(1 + 1e-14)
    single = m.guess.astype(jnp.float32).at[0, 1].add(1e-7)
    for density in (rounded, single):
        solve(m, xc("svwn"), **{name: density})


def test_density_correction_is_the_energy_at_the_density_of_hartree_fock():
    m = molecule([("H", (0.0, 0.0, 0.0)), ("F", (0.0, 0.0, 1.0))], "sto-3g", grid=0)
    found = density_corrected_energy(m, xc("pbe"))
    density = scf(m, xc("hf"), tolerance=1e-10).density_matrix
    np.testing.assert_allclose(
        found.energy, fixed_density_energy(m, xc("pbe"), density_matrix=density), atol=1e-9
    )
    assert found.converged
    assert 1e-6 < found.density_driven < 1e-2
    assert not density_corrected_energy(m, xc("pbe"), max_steps=2).converged
    again = density_corrected_energy(m, xc("pbe"), guess=density, solver=DIIS(damping=0.1))
    np.testing.assert_allclose(again, found, atol=1e-6)
