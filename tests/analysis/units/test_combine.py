"""Task arithmetic, TIES and Fisher weights by hand on a few numbers."""

import jax
import numpy as np
import pytest

from jaxsci import analysis

BASE = {"a": np.array([1.0, 1.0, 1.0]), "b": np.array([[0.0]])}
TUNED = [
    {"a": np.array([2.0, 0.0, 1.5]), "b": np.array([[0.1]])},
    {"a": np.array([4.0, 1.5, 0.9]), "b": np.array([[2.0]])},
]


def close(found, a, b):
    np.testing.assert_allclose(found["a"], a, atol=1e-12)
    np.testing.assert_allclose(found["b"], [[b]], atol=1e-12)


def test_changes_are_added():
    close(analysis.combine(BASE, TUNED, scale=0.5), [3.0, 0.75, 1.2], 1.05)
    close(analysis.combine(BASE, TUNED[:1]), TUNED[0]["a"], 0.1)


def test_trim_elect_and_merge():
    # half of four changes: 1 and -1 of the first task, 3 and 2 of the second
    close(analysis.combine(BASE, TUNED, keep=0.5), [3.0, 0.0, 1.0], 2.0)
    # all: the second goes down (-1 against 0.5), the third up (0.5 against -0.1)
    close(analysis.combine(BASE, TUNED, keep=1.0), [3.0, 0.0, 1.5], 1.05)


def test_weights_by_importance():
    importances = [
        {"a": np.array([1.0, 0.0, 0.0]), "b": np.array([[3.0]])},
        {"a": np.array([1.0, 2.0, 0.0]), "b": np.array([[1.0]])},
    ]
    found = analysis.combine(BASE, TUNED, importances=importances)
    close(found, [3.0, 1.5, 1.2], (3 * 0.1 + 2) / 4)


def test_under_jit():
    found = jax.jit(lambda t: analysis.combine(BASE, t, keep=0.5))(TUNED)
    close(found, [3.0, 0.0, 1.0], 2.0)


@pytest.mark.parametrize(
    ("tuned", "options", "message"),
    [
        ([], {}, "at least one task"),
        ([{"a": np.ones(2), "b": np.ones((1, 1))}], {}, r"tuned\[0\] has other shapes"),
        (TUNED, {"keep": 0.0}, r"keep must be in \(0, 1\]"),
        (TUNED, {"importances": TUNED[:1]}, "2 tasks have 1 importances"),
        (TUNED, {"importances": TUNED, "keep": 0.5}, "not both"),
    ],
)
def test_what_cannot_be_combined(tuned, options, message):
    with pytest.raises(ValueError, match=message):
        analysis.combine(BASE, tuned, **options)


def test_steps_and_complex_numbers_are_not_combined():
    with pytest.raises(TypeError, match=r"\['step'\] is uint8"):
        analysis.combine({"step": np.ones(2, np.uint8)}, [{"step": np.zeros(2, np.uint8)}])
    with pytest.raises(TypeError, match="complex128, where real"):
        analysis.combine(np.zeros(2) + 0j, [np.ones(2) * 1j], keep=0.5)
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        analysis.combine(np.zeros(2), [np.ones(2)], importances=[np.array([-1.0, 2.0])])


@pytest.mark.parametrize(
    "options",
    [{}, {"keep": 0.5}, {"keep": 1.0}, {"importances": [np.array([1.0, 2.0, 0.0])]}],
    ids=["added", "half", "elected", "weighted"],
)
def test_a_training_that_failed_is_not_hidden(options):
    found = analysis.combine(np.zeros(3), [np.array([5.0, np.nan, 1.0])], **options)
    assert np.isnan(found).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "options", [{"scale": np.float64(0.5)}, {"importances": [BASE, BASE]}], ids=["scale", "weights"]
)
def test_the_dtype_is_that_of_the_parameters(options):
    base, *tuned = [jax.tree.map(np.float32, tree) for tree in (BASE, *TUNED)]
    found = analysis.combine(base, tuned, **options)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype("float32")}
