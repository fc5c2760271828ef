"""Which fields are minima of the energy, against PySCF's orbital Hessians."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import DIIS, forces, molecule, scf, stability, stable_scf, xc
from jaxsci.numerics import lowest_eigenpair

pytest.importorskip("pyscf")

NITROGEN = [("N", (0.0, 0.0, 0.0)), ("N", (0.0, 0.0, 1.8))]


def reference(atoms, name, spin=0):
    """Lowest eigenvalues, internal and external, of PySCF's products with every unit vector."""
    from pyscf import dft, gto
    from pyscf.scf import stability as pyscf_stability
    from pyscf.soscf import newton_ah

    field = (dft.UKS if spin else dft.RKS)(gto.M(atom=atoms, basis="sto-3g", spin=spin, verbose=0))
    field.xc, field.grids.level, field.conv_tol = name, 0, 1e-12
    field.kernel()

    def lowest(product, size):
        matrix = np.array([product(unit) for unit in np.eye(size)])
        return np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[0]

    generate = newton_ah.gen_g_hop_uhf if spin else newton_ah.gen_g_hop_rhf
    _, product, diagonal = generate(field, field.mo_coeff, field.mo_occ, with_symmetry=False)
    internal = lowest(product, diagonal.size)
    if spin:
        return internal, np.inf
    # PySCF counts the electrons of a doubly occupied orbital in the internal eigenvalue only.
    external = pyscf_stability._gen_hop_rhf_external(field, with_symmetry=False)[2]
    return 0.5 * internal, lowest(external, diagonal.size)


@pytest.fixture(scope="module")
def nitrogen():
    m = molecule(NITROGEN, "sto-3g", grid=0)
    result = scf(m, xc("hf"), tolerance=1e-12)
    return m, result, stability(m, xc("hf"), result=result)


def test_stretched_bond_is_flagged(nitrogen):
    _, result, check = nitrogen
    internal, external = reference(NITROGEN, "hf")
    assert bool(result.converged) and bool(check.converged) and not bool(check.stable)
    np.testing.assert_allclose(check.internal, internal, atol=1e-6)
    np.testing.assert_allclose(check.external, external, atol=1e-6)


def test_following_the_direction_leads_down(nitrogen):
    m, result, check = nitrogen
    electrons = jnp.sum(check.guess * m.overlap)
    np.testing.assert_allclose(electrons, 14, rtol=1e-12)
    inner = scf(m, xc("hf"), guess=check.guess, solver=DIIS(level_shift=0.3))
    assert float(inner.energy) < float(result.energy) - 0.05
    open_shell = dataclasses.replace(m, spins="unrestricted")
    outer = scf(open_shell, xc("hf"), guess=check.spin_guess, solver=DIIS(level_shift=0.3))
    assert float(outer.energy) < float(inner.energy) - 0.1


@pytest.mark.slow
def test_instabilities_are_followed_to_a_minimum(nitrogen):
    m, result, _ = nitrogen
    lowest = stable_scf(m, xc("hf"))
    assert bool(lowest.converged)
    assert float(lowest.energy) < float(result.energy) - 0.05
    stopped = stable_scf(m, xc("hf"), attempts=0, throw=False)
    assert not bool(stopped.converged)  # though the field itself is
    np.testing.assert_allclose(stopped.energy, result.energy, atol=1e-8)
    with pytest.raises(RuntimeError, match="no minimum after 0 descents: the softest curvature"):
        stable_scf(m, xc("hf"), attempts=0)
    with pytest.raises(ValueError, match="decides on numbers"):
        jax.jit(lambda m: stable_scf(m, xc("hf")).energy)(m)


@pytest.mark.slow
def test_forces_of_a_field_below_the_symmetric_one():
    """Stretched hydrogen, whose electrons have parted."""
    functional = xc("hf")

    def hydrogen(distance):
        atoms = [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, distance))]
        return molecule(atoms, "sto-3g", grid=0, unit="bohr", restricted=False)

    def energy(distance):
        return float(stable_scf(hydrogen(distance), functional, tolerance=1e-13).energy)

    parted = stable_scf(hydrogen(4.0), functional)
    force = forces(hydrogen(4.0), functional, guess=parted.density_matrix)
    slope = (energy(4.001) - energy(3.999)) / 0.002
    np.testing.assert_allclose(force[1, 2], -slope, atol=1e-6)
    assert abs(float(forces(hydrogen(4.0), functional)[1, 2] - force[1, 2])) > 1e-3


@pytest.mark.slow
def test_analysis_of_a_batch(nitrogen):
    m, result, check = nitrogen
    both = jax.tree.map(lambda x: jnp.stack([x, x]), (m, result))
    batch = jax.jit(jax.vmap(lambda m, r: stability(m, xc("hf"), result=r)))(*both)
    np.testing.assert_allclose(batch.internal, [check.internal] * 2, atol=1e-7)
    np.testing.assert_allclose(batch.external, [check.external] * 2, atol=1e-7)
    np.testing.assert_array_equal(batch.stable, [False, False])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("atoms", "spin"),
    [
        ([("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 2.0))], 0),
        ([("N", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.04))], 2),
    ],
)
def test_density_functionals(atoms, spin):
    m = molecule(atoms, "sto-3g", spin=spin, grid=0)
    functional = xc("svwn")
    result = scf(m, functional, tolerance=1e-12)
    check = stability(m, functional, result=result)
    internal, external = reference(atoms, "lda,vwn", spin)
    np.testing.assert_allclose(check.internal, internal, atol=1e-5)
    np.testing.assert_allclose(check.external, external, atol=1e-5)
    assert bool(check.stable) == (min(internal, external) > -1e-5)
    assert (check.spin_guess is None) == bool(spin)


def test_without_empty_orbitals_nothing_can_turn():
    helium = molecule([("He", (0.0, 0.0, 0.0))], "sto-3g", grid=0)
    check = stability(helium, xc("hf"), result=scf(helium, xc("hf")))
    assert bool(check.stable) and bool(check.converged)
    assert np.isposinf(check.internal) and np.isposinf(check.external)


def test_fractional_occupations_have_no_answer(nitrogen):
    m, result, _ = nitrogen
    warm = dataclasses.replace(result, occupations=0.99 * result.occupations)
    check = stability(m, xc("hf"), result=warm)
    assert np.isnan(check.internal) and not bool(check.stable)


def test_lowest_eigenpair():
    """Of matrices with degenerate and symmetric spectra, one by one and in a batch."""
    rng = np.random.default_rng(0)
    shape, support = (9, 10), rng.uniform(size=(9, 10)) < 0.8
    noise = rng.normal(size=(3, 90, 90))
    matrices = np.stack([np.diag(np.linspace(0.1, 5, 90)) + 0.05 * (x + x.T) for x in noise])
    matrices[2] = np.kron(np.eye(2), matrices[2][:45, :45])  # each eigenvalue twice
    matrices = jnp.asarray(matrices * support.ravel()[:, None] * support.ravel())

    @jax.jit
    @jax.vmap
    def solve(a):
        return lowest_eigenpair(
            lambda x: (a @ x.ravel()).reshape(shape),
            jnp.diagonal(a).reshape(shape),
            jnp.asarray(support),
            tolerance=1e-7,
            max_steps=300,
        )

    values, vectors, converged = solve(matrices)
    inside = support.ravel()
    for a, value, x in zip(matrices, values, vectors, strict=True):
        expected = np.linalg.eigvalsh(np.asarray(a)[np.ix_(inside, inside)])[0]
        np.testing.assert_allclose(value, expected, atol=1e-10)
        np.testing.assert_allclose(a @ x.ravel(), value * x.ravel(), atol=1e-6)
    assert bool(converged.all())


def test_result_of_another_molecule_is_refused(nitrogen):
    m, result, _ = nitrogen
    with pytest.raises(ValueError, match=r"shape \(10, 10\), and this molecule's are \(2, 10, 10"):
        stability(dataclasses.replace(m, spins="unrestricted"), xc("hf"), result=result)


def test_negative_attempts_are_refused(nitrogen):
    with pytest.raises(ValueError, match="attempts is a whole number from 0, got -1"):
        stable_scf(nitrogen[0], xc("hf"), attempts=-1)
