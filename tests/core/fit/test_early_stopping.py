"""Early stopping on a loss that falls and rises again."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci

# Training goes from 0 towards 1; the validation samples want 0.55.
LOSS = jsci.objective({"line": lambda w, x: w - x})
TRAIN, OTHER = {"line": jnp.ones(4)}, {"line": jnp.full(3, 0.55)}


def fit(callback, **change):
    given = dict(steps=60, report_every=1, validation=OTHER, progress=False)
    return jsci.fit(
        LOSS, jnp.zeros(()), TRAIN, optax.sgd(0.05), callback=callback, **(given | change)
    )


def test_the_best_parameters_are_kept_and_training_stops_after_them():
    best = jsci.EarlyStopping(patience=3)
    result = fit(best)
    w = 1 - 0.9 ** np.arange(1, 61)  # gradient descent on (w - 1)²
    n = 1 + int(np.argmin(abs(w - 0.55)))
    assert best.step == n and result.steps == n + 3 and result.status == "stopped"
    np.testing.assert_allclose(best.params, w[n - 1], rtol=1e-12)
    np.testing.assert_allclose(best.value, (w[n - 1] - 0.55) ** 2, rtol=1e-12)


def test_without_patience_training_goes_on():
    best = jsci.EarlyStopping()
    result = fit(best)
    assert result.steps == 60 and best.step < 10


def test_another_metric():
    best = jsci.EarlyStopping(patience=2, metric="line")
    assert fit(best, validation=None).steps == 60 == best.step


def test_a_value_that_is_not_finite_is_never_the_best():
    best = jsci.EarlyStopping(patience=3)
    values = [np.nan, 2.0, -np.inf, 1.0]
    assert not any(best(i, {"validation_loss": v}, i) for i, v in enumerate(values))
    assert (best.params, best.step, best.value) == (3, 3, 1.0)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="patience must be at least 1, got 0"):
        jsci.EarlyStopping(patience=0)
    with pytest.raises(ValueError, match="give fit.*validation=samples.*'loss', 'line'"):
        fit(jsci.EarlyStopping(), validation=None)
