"""A checkpoint goes on with the run that wrote it, and with no other unless told to."""

import errno
import os
import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.core._files.io import read_metadata
from jaxsci.core._fit.checkpoint import Checkpoint
from jaxsci.core._fit.fingerprint import differences, fingerprint
from jaxsci.core._fit.steps import one_step, start_of_training

KEY = jax.random.key(0)
X = jax.random.normal(jax.random.key(1), (16, 3))
DATA = {"line": (X, X @ jnp.array([1.0, -2.0, 0.5]))}
START = jnp.zeros(3)


def line(params, xy):
    return params @ xy[0] - xy[1]


def sample(key):
    return {"line": (X + 0.1 * jax.random.normal(key, X.shape), DATA["line"][1])}


BASE = {
    "objective": jsci.objective({"line": line}),
    "params": START,
    "data": DATA,
    "optimizer": optax.adam(0.1),
    "key": KEY,
    "report_every": 2,
    "progress": False,
}


def fit(path, steps, **change):
    return jsci.fit(**(BASE | change), steps=steps, checkpoint=path)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Four steps of the run, as bytes of its checkpoint."""
    path = tmp_path_factory.mktemp("base") / "run.jsci"
    fit(path, 4)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path, written):
    path = tmp_path / "run.jsci"
    path.write_bytes(written)
    return path


def moved(xy, by):
    x, y = xy["line"]
    return {"line": (x.at[3, 1].add(by), y)}


CHANGES = {
    "learning rate": ({"optimizer": optax.adam(0.2)}, "the optimiser"),
    "optimiser": ({"optimizer": optax.adamw(0.1)}, "the optimiser"),
    "weight": (
        {"objective": jsci.objective({"line": line}, {"line": 10.0})},
        "the weight of 'line' .* 1.0 there, .* 10.0 here",
    ),
    "residual": (
        {"objective": jsci.objective({"line": lambda p, xy: 2 * line(p, xy)})},
        "the residual of 'line'",
    ),
    "one number": ({"data": moved(DATA, 1e-9)}, r"data\['line'\]\[0\] \(float64\[16, 3\]"),
    "fewer samples": (
        {"data": jax.tree.map(lambda a: a[:8], DATA)},
        r".*data\['line'\]\[1\] \(float64\[16\].* float64\[8\]",
    ),
    "data by a function": ({"data": sample}, ".*data, as a function of the key"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_run_is_refused_by_name(path, written, name):
    """The optimiser's state has the same shapes in each, so it used to go on in silence."""
    change, message = CHANGES[name]
    with pytest.raises(ValueError, match=f"run with other arguments. Different: {message}"):
        fit(path, 6, **change)
    assert path.read_bytes() == written


def test_another_second_order_optimiser_is_refused(tmp_path):
    """The first keeps another state, the second the same."""
    path = tmp_path / "run.jsci"
    fit(path, 2, optimizer=jsci.gauss_newton())
    with pytest.raises(ValueError, match="of another model or optimiser"):
        fit(path, 4, optimizer=optax.sgd(0.1))
    with pytest.raises(ValueError, match="Different: the optimiser"):
        fit(path, 4, optimizer=jsci.gauss_newton(1e-3))


def test_a_word_accepts_another_run_which_is_then_the_one_of_the_file(path):
    change = {"optimizer": optax.adam(0.2), "key": jax.random.key(9)}
    first = jsci.fit(**BASE, steps=4)
    carry = (first.params, first.state)
    result = fit(path, 6, **change, resume="changed")
    params, state = carry
    for _ in range(2):
        gradient = jax.grad(BASE["objective"].value)(params, DATA)
        updates, state = change["optimizer"].update(gradient, state)
        params = optax.apply_updates(params, updates)
    np.testing.assert_allclose(result.params, params, rtol=1e-12)
    assert result.steps == 6
    assert eqx.tree_equal(fit(path, 6, **change).params, result.params)
    with pytest.raises(ValueError, match="another key"):
        fit(path, 8)
    with pytest.raises(ValueError, match=r'"same" or "changed", got .yes'):
        fit(path, 8, resume="yes")


def test_where_to_start_and_the_batch_size_may_differ(path):
    whole = jsci.fit(**BASE, steps=6)
    chunked = jsci.objective({"line": line}, batch_size=4)
    result = fit(path, 6, params=jnp.ones(3), objective=chunked)
    np.testing.assert_allclose(result.params, whole.params, rtol=1e-12)


def test_fewer_steps_than_the_file_has_are_refused(path):
    with pytest.raises(ValueError, match="holds 4 steps, more than the steps=3 asked for"):
        fit(path, 3)
    assert fit(path, 4).steps == 4


def test_another_version_of_jax_is_warned_of_and_other_data_refused_still(path, monkeypatch):
    monkeypatch.setattr("jaxsci.core._fit.checkpoint.versions", lambda: {"jax": "0.0.1"})
    with pytest.warns(UserWarning, match=r"Whether the optimiser are .*told.*'0\.0\.1'"):
        assert fit(path, 6, optimizer=optax.adam(0.2)).steps == 6
    with pytest.raises(ValueError, match=r"Different: data\['line'\]"):
        fit(path, 8, data=moved(DATA, 1e-9))


def test_numbers_that_differ_by_rounding_are_warned_of(path):
    """A job that is started again on another processor computes its data anew."""
    with pytest.warns(UserWarning, match=r"not bit for bit: data\['line'\]\[0\] differ"):
        assert fit(path, 6, data=moved(DATA, 1e-15)).steps == 6
    backwards = jax.tree.map(lambda a: a[::-1], DATA)
    with pytest.raises(ValueError, match=r"Different: data\['line'\]\[0\] .*data\['line'\]\[1\] "):
        fit(path, 8, data=backwards)


def test_functions_are_compared_by_what_they_compute():
    """Written anew they are equal; another number in a closure, or in an array of it, is not."""

    def made_of(rate=0.1, table=0.0, decay=100):
        values = jnp.arange(3.0) + table
        schedule = optax.cosine_decay_schedule(rate, decay)
        loss = jsci.objective({"line": lambda p, xy: jnp.tanh(p @ xy[0]) - (xy[1] + values).sum()})
        optimizer = optax.with_extra_args_support(optax.adam(schedule))
        carry = start_of_training(START, optimizer)
        return fingerprint(loss, sample, optimizer, one_step, carry, KEY)

    base = made_of()
    assert differences(base, made_of()) == ([], [], [])
    assert differences(base, made_of(rate=0.2)).traced == ["the optimiser"]
    assert differences(base, made_of(decay=200)).traced == ["the optimiser"]
    (other,) = differences(base, made_of(table=1e-9)).other
    assert other.startswith("the residual of 'line' (float64[3] ")
    assert differences(base, made_of(table=1e-15)).rounded == ["the residual of 'line'"]


def test_a_checkpoint_of_earlier_versions_goes_on(path):
    """It does not say what it was made of; the next one does."""
    record = read_metadata(path)
    step, key, terms = record["step"], record["key"], record["terms"]
    optimizer = optax.with_extra_args_support(optax.adam(0.1))
    state = start_of_training(START, optimizer)._replace(step=jnp.array(step))
    history = {name: jnp.zeros(step) for name in terms}
    old = {"step": step, "key": key, "terms": terms}
    jsci.save(path, (state, history), metadata=old)
    assert fit(path, 6).steps == 6
    assert read_metadata(path)["made_of"] == record["made_of"]


@pytest.mark.parametrize("change", [(b"float64", b"float32"), (b'"step": 6', b'"step": 7')])
def test_a_header_damaged_into_that_of_another_model_falls_back(path, change):
    whole = fit(path, 6)
    path.write_bytes(path.read_bytes().replace(*change, 1))
    with pytest.warns(UserWarning, match="from the checkpoint before: .*first line is damaged"):
        result = fit(path, 6)
    assert eqx.tree_equal(result.params, whole.params)


@pytest.mark.parametrize(
    "metadata", [{}, {"terms": ["line", "loss"]}, {"step": -1, "key": 0}, {"step": "2", "key": 0}]
)
def test_a_saved_file_that_is_no_checkpoint_is_refused(path, metadata):
    jsci.save(path, START, metadata=metadata)
    with pytest.raises(ValueError, match="is no checkpoint of fit"):
        fit(path, 2)


def test_a_full_disk_is_warned_of_once_and_stops_nothing(path, written, monkeypatch):
    """The file is still that of step 4, and once there is space again it is written."""

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.warns(UserWarning, match="not on the disk") as caught:
            result = fit(path, 9)
    (warning,) = caught
    assert "step 6 is not on the disk" in str(warning.message)
    assert "No space left on device. That of step 4 is. Training continues" in str(warning.message)
    assert result.status == "completed" and path.read_bytes() == written
    assert eqx.tree_equal(fit(path, 9).params, result.params)
    assert {p.name for p in path.parent.iterdir()} == {"run.jsci", "run.jsci.previous"}


def test_two_runs_on_one_checkpoint_do_not_stop_each_other(tmp_path):
    path, errors = tmp_path / "run.jsci", []
    carry = start_of_training(START, optax.sgd(0.1))

    def write():
        try:
            store = Checkpoint(path, KEY)
            for _ in range(30):
                store.write(carry, {"loss": jnp.zeros(0)})
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert read_metadata(path)["step"] == read_metadata(Checkpoint(path, KEY).previous)["step"] == 0


def test_a_checkpoint_through_a_link_keeps_the_link(tmp_path, written):
    real, link = tmp_path / "disk" / "run.jsci", tmp_path / "run.jsci"
    real.parent.mkdir()
    real.write_bytes(written)
    link.symlink_to(real)
    fit(link, 6)
    assert link.is_symlink() and read_metadata(real)["step"] == 6
    assert {p.name for p in real.parent.iterdir()} == {"run.jsci", "run.jsci.previous"}
