"""What fit says and hands out: validation, warnings, the callback's copy, Ctrl-C."""

import logging
import os
import re
import signal
import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.core._fit import fit as _fit

X = jax.random.normal(jax.random.key(0), (8, 2))
BATCH = {"line": (X, X[:, 0])}
PARAMS = {"w": jnp.zeros(2)}
LOSS = jsci.objective({"line": lambda p, xy: p["w"] @ xy[0] - xy[1]})
SGD = optax.sgd(0.1)


def fit(**change):
    given = dict(objective=LOSS, params=PARAMS, data=BATCH, optimizer=SGD, steps=6, report_every=2)
    return jsci.fit(**(given | dict(progress=False) | change))


def test_what_a_callback_writes_changes_nothing():
    data = {"line": (np.array(X), np.array(X[:, 0]))}

    def vandal(step, metrics, params):
        params["w"] = jnp.full(2, 1e3)
        for array in data.pop("line", ()):
            array[:] = 1e3

    assert eqx.tree_equal(fit(data=data, callback=vandal).params, fit().params)


def test_validation_is_the_loss_on_other_samples_at_each_report():
    other = {"line": (2 * X[:3], X[:3, 1])}
    seen = []
    result = fit(
        validation=other,
        callback=lambda step, metrics, params: seen.append((step, metrics, params)),
    )
    assert result.validation["step"].tolist() == [2, 4, 6] == [step for step, _, _ in seen]
    for i, (_, metrics, params) in enumerate(seen):
        expected = np.mean((2 * X[:3] @ params["w"] - X[:3, 1]) ** 2)
        np.testing.assert_allclose(metrics["validation_loss"], expected, rtol=1e-12)
        assert metrics["validation_line"] == metrics["validation_loss"]
        assert result.validation["loss"][i] == metrics["validation_loss"]
    assert eqx.tree_equal(result.params, fit().params)
    assert fit().validation == {}


def test_validation_drawn_from_the_sampler_of_the_training_is_another_draw(key):
    def draw(key):
        x = jax.random.normal(key, (4, 2))
        return {"line": (x, x[:, 0])}

    steps = [draw(jax.random.fold_in(key, n))["line"][0] for n in range(6)]
    result = fit(data=draw, validation=draw, key=key)
    used = draw(jax.random.fold_in(key, 2**32 - 1))
    assert result.validation["loss"][-1] == LOSS.value(result.params, used)
    assert all((used["line"][0] != x).all() for x in steps)


def test_validation_samples_without_a_loss_are_named():
    """Training goes on, and would say nothing."""
    bad = X[:3].at[1, 0].set(jnp.nan)
    match = r"not finite at 3 of 3 reports, first at step 2, in 'line'\. 1 of 3 samples of 'line'"
    with pytest.warns(UserWarning, match=match):
        result = fit(validation={"line": (bad, X[:3, 1])})
    assert result.status == "completed"
    with pytest.warns(UserWarning, match="at 3 of 3 reports, first at step 2. Training went on"):
        fit(objective=LOSS.value, validation={"line": (bad, X[:3, 1])})


def test_a_plain_loss_is_validated():
    result = fit(objective=LOSS.value, validation=BATCH)
    np.testing.assert_allclose(result.validation["loss"][:2], result.history["loss"][2::2])


def test_reports_farther_apart_than_a_chunk_hold_no_memory(monkeypatch):
    seen = []
    monkeypatch.setattr(_fit, "_LONGEST_CHUNK", 4)

    def note(step, *_):
        seen.append(step)

    result = fit(steps=25, report_every=10, callback=note)
    assert seen == [10, 20, 25]
    assert eqx.tree_equal(result.params, fit(steps=25, report_every=25).params)
    monkeypatch.undo()
    assert fit(report_every=10**12).steps == 6  # the records alone would take 8 TB


def compiled(records):
    return [r.getMessage() for r in records if r.getMessage().startswith("Compiling ")]


PLAIN = {
    "scale": optax.scale(-0.1),
    "scale_by_adam": optax.scale_by_adam(),
    "own": optax.GradientTransformation(
        lambda params: (), lambda g, state, params=None: (jax.tree.map(lambda x: -x / 9, g), state)
    ),
    "sam": optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.01)),
    "opaque sam": optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.01), opaque_mode=True),
    "multi": optax.MultiSteps(optax.sgd(0.1), 2),
}


@pytest.mark.parametrize("name", PLAIN)
def test_transformations_that_take_no_extra_arguments_compile_once(name, caplog):
    first = fit(optimizer=PLAIN[name])
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        second = fit(optimizer=PLAIN[name])
    assert not [message for message in compiled(caplog.records) if "run_chunk" in message]
    assert eqx.tree_equal(first.params, second.params)


def test_sharpness_aware_minimisation_gets_the_gradient_it_asks_for():
    """Opaque and transparent, an ascent step of 0.01 and a descent of 0.1: the same path."""
    opaque, transparent = (
        fit(optimizer=PLAIN[name], steps=steps).params["w"]
        for name, steps in (("opaque sam", 3), ("sam", 6))
    )
    np.testing.assert_allclose(opaque, transparent, rtol=1e-12)


def interrupted_at(step, times=1):
    def callback(now, metrics, params):
        if now == step:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    return callback


def test_ctrl_c_returns_what_there_is_and_says_so(capfd, tmp_path):
    with pytest.warns(UserWarning, match="Interrupted at step 4 of 6, whose parameters"):
        result = fit(callback=interrupted_at(4), checkpoint=tmp_path / "run")
    assert (result.status, result.steps, len(result.history["loss"])) == ("interrupted", 4, 4)
    assert eqx.tree_equal(result.params, fit(steps=4).params)
    assert "Ctrl-C again stops it at once" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert eqx.tree_equal(fit(checkpoint=tmp_path / "run").params, fit().params)


def test_ctrl_c_in_the_middle_of_a_chunk_ends_with_a_report(monkeypatch, tmp_path):
    run_chunk = _fit.run_chunk

    def interrupted(*args):
        os.kill(os.getpid(), signal.SIGINT)
        return run_chunk(*args)

    interrupted.lower = run_chunk.lower
    monkeypatch.setattr(_fit, "run_chunk", interrupted)
    monkeypatch.setattr(_fit, "_LONGEST_CHUNK", 1)  # two a report
    seen = []
    with pytest.warns(UserWarning, match="Interrupted at step 1 of 6"):
        fit(callback=lambda step, *_: seen.append(step), checkpoint=tmp_path / "run")
    assert seen == [1]
    assert (tmp_path / "run").exists()


def test_a_second_ctrl_c_stops_at_once():
    with pytest.raises(KeyboardInterrupt):
        fit(callback=interrupted_at(2, times=2))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_program_itself_stays(monkeypatch):
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    try:
        assert fit(callback=interrupted_at(2)).status == "completed"
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == [1]


def test_training_in_another_thread_touches_no_handler():
    results = []
    thread = threading.Thread(target=lambda: results.append(fit().status))
    thread.start()
    thread.join()
    assert results == ["completed"]


def flat(p, x):
    return p["w"] @ x


@pytest.mark.parametrize(
    ("residual", "optimizer", "message"),
    [
        (lambda p, x: 1e-170 * (flat(p, x) + 1), SGD, "loss is 0, and residuals are so small"),
        (
            lambda p, x: 1e-200 * flat(p, x) + 1,
            jsci.levenberg_marquardt(acceleration=False),
            "loss is 1, and slopes are so small that their squares are zero in float64",
        ),
    ],
    ids=["residuals", "slopes"],
)
def test_what_is_too_small_to_be_squared_is_said(residual, optimizer, message):
    loss = jsci.objective({"line": residual})
    with pytest.warns(UserWarning, match=message):
        fit(objective=loss, data={"line": X}, optimizer=optimizer)


def test_no_residual_at_all_is_a_solution():
    done = fit(params={"w": jnp.array([1.0, 0.0])})
    assert done.history["loss"][-1] == 0


SECOND_ORDER = {
    "levenberg_marquardt": jsci.levenberg_marquardt(acceleration=False),
    "gauss_newton": jsci.gauss_newton(line_search_steps=2),
    "natural_gradient": jsci.averaged(jsci.natural_gradient(), 0.9),
    "matrix_free": jsci.gauss_newton(line_search_steps=2, space="matrix_free"),
    "sample": jsci.gauss_newton(line_search_steps=2, space="sample"),
}


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_terms_of_unlike_size_are_named_with_the_weights_that_balance_them(name):
    """The flux counts a thousand times: 1e6 in the squares."""
    loss = jsci.objective({"flux": lambda p, x: 1e3 * flat(p, x) - 1, "value": flat})
    change = dict(data={"flux": X, "value": X}, optimizer=SECOND_ORDER[name], steps=2)
    with pytest.warns(UserWarning, match="factor of 1.0e.06.*weights={'flux': 1.0e-06, 'value': 1"):
        fit(objective=loss, **change)
    fit(objective=loss.reweighted({"flux": 1e-6}), **change)
    # A small weight that is given on purpose, as to a regulariser, and a term that is left out.
    alike = jsci.objective({"flux": flat, "value": flat}, {"flux": 1e-9, "value": 1.0})
    fit(objective=alike, **change)
    fit(objective=alike.reweighted({"flux": 0.0}), **change)
    # One without any slope does not count either.
    constant = jsci.objective({"flux": lambda p, x: 0 * flat(p, x) + 1, "value": flat})
    fit(objective=constant, params={"w": jnp.ones(2)}, **change)


def test_the_factor_of_unequal_terms_is_that_of_the_step_that_showed_it():
    """A regulariser c² has no slope where it starts, at c = 0, and a small one thereafter."""
    loss = jsci.objective({
        "fit": lambda p, x: (p["w"] + 1e-3 * p["c"]) @ x - 1.0,
        "size": lambda p, x: p["c"] ** 2,
    })  # fmt: skip
    start = {"w": jnp.zeros(2), "c": jnp.zeros(2)}
    change = dict(params=start, data={"fit": X, "size": X}, steps=2, report_every=2)
    with pytest.warns(UserWarning, match=r"factor of [1-9.]+e\+(?!00).*'size': 1.0e\+00"):
        fit(objective=loss, optimizer=jsci.gauss_newton(), **change)


def test_few_residuals_are_said_and_so_is_a_loss_between_them():
    """Two points and three parameters: second order can meet both and be wrong between them."""
    loss = jsci.objective({"line": lambda p, x: p["w"] @ jnp.array([1.0, x, x**2]) - jnp.sin(x)})
    few, more = {"line": jnp.arange(2.0)}, {"line": jnp.arange(3.0)}
    change = dict(objective=loss, params={"w": jnp.zeros(3)}, steps=2)
    change["optimizer"] = SECOND_ORDER["gauss_newton"]
    with pytest.warns(UserWarning, match="fewer residuals, 2, than parameters, 3: .*validation="):
        fit(data=few, **change)
    fit(data=more, **change)
    fit(data=few, validation=more, **change)
    far = {"line": jnp.array([10.0])}
    with pytest.warns(UserWarning, match="validation samples: the solution is wrong between"):
        fit(data=more, validation=far, **change)
    fit(data=more, validation=few, **change)
    fit(data=more, validation=far, **(change | {"optimizer": SGD}))
    fit(data=lambda key: few, key=jax.random.key(0), **change)
    fit(data=few, **(change | {"optimizer": SGD}))


@pytest.mark.parametrize(
    ("rate", "message"),
    [(1e-7, "stagnated"), (0.1, "still falls"), (0.0025, "^40 steps.$")],
)
def test_the_message_tells_a_loss_that_stagnates(rate, message):
    """L = w², so that 40 steps multiply it by (1 - 2 rate)^80."""
    result = jsci.fit(
        lambda p, _: p**2, jnp.array(1.0), None, optax.sgd(rate), steps=40, progress=False
    )
    assert result.status == "completed"
    assert re.search(message, result.message)
