"""gram against the naive Jacobian: layouts, pytrees, blocks, shards, bad input."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxsci.core._gram import blocks as _gram_blocks
from jaxsci.core._gram.blocks import kernel_blocks
from jaxsci.core._gram.dense import gram, gram_of_terms
from jaxsci.core._gram.stream import streamed
from jaxsci.core._pure import pure

IMPLEMENTATIONS = ["auto", "structured", "jacobian", "products"]


def model(params, x):
    h = jnp.tanh(x @ params["w"] + params["b"])
    return jnp.reshape(h @ params["v"], (2, 3))


@pytest.fixture(scope="module")
def params():
    k = jax.random.split(jax.random.key(0), 3)
    return {
        "w": jax.random.normal(k[0], (4, 5)),
        "b": jax.random.normal(k[1], (5,)),
        "v": jax.random.normal(k[2], (5, 6)),
    }


@pytest.fixture(scope="module")
def points():
    return jax.random.normal(jax.random.key(7), (7, 4))


def naive(f, params, x1, x2=None):
    """(n, m, o..., o'...) of a single array output."""
    flat, unravel = ravel_pytree(params)

    def jacobian(x):
        return jax.vmap(jax.jacrev(lambda w, xi: f(unravel(w), xi)), (None, 0))(flat, x)

    j1, j2 = jacobian(x1), jacobian(x1 if x2 is None else x2)
    kernel = jnp.tensordot(j1, j2, (-1, -1))
    return jnp.moveaxis(kernel, j1.ndim - 1, 1)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("batch_size", [None, 3])
def test_full_kernel_interleaves_output_axes(params, points, implementation, batch_size):
    kernel = gram(model, params, points, implementation=implementation, batch_size=batch_size)
    expected = jnp.einsum("nmabcd->nmacbd", naive(model, params, points))
    np.testing.assert_allclose(kernel, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("batch_size", [None, 2])
def test_two_batches_with_trace_and_diagonal(params, points, implementation, batch_size):
    options = {"implementation": implementation, "batch_size": batch_size}
    x1, x2 = points, points[:3] + 0.5
    full = naive(model, params, x1, x2)
    np.testing.assert_allclose(
        gram(model, params, x1, x2, trace_axes=-1, **options),
        jnp.einsum("nmabcb->nmac", full) / 3,
        rtol=1e-12,
        atol=1e-12,
    )
    np.testing.assert_allclose(
        gram(model, params, x1, x2, trace_axes=0, diagonal_axes=1, **options),
        jnp.einsum("nmabab->nmb", full) / 2,
        rtol=1e-12,
        atol=1e-12,
    )
    np.testing.assert_allclose(
        gram(model, params, x1, x2, diagonal_axes=0, **options),
        jnp.einsum("nmabac->nmabc", full),
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize("n", [1, 90, 150])
def test_triangle_of_blocks_is_the_whole_kernel(params, n):
    x = jax.random.normal(jax.random.key(3), (n, 4))
    kernel = gram(model, params, x, trace_axes=0)
    expected = jnp.einsum("nmabad->nmbd", naive(model, params, x)) / 2
    np.testing.assert_allclose(kernel, expected, rtol=1e-12, atol=1e-11)


def test_loop_over_blocks_of_which_the_last_overlaps():
    """343 x 3 rows make five blocks of 69 examples, the last of which starts at 274."""
    rows = jax.random.normal(jax.random.key(3), (343, 3, 2))

    def contract(u, v):
        return jnp.einsum("nap,mbp->nmab", u, v)[:, :, None]

    whole = contract(rows, rows)
    np.testing.assert_allclose(_gram_blocks.triangle(contract, rows), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("n", "batch_size"), [(8, 2), (9, 2), (7, 7), (10, 3), (5, 1)])
def test_folded_triangle_covers_odd_and_even_numbers_of_blocks(params, n, batch_size):
    x = jax.random.normal(jax.random.key(3), (n, 4))
    whole = gram(model, params, x)
    np.testing.assert_allclose(gram(model, params, x, batch_size=batch_size), whole, rtol=1e-12)


@pytest.mark.parametrize("kept", [True, False])
def test_blocks_are_the_whole_kernel_whether_features_are_kept_or_not(kept, monkeypatch):
    taken = []

    def features(x):
        jax.debug.callback(lambda: taken.append(1))
        return jnp.outer(x, x)

    def contract(u, v):
        return jnp.einsum("nab,mac->nmbc", u, v)[:, :, None]

    monkeypatch.setattr(_gram_blocks, "_KEPT", 10**9 if kept else 0)
    x, y = jnp.arange(14.0).reshape(7, 2), jnp.arange(6.0).reshape(3, 2)
    expected = {
        "own": kernel_blocks(features, contract, x),
        "other": kernel_blocks(features, contract, x, y),
    }
    for name, second in (("own", None), ("other", y)):
        taken.clear()
        blocks = kernel_blocks(features, contract, x, second, batch_size=2)
        np.testing.assert_allclose(blocks, expected[name], rtol=1e-14)
        jax.effects_barrier()
        once = 4 if second is None else 4 + 2
        assert len(taken) == once if kept else len(taken) > once
        on_host = streamed(jax.vmap(features), contract, x, second, batch_size=2)
        np.testing.assert_allclose(on_host, expected[name], rtol=1e-14)


@pytest.mark.parametrize("implementation", ["auto", "products"])
def test_progress_changes_nothing(params, points, implementation):
    options = {"implementation": implementation, "trace_axes": 0}
    whole = gram(model, params, points, **options)
    kernel = gram(model, params, points, batch_size=3, progress=True, **options)
    np.testing.assert_allclose(kernel, whole, rtol=1e-12)
    assert kernel.dtype == whole.dtype
    rectangle = gram(model, params, points, points[:2], progress=True, **options)
    np.testing.assert_allclose(rectangle, whole[:, :2], rtol=1e-12)


def two_outputs(params, x):
    y = model(params, x["a"])
    return {"first": y[0], "second": jnp.sum(y) * x["scale"]}


def test_pytree_outputs_have_cross_blocks(params, points):
    x = {"a": points, "scale": jnp.linspace(1.0, 2.0, 7)}
    kernel = gram(two_outputs, params, x)

    def stacked(p, z):
        y = two_outputs(p, z)
        return jnp.append(y["first"], y["second"])

    flat, unravel = ravel_pytree(params)
    j = jax.vmap(jax.jacrev(lambda w, z: stacked(unravel(w), z)), (None, 0))(flat, x)
    full = jnp.einsum("nap,mbp->nmab", j, j)
    np.testing.assert_allclose(kernel["first"]["first"], full[..., :3, :3], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(kernel["first"]["second"], full[..., :3, 3], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(kernel["second"]["first"], full[..., 3, :3], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(kernel["second"]["second"], full[..., 3, 3], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("implementation", ["auto", "structured", "jacobian"])
def test_terms_follow_ravel_pytree_with_cross_blocks(params, points, implementation):
    terms = {"z": two_outputs, "a": lambda p, x: model(p, x)[:, 0], "m": lambda p, x: p["b"] * x[0]}
    batch = {"z": {"a": points, "scale": points[:, 0]}, "a": points[:3], "m": points[:2]}
    scales = {"z": 0.5, "m": jnp.asarray(3.0)}

    def residuals(p):
        scaled = {}
        for name, f in terms.items():
            r, scale = jax.vmap(f, (None, 0))(p, batch[name]), scales.get(name, 1.0)
            scaled[name] = jax.tree.map(lambda y, s=scale: s * y, r)
        return ravel_pytree(scaled)[0]

    flat, unravel = ravel_pytree(params)
    j = jax.jacrev(lambda w: residuals(unravel(w)))(flat)
    kernel = gram_of_terms(terms, params, batch, scales, implementation=implementation)
    np.testing.assert_allclose(kernel, j @ j.T, rtol=1e-12, atol=1e-12)


def test_jit_vmap_over_an_ensemble_and_gradient(params, points):
    def trace(p):
        return jnp.trace(gram(model, p, points, trace_axes=(0, 1)))

    ensemble = jax.tree.map(lambda a: jnp.stack([a, 2 * a]), params)
    loop = [trace(jax.tree.map(lambda a, i=i: a[i], ensemble)) for i in range(2)]
    np.testing.assert_allclose(jax.jit(jax.vmap(trace))(ensemble), jnp.stack(loop), rtol=1e-12)
    direction = jax.tree.map(jnp.ones_like, params)
    h = 1e-5
    plus, minus = (jax.tree.map(lambda a, s=s: a + s * h, params) for s in (1, -1))
    slope = jax.jvp(trace, (params,), (direction,))[1]
    np.testing.assert_allclose(slope, (trace(plus) - trace(minus)) / (2 * h), rtol=1e-6)
    reverse = sum(jnp.sum(g) for g in jax.tree.leaves(jax.grad(trace)(params)))
    np.testing.assert_allclose(reverse, slope, rtol=1e-10)


def test_dtype_follows_the_parameters_and_no_retrace(params, points):
    single = jax.tree.map(lambda a: a.astype(jnp.float32), params)
    counted = eqx.debug.assert_max_traces(model, max_traces=3)

    @jax.jit
    def kernel_of(p, x):
        return gram(counted, p, x, trace_axes=(0, 1))

    kernel = kernel_of(single, points.astype(jnp.float32))
    assert kernel.dtype == jnp.float32
    kernel_of(single, points.astype(jnp.float32) + 1)


def test_mesh_gives_the_same_rows(params, points):
    mesh = jax.make_mesh((1,), ("rows",))
    whole = gram(model, params, points)
    np.testing.assert_allclose(gram(model, params, points, mesh=mesh), whole, rtol=1e-12)


def test_bad_input(params, points):
    with pytest.raises(TypeError, match=r"params\['b'\] has dtype int.*cannot be differentiated"):
        gram(model, params | {"b": jnp.arange(5)}, points)
    with pytest.raises(TypeError, match="complex128.*real and imaginary parts"):
        gram(model, params | {"b": params["b"] + 0j}, points)
    with pytest.raises(ValueError, match=r"trace_axes=\(2,\) does not fit.*shape \(2, 3\)"):
        gram(model, params, points, trace_axes=2)
    with pytest.raises(ValueError, match="name the same axis"):
        gram(model, params, points, trace_axes=1, diagonal_axes=-1)
    with pytest.raises(ValueError, match="blocks between outputs need equal sizes"):
        gram(lambda p, x: (model(p, x), model(p, x).T), params, points, trace_axes=0)
    with pytest.raises(ValueError, match="x1 has no examples"):
        gram(model, params, points[:0])
    with pytest.raises(ValueError, match="one leading axis of examples"):
        gram(two_outputs, params, {"a": points, "scale": jnp.ones(3)})
    with pytest.raises(ValueError, match="examples of one kind"):
        gram(model, params, points, points[:, :3])
    with pytest.raises(ValueError, match="implementation='fast' is unknown"):
        gram(model, params, points, implementation="fast")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        gram(model, params, points, batch_size=0)
    with pytest.raises(ValueError, match="progress=True works block by block.*not inside jit"):
        jax.jit(lambda p: gram(model, p, points, progress=True))(params)
    with pytest.raises(ValueError, match="progress=True computes on one device"):
        gram(model, params, points, progress=True, mesh=jax.make_mesh((1,), ("rows",)))
    with pytest.raises(ValueError, match=r"no derivative in any of its parameters.*round"):
        gram(lambda p, x: jnp.round(model(p, x)), params, points)
    with pytest.raises(TypeError, match="returns dtype int"):
        gram(lambda p, x: jnp.arange(3), params, points)
    with pytest.raises(ValueError, match=r"no entry for \['bc'\]"):
        gram_of_terms({"bc": model}, params, {"pde": points})


def test_an_error_of_f_tells_what_it_was_given(params, points):
    """The batch transposed, or one example without its batch axis."""
    for x, shape in ((points.T, "(7,)"), (points[0], "()")):
        with pytest.raises((TypeError, ValueError)) as raised:
            gram(model, params, x)
        assert f"f was given ONE example, of shape {shape}" in raised.value.__notes__[0]


def test_axes_from_numpy(params, points):
    axis = np.int64(-1)
    kernel = gram(model, params, points, trace_axes=axis)
    np.testing.assert_array_equal(kernel, gram(model, params, points, trace_axes=-1))


def test_functions_of_a_batch_are_refused(params, points):
    def on_a_batch(p, x):
        hidden = jnp.einsum("ni,ij->nj", x, p["w"])
        return hidden - jnp.mean(hidden, axis=0, keepdims=True)

    with pytest.raises(ValueError, match=r"must take ONE example.*f\(params, x\[None\]\)\[0\]"):
        gram(on_a_batch, params, points)
    with pytest.raises(ValueError, match="must take ONE example"):
        gram_of_terms({"a": on_a_batch}, params, {"a": points})

    def over_the_batch_axis(p, x):
        return x @ p["w"] - jax.lax.pmean(x @ p["w"], "batch")

    with pytest.raises(ValueError, match="mixes examples, it communicates over the batch axis"):
        gram(over_the_batch_axis, params, points)

    class BatchNormalised(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.BatchNorm(use_running_average=False)(nn.Dense(3)(x))

    f, weights = pure(BatchNormalised(), jax.random.key(0), points[0], dtype=jnp.float64)
    with pytest.raises(ValueError, match="mixes examples, it updates statistics.*running averages"):
        gram(f, weights, points)


def test_batch_normalisation_of_a_single_example_is_warned_of(params, points):
    def normalised(p, x, axis):
        h = jnp.einsum("ni,ij->nj", x, p["w"])
        h = h - jnp.mean(h, axis=axis, keepdims=True)
        return jnp.tanh(h / jnp.sqrt(h.var(axis, keepdims=True) + 1e-5) + p["b"][None])[0]

    with pytest.warns(UserWarning, match="mean over an axis of size 1.*running averages"):
        gram(lambda p, x: normalised(p, x[None], 0), params, points)
    # Warnings are errors here: layers that look like it and are not.
    gram(lambda p, x: normalised(p, x[None], 1), params, points)
    gram(lambda p, x: jax.nn.softmax((x - x.sum()) @ p["w"]), params, points)
    gram(lambda p, x: jnp.tanh((x[:, None] - x[None, :]) @ p["w"]).sum(0), params, points)


def test_errors_of_the_function_itself_come_through(params, points):
    with pytest.raises(KeyError, match="missing"):
        gram(lambda p, x: p["missing"] @ x, params, points)


def test_damping_relative_to_the_largest_eigenvalue_keeps_single_precision_finite():
    """Half of the small eigenvalues come out negative; 1e-6 of the largest lifts them all."""
    keys = jax.random.split(jax.random.key(0), 3)
    weights = {
        "a": jax.random.normal(keys[0], (1, 16), jnp.float32),
        "b": jax.random.normal(keys[1], (16, 16), jnp.float32) / 4,
    }

    def slope(p, x):
        def u(y):
            return jnp.sum(jnp.tanh(jnp.tanh(y @ p["a"]) @ p["b"]))

        return jax.grad(lambda y: jax.grad(u)(y)[0])(x)

    x = jnp.linspace(-1, 1, 150, dtype=jnp.float32)[:, None]
    kernel = gram(slope, weights, x, trace_axes=-1)
    assert kernel.dtype == jnp.float32
    values = jnp.linalg.eigvalsh(kernel)
    assert values[0] < 0 and not jnp.isfinite(jnp.linalg.cholesky(kernel)).all()
    damped = kernel + 1e-6 * values[-1] * jnp.eye(150, dtype=jnp.float32)
    assert jnp.isfinite(jnp.linalg.cholesky(damped)).all()
    bound = 1e-6 * jnp.trace(kernel)  # costs no eigenvalues
    assert jnp.isfinite(jnp.linalg.cholesky(kernel + bound * jnp.eye(150, dtype=jnp.float32))).all()


@pytest.mark.parametrize("progress", [False, True])
def test_a_kernel_larger_than_the_memory_is_refused(progress):
    x = jnp.zeros((100_000, 1))
    with pytest.raises(ValueError, match=r"GiB, and this machine has .*trace_axes"):
        gram(lambda p, x: p, jnp.ones(100), x, progress=progress)


def test_a_kernel_of_terms_larger_than_the_memory_is_refused():
    batch = {"pde": jnp.zeros((10**6, 1)), "bc": jnp.zeros((3, 1))}
    terms = {"pde": lambda p, x: p * x[0], "bc": lambda p, x: p * x[0]}
    with pytest.raises(ValueError, match="kernel of 1000003 x 1000003 examples with 1 outputs"):
        gram_of_terms(terms, jnp.ones(()), batch)
