"""Permutations that were planted are found, and activations are those of the network."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from analysis._networks import NETWORKS, inputs, mlp, network

from jaxsci import analysis
from jaxsci.analysis._units.correspondence import correlations


def planted(name, seed=0):
    """The permutations of a network's units, and its parameters permuted by them."""
    _, params, _, units = network(name)
    rng = np.random.default_rng(seed)
    orders = {n: rng.permutation(group.size) for n, group in units.groups.items()}
    return orders, analysis.permute(params, units, orders)


def is_undone(found, orders):
    """Unit i of the first is unit P(i) of the second, whose unit i is unit orders[i]."""
    return all(
        (orders[name][found.permutations[name]] == np.arange(len(orders[name]))).all()
        for name in orders
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_planted_permutations_are_found_from_parameters(name):
    _, params, _, units = network(name)
    orders, permuted = planted(name)
    found = analysis.match(params, permuted, units)
    assert is_undone(found, orders)
    for values in found.similarities.values():
        np.testing.assert_allclose(values, 1, atol=1e-12)


@pytest.mark.parametrize("name", ["Equinox MLP", "Equinox block", "Linen images"])
def test_planted_permutations_are_found_from_activations(name):
    _, params, x, units = network(name)
    orders, permuted = planted(name)
    batch = inputs(50, *x.shape)
    assert is_undone(analysis.match(params, permuted, units, inputs=batch), orders)


def test_units_that_are_constant_on_the_inputs_are_told_apart_by_parameters():
    _, params, _, units = network("Equinox MLP")
    leaves = jax.tree.leaves(params)
    leaves[1] = leaves[1].at[:4].set(-100.0)  # four units of the first layer never fire
    dead = units.tree(leaves)
    order = np.array([3, 0, 1, 2, 7, 6, 5, 4])
    name = next(iter(units.groups))
    found = analysis.match(
        dead, analysis.permute(dead, units, {name: order}), units, inputs=inputs(30, 3)
    )
    assert (order[found.permutations[name]] == np.arange(8)).all()
    assert (found.similarities[name][:4] == 0).all()


def test_activations_are_those_of_the_network():
    _, params, _, units = network("Equinox MLP")
    x = inputs(4, 3)
    first, second = analysis.activations(params, units, x).values()
    w1, b1, w2, b2, *_ = jax.tree.leaves(params)
    np.testing.assert_allclose(first, jax.nn.relu(x @ w1.T + b1[None]), atol=1e-12)
    np.testing.assert_allclose(second, jax.nn.relu(first @ w2.T + b2[None]), atol=1e-12)


def test_pixels_are_samples():
    _, params, x, units = network("Equinox depthwise")
    found = analysis.activations(params, units, inputs(3, *x.shape))
    assert [h.shape[1] for h in found.values()] == [g.size for g in units.groups.values()]


def test_unlike_networks_are_refused():
    _, params, _, units = network("Equinox MLP")
    with pytest.raises(ValueError, match=r"b.layers\[0\].weight has shape \(6, 3\)"):
        analysis.match(params, mlp(6)[1], units)
    with pytest.raises(ValueError, match="a batch of inputs of shapes"):
        analysis.match(params, params, units, inputs=inputs(5, 4))
    with pytest.raises(ValueError, match="a batch of inputs of shapes"):
        analysis.activations(params, units, 1.0)


def test_pairs_shared_partners_and_a_few_for_one():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(500, 5))
    x = np.stack([y[:, 2], -y[:, 0] + 0.01 * y[:, 4], y[:, 2] + 0.3 * y[:, 1]], 1)
    pairs = analysis.correspond(x, y)
    assert (
        np.count_nonzero(pairs, 1).tolist() == [1, 1, 1] and (np.count_nonzero(pairs, 0) <= 1).all()
    )
    shared = analysis.correspond(x, y, method="semi")
    assert shared[0, 2] > 0.99 and shared[2, 2] > 0.9
    few = analysis.correspond(x, y, method="sparse", penalty=0.1)
    assert [np.flatnonzero(row).tolist() for row in few] == [[2], [0], [1, 2]]
    # the optimality condition of the penalised least squares
    z, u = ((a - a.mean(0)) / a.std(0) for a in (x, y))
    slope = u.T @ (z - u @ few.T) / len(u)
    assert np.abs(slope).max() <= 0.1 + 1e-9
    np.testing.assert_allclose(slope.T[few != 0], 0.1 * np.sign(few[few != 0]), atol=1e-9)


def test_groups_that_do_the_same_together_are_found_many_to_many():
    """Every group of either network mixes two features that the other groups do not see."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2000, 3, 2))
    mine, theirs = rng.permutation([0, 0, 0, 1, 1, 1, 1, 2, 2]), rng.permutation([0, 0, 1, 1, 1, 2])
    x, y = (
        np.stack([features[:, g] @ rng.normal(size=2) for g in groups], 1)
        + 0.3 * rng.normal(size=(2000, len(groups)))
        for groups in (mine, theirs)
    )
    x = np.concatenate([x, np.ones((2000, 1))], 1)  # and a unit that is constant
    found = analysis.correspond(x, y, method="spectral", clusters=3)
    np.testing.assert_array_equal(found[:-1] != 0, mine[:, None] == theirs)
    assert (found[-1] == 0).all()
    inside = mine[:, None] == theirs
    np.testing.assert_allclose(found[:-1][inside], np.corrcoef(x[:, :-1].T, y.T)[:9, 9:][inside])


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ((5, 6), {}, "of the same samples, got 5 and 6"),
        ((5, 5), {"method": "sparse", "penalty": 1.0}, "between 0 and 1"),
        ((5, 5), {"method": "spectral"}, "clusters, from 2 to 3, got None"),
        ((5, 5), {"method": "spectral", "clusters": 4}, "clusters, from 2 to 3, got 4"),
    ],
)
def test_what_cannot_correspond(sizes, options, message):
    x, y = (np.random.default_rng(n).normal(size=(n, 3)) for n in sizes)
    with pytest.raises((ValueError, TypeError), match=message):
        analysis.correspond(x, y, **options)


def test_one_to_one_needs_as_many_units():
    with pytest.raises(ValueError, match="a unit of y for each of x, got 2 for 3"):
        analysis.correspond(inputs(9, 3), inputs(9, 2))


def test_numbers_that_are_not_finite_and_single_samples_are_refused(monkeypatch):
    _, params, _, units = network("Equinox MLP")
    broken = jax.tree.map(lambda a: a * np.nan, params)
    with pytest.raises(ValueError, match="b has parameters that are not finite"):
        analysis.match(params, broken, units)
    for x in (np.full((4, 2), np.nan), inputs(1, 2)):
        for method in ("one-to-one", "semi"):
            with pytest.raises(ValueError, match="finite activations of two samples or more"):
                analysis.correspond(x, x, method=method)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # of the tests alone
    with pytest.raises(TypeError, match="must be real"):
        analysis.correspond(1j * inputs(5, 2), inputs(5, 2))


def test_one_of_two_equal_partners_is_taken():
    y = inputs(9, 2)
    found = analysis.correspond(y, np.concatenate([y, y], 1), method="semi")
    assert np.count_nonzero(found, 1).tolist() == [1, 1]


def test_planted_permutations_of_complex_units_are_found():
    f = lambda p, x: abs(p["v"] @ (p["w"] @ x))  # noqa: E731
    params = {"w": inputs(5, 3) + 1j * inputs(5, 3)[::-1], "v": inputs(2, 5) * (1 + 2j)}
    units = analysis.units(f, params, inputs(3))
    (name,) = units.groups
    orders = {name: np.array([3, 1, 0, 4, 2])}
    permuted = analysis.permute(params, units, orders)
    assert is_undone(analysis.match(params, permuted, units), orders)
    assert is_undone(analysis.match(params, permuted, units, inputs=inputs(9, 3)), orders)


def test_no_more_groups_than_there_are():
    """Copies of one unit would be split by rounding."""
    copies = np.random.default_rng(0).normal(size=(50, 1)) * np.array([1.0, -2.0, 3.0])
    with pytest.raises(ValueError, match="at most 1 groups in these correlations, got clusters=2"):
        analysis.correspond(copies, copies, method="spectral", clusters=2)


def test_means_of_half_precision_are_not_lost(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # of the tests alone
    z = jnp.asarray(3 + np.random.default_rng(0).normal(size=(2000, 2)), jnp.bfloat16)
    same = np.diag(correlations(np.asarray(z), np.asarray(z)))
    np.testing.assert_allclose(same, 1.0, rtol=1e-6)


def test_activations_of_no_units_or_traced_ones_do_not_correspond():
    h = inputs(9, 2)
    with pytest.raises(ValueError, match="need finite activations"):
        analysis.correspond(h[:, :0], h, method="sparse")
    with pytest.raises(TypeError, match="call this outside jit and grad"):
        jax.jit(analysis.correspond)(h, h)
