"""Dynamics: what the equations conserve, the order of the method, temperatures and restarts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from atoms._crystals import argon, silicon

import jaxsci as jsci
from jaxsci.atoms._structure.atoms import moved

KEY = jax.random.key(0)


def soft():
    """Four argon atoms in a small cell, whose potential is smooth at the cutoff."""
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=5.0, onset=3.5)
    atoms = argon()
    shaken = atoms.positions + 0.05 * jax.random.normal(KEY, atoms.positions.shape)
    return jsci.atoms.properties(energy), params, moved(atoms, shaken)


def run(dynamics, params, state, steps):
    """What is conserved, and the temperature, after each step."""

    def step(state, _):
        state = dynamics.step(params, state)
        return state, (state.conserved, state.temperature)

    return jax.jit(lambda s: jax.lax.scan(step, s, length=steps))(state)


MAKERS = {
    "verlet": lambda f, nearby, dt: jsci.atoms.verlet(f, nearby, dt=dt),
    "nose_hoover": lambda f, nearby, dt: jsci.atoms.nose_hoover(
        f, nearby, dt=dt, temperature=60.0, period=200.0
    ),
    "langevin_cell": lambda f, nearby, dt: jsci.atoms.langevin_cell(
        f, nearby, dt=dt, temperature=60.0, pressure=0.05, friction=0.0, period=500.0
    ),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_conserved_energy_strays_by_the_square_of_the_time_step(name):
    f, params, atoms = soft()
    nearby = jsci.atoms.NeighbourList(atoms, 5.0, skin=0.6, room=2.0)
    velocities = jsci.atoms.thermal_velocities(KEY, atoms, 60.0)
    spreads = []
    for dt in (4.0, 8.0):
        dynamics = MAKERS[name](f, nearby, dt)
        state = dynamics.init(params, atoms, velocities, *([KEY] if "cell" in name else []))
        end, (conserved, _) = run(dynamics, params, state, int(800 / dt))
        assert not end.overflow
        spreads.append(np.std(conserved))
        assert np.std(conserved) < 1e-2 * float(abs(end.found.energy))
    assert 1.9 <= np.log2(spreads[1] / spreads[0]) <= 2.1


@pytest.mark.slow
def test_the_energy_of_silicon_drifts_by_less_than_a_hundredth_of_a_millielectronvolt():
    """1,000 steps of 1 fs, 64 atoms, 300 K; meV per atom and ps."""
    energy, params = jsci.atoms.stillinger_weber()
    f, atoms = jsci.atoms.properties(energy), silicon(2)
    nearby = jsci.atoms.NeighbourList(atoms, energy.cutoff, angle_cutoff=energy.cutoff)
    velocities = jsci.atoms.thermal_velocities(KEY, atoms, 600.0)
    dynamics = jsci.atoms.verlet(f, nearby, dt=1.0)
    end, (conserved, temperature) = run(
        dynamics, params, dynamics.init(params, atoms, velocities), 1000
    )
    slope = np.polyfit(np.arange(1000) * 1e-3, conserved, 1)[0]
    assert abs(slope) / 64 * 1e3 <= 0.01
    assert not end.overflow and 200 < np.mean(temperature[500:]) < 400


@pytest.mark.slow
def test_langevin_and_its_barostat_reach_their_temperature():
    f, params, atoms = soft()
    nearby = jsci.atoms.NeighbourList(atoms, 5.0, skin=1.0, room=2.5)
    many = jax.vmap(lambda k: jsci.atoms.thermal_velocities(k, atoms, 20.0))
    keys = jax.random.split(KEY, 16)
    settings = {"dt": 8.0, "temperature": 40.0, "friction": 0.02}
    for make in (jsci.atoms.langevin, jsci.atoms.langevin_cell):
        dynamics = make(f, nearby, **settings)
        states = jax.vmap(lambda v, k, d=dynamics: d.init(params, atoms, v, k))(many(keys), keys)
        end, (conserved, temperature) = jax.vmap(lambda s, d=dynamics: run(d, params, s, 150))(
            states
        )
        assert not end.overflow.any()
        assert np.std(conserved, axis=1).max() < 2e-3
        # 16 runs of 12 degrees of freedom, each independent about every 50 fs
        assert np.mean(temperature[:, 50:]) == pytest.approx(40, rel=0.08)


def test_thermal_velocities_have_the_temperature_and_no_momentum():
    atoms = silicon(2)
    v = jax.vmap(lambda k: jsci.atoms.thermal_velocities(k, atoms, 300.0))(
        jax.random.split(KEY, 100)
    )
    np.testing.assert_allclose(v.sum(axis=1), 0, atol=1e-12)
    # <m v²> = 3 k T (1 - 1/N); in joule per kilogram for a check of the units
    mass = 28.085 * 1.66053906660e-27
    speed2 = np.mean(np.sum(np.asarray(v) ** 2, axis=-1)) * 1e10
    assert mass * speed2 == pytest.approx(3 * 1.380649e-23 * 300 * 63 / 64, rel=0.03)


def test_a_run_that_continues_is_the_same_and_writes_its_way(tmp_path):
    f, params, atoms = soft()
    nearby = jsci.atoms.NeighbourList(atoms, 5.0, room=2.0)
    dynamics = jsci.atoms.langevin(f, nearby, dt=4.0, temperature=60.0)
    state = dynamics.init(params, atoms, jnp.zeros((4, 3)), KEY)
    files = {"trajectory": tmp_path / "run.xyz", "checkpoint": tmp_path / "run.jsci"}
    options = {"every": 5, "progress": False}
    whole = jsci.atoms.simulate(dynamics, params, state, 20, **options)
    jsci.atoms.simulate(dynamics, params, state, 10, **options, **files)
    end = jsci.atoms.simulate(dynamics, params, state, 20, **options, **files)
    np.testing.assert_array_equal(end.velocities, whole.velocities)
    frames = jsci.atoms.read(files["trajectory"])
    assert [frame.info["time"] for frame in frames] == [20, 40, 60, 80]
    np.testing.assert_array_equal(frames[-1].atoms.positions, whole.atoms.positions)
    np.testing.assert_array_equal(frames[-1].info["velocities"], whole.velocities)
    assert frames[-1].energy == float(whole.found.energy)
    # Killed between a frame and its checkpoint, or in the middle of a frame.
    text = files["trajectory"].read_text()
    for end, steps in ((None, 25), (-150, 30)):
        files["trajectory"].write_text(text + text[-len(text) // 4 : end])
        jsci.atoms.simulate(dynamics, params, state, steps, **options, **files)
        frames = jsci.atoms.read(files["trajectory"])
        assert [frame.info["time"] for frame in frames] == [4.0 * n for n in range(5, steps + 1, 5)]
        text = files["trajectory"].read_text()
    with pytest.raises(ValueError, match="at step 30: the 18 steps up to 48 are no multiple"):
        jsci.atoms.simulate(dynamics, params, state, 48, every=12, **files)
    files["trajectory"].write_text(text[:-10])
    with pytest.raises(ValueError, match="when the checkpoint was written"):
        jsci.atoms.simulate(dynamics, params, state, 35, **options, **files)


@pytest.mark.slow
def test_an_overflow_ends_a_run_by_name():
    f, params, atoms = soft()
    nearby = jsci.atoms.NeighbourList(atoms, 5.0, skin=0.0, room=1.0)
    dynamics = jsci.atoms.verlet(f, nearby, dt=20.0)
    state = dynamics.init(params, atoms, jsci.atoms.thermal_velocities(KEY, atoms, 3000.0))
    with pytest.raises(FloatingPointError, match="the neighbours overflowed"):
        jsci.atoms.simulate(dynamics, params, state, 100, every=50, progress=False)


@pytest.mark.parametrize("name", MAKERS)
def test_a_step_in_single_precision_stays_there(name):
    f, params, atoms = soft()
    single = lambda tree: jax.tree.map(  # noqa: E731
        lambda x: x.astype(jnp.float32) if x.dtype == jnp.float64 else x, tree
    )
    nearby = jsci.atoms.NeighbourList(atoms, 5.0)
    dynamics = MAKERS[name](f, nearby, 1.0)
    keys = [KEY] if "cell" in name else []
    state = jax.eval_shape(dynamics.init, single(params), single(atoms), jnp.zeros((4, 3)), *keys)
    after = jax.eval_shape(dynamics.step, single(params), state)
    types = lambda tree: [(x.shape, x.dtype) for x in jax.tree.leaves(tree)]  # noqa: E731
    assert types(after) == types(state)


def test_bad_settings_are_refused():
    f, params, atoms = soft()
    nearby = jsci.atoms.NeighbourList(atoms, 5.0)
    one = jsci.atoms.Atoms(np.zeros((1, 3)), ["Ar"])
    with pytest.raises(ValueError, match="needs two atoms"):
        MAKERS["nose_hoover"](f, nearby, 1.0).init(params, one, jnp.zeros((1, 3)))
    with pytest.raises(ValueError, match="dt must be positive"):
        jsci.atoms.verlet(f, nearby, dt=0.0)
    dynamics = jsci.atoms.verlet(f, nearby, dt=1.0)
    with pytest.raises(ValueError, match=r"velocities must have the shape \(4, 3\)"):
        dynamics.init(params, atoms, jnp.zeros(3))
    with pytest.raises(ValueError, match="a multiple of every"):
        jsci.atoms.simulate(dynamics, params, None, 5, every=2)
