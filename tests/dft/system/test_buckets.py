"""Molecules padded to a few shapes: few programs, and the results of each by itself."""

import equinox as eqx
import jax
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import data, molecule, molecules, pad_to_buckets, stack, training_batch, xc
from jaxsci.dft._system import grouping

pytest.importorskip("pyscf")

WATER = [("O", (0, 0, 0.117)), ("H", (0, 0.757, -0.47)), ("H", (0, -0.757, -0.47))]
MANY = {
    "H2": ([("H", (0, 0, 0)), ("H", (0, 0, 0.7))], 0),
    "CH2": ([("C", (0, 0, 0.11)), ("H", (0, 0.98, -0.33)), ("H", (0, -0.98, -0.33))], 2),
    "LiH": ([("Li", (0, 0, 0)), ("H", (0, 0, 1.6))], 0),
    "H2O": (WATER, 0),
}


def made(*names, **options):
    basis = options.pop("basis", "sto-3g")
    return [molecule(MANY[n][0], basis, spin=MANY[n][1], grid=0, **options) for n in names]


def shapes(many):
    return {(jax.tree.structure(m), *(x.shape for x in jax.tree.leaves(m))) for m in many}


@pytest.fixture(scope="module")
def compiled():
    """Names of the programs that were compiled, to be cleared before they are counted."""
    names = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, *_, **about: (
            names.append(about) if name.endswith("backend_compile_duration") else None
        )
    )
    return names


def test_few_programs_and_the_results_of_each_molecule_by_itself(compiled):
    """Energy, its gradient in the parameters, forces and dipole, restricted and unrestricted."""
    many = made("H2", "CH2")
    compiled.clear()
    padded = pad_to_buckets(many, 1)
    assert not compiled and len(shapes(padded)) == 1
    mlp = jsci.nn.MLP(2, "scalar", width=4, depth=1, key=jax.random.key(0))
    network, params = jsci.pure(mlp)
    params = jax.tree.map(lambda p: 0.1 * p, params)
    functional = jsci.dft.neural_functional(network, base=xc("lda"), level="lda")
    energy = jax.jit(jax.value_and_grad(jsci.dft.energy(functional)))

    @jax.jit
    def properties(params, m):
        r = jsci.dft.scf(m, functional, params, tolerance=1e-14, throw=False)
        forces = jsci.dft.forces(m, functional, params, guess=r, tolerance=1e-14, throw=False)
        return forces, jsci.dft.dipole(m, r)

    jax.block_until_ready(params)
    compiled.clear()
    found = [energy(params, m) for m in padded]
    assert len(compiled) == 1
    for m, (value, gradient) in zip(many, found, strict=True):
        alone, its_gradient = energy(params, m)
        assert abs(value - alone) < 1e-11
        for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(its_gradient), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-11, rtol=0)
    # Closed shell, and padded in atoms, functions and points.
    (forces, moment), (own, its_moment) = (properties(params, x[0]) for x in (padded, many))
    np.testing.assert_allclose(forces[:2], own, atol=1e-11, rtol=0)
    assert abs(own).max() > 1e-3 and not forces[2:].any() and padded[0].atom_mask.sum() == 2
    np.testing.assert_allclose(moment, its_moment, atol=1e-11, rtol=0)


@pytest.mark.slow
def test_second_derivatives_of_a_padded_molecule_are_its_own():
    h2, water = made("H2", "H2O")
    padded, _ = pad_to_buckets([h2, water], 1)
    lda = xc("lda")
    with pytest.warns(UserWarning, match="not stationary"):
        found, own = jsci.dft.hessian(padded, lda), jsci.dft.hessian(h2, lda)
    np.testing.assert_allclose(found[:2, :, :2], own, atol=1e-9)
    assert not found[2:].any() and not found[:, :, 2:].any()


def test_molecules_are_padded_as_they_are_built():
    atoms = [MANY[n][0] for n in ("H2", "LiH", "H2O")]
    padded = molecules(atoms, "sto-3g", grid=0, buckets=1, progress=False)
    again = pad_to_buckets(molecules(atoms, "sto-3g", grid=0, progress=False), 1)
    assert len(shapes(padded)) == 1
    assert eqx.tree_equal(padded, again)
    assert eqx.tree_equal(stack(padded), stack(again))


def test_a_molecule_in_a_shape_of_its_own_is_unchanged():
    many = made("H2", "H2O")
    assert eqx.tree_equal(pad_to_buckets(many, 5), many)
    assert pad_to_buckets([], 3) == []


def test_molecules_that_failed_keep_their_place():
    h2, water = made("H2", "H2O")
    first, none, last = pad_to_buckets([h2, None, water], 1)
    assert none is None and shapes([first]) == shapes([last])


def test_the_groups_are_those_that_cost_least():
    many = made("H2", "LiH", "H2O") + made("H2", basis="6-31g")
    # The two molecules of hydrogen are small, the others have six and seven functions.
    assert sorted(grouping.groups(many, 2)) == [[0, 3], [1, 2]]
    costs = [
        sum(len(g) * grouping.work(grouping.sizes(many)[g].max(axis=0)) for g in groups)
        for groups in (grouping.groups(many, k) for k in (1, 2, 3, 4))
    ]
    assert costs == sorted(costs, reverse=True)
    one = {"a": jax.numpy.ones(1), "b": jax.numpy.ones(1)}
    alike = [many[0].with_extras(**dict(pairs)) for pairs in (one.items(), [*one.items()][::-1])]
    assert (np.diff(grouping.sizes(alike), axis=0) == 0).all()  # in whatever order
    # Work has to be the largest for what is largest: else padding would seem to save some.
    assert (np.diff(grouping.work(grouping.sizes(made("H2", "LiH", "H2O")))) > 0).all()


def test_kinds_that_cannot_share_a_shape_have_their_own():
    full, fitted = made("H2"), made("H2", density_fit=True)
    open_shell = made("CH2", restricted=True)
    many = full + fitted + made("LiH") + open_shell
    assert len(shapes(pad_to_buckets(many, 2))) == 2
    with pytest.raises(ValueError, match="2 kinds .* full integrals and density fitting"):
        pad_to_buckets(many, 1)
    with pytest.raises(ValueError, match="2 kinds .* at least buckets=2"):
        pad_to_buckets(open_shell + made("CH2"), 1)


def test_batches_of_one_shape_with_targets_of_the_molecules_own_size():
    many = made("H2", "CH2", "H2O")
    padded = pad_to_buckets(many, 2)
    energies = [-1.1, -38.5, -75.0]
    small, large = data.buckets(padded, energies)
    assert small.energy.tolist() == energies[:1] and large.energy.tolist() == energies[1:]
    assert large.molecule.size == padded[2].size
    draw = data.minibatch({"small": small, "large": large}, 2)(jax.random.key(0))
    assert draw["large"].energy.shape == (1,)

    padded = pad_to_buckets(many, 1)
    forces = [np.full((len(m.charges), 3), 0.1) for m in many]
    batches = [
        training_batch(many, energies, forces=forces, densities=[m.guess for m in many]),
        training_batch(padded, energies, forces=forces, densities=[m.guess for m in many]),
        training_batch(
            padded,
            energies,
            forces=[np.pad(f, [(0, len(m.charges) - len(f)), (0, 0)]) for f, m in
                    zip(forces, padded, strict=True)],
            densities=[m.guess for m in padded],
        ),
    ]  # fmt: skip
    for batch in batches[1:]:
        for part in (lambda b: b.force, lambda b: b.density, lambda b: b.slopes):
            jax.tree.map(np.testing.assert_array_equal, part(batches[0]), part(batch))
    with pytest.raises(ValueError, match="has shape .3, 3., its molecule 2 basis functions"):
        training_batch(padded, energies, densities=[np.eye(3)] + [m.guess for m in many[1:]])


@pytest.mark.parametrize("buckets", [0, -2, 1.5, True, "six"])
def test_what_is_no_number_of_shapes_is_refused_before_any_work(buckets):
    with pytest.raises(ValueError, match="buckets is a number of shapes, at least 1"):
        molecules([MANY["H2"][0]], "sto-3g", grid=0, buckets=buckets)


def test_more_than_fits_into_memory_is_refused(monkeypatch):
    monkeypatch.setattr("jaxsci.dft._system.buckets.machine_memory", lambda: 1e5)
    with pytest.raises(ValueError, match="2 molecules padded to 1 shapes take .* more buckets"):
        pad_to_buckets(made("H2", "H2O"), 1)
