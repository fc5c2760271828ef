"""Curves of trainings: when an error is first reached, and the race to a peer's smallest error."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from benchmarks.cases.pde._problems import train
from benchmarks.remote import remote_training
from benchmarks.runner.curves import best, milestones, seconds_to, split_curves
from benchmarks.runner.peers import race

FALLING = [(1.0, 0.5), (2.0, 4e-3), (3.0, 6e-3), (4.0, 1e-5)]


def test_outputs_without_a_curve_are_left_alone():
    assert split_curves((1, 2)) == ((1, 2), {})
    assert split_curves((1, [])) == ((1, []), {})
    assert split_curves((1, [(0.0, 2.0)])) == (1, {"": [(0.0, 2.0)]})


def test_an_error_is_reached_once():
    assert [seconds_to(FALLING, e) for e in (1.0, 5e-3, 1e-5, 1e-6)] == [1.0, 2.0, 4.0, None]
    assert best({"a": FALLING, "b": [(0.1, 1e-2)]}) == (4.0, 1e-5)


def test_milestones_leave_out_what_nobody_reaches():
    found = milestones({"a": FALLING, "b": [(0.25, 2e-3), (9.0, 9e-4)]})
    assert found == {
        "seconds to 1e-02": "2, 0.25",
        "seconds to 1e-03": "4, 9",
        "seconds to 1e-04": "4, -",
    }


def test_a_race_ends_at_the_smallest_error_of_the_peer():
    theirs = {"": [(10.0, 0.1), (20.0, 5e-3), (90.0, 2e-2)]}
    result = race("theirs", theirs, {"seed 0": FALLING, "seed 1": [(4.0, 1e-3)]})
    assert result.status == "ok" and result.against is not None
    assert (result.against.seconds, result.against.error) == (20.0, 5e-3)
    assert result.against.ratio.median == np.median([20 / 2, 20 / 4])


def test_a_race_that_we_lose_has_no_ratio():
    result = race("theirs", {"": [(1.0, 1e-9)]}, {"seed 0": FALLING, "seed 1": [(1.0, 1e-9)]})
    assert result.against is None
    assert result.message == "1 of our 2 runs reach its 1.0e-09 of 1 s"


def test_a_peer_far_from_the_solution_is_not_raced():
    result = race("theirs", {"": [(0.1, float("nan")), (0.2, 1.0)]}, {"seed 0": FALLING})
    assert (result.status, result.against) == ("wrong", None)
    assert result.message == "its smallest error is 1.0e+00"


def test_a_training_elsewhere_answers_with_its_curve(monkeypatch):
    monkeypatch.setenv("TRAINING_PYTHON", sys.executable)
    run = remote_training(
        "TRAINING_PYTHON",
        "tests.benchmarks.doubling_peer",
        "rows",
        np.zeros((2, 1)),
        lambda values: float(np.abs(values - 1).max()),
    )
    output, curve = run.step()
    assert curve == [(0.5, 3.0), (1.5, 0.0)]
    assert run.error(output) == 0


@pytest.mark.filterwarnings("ignore:The loss is .* on the validation samples")
def test_a_judged_training_keeps_the_round_of_the_least_loss():
    """Rounds at 1 and 5, judged at 1: the second round is not kept."""
    loss = jsci.objective({"a": lambda p, x: p - x})
    data = lambda i, _: {"a": jnp.array([1.0, 5.0])[i : i + 1]}  # noqa: E731
    ends = []
    for judges in (None, {"a": jnp.ones(2)}):
        p, curve = train(
            loss, jnp.zeros(()), data, lambda p: abs(p - 1), rounds=2, steps=4, judges=judges
        )
        np.testing.assert_allclose(curve[-1][1], abs(p - 1))
        ends.append(p)
    np.testing.assert_allclose(ends, [5.0, 1.0], rtol=1e-6)
