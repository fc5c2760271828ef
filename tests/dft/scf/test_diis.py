"""When a field counts as converged, and when its response counts as solved."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import DIIS, molecule, scf, stack, xc
from jaxsci.dft._scf.response import solve_or_nan
from jaxsci.dft._scf.solvers.diis import Solution, has_converged

pytest.importorskip("pyscf")

WATER = [("O", (0.0, 0.0, 0.1173)), ("H", (0.0, 0.7572, -0.4692)), ("H", (0.0, -0.7572, -0.4692))]


@pytest.mark.parametrize(("change", "stops"), [(1e-3, True), (-1e-3, True), (1e-1, False)])
def test_a_small_gradient_is_not_enough_while_the_energy_drifts(change, stops):
    reached = {"fock": jnp.eye(1)[None], "shift": 0.0, "energy": -1.0, "steps": 3}
    numbers = {
        k: jnp.asarray(x) for k, x in {**reached, "gradient": 1e-2, "change": change}.items()
    }
    assert bool(has_converged(Solution(**numbers), jnp.array(1e-2))) == stops


@pytest.mark.parametrize("tolerance", [1e-3, 1e-7])
def test_tolerance_is_the_error_of_the_energy(tolerance):
    water, functional = molecule(WATER, "sto-3g", grid=0), xc("hf")
    exact = scf(water, functional, tolerance=1e-13)
    result = scf(water, functional, tolerance=tolerance)
    assert abs(float(result.energy - exact.energy)) < tolerance
    assert 2 <= int(result.steps) < int(exact.steps)


def test_gap():
    hydrogen = molecule([("H", (0, 0, 0))], "sto-3g", spin=1, grid=0)
    fluoride = molecule([("H", (0, 0, 0)), ("F", (0, 0, 0.92))], "sto-3g", grid=0)
    alone = scf(fluoride, xc("hf"))
    np.testing.assert_allclose(alone.gap, alone.orbital_energies[5] - alone.orbital_energies[4])
    # The functions that fill up the batch are no orbitals, and hydrogen has none that are empty.
    batch = jax.vmap(lambda m: scf(m, xc("hf"), throw=False).gap)(stack([hydrogen, fluoride]))
    np.testing.assert_array_equal(batch[0], [jnp.inf, jnp.inf])
    np.testing.assert_allclose(batch[1], alone.gap, atol=1e-6)


def test_response_is_solved_or_nan():
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(30, 30)))
    stiff = np.linspace(0.1, 2.0, 30)
    b = jnp.asarray(rng.normal(size=30))

    @jax.jit
    def solve(spectrum):
        a = q @ jnp.diag(spectrum) @ q.T
        return solve_or_nan(lambda x: a @ x, b, preconditioner=lambda x: x)

    np.testing.assert_allclose(solve(stiff), (q / stiff) @ q.T @ b, rtol=1e-6, atol=1e-8)
    for softest in (0.0, 1e-6, -0.1):  # singular, nearly so, a saddle point
        spectrum = stiff.copy()
        spectrum[0] = softest
        assert bool(jnp.all(jnp.isnan(solve(spectrum))))
    spread = 10 ** np.linspace(-2, 9, 30)  # too hard for conjugate gradients in 300 steps
    assert bool(jnp.all(jnp.isnan(solve(spread))))


@pytest.fixture(scope="module")
def hydroxyl():
    """OH, whose hole may sit in either of two orbitals of one energy."""
    from pyscf import gto

    atoms = [("O", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.97))]
    quadrupole = gto.M(atom=atoms, basis="sto-3g", spin=1).intor("int1e_rr").reshape(3, 3, 6, 6)
    return molecule(atoms, "sto-3g", spin=1, grid=0), {
        "along": jnp.asarray(quadrupole[2, 2]),
        "across": jnp.asarray(quadrupole[0, 1] + quadrupole[0, 0] - quadrupole[1, 1]),
    }


def test_hole_in_a_degenerate_shell(hydroxyl):
    """Derivatives are right where the hole stays, and not a number where it would turn."""
    radical, fields = hydroxyl

    # The field must be converged closer than the response is solved: the hole turns freely, so
    # what is left of the orbital gradient along it would be divided by nearly nothing.
    def moment(strength, field):
        core = radical.core_hamiltonian + strength * field
        m = eqx.tree_at(lambda t: t.core_hamiltonian, radical, core)
        result = scf(m, xc("hf"), tolerance=1e-20, throw=False)
        return jnp.sum(result.density_matrix.sum(0) * field), (result.energy, result.gap)

    value = jax.jit(moment)
    reverse = jax.jit(jax.grad(moment, has_aux=True))
    forward = jax.jit(lambda s, f: jax.jvp(lambda s: moment(s, f)[0], (s,), (1.0,))[1])
    slope, (_, gap) = reverse(0.0, fields["along"])
    difference = (value(1e-3, fields["along"])[0] - value(-1e-3, fields["along"])[0]) / 2e-3
    np.testing.assert_allclose(slope, difference, rtol=1e-4)
    np.testing.assert_allclose(forward(0.0, fields["along"]), slope, rtol=1e-6)
    assert gap[1] < gap[0]
    assert np.isnan(reverse(0.0, fields["across"])[0])
    assert np.isnan(forward(0.0, fields["across"]))


def test_level_shift_solves_what_else_oscillates():
    hydride = molecule([("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 4.8))], "sto-3g", grid=0)
    functional = xc("svwn")
    stopped = scf(hydride, functional, throw=False, max_steps=30)
    shifted = scf(hydride, functional, solver=DIIS(level_shift=0.2))
    assert not bool(stopped.converged)
    assert float(shifted.energy) < float(stopped.energy)
    assert 0 < float(shifted.gap) < 0.02


def test_orbitals_out_of_order_show():
    """In this approximation fluorine's hole lies below the highest occupied orbital."""
    fluorine = molecule([("F", (0.0, 0.0, 0.0))], "6-31g", spin=1, grid=0)
    held = scf(fluorine, xc("svwn"), solver=DIIS(level_shift=0.2))
    assert -0.01 < float(held.gap[1]) < 0
    hole, below = held.orbital_energies[1, 4], held.orbital_energies[1, 3]
    np.testing.assert_allclose(held.gap[1], hole - below)
    assert held.occupations[1, 4] == 0


def test_shift_and_damping_change_no_solution():
    water = molecule(WATER, "sto-3g", grid=0)
    solvers = DIIS(), DIIS(level_shift=0.5), DIIS(damping=0.4)

    def properties(strength, solver):
        core = water.core_hamiltonian + strength * water.dipole_integrals[2]
        m = eqx.tree_at(lambda t: t.core_hamiltonian, water, core)
        r = scf(m, xc("hf"), tolerance=1e-15, throw=False, solver=solver)
        return jnp.sum(r.density_matrix**2), (r.energy, r.orbital_energies, r.gap, r.converged)

    plain, *others = (
        jax.jit(jax.grad(lambda x, s=s: properties(x, s), has_aux=True))(0.0) for s in solvers
    )
    for slope, (energy, levels, gap, converged) in others:
        assert bool(converged)
        np.testing.assert_allclose(slope, plain[0], rtol=1e-6)
        np.testing.assert_allclose(energy, plain[1][0], rtol=1e-14)
        np.testing.assert_allclose(levels, plain[1][1], atol=1e-6)
        np.testing.assert_allclose(gap, plain[1][2], atol=1e-6)


def test_energy_keeps_its_derivative(hydroxyl):
    """The first derivative of the energy is that of fixed orbitals, whatever these can do."""
    radical, fields = hydroxyl

    def in_field(s):
        core = radical.core_hamiltonian + s * fields["across"]
        m = eqx.tree_at(lambda t: t.core_hamiltonian, radical, core)
        result = scf(m, xc("hf"), tolerance=1e-15, throw=False)
        return result.energy, result.density_matrix.sum(0)

    slope, density = jax.jit(jax.grad(in_field, has_aux=True))(0.0)
    np.testing.assert_allclose(slope, jnp.sum(density * fields["across"]), rtol=1e-6)
