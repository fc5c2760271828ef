"""Any permutation of units leaves the function unchanged; what is not proved is named."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from analysis._networks import NETWORKS, inputs, mlp, network

from jaxsci import analysis

# The sizes of the groups, in the order in which the network consumes them.
SIZES = {
    "Equinox MLP": [8, 8],
    "Equinox images": [3, 2],
    "Equinox depthwise": [4, 2],
    "Equinox block": [12, 3, 4, 10, 4],
    "plain": [6, 5, 7, 9],
    "Linen images": [3, 2, 7],
    "Linen block": [12, 3, 4, 20, 4],
    "NNX": [8],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_permutation_of_a_group_leaves_the_function_unchanged(name):
    f, params, x, units = network(name)
    rng = np.random.default_rng(0)
    orders = {n: rng.permutation(group.size) for n, group in units.groups.items()}
    before = f(params, x)
    np.testing.assert_allclose(f(analysis.permute(params, units, orders), x), before, atol=1e-12)
    for group in units.groups.values():  # each is needed: without its last place it is not the same
        order = np.roll(np.arange(group.size), 1)
        whole = analysis.permute(params, units, {group.name: order})
        np.testing.assert_allclose(f(whole, x), before, atol=1e-12)
        leaves = [
            old if k == group.places[-1].leaf else new
            for k, (old, new) in enumerate(zip(*map(jax.tree.leaves, (params, whole)), strict=True))
        ]
        assert np.abs(f(units.tree(leaves), x) - before).max() > 1e-6


@pytest.mark.parametrize("name", NETWORKS)
def test_the_groups_are_all_that_the_network_has(name):
    units = network(name)[-1]
    assert sorted(g.size for g in units.groups.values()) == sorted(SIZES[name])


def test_inputs_and_outputs_are_no_units():
    units = network("Equinox MLP")[-1]
    axes = {(p.path, p.axis) for g in units.groups.values() for p in g.places}
    assert (".layers[0].weight", 1) not in axes and (".layers[2].weight", 0) not in axes
    assert units.unproved == ()


def test_heads_and_what_is_shared_between_queries_and_keys():
    groups = network("Linen block")[-1].groups.values()
    heads = next(g for g in groups if g.size == 3)
    assert len(heads.places) == 7 and heads.bound is None
    shared = [g for g in groups if g.size == 4]
    assert [len(g.places) for g in shared] == [3, 4] and shared[1].bound == "dot_general"


def test_what_is_not_understood_is_left_alone_and_named():
    def f(p, x):
        h = jnp.fft.rfft(p["w"] @ x).real
        return p["v"] @ jnp.tanh(p["u"] @ h)

    params = {"u": jnp.ones((6, 5)), "v": jnp.ones((2, 6)), "w": jnp.ones((8, 3))}
    units = analysis.units(f, params, jnp.ones(3))
    assert [g.size for g in units.groups.values()] == [6]
    assert {(u.path, u.axis, u.primitive) for u in units.unproved} == {
        ("['u']", 1, "fft"),
        ("['w']", 0, "fft"),
    }
    assert "['w'] axis 0: fft" in repr(units)


@pytest.mark.parametrize(
    ("hidden", "primitive"),
    [
        (jnp.cumsum, "cumsum"),
        (jnp.sort, "sort"),
        (lambda h: h[::2], "slice"),
        (lambda h: jax.lax.dynamic_slice(h, (0,), (3,)), "dynamic_slice"),
        (lambda h: h * jnp.arange(1.0, 7.0).at[0].set(5.0), "scatter"),
        (lambda h: h + np.linspace(0, 1, 6), "a constant"),
        (lambda h: h[jnp.array([0, 1])], "gather"),
        (lambda h: h[::-1], "rev"),
        (lambda h: h + jnp.argmax(h), "argmax"),
    ],
)
def test_a_network_without_units_is_refused_by_the_name_of_the_primitive(hidden, primitive):
    f = lambda w, x: jnp.sum(hidden(w @ x))  # noqa: E731
    with pytest.raises(ValueError, match=f"No hidden units were found.*{primitive}"):
        analysis.units(f, jnp.ones((6, 3)), jnp.ones(3))


def test_a_slice_leaves_the_units_within_it_and_beside_it():
    f = lambda w, x: jnp.tanh((w @ x)[:2]).sum() + jnp.sum((w @ x)[2:] ** 2)  # noqa: E731
    w, x = np.random.default_rng(0).normal(size=(6, 3)), jnp.ones(3)
    units = analysis.units(f, w, x)
    first, second = units.groups.values()
    assert [p.positions.ravel().tolist() for p in first.places] == [[0, 1]]
    assert [p.positions.ravel().tolist() for p in second.places] == [[2, 3, 4, 5]]


def test_one_layer_has_no_units():
    with pytest.raises(ValueError, match="one layer has none"):
        analysis.units(lambda w, x: w @ x, jnp.ones((2, 3)), jnp.ones(3))


def test_parameters_that_are_no_arrays():
    with pytest.raises(TypeError, match=r"params\['a'\] is 1.0"):
        analysis.units(lambda p, x: p["a"] * x, {"a": 1.0}, jnp.ones(3))


def test_orders_and_parameters_that_do_not_fit():
    _, params, _, units = network("Equinox MLP")
    name = next(iter(units.groups))
    with pytest.raises(ValueError, match="each of 0 to 7 once"):
        analysis.permute(params, units, {name: np.zeros(8, int)})
    with pytest.raises(ValueError, match="No group 'hidden'"):
        analysis.permute(params, units, {"hidden": np.arange(8)})
    with pytest.raises(ValueError, match=r"shape \(7, 3\), where units\(\) was given \(8, 3\)"):
        analysis.permute(mlp(7)[1], units, {})
    with pytest.raises(ValueError, match="in another tree"):
        analysis.permute({"w": jnp.ones(3)}, units, {})


def _channels_in_groups(p, x):
    numbers = ("NCH", "OIH", "NCH")
    h = x[None]
    for kernel, groups in (("k1", 1), ("k2", 2)):
        h = jnp.tanh(
            jax.lax.conv_general_dilated(
                h, p[kernel], (1,), "SAME", dimension_numbers=numbers, feature_group_count=groups
            )
        )
    return p["k3"] @ h[0].sum(-1)


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (lambda p, x: p["v"] @ jnp.tanh(p["w"] @ x / (p["b"] @ p["w"] @ p["k"])), (3,)),
        (lambda p, x: p["c"] @ jnp.tanh(p["w"] @ x) * jnp.sum(p["b"] * p["c"]), (3,)),
        (_channels_in_groups, (1, 5)),
    ],
    ids=["spectral norm", "summed with others", "convolution in groups"],
)
def test_parameters_that_meet_units_through_others_are_permuted_with_them(f, shape):
    sizes = {
        "w": (6, 3), "v": (2, 6), "b": (6,), "c": (6,), "k": (3,),
        "k1": (6, 1, 3), "k2": (4, 3, 3), "k3": (2, 4),
    }  # fmt: skip
    rng = np.random.default_rng(0)
    params, x = {n: rng.normal(size=s) for n, s in sizes.items()}, inputs(*shape)
    units = analysis.units(f, params, x)
    orders = {n: rng.permutation(g.size) for n, g in units.groups.items()}
    turned = analysis.permute(params, units, orders)
    np.testing.assert_allclose(f(turned, x), f(params, x), atol=1e-12)


def test_orders_are_integers(monkeypatch):
    """Truth values would choose one unit for both."""
    f, params = lambda p, x: p["v"] @ jnp.tanh(p["w"] @ x), {"v": inputs(2, 2), "w": inputs(2, 3)}
    units = analysis.units(f, params, inputs(3))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # of the tests alone
    for order in (np.array([True, False]), np.array([1.0, 0.0])):
        with pytest.raises(ValueError, match="each of 0 to 1 once, as integers"):
            analysis.permute(params, units, {next(iter(units.groups)): order})


def test_units_of_which_an_axis_holds_all_pairs_are_left_alone():
    def f(p, x):
        h = jnp.tanh(p["w"] @ x)
        return p["pairs"] @ jnp.outer(h, h).reshape(-1)

    with pytest.raises(ValueError, match=r"\['pairs'\] axis 1 \(reshape\)"):
        analysis.units(f, {"pairs": inputs(2, 36), "w": inputs(6, 3)}, inputs(3))
