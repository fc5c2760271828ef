"""Consensus, factors and blocks: planted truths, beside the packages that people use."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.runner.case import Case, Peer, Run

_CLASSES, _RATERS, _VOTES = 4, 20, 5
_RANK, _RESTARTS = 5, 6
_BLOCKS = np.array([[2.0, 1, 1, 1], [1, 1, 2, 1], [1, 2, 1, 1], [1, 1, 1, 1]])


def _votes(size):
    """A third of the raters are right nine times out of ten, the others less than half the time."""
    items = {"smoke": 100, "quick": 600, "full": 600}[size]
    rng = np.random.default_rng(0)
    truth = rng.choice(_CLASSES, items, p=[0.5, 0.3, 0.15, 0.05])
    right = np.where(np.arange(_RATERS) < _RATERS // 3, 0.9, 0.45)[:, None, None]
    wrong = rng.dirichlet(np.ones(_CLASSES), (_RATERS, _CLASSES))
    confusion = right * np.eye(_CLASSES) + (1 - right) * wrong
    item = np.repeat(np.arange(items), _VOTES)
    rater = np.concatenate([rng.choice(_RATERS, _VOTES, replace=False) for _ in range(items)])
    label = [
        rng.choice(_CLASSES, p=confusion[r, truth[i]]) for i, r in zip(item, rater, strict=True)
    ]
    return (item, rater, np.array(label)), truth


def _wrong(truth, labels):
    return float(np.mean(np.asarray(labels) != truth))


def _consensus(size):
    votes, truth = _votes(size)
    counts = np.zeros((len(truth), _CLASSES))
    np.add.at(counts, (votes[0], votes[2]), 1)
    return Run(
        lambda: jsci.analysis.consensus(*votes).labels,
        (),
        error=functools.partial(_wrong, truth),
        figures={"wrong by majority": _wrong(truth, counts.argmax(1))},
        note=f"{len(truth)} items, {_VOTES} of {_RATERS} raters each, to the fixed point",
    )


def _crowd_kit(size, **stop):
    """By default it stops once a step raises the mean bound by less than 1e-5: 24 steps."""
    import pandas  # pyright: ignore[reportMissingImports] (with the peer)
    from crowdkit.aggregation import DawidSkene  # pyright: ignore[reportMissingImports]

    votes, truth = _votes(size)
    table = pandas.DataFrame(dict(zip(("task", "worker", "label"), votes, strict=True)))
    fit = lambda: DawidSkene(**stop).fit_predict(table).sort_index().to_numpy()  # noqa: E731
    return Run(fit, (), error=functools.partial(_wrong, truth), host=True)


_to_the_end = functools.partial(_crowd_kit, n_iter=1000, tol=0.0)


def _tensor(size):
    """Five components of a third axis that peak one after the other, and noise."""
    n, times = {"smoke": (10, 30), "quick": (50, 100), "full": (50, 100)}[size]
    rng = np.random.default_rng(1)
    a, b = ((rng.random((n, _RANK)) < 0.25) * rng.random((n, _RANK)) for _ in range(2))
    c = np.exp(-0.5 * ((np.arange(times)[:, None] / times - np.arange(1, 10, 2) / 10) / 0.06) ** 2)
    x = np.einsum("ir,jr,kr->ijk", a, b, c)
    return np.maximum(x + 0.05 * rng.standard_normal(x.shape), 0)


def _misfit(x, factors):
    """As a share of the tensor."""
    model = np.einsum("ir,jr,kr->ijk", *map(np.asarray, factors))
    return float(np.linalg.norm(x - model) / np.linalg.norm(x))


def _multiplicative(x, seed, steps):
    """500 multiplicative steps in NumPy, the optimum that both must reach."""
    rng = np.random.default_rng(seed)
    factors = [rng.random((n, _RANK)) for n in x.shape]
    for _ in range(steps):
        for m, out in enumerate("ijk"):
            others = [factors[o] for o in range(3) if o != m]
            names = ",".join(f"{name}r" for name in "ijk" if name != out)
            top = np.einsum(f"ijk,{names}->{out}r", x, *others, optimize=True)
            gram = (others[0].T @ others[0]) * (others[1].T @ others[1])
            factors[m] *= top / (factors[m] @ gram + 1e-12)
    return _misfit(x, factors)


def _excess(x, best, factors):
    return max(_misfit(x, factors) - best, 0.0)


@functools.cache
def _known_optimum(size):
    x = _tensor(size)
    return min(_multiplicative(x, seed, 500) for seed in range(1 if size == "smoke" else 3))


def _factorise(size):
    x = _tensor(size)

    def step(x, key):
        found = jsci.analysis.factorise(x, _RANK, key, restarts=_RESTARTS, max_steps=100)
        return (found.factors[0] * found.weights[None], *found.factors[1:])

    return Run(
        step,
        (jnp.asarray(x), jax.random.key(0)),
        error=functools.partial(_excess, x, _known_optimum(size)),
        note=f"{'x'.join(map(str, x.shape))}, rank {_RANK}, {_RESTARTS} restarts of 100 sweeps",
    )


def _tensorly(size):
    from tensorly import decomposition  # pyright: ignore[reportMissingImports] (an optional peer)

    x = _tensor(size)

    def one(seed):
        (weights, factors), errors = decomposition.non_negative_parafac_hals(
            x, _RANK, n_iter_max=100, init="random", random_state=seed, return_errors=True
        )
        return errors[-1], (factors[0] * weights, *factors[1:])

    def run():
        return min(map(one, range(_RESTARTS)), key=lambda found: found[0])[1]

    error = functools.partial(_excess, x, _known_optimum(size))
    return Run(run, (), error=error, host=True)


def _network(size):
    """Two blocks with edges inside, two with edges between them; normal weights."""
    n = {"smoke": 40, "quick": 120, "full": 120}[size]
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), n // 4)
    a = _BLOCKS[truth][:, truth] + 0.5 * rng.standard_normal((n, n))
    a = np.triu(a, 1)
    return a + a.T, truth


def _disagreement(truth, labels):
    """One minus the adjusted Rand index."""
    table = np.zeros((int(np.max(labels)) + 1, truth.max() + 1))
    np.add.at(table, (np.asarray(labels), truth), 1)
    both, one, other, all_ = (
        float((c * (c - 1) / 2).sum()) for c in (table, table.sum(0), table.sum(1), table.sum())
    )
    chance = one * other / all_
    return 1 - (both - chance) / ((one + other) / 2 - chance)


def _block_model(size):
    a, truth = _network(size)
    return Run(
        lambda a, key: jsci.analysis.block_model(a, 4, key).labels,
        (jnp.asarray(a), jax.random.key(0)),
        error=functools.partial(_disagreement, truth),
        note=f"{len(a)} nodes, 4 blocks, of which two connect to each other; 8 restarts",
    )


def _louvain(size):
    import networkx

    a, truth = _network(size)

    def run():
        graph = networkx.from_numpy_array(np.maximum(a, 0))
        labels = np.zeros(len(a), int)
        for number, nodes in enumerate(networkx.community.louvain_communities(graph, seed=0)):
            labels[list(nodes)] = number
        return labels

    return Run(run, (), error=functools.partial(_disagreement, truth), host=True)


CASES = [
    Case("analysis.consensus", "analysis", "Consensus of raters who err (Dawid-Skene)", _consensus,
         "smoke", reference="planted classes", tolerance=0.1, error_name="share of items wrong",
         peers=(Peer("crowd-kit", "crowd-kit", _crowd_kit, module="crowdkit"),
                Peer("crowd-kit, until the bound stops rising", "crowd-kit", _to_the_end,
                     module="crowdkit"))),
    Case("analysis.factorise", "analysis", "Non-negative factors of a tensor", _factorise,
         "smoke", reference="500 multiplicative steps in NumPy", tolerance=1e-5,
         error_name="misfit above it", peers=(Peer("tensorly", "tensorly", _tensorly),)),
    Case("analysis.block_model", "analysis", "Blocks of a weighted network", _block_model,
         "smoke", reference="planted blocks", tolerance=0.1, error_name="1 - adjusted Rand index",
         peers=(Peer("networkx, Louvain", "networkx", _louvain, module="networkx"),)),
]  # fmt: skip
