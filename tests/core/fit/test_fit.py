"""fit: optax equivalence, resume after a kill, reports, bad losses."""

import builtins
import os
import runpy
import signal
import subprocess
import sys
import textwrap
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.core._files.io import read_metadata
from jaxsci.core._fit.checkpoint import Checkpoint

KEY = jax.random.key(0)
TARGET = jnp.array([1.0, -2.0, 0.5])


def line(params, xy):
    x, y = xy
    return params["slope"] @ x + params["offset"] - y


def make_params():
    return {"slope": jnp.zeros(3), "offset": jnp.array(0.0)}


def sample(key):
    x = jax.random.normal(key, (16, 3))
    return {"line": (x, x @ TARGET + 0.25)}


LOSS = jsci.objective({"line": line})
ADAM = optax.adam(0.1)


def test_matches_a_plain_optax_loop(key):
    result = jsci.fit(LOSS, make_params(), sample, ADAM, steps=5, key=key)
    params, state, losses = make_params(), ADAM.init(make_params()), []
    for n in range(5):
        value, gradient = jax.value_and_grad(LOSS.value)(params, sample(jax.random.fold_in(key, n)))
        updates, state = ADAM.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        losses.append(value)
    np.testing.assert_allclose(result.history["loss"], losses, rtol=1e-13)
    np.testing.assert_allclose(result.params["slope"], params["slope"], rtol=1e-13)
    assert (result.steps, result.status) == (5, "completed")
    np.testing.assert_array_equal(result.history["line"], result.history["loss"])


@pytest.mark.parametrize("report_every", [None, 1, 3, 100])
def test_reports_do_not_change_the_result(key, report_every):
    seen = []
    result = jsci.fit(
        LOSS, make_params(), sample, ADAM, steps=7, key=key, report_every=report_every,
        callback=lambda step, metrics, params: seen.append((step, metrics["loss"])),
    )  # fmt: skip
    whole = jsci.fit(LOSS, make_params(), sample, ADAM, steps=7, key=key, report_every=7)
    assert eqx.tree_equal(result.params, whole.params)
    assert seen[-1] == (7, float(result.history["loss"][-1]))
    if report_every == 3:
        assert [step for step, _ in seen] == [3, 6, 7]


def test_callback_stops(key):
    result = jsci.fit(
        LOSS, make_params(), sample, ADAM, steps=50, key=key, report_every=2,
        callback=lambda step, metrics, params: step >= 4,
    )  # fmt: skip
    assert (result.status, result.steps) == ("stopped", 4)
    assert "step 4 of 50" in result.message


def test_plain_loss_and_line_search(key):
    """optax's L-BFGS searches along lines through value_fn."""
    rosenbrock = lambda p, _: (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2  # noqa: E731
    result = jsci.fit(rosenbrock, jnp.array([-1.0, 1.0]), None, optax.lbfgs(), steps=60)
    np.testing.assert_allclose(result.params, [1.0, 1.0], rtol=1e-6)


def test_predicting_the_memory_compiles_what_then_runs(key, monkeypatch):
    def traces():
        seen = []

        def counted(params, xy):
            seen.append(1)
            return line(params, xy)

        loss = jsci.objective({"line": counted})
        jsci.fit(loss, make_params(), sample, ADAM, steps=4, key=key, progress=False)
        return len(seen)

    predicted = traces()
    monkeypatch.setattr("jaxsci.core._fit.fit.check_memory", lambda *_: None)
    assert predicted == traces()


def test_nothing_is_compiled_twice(key):
    traces = []

    def counted(params, xy):
        traces.append(1)
        return line(params, xy)

    loss = jsci.objective({"line": counted})
    jsci.fit(loss, make_params(), sample, ADAM, steps=4, key=key, report_every=2)
    before = len(traces)
    jsci.fit(loss, make_params(), sample, ADAM, steps=9, key=key, report_every=2)
    # Only the shape check at the start runs the function again.
    assert len(traces) - before <= 1


def test_non_finite_loss_keeps_the_last_good_parameters(key):
    """log(p) with a step past zero: the loss turns NaN at step 2."""
    loss = jsci.objective({"log": lambda p, x: jnp.log(p) + 3.0})
    data = {"log": jnp.zeros(1)}
    with pytest.warns(UserWarning, match="not finite: 'loss', 'log'.*last with a finite"):
        result = jsci.fit(loss, jnp.array(1.0), data, optax.sgd(0.5), steps=10)
    assert (result.status, result.steps) == ("non_finite", 2)
    assert result.params == 1.0


def test_the_first_sample_that_is_not_finite_is_named(key):
    """√(x - p) from p = 0: the step to p = 3/4 makes two of four samples NaN."""
    loss = jsci.objective({"root": lambda p, x: jnp.sqrt(x[0] - p)})
    data = {"root": jnp.array([[1.0], [2.0], [0.5], [0.25]])}
    with pytest.warns(UserWarning, match=r"2 of 4 samples of 'root', first 2: \[0.5\]\. "):
        jsci.fit(loss, jnp.array(0.0), data, optax.sgd(0.75), steps=3)


def test_non_finite_update_is_not_taken(key):
    """√p at zero: a finite loss with an infinite gradient."""
    with pytest.warns(UserWarning, match="not finite: the update of the optimiser"):
        result = jsci.fit(lambda p, _: jnp.sqrt(p), jnp.array(0.0), None, optax.sgd(0.1), steps=3)
    assert result.params == 0.0


PROGRAM = """
    import pathlib, sys
    import jax, jax.numpy as jnp, optax
    jax.config.update("jax_enable_x64", True)
    import jaxsci as jsci

    def line(p, xy):
        return jnp.tanh(p @ xy[0]) - xy[1]

    def sample(key):
        x = jax.random.normal(key, (8, 3))
        return {"line": (x, x[:, 0])}

    def train(steps, checkpoint):
        return jsci.fit(jsci.objective({"line": line}), jnp.ones(3), sample, optax.adam(0.01),
                        steps=steps, key=jax.random.key(3), report_every=1, checkpoint=checkpoint)

    if __name__ == "__main__":
        train(10**6, sys.argv[1])
"""


@pytest.mark.skipif(
    jax.default_backend() == "gpu" and "deterministic_ops" not in os.environ.get("XLA_FLAGS", ""),
    reason="XLA chooses among a GPU's programs by their time",
)
def written(path):
    """When the file was written last; in the middle of a write there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_moments_resumes_bit_for_bit(tmp_path, kills):
    """Every step writes a checkpoint, so most kills fall into a write."""
    program, checkpoint = tmp_path / "train.py", tmp_path / "run.jsci"
    program.write_text(textwrap.dedent(PROGRAM))
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")}
    cache |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    reached = [0]
    for delay in np.random.default_rng(kills).uniform(0.0, 0.3, kills):
        before = written(checkpoint)
        command = [sys.executable, str(program), str(checkpoint)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | cache) as run:
            while written(checkpoint) in (before, None):  # until it has gone on
                assert run.poll() is None
                time.sleep(0.01)
            time.sleep(delay)
            run.kill()
        assert run.returncode == -signal.SIGKILL
        newest = next(p for p in (checkpoint, Checkpoint(checkpoint, KEY).previous) if p.exists())
        reached.append(read_metadata(newest)["step"])
    assert sorted(set(reached)) == reached
    train = runpy.run_path(str(program))["train"]
    resumed, whole = train(reached[-1] + 5, checkpoint), train(reached[-1] + 5, None)
    assert eqx.tree_equal(resumed[:3], whole[:3])
    assert {p.name for p in tmp_path.glob("run*")} == {"run.jsci", "run.jsci.previous"}
    print(f"{kills} kills, at steps {reached[1:]}")


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_run_interrupted_inside_a_write_resumes_bit_for_bit(tmp_path, monkeypatch, call, count):
    """Every step of writing a checkpoint fails in turn, before and after it has its effect."""
    owner = builtins if call == "open" else os
    real, calls = getattr(owner, call), []

    def failing(*arguments, **options):
        if "run.jsci" in str(arguments[0]) or call == "fsync":
            calls.append(arguments)
            if len(calls) == count:
                raise KeyboardInterrupt
        return real(*arguments, **options)

    arguments = dict(key=KEY, report_every=2, checkpoint=tmp_path / "run.jsci", progress=False)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, call, failing)
        jsci.fit(LOSS, make_params(), sample, ADAM, steps=8, **arguments)
    resumed = jsci.fit(LOSS, make_params(), sample, ADAM, steps=8, **arguments)
    whole = jsci.fit(LOSS, make_params(), sample, ADAM, steps=8, key=KEY, report_every=2)
    assert eqx.tree_equal(resumed[:3], whole[:3])


@pytest.mark.parametrize(
    "content", [b"", b"import this\n", b'{"format": "jaxsci-1"}\n', b"\x80\x04K."]
)
def test_a_foreign_file_is_not_taken_for_a_checkpoint_and_not_overwritten(tmp_path, content):
    path = tmp_path / "run.jsci"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="run.jsci was not written by jaxsci.save.*start afresh"):
        jsci.fit(LOSS, make_params(), sample, ADAM, steps=2, key=KEY, checkpoint=path)
    assert path.read_bytes() == content


def test_damaged_checkpoint_falls_back_to_the_one_before(key, tmp_path):
    path = tmp_path / "run.jsci"
    arguments = dict(key=key, report_every=2, checkpoint=path)
    jsci.fit(LOSS, make_params(), sample, ADAM, steps=6, **arguments)
    path.write_bytes(path.read_bytes()[:-10])
    before = (tmp_path / "run.jsci.previous").read_bytes()
    with pytest.warns(UserWarning, match="from the checkpoint before: .*damaged"):
        resumed = jsci.fit(LOSS, make_params(), sample, ADAM, steps=6, **arguments)
    assert (tmp_path / "run.jsci.previous").read_bytes() == before
    resumed = jsci.fit(LOSS, make_params(), sample, ADAM, steps=8, **arguments)
    whole = jsci.fit(LOSS, make_params(), sample, ADAM, steps=8, key=key)
    assert eqx.tree_equal(resumed.params, whole.params)
    assert eqx.tree_equal(resumed.history, whole.history)


def test_checkpoint_of_another_run_is_refused(key, tmp_path):
    path = tmp_path / "run.jsci"
    jsci.fit(LOSS, make_params(), sample, ADAM, steps=2, key=key, checkpoint=path)

    def resume(loss=LOSS, params=None, optimizer=ADAM, key=key):
        return jsci.fit(
            loss, params or make_params(), sample, optimizer, steps=4, key=key, checkpoint=path
        )

    with pytest.raises(ValueError, match="started with another key"):
        resume(key=jax.random.key(9))
    with pytest.raises(ValueError, match="another model or optimiser"):
        resume(optimizer=optax.sgd(0.1))
    with pytest.raises(ValueError, match=r"another model or optimiser.*\['offset'\]"):
        resume(params={"slope": jnp.zeros(3), "offset": jnp.zeros(())[None][0].astype("float32")})
    other = jsci.objective({"line": line, "more": line})
    with pytest.raises(ValueError, match="another objective: its terms are"):
        jsci.fit(
            other, make_params(), lambda k: sample(k) | {"more": sample(k)["line"]}, ADAM,
            steps=4, key=key, checkpoint=path,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"objective": 3}, TypeError, "jsci.objective"),
        ({"optimizer": 0.1}, TypeError, "optax optimiser"),
        ({"steps": 0}, ValueError, "at least 1"),
        ({"key": None}, ValueError, r"needs one: key=jax.random.key\(0\)"),
        ({"params": {"n": jnp.array(3)}}, TypeError, r"params\['n'\] has dtype int"),
        ({"params": {}}, ValueError, "nothing to train"),
        ({"data": {"other": jnp.zeros(2)}}, ValueError, "no entry for 'line'"),
        ({"objective": lambda p, b: p["slope"]}, ValueError, "must be a scalar"),
        ({"checkpoint": "/nowhere/at/all"}, ValueError, "does not exist"),
    ],
)
def test_bad_input(key, change, error, message):
    arguments = dict(
        objective=LOSS, params=make_params(), data=sample, optimizer=ADAM, steps=2, key=key
    )
    with pytest.raises(error, match=message):
        jsci.fit(**(arguments | change))


def test_a_loss_without_slope_is_said_at_once():
    def failed(params, batch):
        return jnp.sum(batch) + 0 * jax.lax.stop_gradient(params)

    with pytest.warns(UserWarning, match="no slope in any parameter"):
        jsci.fit(failed, jnp.ones(()), jnp.ones(2), optax.adam(0.1), steps=3, progress=False)
    # solved already: nothing to learn, and nothing wrong
    jsci.fit(failed, jnp.ones(()), jnp.zeros(2), optax.adam(0.1), steps=3, progress=False)
