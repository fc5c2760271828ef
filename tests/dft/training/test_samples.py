"""Training functionals: known ones are recovered, failures do not steer, runs resume exactly."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.dft import (
    DIIS,
    Newton,
    Validation,
    density_error,
    energy_error,
    force_error,
    forces,
    mixed_error,
    molecule,
    neural_exchange,
    reaction,
    reaction_error,
    scf,
    self_consistency_error,
    stack,
    training_batch,
    training_report,
    xc,
)
from jaxsci.dft._training import residuals
from jaxsci.dft._training.converged_only import converged_only

pytest.importorskip("pyscf")

FUNCTIONAL = neural_exchange(lambda w, d: 1 + w[0] + w[1] * d[0], level="lda")
LOCAL = xc("vwn5") + neural_exchange(lambda w, d: 1 + w[0] + w[1] * d[0], level="lda")
TRUTH, START = jnp.array([0.05, 0.1]), jnp.zeros(2)


@pytest.fixture(scope="module")
def molecules():
    h2 = [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.74))]
    return [molecule([("He", (0.0, 0.0, 0.0))], "6-31g", grid=0), molecule(h2, "6-31g", grid=0)]


@pytest.fixture(scope="module")
def data(molecules):
    solve = jax.vmap(lambda m: scf(m, FUNCTIONAL, TRUTH, tolerance=1e-14, throw=False))
    exact = solve(stack(molecules))
    return training_batch(molecules, exact.energy, densities=exact.density_matrix)


def test_energies_recover_the_functional(data):
    loss = jsci.objective({"energy": energy_error(FUNCTIONAL)})
    found = jsci.fit(
        loss, START, {"energy": data}, jsci.gauss_newton(1e-14), steps=6, progress=False
    )
    np.testing.assert_allclose(found.params, TRUTH, atol=1e-5)
    report = training_report(FUNCTIONAL, found.params, data)
    assert report.mae < 1e-4
    assert report.unconverged == 0


def test_the_field_starts_from_the_density_of_the_sample(data):
    no_guess = jnp.full_like(data.molecule.guess, jnp.nan)
    lost = eqx.tree_at(lambda sample: sample.molecule.guess, data, no_guess)
    error = jax.jit(jax.vmap(energy_error(FUNCTIONAL), (None, 0)))
    np.testing.assert_allclose(error(TRUTH, lost), 0, atol=1e-9)


@pytest.mark.parametrize("density", ["fixed", "harris"])
def test_without_iterations_the_energy_is_that_of_the_given_density(data, density):
    fixed = jax.jit(jax.vmap(energy_error(FUNCTIONAL, density=density), (None, 0)))
    np.testing.assert_allclose(fixed(TRUTH, data), 0, atol=1e-10)


def test_density_is_self_consistent_for_its_own_functional_alone(data):
    error = jax.jit(jax.vmap(self_consistency_error(FUNCTIONAL), (None, 0)))
    np.testing.assert_allclose(error(TRUTH, data), 0, atol=1e-7)
    assert (error(START, data) > 1e-4).all()


def test_shared_orbitals_are_self_consistent_where_their_energy_is_stationary():
    lithium = molecule("Li 0 0 0", "sto-3g", grid=0, spin=1, restricted=True)
    solved = scf(lithium, LOCAL, TRUTH, tolerance=1e-14)
    sample = jax.tree.map(
        lambda x: x[0], training_batch([lithium], [0.0], densities=[solved.density_matrix])
    )
    np.testing.assert_allclose(self_consistency_error(LOCAL)(TRUTH, sample), 0, atol=1e-7)


def test_validation_keeps_the_best_and_stops(data):
    watch = Validation(FUNCTIONAL, data, patience=2, progress=False)
    assert [watch(i, {}, p) for i, p in enumerate([START, TRUTH, START, START])] == [
        False,
        False,
        False,
        True,
    ]
    np.testing.assert_array_equal(watch.best_params, TRUTH)
    assert watch.best.mae < 1e-4
    assert len(watch.reports) == 4
    with pytest.raises(ValueError, match="patience must be at least 1, got 0"):
        Validation(FUNCTIONAL, data, patience=0)


@pytest.mark.slow
def test_gradient_of_density_and_reaction_errors(data, molecules):
    sample = jax.tree.map(lambda x: x[1], data)
    density = density_error(FUNCTIONAL, tolerance=1e-17)
    change = reaction_error(FUNCTIONAL)
    step = reaction(molecules, (-1.0, 2.0), 0.3)
    energy = jax.vmap(lambda m: scf(m, FUNCTIONAL, START, throw=False).energy)(step.species)
    both = jax.jit(lambda w: jnp.stack([density(w, sample), change(w, step)]))
    np.testing.assert_allclose(both(START)[1], 2 * energy[1] - energy[0] - 0.3, atol=1e-8)
    direction, h = jnp.array([1.0, 0.5]), 1e-3
    _, slope = jax.jvp(both, (START,), (direction,))
    difference = (both(START + h * direction) - both(START - h * direction)) / (2 * h)
    np.testing.assert_allclose(slope, difference, rtol=1e-4)


def test_resumes_exactly_and_refuses_another_functional(data, tmp_path):
    loss = jsci.objective({"energy": energy_error(FUNCTIONAL, density="fixed")})
    run = {"data": {"energy": data}, "optimizer": optax.adam(1e-2), "progress": False}
    whole = jsci.fit(loss, START, **run, steps=6)
    file = tmp_path / "run.jsci"
    jsci.fit(loss, START, **run, steps=3, checkpoint=file)
    resumed = jsci.fit(loss, START, **run, steps=6, checkpoint=file)
    assert (resumed.params == whole.params).all()
    with pytest.raises(ValueError, match="another model or optimiser"):
        jsci.fit(loss, jnp.zeros(3), **run, steps=6, checkpoint=file)


def test_molecules_that_fail_neither_steer_nor_stop_the_others():
    def field(w, sample):
        """An error whose derivative is NaN for a negative sample, which does not converge."""
        return jnp.sqrt(w[0] * sample), sample > 0

    residual = converged_only(field)
    samples, w = jnp.array([4.0, -4.0]), jnp.array([1.0])
    values, slopes = jax.vmap(jax.value_and_grad(residual), (None, 0))(w, samples)
    np.testing.assert_allclose(values, [2.0, 1.0])
    np.testing.assert_allclose(slopes, [[1.0], [0.0]])
    _, forward = jax.jvp(lambda w: jax.vmap(residual, (None, 0))(w, samples), (w,), (w,))
    np.testing.assert_allclose(forward, [1.0, 0.0])


@pytest.fixture(scope="module")
def with_forces(molecules):
    h2 = molecules[1]
    exact = scf(h2, FUNCTIONAL, TRUTH, tolerance=1e-14)
    known = {
        "densities": exact.density_matrix[None],
        "forces": [forces(h2, FUNCTIONAL, TRUTH, tolerance=1e-14)],
    }
    return training_batch([h2], [exact.energy], **known)


# One field gives three residuals; the forces' own integrals come another way than `forces`.
@pytest.mark.slow
def test_mixed_error_vanishes_at_the_truth_and_has_its_derivative(with_forces):
    sample = jax.tree.map(lambda x: x[0], with_forces)
    error = jax.jit(mixed_error(FUNCTIONAL, density=0.5, force=2.0, tolerance=1e-16))
    np.testing.assert_allclose(error(TRUTH, sample), 0, atol=1e-8)
    direction, h = jnp.array([1.0, 0.5]), 1e-3
    _, slope = jax.jvp(lambda w: error(w, sample), (START,), (direction,))
    ahead, behind = (error(START + s * h * direction, sample) for s in (1, -1))
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * h), rtol=1e-4, atol=1e-8)


@pytest.mark.slow
def test_energies_and_forces_recover_the_functional(with_forces):
    loss = jsci.objective({"mixed": mixed_error(FUNCTIONAL, force=1.0)}, batch_size=1)
    found = jsci.fit(
        loss, START, {"mixed": with_forces}, jsci.gauss_newton(1e-14), steps=8, progress=False
    )
    np.testing.assert_allclose(found.params, TRUTH, atol=1e-5)


def test_densities_of_single_molecules_are_padded(data, molecules):
    sizes = [m.size for m in molecules]
    single = [np.asarray(p)[:n, :n] for p, n in zip(data.density, sizes, strict=True)]
    again = training_batch(molecules, data.energy, densities=single)
    np.testing.assert_array_equal(again.density, data.density)
    with pytest.raises(ValueError, match="2 molecules, but densities for 1"):
        training_batch(molecules, data.energy, densities=single[:1])


def test_bad_input_is_explained(molecules):
    with pytest.raises(ValueError, match="energies not finite for H2"):
        training_batch(molecules, [-2.9, np.nan], names=["He", "H2"])
    with pytest.raises(ValueError, match=r"energies must have shape \(2,\), got \(3,\)"):
        training_batch(molecules, [1.0, 2.0, 3.0])
    strange = molecules[0].with_extras(field=jnp.array([jnp.nan]))
    with pytest.raises(ValueError, match="not finite: He. Look at"):
        training_batch([strange], [1.0], names=["He"])
    with pytest.raises(ValueError, match=r"one number for one point, got shape \(1,\)"):
        scf(molecules[0], lambda params, features: features.rho[None])
    with pytest.raises(ValueError, match="2 molecules, but 1 names"):
        training_batch(molecules, [1.0, 2.0], names=["He"])
    with pytest.raises(ValueError, match="allowed are 'scf', 'fixed' and 'harris'"):
        energy_error(FUNCTIONAL, density="guess")
    without = jax.tree.map(lambda x: x[0], training_batch(molecules, [1.0, 2.0]))
    with pytest.raises(ValueError, match="needs densities in the batch"):
        density_error(FUNCTIONAL)(START, without)
    with pytest.raises(ValueError, match="self_consistency_error needs densities"):
        self_consistency_error(FUNCTIONAL)(START, without)
    with pytest.raises(ValueError, match=r"forces must have shape \(1, 1, 3\)"):
        training_batch(molecules, [1.0, 2.0], forces=[np.zeros((2, 3)), np.zeros((2, 3))])
    with pytest.raises(ValueError, match="force_error needs forces in the batch"):
        force_error(FUNCTIONAL)(START, without)
    with pytest.raises(ValueError, match="one of them positive"):
        mixed_error(FUNCTIONAL, energy=0.0)
    wild = training_batch(molecules, [1.0, 2.0])
    with pytest.raises(RuntimeError, match="None of the 2 molecules converged"):
        training_report(FUNCTIONAL, jnp.array([jnp.nan, 0.0]), wild)


@pytest.fixture(scope="module")
def hard():
    """Stretched lithium hydride, which oscillates by plain DIIS, beside one that does not."""
    lengths = 1.6, 4.8
    batch = [
        molecule([("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, d))], "sto-3g", grid=0) for d in lengths
    ]
    solve = jax.jit(jax.vmap(lambda m: scf(m, LOCAL, TRUTH, solver=Newton(), throw=False)))
    exact = solve(stack(batch))
    assert bool(exact.converged.all())
    return training_batch(batch, exact.energy)


@pytest.mark.slow
@pytest.mark.parametrize("solver", [DIIS(level_shift=0.2), Newton()])
def test_a_hard_molecule_trains_with_the_solver_that_it_needs(hard, solver):
    assert training_report(LOCAL, START, hard).unconverged == 1
    loss = jsci.objective({"energy": energy_error(LOCAL, solver=solver)})
    optimizer = jsci.levenberg_marquardt()
    found = jsci.fit(loss, START, {"energy": hard}, optimizer, steps=20, progress=False)
    report = training_report(LOCAL, found.params, hard, solver=solver)
    assert report.unconverged == 0
    assert report.mae < 1e-3


@pytest.mark.parametrize(
    "residual", [energy_error, density_error, force_error, mixed_error, reaction_error]
)
def test_every_residual_through_the_scf_takes_a_solver(data, molecules, residual, monkeypatch):
    taken = []

    def spy(*args, solver, **options):
        taken.append(solver)
        return scf(*args, solver=solver, **options)

    monkeypatch.setattr(residuals, "scf", spy)
    sample = dataclasses.replace(jax.tree.map(lambda x: x[1], data), force=jnp.zeros((2, 3)))
    given = reaction(molecules, (-1.0, 2.0), 0.3) if residual is reaction_error else sample
    jax.eval_shape(residual(FUNCTIONAL, solver=DIIS(damping=0.3)), START, given)
    assert taken == [DIIS(damping=0.3)]
