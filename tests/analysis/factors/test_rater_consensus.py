"""Consensus: the same as expectation maximisation in plain NumPy, and the planted truth."""

import jax
import numpy as np
import pytest

from jaxsci import analysis

K, PER = 3, 5
PREVALENCE = np.array([0.6, 0.3, 0.1])


def votes(items=300, raters=12, seed=0):
    """A third of the raters are good, the others confuse classes in their own ways."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(K, items, p=PREVALENCE)
    good = np.where(np.arange(raters) < raters // 3, 0.9, 0.1)[:, None, None]
    confusion = good * np.eye(K) + (1 - good) * rng.dirichlet(np.ones(K), (raters, K))
    item = np.repeat(np.arange(items), PER)
    rater = np.concatenate([rng.choice(raters, PER, replace=False) for _ in range(items)])
    said = [rng.choice(K, p=confusion[r, truth[i]]) for i, r in zip(item, rater, strict=True)]
    return (item, rater, np.array(said)), truth, confusion


@pytest.fixture(scope="module", params=["confusion", "one-coin"])
def found(request):
    data, truth, confusion = votes()
    return data, truth, confusion, analysis.consensus(*data, model=request.param), request.param


def table(data):
    """1 where a rater says a class of an item: (items, raters, classes)."""
    dense = np.zeros((*(x.max() + 1 for x in data[:2]), K))
    dense[data] = 1
    return dense


def naive(data, model, steps, smoothing=0.01):
    """The same by loops over raters; the posterior log density before each step."""
    said = table(data)
    q = said.sum(1) / said.sum((1, 2))[:, None]
    densities = []
    for _ in range(steps):
        c = np.einsum("it,irs->rts", q, said)
        if model == "one-coin":
            for r in range(len(c)):
                right, votes = np.trace(c[r]), c[r].sum()
                p = (right + smoothing) / (votes + 2 * smoothing)
                c[r] = np.full((K, K), (1 - p) / (K - 1))
                np.fill_diagonal(c[r], p)
        else:
            c = (c + smoothing) / (c + smoothing).sum(2, keepdims=True)
        pi = q.mean(0)
        joint = pi * np.exp(np.einsum("rts,irs->it", np.log(c), said))
        q = joint / joint.sum(1, keepdims=True)
        densities.append(density(joint, c, model, smoothing))
    return q, pi, c, densities


def density(joint, c, model, smoothing):
    """What each step raises: the likelihood with the smoothing as votes."""
    votes = smoothing * np.log(c)
    if model == "one-coin":
        p = c[:, 0, 0]
        votes = smoothing * (np.log(p) + np.log(1 - p))
    return np.log(joint.sum(1)).sum() + votes.sum()


def test_is_the_fixed_point_of_plain_expectation_maximisation(found):
    data, _, _, out, model = found
    q, pi, c, densities = naive(data, model, 600)
    assert out.converged
    np.testing.assert_allclose(out.probabilities, q, atol=1e-8)
    np.testing.assert_allclose(out.prevalence, pi, atol=1e-8)
    np.testing.assert_allclose(out.confusion, c, atol=1e-8)
    joint = pi * np.exp(np.einsum("rts,irs->it", np.log(c), table(data)))
    np.testing.assert_allclose(out.log_likelihood, np.log(joint.sum(1)).sum(), rtol=1e-10)
    assert densities[-1] > densities[0]


@pytest.mark.parametrize(("model", "counts"), [("confusion", (1, 2, 5)), ("one-coin", (1, 4))])
def test_each_step_raises_the_density(model, counts):
    data = votes(items=60)[0]
    now = []
    for steps in counts:
        out = analysis.consensus(*data, model=model, max_steps=steps)
        c = np.asarray(out.confusion)
        joint = np.asarray(out.prevalence) * np.exp(
            np.einsum("rts,irs->it", np.log(c), table(data))
        )
        now.append(density(joint, c, model, 0.01))
    assert not out.converged
    assert np.all(np.diff(now) > 0)


def mean_f1(labels, truth):
    """Over the classes, of which the rare ones count as much."""
    hits = [2 * np.sum((labels == k) & (truth == k)) for k in range(K)]
    return np.mean(hits / (np.bincount(labels, minlength=K) + np.bincount(truth, minlength=K)))


def test_finds_who_is_right(found):
    """Better than the majority, as often right as it says, and it knows who is reliable."""
    data, truth, confusion, out, _ = found
    majority = table(data).sum(1).argmax(1)
    accuracy = np.mean(np.asarray(out.labels) == truth)
    assert accuracy > np.mean(majority == truth) + 0.03
    assert mean_f1(np.asarray(out.labels), truth) > mean_f1(majority, truth) + 0.05
    # Where it says 90 % it is right nine times out of ten.
    assert abs(np.mean(out.confidence) - accuracy) < 0.05
    right = np.einsum("rtt,t->r", np.asarray(out.confusion), PREVALENCE)
    known = np.einsum("rtt,t->r", confusion, PREVALENCE)
    assert np.corrcoef(right, known)[0, 1] > 0.95


def test_raters_who_contradict_each_other_may_be_undone():
    """One who always says the opposite is as useful as one who is always right."""
    truth = np.arange(40) % 2
    items, raters = np.repeat(np.arange(40), 4), np.tile(np.arange(4), 40)
    said = np.stack([truth, truth, truth, 1 - truth], 1)
    out = analysis.consensus(items, raters, said.ravel())
    np.testing.assert_array_equal(out.labels, truth)
    assert out.confusion[3, 0, 1] > 0.99


def test_float32():
    data = votes(items=60)[0]
    with jax.enable_x64(False):
        low = analysis.consensus(*data)
        assert low.probabilities.dtype == np.float32 and low.converged
    np.testing.assert_allclose(
        low.probabilities, analysis.consensus(*data).probabilities, atol=1e-3
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(raters=[0, 2, 2, 0]), r"rater 1 has no votes \(1 of 3 have none\).*return_inverse"),
        (dict(items=[0, 0, 2, 2]), "item 1 has no votes"),
        (dict(items=[0, 0, 1]), r"of one length, got \[3, 4, 4\]"),
        (dict(labels=[0, 1, 0, -1]), "labels must be numbered from 0, got -1"),
        (dict(labels=[0, 0, 0, 0]), "at least 2 classes, got 1"),
        (dict(classes=2, labels=[0, 1, 2, 0]), "labels must be below classes = 2, got 2"),
        (dict(labels=np.zeros(4)), "labels must be integers from 0, got float64"),
        (dict(labels=[]), r"labels must be a list with an entry per vote, got \(0,\)"),
        (dict(model="glad"), "model must be one of"),
        (dict(smoothing=0.0), "smoothing must be positive"),
        (dict(smoothing=float("nan")), "smoothing must be positive"),
    ],
)
def test_refuses(change, message):
    good = dict(items=[0, 0, 1, 1], raters=[0, 1, 0, 1], labels=[0, 1, 0, 1])
    with pytest.raises((ValueError, TypeError), match=message):
        analysis.consensus(**(good | change))


def test_refuses_what_is_traced():
    with pytest.raises(TypeError, match="labels are counted before anything is computed"):
        jax.jit(lambda y: analysis.consensus([0, 0], [0, 1], y).labels)(np.array([0, 1]))


def test_small_integers_do_not_overflow():
    """60 raters times 6 classes are more than 255."""
    rng = np.random.default_rng(0)
    data = np.repeat(np.arange(6), 60), np.tile(np.arange(60), 6), rng.integers(0, 6, 360)
    small = analysis.consensus(*(a.astype(np.uint8) for a in data))
    np.testing.assert_array_equal(small.confusion, analysis.consensus(*data).confusion)


def test_large_numbers_of_items_are_refused_at_once():
    with pytest.raises(ValueError, match="item 1 has no votes .99999999999 of 100000000001"):
        analysis.consensus([0, 10**11], [0, 0], [0, 1])
    with pytest.raises(ValueError, match="smoothing must be positive and finite"):
        analysis.consensus([0, 1], [0, 0], [0, 1], smoothing=np.inf)
