"""Batches, splits and normalisers of trajectories, against the arrays that were written."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.core._run.program import Program, program
from jaxsci.operators import Window, data, unrolled_loss
from jaxsci.operators.data import _trajectories

RNG = np.random.default_rng(0)
# Every number says where it is: trajectory, time, point.
U = 100.0 * np.arange(5)[:, None, None] + 10.0 * np.arange(7)[:, None] + np.arange(3)
NU = np.arange(5) / 10 + np.zeros((3, 1))


def written(folder, name="u.npz", **arrays):
    np.savez(folder / name, **arrays)
    return folder / name


@pytest.fixture
def waves(tmp_path):
    path = written(tmp_path, u=U, nu=NU.T)
    return data.read(path, fields=["u"], constants=["nu"], axes="ntx", time_step=0.1)


def test_batches_are_windows_of_the_file(waves, key):
    windows = waves.batch(key, 20, steps=2)
    assert windows.fields.shape == (20, 3, 3, 1)
    assert len(np.unique(jax.random.key_data(windows.key), axis=0)) == 20
    seen = set()
    for fields, nu in zip(windows.fields[..., 0], windows.inputs["constants"], strict=True):
        i, t = int(fields[0, 0]) // 100, int(fields[0, 0]) % 100 // 10
        np.testing.assert_array_equal(fields, U[i, t : t + 3])
        np.testing.assert_allclose(nu[:, 0], i / 10, rtol=1e-6)
        seen.add((i, t))
    assert {i for i, _ in seen} == set(range(5)) and {t for _, t in seen} == set(range(5))


@pytest.mark.parametrize("shape", [(5,), (5, 1), (1,), ()])
def test_parameters_of_a_file_of_another_layout_come_with_each_window(tmp_path, key, shape):
    speed = np.arange(1, 1 + np.prod(shape, dtype=int)) / 8
    path = written(tmp_path, u=U, speed=speed.reshape(shape))
    found = data.read(path, fields="u", parameters="speed", axes="ntx")
    assert found.parameters == ("speed",)
    windows, each = found.batch(key, 20), np.broadcast_to(speed, (5,))
    rows = windows.fields[:, 0, 0, 0].astype(int) // 100
    np.testing.assert_array_equal(windows.inputs["parameters"][:, 0], each[rows])
    part = found.split(0.6)[0]
    own, scaled = (part.batch(key, 20, normaliser=n) for n in (None, part.normaliser()))
    expected = (own.inputs["parameters"] - each[:3].mean()) / (each[:3].std() or 1)
    np.testing.assert_allclose(scaled.inputs["parameters"], expected, atol=1e-6)


def test_batches_are_pure_functions_of_the_key(waves, key):
    draw = lambda key: waves.batch(key, 4).fields  # noqa: E731
    np.testing.assert_array_equal(draw(key), draw(key))
    np.testing.assert_array_equal(jax.jit(draw)(key), draw(key))
    assert not np.array_equal(draw(jax.random.key(1)), draw(key))
    stacked = jax.vmap(draw)(jax.random.split(key, 2))
    np.testing.assert_array_equal(stacked[1], draw(jax.random.split(key, 2)[1]))


def test_splits_share_no_trajectory(waves, key):
    parts = waves.split(0.6, 0.2, key=key)
    assert [len(part) for part in parts] == [3, 1, 1]
    firsts = [int(part[i][0, 0, 0]) // 100 for part in parts for i in range(len(part))]
    assert sorted(firsts) == list(range(5))
    in_order = waves.split(0.6, 0.4)
    np.testing.assert_array_equal(in_order[1][0], U[3][..., None])
    assert len(in_order[2]) == 0
    with pytest.raises(ValueError, match="have no trajectory"):
        in_order[2].batch(key, 1)


def test_one_long_trajectory_is_split_in_time(waves, key):
    late = waves.during(4, 7)
    np.testing.assert_array_equal(late[2], U[2, 4:7][..., None])
    np.testing.assert_allclose(late.times, [0.4, 0.5, 0.6])
    assert late.during(1, 3)[0][0, 0, 0] == 50
    assert set(np.unique(late.batch(key, 9, steps=2).fields[:, 0, 0, 0] % 100)) == {40}
    with pytest.raises(ValueError, match="leaves none of the 3 states"):
        late.during(3, 5)


def test_the_normaliser_has_the_moments_of_all_values(tmp_path, key, monkeypatch):
    """In chunks of two states; a large mean cancels nothing, and a constant channel stays."""
    u = 5e4 + RNG.standard_normal((5, 7, 3, 3)).astype(np.float32)
    u[..., 2] = 7.0
    path = written(tmp_path, u=u)
    found = data.read(path, fields=["u"], axes="ntxc")
    monkeypatch.setattr(_trajectories, "_CHUNK", 2 * 9)
    scale = found.normaliser()
    values = u.astype(float).reshape(-1, 3)
    np.testing.assert_allclose(scale.mean, values.mean(0), rtol=1e-12)
    np.testing.assert_allclose(scale.deviation, [*values.std(0)[:2], 1], rtol=1e-9)
    windows = found.batch(key, 5, normaliser=scale)
    assert abs(windows.fields[..., :2]).max() < 5 and not windows.fields[..., 2].any()
    back = scale.inverse(windows.fields)
    np.testing.assert_allclose(back[..., 0].mean(), 5e4, rtol=1e-4)
    there = scale.forward(found[0])  # an array of NumPy
    np.testing.assert_allclose(scale.inverse(np.asarray(there)), found[0], rtol=1e-6)


def test_whole_numbers_are_normalised_as_floats():
    scale = data.Normaliser(jnp.array([2.75]), jnp.array([0.5]), {})
    counts = np.array([[1], [4]])
    np.testing.assert_allclose(scale.forward(counts), [[-3.5], [2.5]])
    np.testing.assert_allclose(scale.inverse(counts), [[3.25], [4.75]])
    assert scale.forward(counts.astype(np.float32)).dtype == jnp.float32


def test_constants_are_normalised_too(waves, key):
    scale = waves.normaliser()
    mean, deviation = scale.inputs["constants"]
    np.testing.assert_allclose((mean[0], deviation[0]), (0.2, np.std(NU)), rtol=1e-6)
    windows = waves.batch(key, 3, normaliser=scale)
    i = (np.asarray(scale.inverse(windows.fields))[:, 0, 0, 0] / 100 + 1e-3).astype(int)
    got = windows.inputs["constants"][:, 0, 0]
    np.testing.assert_allclose(got, (i / 10 - 0.2) / np.std(NU), rtol=1e-5, atol=1e-6)


def test_masked_points_are_zero_and_do_not_count(tmp_path, key):
    u = RNG.standard_normal((2, 5, 4)) + 3
    u[:, :, 1] = np.nan
    path = written(tmp_path, u=u, land=np.array([1, np.nan, 1, 1]))
    found = data.read(path, fields=["u"], axes="ntx", mask="land")
    np.testing.assert_array_equal(found.mask, [True, False, True, True])
    scale, sea = found.normaliser(), u[:, :, [0, 2, 3]]
    np.testing.assert_allclose(scale.mean[0], sea.mean(), rtol=1e-6)
    np.testing.assert_allclose(scale.deviation[0], sea.std(), rtol=1e-6)
    windows = found.batch(key, 4, normaliser=scale)
    assert not windows.fields[:, :, 1].any() and windows.fields[:, :, 2].all()


def test_what_is_not_finite_elsewhere_is_named(tmp_path, key):
    u, v = U.copy(), U.copy()
    v[3, 5, 2] = np.nan
    found = data.read(written(tmp_path, u=u, v=v), fields=["u", "v"], axes="ntx")
    where = "'v' is nan in trajectory 3, state 5, at the point .2,.*mask="
    with pytest.raises(ValueError, match=where):
        found.normaliser()
    with pytest.raises(ValueError, match=where):
        found.during(4, 7)[3]
    assert found.during(0, 4).batch(key, 2).fields.shape == (2, 2, 3, 2)


def test_channels_of_unlike_size_are_warned_of_once(tmp_path, key):
    found = data.read(written(tmp_path, q=1e-3 * U, z=U), fields=["q", "z"], axes="ntx")
    with pytest.warns(UserWarning, match="unlike size: 'z' .*, 'q' .*normaliser="):
        found.batch(key, 2)
    found.batch(key, 2)
    alike = data.read(written(tmp_path, "2.npz", q=U, z=2 * U), fields=["q", "z"], axes="ntx")
    alike.batch(key, 2)
    alike.batch(key, 2, normaliser=alike.normaliser())


def test_ends_that_count_twice_are_warned_of_once(tmp_path, key):
    """Along axes that the file or the caller says are periodic; walls may have equal values."""
    x = np.linspace(0, 1, 33)
    u = np.sin(2 * np.pi * (x - np.linspace(0, 0.4, 10).reshape(2, 5, 1)))
    path = written(tmp_path, velocity=u)

    def batch(boundary, steps=1):
        found = data.read(path, fields="velocity", axes="ntx", boundary=boundary)
        found.batch(key, 2, steps=steps)
        return found

    with pytest.warns(UserWarning, match="by the boundary that is stated.*it counts twice"):
        found = batch("periodic")
    found.batch(key, 2)
    batch("wall")
    whole = written(tmp_path, "without.npz", u=u[..., :-1])
    data.read(whole, fields="u", axes="ntx", boundary="periodic").batch(key, 2)


def test_fit_reads_its_batches(tmp_path, key):
    """A map u -> g u + nu, from the file, with noise and a validation set."""
    g, nu = 0.9, RNG.standard_normal((6, 1, 3))
    u = [RNG.standard_normal((6, 1, 3))]
    for _ in range(4):
        u.append(g * u[-1] + nu)
    path = written(tmp_path, u=np.concatenate(u, 1), nu=nu[:, 0])
    found = data.read(path, fields=["u"], constants=["nu"], axes="ntx")
    training, held_out, _ = found.split(0.7, 0.3)

    def f(params, u, inputs):
        return params["g"] * u + inputs["constants"]

    loss = jsci.objective({"data": unrolled_loss(f, 2, noise=1e-3)})
    best = jsci.EarlyStopping()
    result = jsci.fit(
        loss, {"g": jnp.zeros(())}, lambda key: {"data": training.batch(key, 4, steps=2)},
        optax.adam(0.1), steps=80, key=key, callback=best, progress=False,
        validation=lambda key: {"data": held_out.batch(key, 4, steps=2)},
    )  # fmt: skip
    assert result.status == "completed"
    np.testing.assert_allclose(best.params["g"], g, atol=0.01)


def test_a_checkpoint_of_another_part_is_refused(waves, key, tmp_path):
    """Resuming on the trajectories of the test would mix them into the training."""
    training, test, _ = waves.split(0.6, 0.4)
    loss = jsci.objective({"data": lambda p, window: p["g"] - window.fields[0]})

    def fit(part, steps):
        batch = lambda key: {"data": part.batch(key, 2)}  # noqa: E731
        return jsci.fit(
            loss, {"g": jnp.zeros(())}, batch, optax.sgd(1e-6), steps=steps, key=key,
            checkpoint=tmp_path / "run.jsci", progress=False,
        )  # fmt: skip

    fit(training, 2)
    assert fit(training, 4).steps == 4
    for other in (test, training.during(1, 7)):
        with pytest.raises(ValueError, match="other arguments. Different: data"):
            fit(other, 6)


def test_bad_input_is_refused(waves, key):
    with pytest.raises(ValueError, match="steps=7 is beyond the data, which have 7 states"):
        waves.batch(key, 2, steps=7)
    with pytest.raises(ValueError, match="size >= 1 and steps >= 0"):
        waves.batch(key, 0)
    for shares in ((0.0, 0.5), (0.8, 0.3), (0.5, -0.1)):
        with pytest.raises(ValueError, match="shares training > 0"):
            waves.split(*shares)
    with pytest.raises(ValueError, match="Split one long trajectory"):
        waves.split(0.05)


def test_a_summary_says_what_there_is(waves):
    assert "5 of 7 times on a grid of (3,), channels ('u',), constants ('nu',)" in repr(waves)
    assert isinstance(waves.batch(jax.random.key(0), 1), Window)


def test_batches_of_the_same_file_are_one_program(tmp_path):
    """However often they are written and read; other files, masks and states are others."""

    def batch(path, mask=None, steps=1):
        found = data.read(path, fields=["u"], axes="ntx", mask=mask)
        return program(lambda key: found.batch(key, 2, steps=steps), jax.random.key(0))

    values = np.random.default_rng(0).random((3, 5, 8))
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", u=values)
    first, key = batch(tmp_path / "a.npz"), jax.random.key(1)
    assert isinstance(first, Program)
    assert first.trace == batch(tmp_path / "a.npz").trace
    assert first.trace != batch(tmp_path / "b.npz").trace
    assert first.trace != batch(tmp_path / "a.npz", mask=np.arange(8) < 4).trace
    assert first.trace != batch(tmp_path / "a.npz", steps=2).trace
    np.savez(tmp_path / "a.npz", u=2 * values)
    again = batch(tmp_path / "a.npz")
    assert first.trace != again.trace
    np.testing.assert_allclose(again(key).fields, 2 * batch(tmp_path / "b.npz")(key).fields)


def test_fit_compiles_once_for_batches_of_a_file(tmp_path, caplog):
    np.savez(tmp_path / "a.npz", u=np.random.default_rng(0).random((3, 5, 8)))
    r = lambda p, window: p * window.fields[0] - window.fields[1]  # noqa: E731

    def train():
        found = data.read(tmp_path / "a.npz", fields=["u"], axes="ntx")
        loss = jsci.objective({"data": r})
        batch = lambda key: {"data": found.batch(key, 2)}  # noqa: E731
        jsci.fit(loss, jnp.ones(()), batch, optax.sgd(0.1), steps=2, key=jax.random.key(0),
                 progress=False)  # fmt: skip

    train()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        train()
    assert not [m for m in caplog.messages if "Compiling" in m and "run_chunk" in m]
