"""The Newton solver: steps within a trust region, hard cases, saddle points, derivatives."""

from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import DIIS, Newton, molecule, scf, stability, stack, xc
from jaxsci.dft._basis.orthonormal import Orthonormal
from jaxsci.dft._scf.solvers import newton
from jaxsci.numerics import trust_region_step

pytest.importorskip("pyscf")

NITROGEN = [("N", (0.0, 0.0, 0.0)), ("N", (0.0, 0.0, 1.8))]


@pytest.mark.parametrize(("lowest", "radius"), [(0.5, 1e3), (0.5, 0.1), (-0.5, 2.0)])
def test_step_is_newtons_or_ends_at_the_border(lowest, radius):
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    hessian = jnp.asarray(q @ np.diag(np.linspace(lowest, 3, 6)) @ q.T)
    gradient = jnp.asarray(1e-8 * rng.normal(size=6) if radius > 10 else rng.normal(size=6))
    scale = jnp.asarray(rng.uniform(0.5, 2, 6))
    step, change = trust_region_step(
        lambda x: hessian @ x, gradient, scale, jnp.array(radius), jnp.array(True)
    )
    length = jnp.sqrt(jnp.sum(scale * step**2))
    np.testing.assert_allclose(change, gradient @ step + 0.5 * step @ hessian @ step, rtol=1e-9)
    assert float(change) < 0
    if radius > 10:  # with so small a gradient the equations are solved to four digits
        np.testing.assert_allclose(step, -jnp.linalg.solve(hessian, gradient), atol=1e-11)
    else:
        np.testing.assert_allclose(length, radius, rtol=1e-9)
    idle, _ = trust_region_step(
        lambda x: hessian @ x, gradient, scale, jnp.array(radius), jnp.array(False)
    )
    assert not bool(jnp.any(idle))


# Energies of two electrons in an orbital at an angle θ to the first of two, x = cos 2θ, y = sin 2θ.
# Both have minima at x = 1, where the empty orbital lies below the filled one, and at x = -1.
LANDSCAPES = {
    "the first minimum is lower": lambda x, y: x**3 - 2 * x + 2 * y**2,
    "the second minimum is lower": lambda x, y: x + 2 * y**2,
}


@pytest.mark.parametrize("landscape", LANDSCAPES)
def test_of_several_minima_the_lowest_counts_and_one_not_reached_does_not(landscape, monkeypatch):
    def energy(density):
        (a, b), (c, d) = density[0]
        return LANDSCAPES[landscape]((a - d) / 2, (b + c) / 2)

    def energy_and_fock(functional, params, ops, density):
        return jax.value_and_grad(energy)(density)

    monkeypatch.setattr(newton, "energy_and_fock", energy_and_fock)
    zero, inf = jnp.zeros(()), jnp.array(jnp.inf)
    fock = jnp.diag(jnp.array([-1.0, 1.0]))[None]  # fills the first orbital: x = 1
    start = newton.Solution(fock, zero, inf, inf, inf, jnp.zeros((), int))
    spins = SimpleNamespace(shared=False)
    basis = Orthonormal(jnp.eye(2), None)
    ops = SimpleNamespace(orthonormal=basis, counts=jnp.array([1]), spins=spins)
    equations = SimpleNamespace(functional=xc("hf"), params=None, ops=ops)
    search = jax.jit(lambda iteration: newton.minimise(equations, start, iteration))
    settings = [newton.Iteration.checked(1e-12, steps, Newton()) for steps in range(1, 30)]
    reached = [search(iteration) for iteration in settings]
    done = [bool(newton.has_converged(s, jnp.array(1e-12))) for s in reached]
    assert done == sorted(done) and done[-1]
    np.testing.assert_allclose(reached[-1].energy, -1, atol=1e-12)


@pytest.fixture(scope="module")
def solve():
    functional = xc("hf")

    def properties(strength, m, solver):
        core = m.core_hamiltonian + strength * m.dipole_integrals[2]
        m = eqx.tree_at(lambda t: t.core_hamiltonian, m, core)
        r = scf(m, functional, tolerance=1e-13, solver=solver, throw=False)
        return jnp.sum(r.density_matrix**2), r

    slope = jax.grad(properties, has_aux=True)
    return {s: jax.jit(lambda x, m, s=s: slope(x, m, s)) for s in (DIIS(), Newton())}


@pytest.mark.slow
def test_newton_leaves_a_saddle_point_where_diis_stays(solve):
    """Stretched nitrogen: symmetry holds DIIS above the restricted minimum, as PySCF finds it."""
    from pyscf import gto, scf as pyscf_scf

    m = molecule(NITROGEN, "6-31g", grid=0)
    field: Any = pyscf_scf.RHF(gto.M(atom=NITROGEN, basis="6-31g", verbose=0)).run(conv_tol=1e-12)
    stable = field.run(field.make_rdm1(field.stability()[0], field.mo_occ))
    _, saddle = solve[DIIS()](0.0, m)
    _, lowest = solve[Newton()](0.0, m)
    assert bool(saddle.converged) and bool(lowest.converged)
    np.testing.assert_allclose(lowest.energy, stable.e_tot, atol=1e-9, rtol=0)
    assert float(saddle.energy) - float(lowest.energy) > 1e-3
    assert float(stability(m, xc("hf"), result=lowest).internal) > 0


def test_derivatives_and_orbitals_do_not_depend_on_the_solver(solve):
    m = molecule([("N", (0.0, 0.0, 0.0)), ("N", (0.0, 0.0, 1.1))], "6-31g", grid=0)
    (slope, first), (other, second) = (solve[s](0.01, m) for s in (DIIS(), Newton()))
    np.testing.assert_allclose(other, slope, rtol=1e-6)
    np.testing.assert_allclose(second.energy, first.energy, atol=1e-12, rtol=0)
    np.testing.assert_allclose(second.orbital_energies, first.orbital_energies, atol=1e-6)
    np.testing.assert_allclose(second.gap, first.gap, atol=1e-6)


def test_what_oscillates_by_diis_converges_in_a_batch():
    atoms = [[("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, d))] for d in (1.6, 4.8)]
    batch = stack([molecule(a, "sto-3g", grid=0) for a in atoms])
    functional = xc("svwn")
    newton = jax.jit(jax.vmap(lambda m: scf(m, functional, solver=Newton(), throw=False)))(batch)
    assert bool(newton.converged.all())
    assert int(newton.steps.max()) < 40  # DIIS oscillates beyond the hundredth
    held = scf(jax.tree.map(lambda x: x[1], batch), functional, solver=DIIS(level_shift=0.2))
    np.testing.assert_allclose(newton.energy[1], held.energy, atol=1e-8, rtol=0)
    electrons = jnp.einsum("bij,bji->b", newton.density_matrix, batch.overlap)
    np.testing.assert_allclose(electrons, 4, atol=1e-9)
