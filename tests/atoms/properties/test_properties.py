"""Energies, forces and stresses against ASE's and differences; invariances."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.atoms._structure.atoms import moved

LJ = {"epsilon": 0.0104, "sigma": 3.4, "cutoff": 7.5}


def argon(seed=0, repeat=1):
    """A rattled, sheared cell of face-centred argon."""
    rng = np.random.default_rng(seed)
    base = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cells = np.array(list(itertools.product(range(repeat), repeat=3)))
    fraction = (base[None] + cells[:, None]).reshape(-1, 3) / repeat
    cell = repeat * (5.3 * np.eye(3) + 0.2 * rng.normal(size=(3, 3)))
    positions = fraction @ cell + 0.1 * rng.normal(size=fraction.shape)
    return jsci.atoms.Atoms(positions, [18] * len(fraction), cell)


def silicon(seed=0):
    rng = np.random.default_rng(seed)
    base = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]]) / 4
    fraction = np.concatenate([base, base + 0.25])
    cell = 5.431 * np.eye(3) + 0.05 * rng.normal(size=(3, 3))
    return jsci.atoms.Atoms(fraction @ cell + 0.1 * rng.normal(size=(8, 3)), ["Si"] * 8, cell)


def potential(name):
    if name == "stillinger_weber":
        energy, params = jsci.atoms.stillinger_weber()
        return energy, params, silicon(), {"cutoff": 4.0, "angle_cutoff": 4.0}
    onset = 5.0 if name == "smooth" else None
    energy, params = jsci.atoms.lennard_jones(**LJ, onset=onset)
    return energy, params, argon(), {"cutoff": 7.5}


POTENTIALS = ["shifted", "smooth", "stillinger_weber"]


@pytest.mark.parametrize("onset", [None, 5.0])
def test_lennard_jones_is_that_of_ase(onset):
    lj = pytest.importorskip("ase.calculators.lj")
    energy, params = jsci.atoms.lennard_jones(**LJ, onset=onset)
    atoms = argon()
    ours = jsci.atoms.properties(energy)(params, atoms, jsci.atoms.neighbours(atoms, 7.5))
    smooth = {"smooth": True, "ro": onset} if onset else {}
    calculator = lj.LennardJones(epsilon=LJ["epsilon"], sigma=LJ["sigma"], rc=7.5, **smooth)
    (theirs,) = jsci.atoms.label([atoms], calculator)
    np.testing.assert_allclose(ours.energy, theirs.energy, rtol=1e-10)
    np.testing.assert_allclose(ours.forces, theirs.forces, atol=1e-10)
    np.testing.assert_allclose(ours.stress, theirs.stress, atol=1e-10)


def every_triple(atoms, epsilon=2.1683, sigma=2.0951):
    """The sums of Stillinger and Weber's paper, as loops over a molecule."""
    x = np.asarray(atoms.positions) / sigma
    n, a, total = len(x), 1.8, 0.0
    r = np.linalg.norm(x[:, None] - x[None], axis=-1)
    for i, j in itertools.combinations(range(n), 2):
        if r[i, j] < a:
            well = 0.6022245584 * r[i, j] ** -4 - 1
            total += 7.049556277 * well * np.exp(1 / (r[i, j] - a))
    for i in range(n):
        for j, k in itertools.combinations([k for k in range(n) if k != i], 2):
            if r[i, j] < a and r[i, k] < a:
                cosine = (x[j] - x[i]) @ (x[k] - x[i]) / r[i, j] / r[i, k]
                decay = np.exp(1.2 / (r[i, j] - a) + 1.2 / (r[i, k] - a))
                total += 21 * decay * (cosine + 1 / 3) ** 2
    return epsilon * total


def test_stillinger_weber_is_the_sum_of_the_paper():
    energy, params = jsci.atoms.stillinger_weber()
    atoms = silicon()
    atoms = jsci.atoms.Atoms(atoms.positions, atoms.numbers)
    graph = jsci.atoms.neighbours(atoms, 4.0, angle_cutoff=4.0)
    np.testing.assert_allclose(energy(params, atoms, graph), every_triple(atoms), rtol=1e-12)


def test_no_pair_just_within_the_cutoff_has_an_infinite_energy():
    """With this σ the last length of single precision before the cutoff is r/σ = c/σ."""
    with jax.enable_x64(False):
        energy, params = jsci.atoms.stillinger_weber()
        r = np.nextafter(np.float32(energy.cutoff), np.float32(0))
        atoms = jsci.atoms.Atoms(np.array([[0, 0, 0], [r, 0, 0]], np.float32), ["Si", "Si"])
        graph = jsci.atoms.neighbours(atoms, 4.0, angle_cutoff=4.0)
        params = params | {"sigma": np.float32(2.0180452)}
        assert energy(params, atoms, graph) == 0


def test_silicon_has_its_published_cohesive_energy():
    """-4.3364 eV per atom (2 ε) at 5.431 Å, where the stress vanishes."""
    energy, params = jsci.atoms.stillinger_weber()
    base = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]]) / 4
    fraction = np.concatenate([base, base + 0.25])
    atoms = jsci.atoms.Atoms(5.43095 * fraction, ["Si"] * 8, 5.43095 * np.eye(3))
    graph = jsci.atoms.neighbours(atoms, 4.0, angle_cutoff=4.0)
    result = jsci.atoms.properties(energy)(params, atoms, graph)
    np.testing.assert_allclose(result.energy / 8, -2 * 2.1683, rtol=1e-5)
    np.testing.assert_allclose(result.stress, 0, atol=1e-5)


@pytest.mark.parametrize("name", POTENTIALS)
def test_forces_and_stress_are_differences_of_the_energy(name):
    energy, params, atoms, cutoffs = potential(name)
    graph = jsci.atoms.neighbours(atoms, **cutoffs)
    result = jsci.atoms.properties(energy)(params, atoms, graph)
    rng = np.random.default_rng(3)
    direction = rng.normal(size=atoms.positions.shape)
    strain = rng.normal(size=(3, 3))
    strain += strain.T

    def along(h):
        return energy(params, moved(atoms, atoms.positions + h * direction), graph)

    def under(h):
        deformed = np.eye(3) + h * strain
        return energy(
            params, moved(atoms, atoms.positions @ deformed, atoms.cell @ deformed), graph
        )

    def slope(f, h=1e-3):  # of fourth order
        return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)

    np.testing.assert_allclose(slope(along), -jnp.sum(result.forces * direction), rtol=1e-6)
    np.testing.assert_allclose(
        slope(under), jnp.sum(result.stress * strain) * atoms.volume, rtol=1e-6
    )


@pytest.mark.parametrize("name", POTENTIALS)
def test_rotation_translation_permutation_and_supercells(name):
    energy, params, atoms, cutoffs = potential(name)
    f = jsci.atoms.properties(energy)
    rng = np.random.default_rng(5)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(len(atoms.numbers))
    x, cell = np.asarray(atoms.positions), np.asarray(atoms.cell)
    twice = np.concatenate([x, x + cell[1]])
    wide = cell * np.array([[1.0], [2.0], [1.0]])
    versions = {
        "turned": (x @ turn, cell @ turn),
        "shifted": (x + 7.3, cell),
        "permuted": (x[order], cell),
        "supercell": (twice, wide),
    }
    ours = f(params, atoms, jsci.atoms.neighbours(atoms, **cutoffs))
    for version, (positions, box) in versions.items():
        other = jsci.atoms.Atoms(positions, [int(atoms.numbers[0])] * len(positions), box)
        theirs = f(params, other, jsci.atoms.neighbours(other, **cutoffs))
        n = len(positions) / len(x)
        np.testing.assert_allclose(theirs.energy, n * ours.energy, rtol=1e-10, err_msg=version)
        forces, stress = np.asarray(ours.forces), np.asarray(ours.stress)
        if version == "turned":
            forces, stress = forces @ turn, turn.T @ stress @ turn
        forces = forces[order] if version == "permuted" else forces
        forces = np.concatenate([forces] * int(n))
        np.testing.assert_allclose(theirs.forces, forces, atol=1e-10, err_msg=version)
        np.testing.assert_allclose(theirs.stress, stress, atol=1e-10, err_msg=version)


def test_moments_pass_through_and_an_overflow_makes_everything_nan():
    atoms = argon()
    graph = jsci.atoms.neighbours(atoms, 5.0)
    f = jsci.atoms.properties(lambda p, atoms, g: (jnp.sum(atoms.positions), 2.0 * atoms.mask))
    assert (f(None, atoms, graph).magmoms == 2).all()
    import equinox as eqx

    full = eqx.tree_at(lambda g: g.overflow, graph, jnp.array(True))
    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(f(None, atoms, full)))
    # Such as of an unknown element under jit, whose energy is a constant NaN.
    f = jsci.atoms.properties(lambda p, atoms, g: jnp.nan + 0 * jnp.sum(atoms.positions))
    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(f(None, atoms, graph)))


def test_a_graph_that_is_too_small_is_refused():
    energy, params = jsci.atoms.lennard_jones(**LJ)
    atoms = argon()
    with pytest.raises(ValueError, match="neighbours within 7.5 Å, and the graph has those within"):
        energy(params, atoms, jsci.atoms.neighbours(atoms, 5.0))
    sw, constants = jsci.atoms.stillinger_weber()
    with pytest.raises(ValueError, match="needs angles within"):
        sw(constants, atoms, jsci.atoms.neighbours(atoms, 5.0))


def test_germanium_does_not_get_the_energy_of_silicon():
    energy, params = jsci.atoms.stillinger_weber()
    atoms = jsci.atoms.Atoms([[0.0, 0, 0], [0, 0, 2.4]], ["Ge", "Si"])
    graph = jsci.atoms.neighbours(atoms, 3.8, angle_cutoff=3.8)
    with pytest.raises(ValueError, match="know no Ge"):
        energy(params, atoms, graph)
    assert jnp.isnan(jax.jit(energy)(params, atoms, graph))


def test_elements_get_the_energies_that_fit_best():
    atoms = argon()
    mixed = jsci.atoms.Atoms(atoms.positions, ["Ar", "Kr", "Kr", "Kr"], atoms.cell)
    frames = [jsci.atoms.Frame(atoms, -4.0), jsci.atoms.Frame(mixed, -10.0)]
    found = jsci.atoms.composition_energies(frames)
    np.testing.assert_allclose(found[[18, 36]], [-1, -3])
    assert found.sum() == pytest.approx(-4)
    energy, params = jsci.atoms.lennard_jones(**LJ)
    graph = jsci.atoms.neighbours(mixed, 7.5)
    shifted = jsci.atoms.with_references(energy, found)
    np.testing.assert_allclose(shifted(params, mixed, graph) - energy(params, mixed, graph), -10)
