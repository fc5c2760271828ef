"""Phonons and elastic constants against ASE's differences and the literature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from atoms._crystals import argon, silicon
from atoms._emt import CUTOFF, emt

import jaxsci as jsci
from jaxsci.atoms._structure import neighbours
from jaxsci.atoms._structure.atoms import moved, strained

VOIGT = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]


def lennard_jones():
    """Argon at its relaxed lattice constant, with a cutoff between shells."""
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=7.0, onset=5.0)
    return jsci.atoms.properties(energy), params, {"cutoff": 7.0}


def stillinger_weber():
    energy, params = jsci.atoms.stillinger_weber()
    return jsci.atoms.properties(energy), params, {"cutoff": 4.2, "angle_cutoff": 4.2}


def effective_medium():
    return jsci.atoms.properties(emt), None, {"cutoff": CUTOFF}


def primitive(atoms):
    """The primitive cell of a face-centred crystal."""
    a = float(atoms.cell[0, 0])
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0.0]])
    kept = [0] if len(atoms.numbers) == 4 else [0, 4]
    numbers = np.asarray(atoms.numbers)[kept]
    return jsci.atoms.Atoms(np.asarray(atoms.positions)[kept], numbers, cell)


def layers():
    """Two layers of copper and two of gold, whose distances are free."""
    cell = np.diag([2.7, 2.7, 7.7])
    places = np.array([[0, 0, 0], [2, 2, 1], [0, 0, 2], [2, 2, 3]]) / 4 @ cell
    return jsci.atoms.Atoms(places, ["Cu", "Cu", "Au", "Au"], cell)


# A potential, its crystal, the cell of phonons, and the repeats of its supercell.
CRYSTALS = {
    "argon": (lennard_jones, argon, lambda: primitive(argon(a=5.2)), 3),
    "silicon": (stillinger_weber, silicon, lambda: primitive(silicon()), 3),
    "copper and gold": (effective_medium, layers, layers, 2),
}


def calculator_of(name):
    """ASE's own, or ours by ASE's differences where it has none: the energy is tested elsewhere."""
    if name == "copper and gold":
        return pytest.importorskip("ase.calculators.emt").EMT()
    if name == "argon":
        lj = pytest.importorskip("ase.calculators.lj")
        return lj.LennardJones(epsilon=0.0104, sigma=3.4, rc=7.0, ro=5.0, smooth=True)
    f, params, cutoffs = stillinger_weber()
    return jsci.atoms.calculator(f, params, **cutoffs)


def relaxed_with_its_cell(f, params, atoms, cutoffs):
    nearby = jsci.atoms.NeighbourList(atoms, **cutoffs, room=1.5)
    found = jsci.atoms.relax(
        f, params, atoms, nearby, cell=True, fmax=1e-9, smax=1e-10, method="lbfgs"
    )
    assert found.converged
    return found.atoms


def test_effective_medium_theory_is_that_of_ase():
    f, params, cutoffs = effective_medium()
    rng = np.random.default_rng(0)
    atoms = moved(layers(), layers().positions + 0.1 * rng.standard_normal((4, 3)))
    ours = f(params, atoms, jsci.atoms.neighbours(atoms, **cutoffs))
    (theirs,) = jsci.atoms.label([atoms], calculator_of("copper and gold"))
    np.testing.assert_allclose(ours.energy, theirs.energy, rtol=1e-8)
    np.testing.assert_allclose(ours.forces, theirs.forces, atol=1e-8)
    np.testing.assert_allclose(ours.stress, theirs.stress, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("name", CRYSTALS)
def test_phonons_are_those_of_ase(name, tmp_path):
    """ASE displaces atoms by 0.001 Å and does not symmetrise."""
    phonons = pytest.importorskip("ase.phonons")
    potential, _, make, repeat = CRYSTALS[name]
    f, params, cutoffs = potential()
    atoms, repeats = make(), (repeat,) * 3
    if name == "copper and gold":
        atoms = relaxed_with_its_cell(f, params, atoms, cutoffs)
    constants = jsci.atoms.force_constants(f, params, atoms, supercell=repeats, **cutoffs)
    q = np.array([[1, 0, 0], [1, 1, 0], [0, 1, repeat - 1]]) / repeat
    ours = jsci.atoms.phonons(constants, q)
    theirs = phonons.Phonons(
        jsci.atoms.to_ase(atoms), calculator_of(name), supercell=repeats, delta=1e-3,
        name=tmp_path / "p",
    )  # fmt: skip
    theirs.run()
    theirs.read(acoustic=False, symmetrize=0)
    wanted = np.real(theirs.band_structure(q, verbose=False)) / 4.135667696e-3
    np.testing.assert_allclose(ours, wanted, rtol=1e-4)
    assert ours.min() > 0.1


@pytest.mark.slow
def test_exact_derivatives_are_the_limit_of_differences():
    f, params, cutoffs = stillinger_weber()
    atoms = primitive(silicon())
    exact, differences = (
        jsci.atoms.force_constants(
            f, params, atoms, supercell=(2, 2, 2), displacement=h, **cutoffs
        ).values
        for h in (None, 1e-3)
    )
    np.testing.assert_allclose(differences, exact, atol=1e-5)


def test_zone_boundary_and_centre_of_silicon():
    """Stillinger-Weber silicon: 17.8 THz at the centre, acoustic frequencies zero there."""
    f, params, cutoffs = stillinger_weber()
    constants = jsci.atoms.force_constants(
        f, params, primitive(silicon()), supercell=(2, 2, 2), **cutoffs
    )
    found = jsci.atoms.phonons(constants, np.array([[0.0, 0, 0], [0, 0.5, 0.5]]))
    np.testing.assert_allclose(found[0, :3], 0, atol=1e-4)
    assert found[0, 5] == pytest.approx(17.8, abs=0.1)
    turned = jsci.atoms.phonons(constants, np.array([[0.5, 0, 0.5]]))
    np.testing.assert_allclose(found[1], turned[0], rtol=1e-8)


def differences(atoms, calculator, relaxed):
    """(6, 6) GPa, by ASE: stresses of strained cells, whose atoms it relaxes one by one."""
    optimize = pytest.importorskip("ase.optimize")
    columns, h = [], 1e-4
    for a, b in VOIGT:
        strain = np.zeros((3, 3))
        strain[a, b] += 0.5
        strain[b, a] += 0.5
        pair = []
        for sign in (1, -1):
            bent = jsci.atoms.to_ase(atoms)
            bent.calc = calculator
            bent.set_cell(bent.cell.array @ (np.eye(3) + sign * h * strain), scale_atoms=True)
            if relaxed:
                assert optimize.BFGS(bent, logfile=None).run(fmax=1e-8, steps=500)
            pair.append(bent.get_stress())
        columns.append((pair[0] - pair[1]) / (2 * h) * 160.21766)
    return np.array(columns).T


@pytest.mark.slow
@pytest.mark.parametrize("name", CRYSTALS)
def test_elastic_constants_are_those_of_ase(name):
    potential, make, _, _ = CRYSTALS[name]
    f, params, cutoffs = potential()
    atoms = relaxed_with_its_cell(f, params, make(), cutoffs)
    graph = jsci.atoms.neighbours(atoms, **cutoffs)
    for relaxed in (True, False):
        ours = jsci.atoms.elastic_constants(f, params, atoms, graph, relaxed=relaxed)
        wanted = differences(atoms, calculator_of(name), relaxed)
        np.testing.assert_allclose(ours, wanted, atol=1e-4 * np.abs(wanted).max())


def test_a_cell_of_one_atom_has_the_elastic_constants_of_the_cubic_cell():
    f, params, cutoffs = lennard_jones()
    cube = argon()
    one = jsci.atoms.Atoms(
        np.zeros((1, 3)), ["Ar"], 2.65 * np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]])
    )
    ours, wanted = (
        jsci.atoms.elastic_constants(f, params, a, jsci.atoms.neighbours(a, **cutoffs))
        for a in (one, cube)
    )
    np.testing.assert_allclose(ours, wanted, atol=1e-9 * np.abs(wanted).max())


def test_elastic_constants_of_silicon_are_those_published():
    """Cowley, Phys. Rev. Lett. 60, 2379 (1988): C11 151.4, C12 76.4, C44 56.4 GPa."""
    f, params, cutoffs = stillinger_weber()
    atoms = silicon()
    graph = jsci.atoms.neighbours(atoms, **cutoffs)
    c = jsci.atoms.elastic_constants(f, params, atoms, graph)
    np.testing.assert_allclose([c[0, 0], c[0, 1], c[3, 3]], [151.4, 76.4, 56.4], atol=0.3)
    held = jsci.atoms.elastic_constants(f, params, atoms, graph, relaxed=False)
    np.testing.assert_allclose(held[:3, :3], c[:3, :3], atol=1e-8)  # by symmetry
    assert held[3, 3] > 1.5 * c[3, 3]


def test_the_equation_of_state_is_that_of_ase_and_its_bulk_modulus_that_of_the_elastic_constants():
    eos = pytest.importorskip("ase.eos")
    f, params, cutoffs = stillinger_weber()
    atoms = silicon()
    scales = np.linspace(0.98, 1.02, 7)
    cells = [strained(atoms, (s - 1) * jnp.eye(3)) for s in scales]
    energies = [f(params, a, jsci.atoms.neighbours(a, **cutoffs)).energy for a in cells]
    volumes = [float(a.volume) for a in cells]
    found = jsci.atoms.equation_of_state(np.array(volumes), np.array(energies))
    volume, energy, modulus = eos.EquationOfState(volumes, energies, "birch").fit()
    np.testing.assert_allclose(found.volume, volume, rtol=1e-5)
    np.testing.assert_allclose(found.energy, energy, rtol=1e-7)
    np.testing.assert_allclose(found.bulk_modulus, modulus * 160.21766, rtol=1e-3)
    assert found.bulk_modulus == pytest.approx((151.4 + 2 * 76.4) / 3, rel=0.01)


def test_birch_and_murnaghans_own_curve_gives_its_parameters():
    v0, e0, b0, slope = 40.0, -3.0, 0.6, 5.2
    v = np.linspace(37, 44, 9)
    x = (v0 / v) ** (2 / 3)
    e = e0 + 9 / 16 * v0 * b0 * ((x - 1) ** 3 * slope + (x - 1) ** 2 * (6 - 4 * x))
    found = jsci.atoms.equation_of_state(v, e)
    np.testing.assert_allclose(found, [v0, e0, b0 * 160.21766, slope], rtol=1e-6)
    assert np.isnan(jsci.atoms.equation_of_state(v, -e).volume)
    listed = jsci.atoms.equation_of_state(v.tolist(), [jnp.asarray(one) for one in e])
    np.testing.assert_allclose(listed, found, rtol=1e-9)
    with pytest.raises(ValueError, match="at least four volumes"):
        jsci.atoms.equation_of_state(v[:3], e[:3])
    with jax.enable_x64(False):  # 1 meV is half a unit in the last place of 31,000 eV
        single = jsci.atoms.equation_of_state(v, e - 31000)
        np.testing.assert_allclose(single[::2], [v0, b0 * 160.21766], rtol=2e-3)


def test_heat_is_that_of_ase_and_of_dulong_and_petit():
    thermo = pytest.importorskip("ase.thermochemistry")
    frequencies = np.array([[1.0, 2.0, 3.0]])
    heat = jsci.atoms.harmonic_heat(jnp.asarray(frequencies), jnp.array([50.0, 300.0]))
    theirs = thermo.HarmonicThermo(frequencies[0] * 4.135667696e-3)
    for k, kelvin in enumerate((50.0, 300.0)):
        wanted = theirs.get_helmholtz_energy(kelvin, verbose=False)
        # ASE has the constants of CODATA 2014
        np.testing.assert_allclose(heat.free_energy[k], wanted, rtol=2e-6)
        np.testing.assert_allclose(
            heat.entropy[k], theirs.get_entropy(kelvin, verbose=False), rtol=2e-6
        )
    np.testing.assert_allclose(heat.capacity[1], 3 * 8.617333e-5, rtol=0.02)
    assert np.isnan(jsci.atoms.harmonic_heat(-jnp.ones((1, 3)), jnp.array([300.0])).energy).all()
    cold = jsci.atoms.harmonic_heat(jnp.ones((1, 3)), jnp.array([-10.0, 0.0]))
    assert np.isnan(jnp.stack(cold)).all()
    freezing = lambda nu: jnp.sum(jsci.atoms.harmonic_heat(nu, jnp.ones(1)).energy)  # noqa: E731
    slope = jax.grad(freezing)(jnp.full((1, 3), 30.0))  # of zero-point energies, h/2
    np.testing.assert_allclose(slope, 0.5 * 4.135667696e-3)
    at = jnp.linspace(-1, 5, 2000)
    density = jsci.atoms.phonon_density(jnp.asarray(frequencies), at)
    np.testing.assert_allclose(jnp.trapezoid(density, at), 3, rtol=1e-6)


def test_the_calculator_gives_what_properties_give():
    build = pytest.importorskip("ase.build")
    f, params, cutoffs = lennard_jones()
    theirs = build.bulk("Ar", "fcc", 5.2, cubic=True)
    theirs.rattle(0.05)
    theirs.calc = jsci.atoms.calculator(f, params, **cutoffs)
    (frame,) = jsci.atoms.label([theirs])
    ours = f(params, frame.atoms, jsci.atoms.neighbours(frame.atoms, **cutoffs))
    np.testing.assert_allclose(frame.energy, ours.energy, rtol=1e-12)
    np.testing.assert_allclose(frame.forces, ours.forces, atol=1e-14)
    np.testing.assert_allclose(frame.stress, ours.stress, atol=1e-14)
    assert theirs.get_stress().shape == (6,)


def test_the_calculator_looks_for_neighbours_once_and_compiles_nothing_new(monkeypatch):
    build = pytest.importorskip("ase.build")
    f, params, cutoffs = lennard_jones()
    theirs = build.bulk("Ar", "fcc", 5.2, cubic=True)
    theirs.calc = jsci.atoms.calculator(f, params, **cutoffs)
    searches, search = [], neighbours.pairs
    monkeypatch.setattr(neighbours, "pairs", lambda *a: searches.append(1) or search(*a))
    shapes = set()
    for strain in (1.0, 0.99, 1.01, 0.8):
        theirs.set_cell(5.2 * strain * np.eye(3), scale_atoms=True)
        theirs.get_potential_energy()
        shapes.add(theirs.calc.room)
    assert len(searches) == 4
    assert len(shapes) == 2  # the last one needed more room


def test_the_calculator_names_what_has_no_energy():
    build = pytest.importorskip("ase.build")
    model = jsci.atoms.GraphPotential(
        ["Cu"], cutoff=4.0, width=2, depth=1, order=2, key=jax.random.key(0)
    )
    energy, params = jsci.pure(model)
    gold = build.bulk("Au")
    gold.calc = jsci.atoms.calculator(jsci.atoms.properties(energy), params, 4.0)
    with pytest.raises(ValueError, match="the elements of the potential know no Au"):
        gold.get_potential_energy()
    f, params, cutoffs = lennard_jones()
    lost = jax.tree.map(lambda leaf: jnp.nan * leaf, params)
    gold.calc = jsci.atoms.calculator(f, lost, **cutoffs)
    with pytest.raises(FloatingPointError, match="whose shortest distance is 2.88 Å"):
        gold.get_forces()


@pytest.mark.filterwarnings("ignore:Warning. Point group symmetries:UserWarning")
def test_phonopy_reads_our_force_constants(tmp_path):
    phonopy = pytest.importorskip("phonopy")
    f, params, cutoffs = stillinger_weber()
    constants = jsci.atoms.force_constants(
        f, params, primitive(silicon()), supercell=(3, 2, 2), **cutoffs
    )
    jsci.atoms.write_phonopy(tmp_path, constants)
    theirs = phonopy.load(
        unitcell_filename=tmp_path / "POSCAR",
        supercell_matrix=[3, 2, 2],
        primitive_matrix=np.eye(3),
        force_constants_filename=tmp_path / "FORCE_CONSTANTS",
        is_nac=False,
    )
    q = np.array([[1 / 3, 0, 0], [0.1, 0.2, 0.3]])
    theirs.run_qpoints(q)
    found = jsci.atoms.phonons(constants, q)
    np.testing.assert_allclose(found, theirs.qpoints.frequencies, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda f, p, a: jsci.atoms.force_constants(f, p, a, 4.2, supercell=(0, 1, 1)),
            "supercell",
        ),
        (
            lambda f, p, a: jsci.atoms.force_constants(f, p, a, 4.2, displacement=0.0),
            "displacement",
        ),
        (
            lambda f, p, a: jsci.atoms.phonon_density(jnp.ones((1, 1)), jnp.ones(1), width=0.0),
            "width",
        ),
        (lambda f, p, a: jsci.atoms.mesh((0, 1, 1)), "points must be three whole numbers"),
        (lambda f, p, a: jsci.atoms.mesh((2.5, 3, 3)), "points must be three whole numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    f, params, _ = stillinger_weber()
    with pytest.raises(ValueError, match=message):
        call(f, params, silicon())


def test_the_force_constant_of_an_atom_does_not_depend_on_how_far_it_is_moved():
    """Silicon, differences of the force over 1e-6 to 1e-2 Å against the exact derivative."""
    f, params, cutoffs = stillinger_weber()
    atoms = silicon()
    graph = jsci.atoms.neighbours(atoms, **cutoffs)

    @jax.jit
    def force(d):
        positions = atoms.positions.at[0, 0].add(d)
        return f(params, moved(atoms, positions), graph).forces[0, 0]

    exact = -jax.grad(force)(0.0)
    for d in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2):
        np.testing.assert_allclose(-(force(d) - force(-d)) / (2 * d), exact, rtol=1e-3)


def test_stillinger_webers_energy_leaves_through_the_cutoff_with_two_derivatives():
    energy, params = jsci.atoms.stillinger_weber()
    pair = jsci.atoms.Atoms([[0.0, 0, 0], [0, 0, 3.0]], ["Si", "Si"])
    graph = jsci.atoms.neighbours(pair, 5.0, angle_cutoff=5.0)

    def at(r):
        return energy(params, moved(pair, pair.positions.at[1, 2].set(r)), graph)

    for order in (at, jax.grad(at), jax.grad(jax.grad(at))):
        inside, outside = (float(order(energy.cutoff + s * 1e-2)) for s in (-1, 1))
        assert outside == 0 and abs(inside) < 1e-40
