"""Units are removed and added; what merges exactly and what may not change at all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis._networks import inputs, mlp, network

from jaxsci import analysis

KEY = jax.random.key(0)


def doubled(activation, scale=1.0):
    """A network of 16 units of which half, scaled, repeat the others in both layers."""
    f, params, x = mlp(8, activation)
    units = analysis.units(f, params, x)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(params)]
    w1, b1, w2, b2, w3, b3 = leaves
    w1, b1 = np.concatenate([w1, scale * w1]), np.concatenate([b1, scale * b1])
    w2 = np.concatenate([w2 / 2, w2 / (2 * scale)], 1)
    w2, b2 = np.concatenate([w2, scale * w2]), np.concatenate([b2, scale * b2])
    w3 = np.concatenate([w3 / 3, 2 * w3 / (3 * scale)], 1)
    large = units.tree(list(map(jnp.asarray, (w1, b1, w2, b2, w3, b3))))
    return f, params, large, analysis.units(f, large, x)


@pytest.mark.parametrize(("activation", "scale"), [(jax.nn.relu, 3.0), (jnp.tanh, 1.0)])
@pytest.mark.parametrize("seen", [False, True], ids=["parameters", "inputs"])
def test_units_that_repeat_others_are_merged_exactly(activation, scale, seen):
    f, params, large, units = doubled(activation, scale)
    x = inputs(60, 3)
    small = analysis.merge(large, units, 0.5, inputs=x if seen else None)
    assert [a.shape for a in jax.tree.leaves(small)] == [a.shape for a in jax.tree.leaves(params)]
    atol = 1e-3 if seen else 1e-12  # the ridge of 1e-6 leaves some 1e-4
    apply = jax.vmap(f, (None, 0))
    np.testing.assert_allclose(apply(small, x), apply(large, x), atol=atol)


def test_refitting_is_better_than_leaving_units_out():
    f, params, _, units = network("Equinox MLP")
    batch = inputs(60, 3)
    name = next(iter(units.groups))
    small = analysis.merge(params, units, {name: 0.25}, inputs=batch)
    apply = jax.vmap(f, (None, 0))
    error = lambda p: float(jnp.abs(apply(p, batch) - apply(params, batch)).mean())  # noqa: E731
    first = np.asarray(small.layers[0].weight)
    kept = [int(np.abs(np.asarray(params.layers[0].weight) - row).sum(1).argmin()) for row in first]
    without = analysis.merge(params, units, {})
    w2 = np.zeros((8, 8))
    w2[:, kept] = np.asarray(params.layers[1].weight)[:, kept]
    leaves = jax.tree.leaves(without)
    leaves[2] = jnp.asarray(w2)
    assert error(small) < 0.5 * error(units.tree(leaves))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Equinox MLP", 3),
        ("Equinox depthwise", None),
        ("plain", {"['layers']['down']:1": 2, "['gate']:0": 1}),
        ("NNX", 1),
    ],
)
def test_growth_leaves_the_function_unchanged(name, wanted):
    f, params, x, units = network(name)
    if wanted is None:
        wanted = {n: 2 for n, g in units.groups.items() if g.bound is None}
    large = analysis.grow(params, units, wanted, KEY)
    assert sum(a.size for a in jax.tree.leaves(large)) > sum(
        a.size for a in jax.tree.leaves(params)
    )
    np.testing.assert_allclose(f(large, x), f(params, x), atol=1e-12)


def test_a_channel_is_added_to_every_pixel():
    """Units that lie between others: images that are flattened, channels last."""

    def f(p, x):
        h = jnp.tanh(jnp.einsum("hwi,io->hwo", x, p["first"]))
        return p["last"] @ h.reshape(-1)

    params, x = {"first": inputs(2, 4), "last": inputs(3, 6 * 4)}, inputs(2, 3, 2)
    units = analysis.units(f, params, x)
    for count in (1, 3):
        large = analysis.grow(params, units, count, KEY)
        assert large["last"].shape == (3, 6 * (4 + count))
        np.testing.assert_allclose(f(large, x), f(params, x), atol=1e-12)
    small = analysis.merge(params, units, 0.25)
    assert small["last"].shape == (3, 6 * 3) and f(small, x).shape == (3,)


def test_heads_of_attention_are_added_and_merged():
    """Units in front of others along an axis: heads, and their entries."""

    def f(p, x):
        q, k, v = (jnp.reshape(x @ p[n], (5, -1, 4)) for n in "qkv")
        a = jax.nn.softmax(jnp.einsum("thd,shd->hts", q, k), -1)
        return jnp.einsum("hts,shd->thd", a, v).reshape(5, -1) @ p["out"]

    params = {n: inputs(3, 12) for n in "qkv"} | {"out": inputs(12, 2)}
    x = inputs(5, 3)
    units = analysis.units(f, params, x)
    heads = next(n for n, g in units.groups.items() if g.size == 3)
    large = analysis.grow(params, units, {heads: 2}, KEY)
    assert large["q"].shape == (3, 20)
    np.testing.assert_allclose(f(large, x), f(params, x), atol=1e-12)
    halved = analysis.units(f, large, x)
    back = analysis.merge(large, halved, {heads: 0.4})
    assert back["q"].shape == (3, 12)
    np.testing.assert_allclose(f(back, x), f(params, x), atol=1e-12)


def test_copies_do_not_stay_the_same():
    _, params, _, units = network("Equinox MLP")
    large = analysis.grow(params, units, 8, KEY)
    columns = np.asarray(large.layers[2].weight).T
    distances = np.abs(columns[:, None] - columns[None]).sum(-1) + np.eye(16)
    assert distances.min() > 1e-3


def test_dtypes_stay():
    _, params, _, units = network("Equinox MLP")
    single = jax.tree.map(lambda a: a.astype(jnp.float32), params)
    for new in (analysis.grow(single, units, 1, KEY), analysis.merge(single, units, 0.5)):
        assert {a.dtype for a in jax.tree.leaves(new)} == {jnp.dtype("float32")}


def test_units_that_meet_are_not_merged_or_added():
    _, params, _, units = network("Equinox block")
    stream = next(n for n, g in units.groups.items() if g.size == 12)
    for change in (
        lambda: analysis.merge(params, units, {stream: 0.5}),
        lambda: analysis.grow(params, units, {stream: 2}, KEY),
    ):
        with pytest.raises(ValueError, match="they meet in reduce_sum"):
            change()
    with pytest.raises(ValueError, match="lie on one axis, 0 of .attention.value_proj.weight"):
        analysis.grow(params, units, 1, KEY)
    f = lambda w, x: jnp.tanh(w @ x).mean()  # noqa: E731
    w = inputs(4, 3)
    alone = analysis.units(f, w, inputs(3))
    with pytest.raises(ValueError, match=r"of any group.*reduce_sum"):
        analysis.merge(w, alone, 0.5)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_shares_and_numbers_must_make_sense(share):
    _, params, _, units = network("Equinox MLP")
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\)"):
        analysis.merge(params, units, share)
    with pytest.raises(ValueError, match="extra must be a number of units"):
        analysis.grow(params, units, -1, KEY)


@pytest.mark.parametrize(
    "f",
    [
        lambda p, x: jnp.tanh(p["a"] @ x) @ p["a"],  # tied: made and consumed by one axis
        lambda p, x: jax.nn.softplus(p["b"]) @ jnp.tanh(p["a"] @ x),
        lambda p, x: (p["b"] + 1) @ jnp.tanh(p["a"] @ x),
        lambda p, x: (p["b"] / jnp.linalg.norm(p["b"], axis=1)[:, None]) @ jnp.tanh(p["a"] @ x),
        lambda p, x: (p["b"] * p["c"][None]) @ jnp.tanh(p["a"] @ x),
        lambda p, x: jnp.prod(p["a"], 1) @ jnp.tanh(p["a"] @ x),
        lambda p, x: p["whole"] @ jnp.tanh(p["a"] @ x),
    ],
    ids=["tied", "positive", "shifted", "normalised", "scaled", "product", "integers"],
)
def test_units_are_permuted_alone_where_their_weights_are_not_plain(f):
    whole = np.arange(8, dtype=np.int8).reshape(2, 4)
    params = {"a": inputs(4, 3), "b": inputs(2, 4), "c": inputs(4), "whole": whole}
    x = inputs(3)
    units = analysis.units(f, params, x)
    (name,) = units.groups
    turned = analysis.permute(params, units, {name: np.array([2, 0, 3, 1])})
    np.testing.assert_allclose(f(turned, x), f(params, x), atol=1e-12)
    with pytest.raises(ValueError, match="cannot change the number of units"):
        analysis.grow(params, units, {name: 1}, KEY)


@pytest.mark.parametrize("activation", [jnp.tanh, jax.nn.relu6, jax.nn.gelu])
def test_an_input_at_which_units_are_linear_does_not_make_them_homogeneous(activation):
    """At x = 0, units that differ in size alone must not be taken for one."""
    f = lambda p, x: p["v"] @ activation(p["w"] @ x)  # noqa: E731
    w = np.array([[4.0, 4.0], [-1.0, 1.0], [-1.1, 1.0]])
    params = {"w": np.concatenate([w[:1] / 16, w]), "v": np.ones((1, 4))}
    small = analysis.merge(params, analysis.units(f, params, np.zeros(2)), 0.25)
    # the two that are next to each other, not the two of one direction
    np.testing.assert_allclose(sorted(small["w"][:, 0]), [-1.05, 0.25, 4.0])


def test_recurrent_units_that_repeat_others_are_merged_exactly():
    """Some entries of a recurrent matrix both make units and consume them."""

    def f(p, x):
        step = lambda h, a: (jax.nn.relu(p["s"] @ h + p["w"] @ a), 0.0)  # noqa: E731
        return p["v"] @ jax.lax.scan(step, jnp.zeros(len(p["s"])), x)[0]

    s, w, v, x = inputs(3, 3), inputs(3, 2), inputs(2, 3), inputs(4, 2)
    sizes = np.repeat([1.0, 5.0], 3)
    large = {
        "s": sizes[:, None] * np.tile(s, (2, 2)) / sizes / 2,
        "w": sizes[:, None] * np.tile(w, (2, 1)),
        "v": np.tile(v, (1, 2)) / sizes / 2,
    }
    small = analysis.merge(large, analysis.units(f, large, x), 0.5)
    assert small["s"].shape == (3, 3)
    np.testing.assert_allclose(f(small, x), f(large, x), atol=1e-12)


def test_complex_units_are_added_but_not_merged():
    f = lambda p, x: jnp.abs(p["v"] @ (p["w"] @ x))  # noqa: E731
    params = {"w": inputs(4, 3) + 1j * inputs(4, 3)[::-1], "v": inputs(2, 4) * (1 + 2j)}
    x = inputs(3)
    units = analysis.units(f, params, x)
    large = analysis.grow(params, units, 2, KEY)
    np.testing.assert_allclose(f(large, x), f(params, x), atol=1e-12)
    with pytest.raises(ValueError, match="needs real parameters"):
        analysis.merge(params, units, 0.5)


def test_shares_are_rounded_like_decimals_and_samples_are_finite():
    f = lambda p, x: p["v"] @ jnp.tanh(p["w"] @ x)  # noqa: E731
    params = {"w": inputs(100, 2), "v": inputs(1, 100)}
    units = analysis.units(f, params, inputs(2))
    assert analysis.merge(params, units, 0.57)["w"].shape == (43, 2)
    with pytest.raises(ValueError, match="are not finite for these inputs"):
        analysis.merge(params, units, 0.5, inputs=np.full((5, 2), np.nan))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_parameters_of_fewer_digits_than_their_sums(dtype):
    """Sums are in double precision, and the traced program takes the dtype of the parameters."""
    f, _, large, units = doubled(jnp.tanh)
    small = jax.tree.map(lambda a: jnp.asarray(a, dtype), large)
    x = jnp.asarray(inputs(60, 3), dtype)
    found = analysis.merge(small, analysis.units(f, small, x[0]), 0.5, inputs=x)
    assert [a.dtype for a in jax.tree.leaves(found)] == 6 * [dtype]
    apply = jax.vmap(f, (None, 0))
    np.testing.assert_allclose(apply(found, x), apply(small, x), atol=1e-2, rtol=3e-2)
    # other digits than those that were traced
    (name, *_), h = units.groups, analysis.activations(small, units, inputs(60, 3))
    np.testing.assert_allclose(
        h[name], analysis.activations(large, units, inputs(60, 3))[name], atol=1e-2
    )


def test_parameters_and_inputs_of_which_nothing_can_be_made():
    f = lambda p, x: p["v"] @ jnp.tanh(p["w"] @ x)  # noqa: E731
    params = {"w": inputs(4, 2), "v": inputs(1, 4)}
    units = analysis.units(f, params, inputs(2))
    broken = {**params, "v": params["v"] * np.nan}
    for change in (
        lambda p: analysis.merge(p, units, 0.5),
        lambda p: analysis.grow(p, units, 1, KEY),
        lambda p: analysis.match(p, p, units),
    ):
        with pytest.raises(ValueError, match="has parameters that are not finite"):
            change(broken)
        with pytest.raises(TypeError, match="call this outside jit and grad"):
            jax.jit(change)(params)
    with pytest.raises(ValueError, match="needs two inputs or more, got 1"):
        analysis.merge(params, units, 0.5, inputs=inputs(1, 2))
    for extra in (float("nan"), float("inf"), 1.5):
        with pytest.raises(ValueError, match="extra must be a number of units"):
            analysis.grow(params, units, {next(iter(units.groups)): extra}, KEY)  # pyright: ignore
