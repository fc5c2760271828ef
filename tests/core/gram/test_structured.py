"""The structured kernel on every supported use of a weight, and on uses it does not understand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxsci.core._calculus.derivatives import derivative, laplacian
from jaxsci.core._gram.dense import gram, gram_of_terms
from jaxsci.core._gram.structured.program import evaluate, trace
from jaxsci.core._gram.structured.sites import find_taps

# name -> (function, {leaf: shape}, shape of one example, leaves that must be understood)
CASES = {}


def case(shapes, example, understood):
    def register(f):
        CASES[f.__name__] = (f, shapes, example, understood)
        return f

    return register


@case({"w": (3, 4), "v": (4, 2)}, (3,), "wv")
def dense(p, x):
    return jnp.tanh(x @ p["w"]) @ p["v"]


@case({"w": (4, 3), "v": (2, 4)}, (3,), "wv")
def dense_on_the_left(p, x):
    return p["v"] @ jnp.sin(p["w"] @ x)


@case({"w": (3, 2, 4), "v": (2, 4, 3)}, (5, 3), "wv")
def attention_heads(p, x):
    q = jnp.einsum("td,dhk->thk", x, p["w"])
    scores = jax.nn.softmax(jnp.einsum("thk,shk->hts", q, q))
    return jnp.einsum("hts,shk,hkd->td", scores, q, p["v"])[0]


@case({"w": (2, 3, 4)}, (2, 3), "w")
def batched_weight(p, x):
    return jnp.sum(jnp.sin(jnp.einsum("bi,bio->bo", x, p["w"])), axis=1)


@case({"w": (3, 3)}, (3,), "w")
def several_uses(p, x):
    return jnp.tanh(jnp.tanh(x @ p["w"]) @ p["w"]) @ p["w"]


@case({"w": (3, 4)}, (3,), "w")
def tied_weight_and_transpose(p, x):
    return jnp.tanh(x @ p["w"]) @ p["w"].T


@case({"w": (3, 4)}, (3,), "w")
def gram_of_weight(p, x):
    return (p["w"].T @ p["w"]) @ jnp.ones(4) * x[0]


@case({"w": (12,)}, (3,), "w")
def reshaped_view(p, x):
    return jnp.tanh(x @ p["w"].reshape(3, 4))


@case({"w": (3, 8)}, (3,), "w")
def slices_of_one_weight(p, x):
    return jnp.tanh(x @ p["w"][:, :5])[:3] * (x @ p["w"][:, 5:])


@case({"w": (3, 4)}, (3,), "")
def overlapping_slices(p, x):
    return x @ p["w"][:, :3] + x @ p["w"][:, 1:]


@case({"w": (3, 4), "v": (4, 2)}, (3,), "wv")
def scaled_views(p, x):
    return jnp.tanh(-x @ (2.0 * p["w"])) @ (p["v"] / jnp.sqrt(1 + x[0] ** 2))


@case({"w": (3, 4), "g": (4,), "b": (4,)}, (2, 3), "w")
def layer_norm(p, x):
    h = x @ p["w"]
    h = (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 1e-5)
    return (h * p["g"][None] + p["b"][None]).ravel()[:3]


@case({"e": (7, 3), "w": (3, 3)}, (4,), "ew")
def embedding_tied_to_the_head(p, x):
    tokens = jnp.floor(jnp.abs(x) * 3).astype(int) % 7
    return (p["e"][tokens] @ p["w"]).mean(0) @ p["e"].T


@case({"k": (3, 3, 2, 4), "w": (4, 3)}, (5, 6, 2), "kw")
def convolution(p, x):
    y = lax.conv_general_dilated(
        x[None], p["k"], (2, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return jax.nn.relu(y).mean((0, 1, 2)) @ p["w"]


@case({"k": (6, 1, 3), "l": (4, 3, 2)}, (2, 9), "kl")
def grouped_dilated_convolutions(p, x):
    y = lax.conv_general_dilated(x[None], p["k"], (1,), [(2, 1)], feature_group_count=2)
    z = lax.conv_general_dilated(
        jnp.sin(y), p["l"], (2,), "VALID", rhs_dilation=(2,), feature_group_count=2
    )
    return jnp.sum(z, axis=(0, 2))


@case({"k": (2, 3, 3)}, (3, 4), "k")
def transposed_convolution(p, x):
    y = lax.conv_general_dilated(x[None], p["k"], (1,), [(2, 2)], lhs_dilation=(2,))
    return jnp.sin(y).sum((0, 2))


@case({"w": (3, 3), "b": (3,)}, (3,), "w")
def scan_over_constants(p, x):
    return lax.scan(lambda h, t: (jnp.tanh(h @ p["w"] + t * p["b"]), h[0]), x, jnp.arange(4.0))[0]


@case({"w": (3, 3, 3)}, (3,), "w")
def scan_over_layers(p, x):
    return lax.scan(lambda h, w: (jnp.tanh(h @ w), None), x, p["w"], reverse=True)[0]


@case({"w": (3, 3)}, (3,), "")
def long_scan(p, x):
    return lax.scan(lambda h, _: (jnp.tanh(h @ p["w"]), None), x, None, length=100)[0]


@case({"w": (3, 3)}, (3,), "")
def branches(p, x):
    return lax.cond(x[0] > 0, lambda h: h @ p["w"], lambda h: jnp.sin(h @ p["w"]), x)


@case({"w": (3, 4), "v": (4, 2)}, (3,), "wv")
def rematerialised(p, x):
    return jax.checkpoint(lambda h: jax.jit(jnp.tanh)(h @ p["w"]))(x) @ p["v"]


@jax.custom_jvp
def straight_through(z):
    return jnp.sign(z)


straight_through.defjvp(lambda z, t: (straight_through(z[0]), t[0]))


@case({"w": (3, 4), "v": (4, 2)}, (3,), "wv")
def custom_rules(p, x):
    return straight_through(jax.nn.softplus(jax.nn.relu(x @ p["w"]))) @ p["v"]


@case({"w": (3, 4)}, (3,), "")
def custom_rule_around_the_weight(p, x):
    return straight_through(p["w"]).T @ x


@case({"w": (3, 4), "g": (4,)}, (3,), "")
def weight_normalised(p, x):
    return x @ (p["w"] * (p["g"] / jnp.linalg.norm(p["w"], axis=0))[None])


@case({"w": (3, 4), "v": (3, 4)}, (3,), "w")
def gradient_stopped(p, x):
    return x @ p["w"] + x @ lax.stop_gradient(p["v"]) * p["v"][0]


@case({"w": (3, 4), "a": (3, 2), "c": (2, 4)}, (3,), "wac")
def low_rank_update(p, x):
    return jnp.sin(x @ (p["a"] @ p["c"]) + x @ p["w"])


def field(p, y):
    h = jnp.tanh(y @ p["w"] + p["b"])
    return (jnp.tanh(h @ p["m"]) @ p["v"])[0]


FIELD = {"w": (2, 5), "b": (5,), "m": (5, 5), "v": (5, 1)}


@case(FIELD, (2,), "wmv")
def burgers(p, x):
    def u(y):
        return field(p, y)

    return derivative(u, 0)(x) + u(x) * derivative(u, 1)(x) - 0.1 * derivative(u, 1, 1)(x)


@case(FIELD, (2,), "wmv")
def poisson_nested(p, x):
    return jnp.trace(jax.hessian(lambda y: field(p, y))(x))


@case(FIELD, (2,), "wmv")
def poisson_forward_laplacian(p, x):
    return laplacian(lambda y: field(p, y))(x)


@case(FIELD, (2,), "wmv")
def reverse_gradient(p, x):
    return jax.grad(lambda y: field(p, y))(x)


@case({"w": (3, 3), "u": (3, 4)}, (3,), "u")
def linear_solve(p, x):
    return jnp.linalg.solve(p["w"] @ p["w"].T + jnp.eye(3), x) @ p["u"]


@case({"w": (3,), "s": ()}, (3,), "")
def output_is_a_parameter(p, x):
    return p["w"] * p["s"]


@case({"w": (3, 4), "v": (4, 2)}, (3,), "v")
def rounded_by_a_cast(p, x):
    return jnp.tanh(x @ (3 * p["w"]).astype(int).astype(x.dtype)) @ p["v"]


@case({"w": (3, 4)}, (3,), "")
def a_complex_weight(p, x):
    return jnp.abs((x + 2j) @ p["w"].astype(complex))


def draw(shapes, example, count=3):
    keys = jax.random.split(jax.random.key(1), len(shapes) + 1)
    params = {
        name: jax.random.normal(k, shape)
        for k, (name, shape) in zip(keys, shapes.items(), strict=False)
    }
    return params, jax.random.normal(keys[-1], (count, *example))


def naive_kernel(f, params, x):
    flat, unravel = ravel_pytree(params)

    def rows(z):
        return jax.jacrev(lambda w: jnp.ravel(f(unravel(w), z)))(flat)

    j = jax.vmap(rows)(x)
    return jnp.einsum("nap,mbp->nmab", j, j)


@pytest.mark.parametrize("name", CASES)
def test_every_use_of_a_weight(name):
    f, shapes, example, understood = CASES[name]
    params, x = draw(shapes, example)
    leaves, tree = jax.tree.flatten(params)
    program = trace(lambda p, z: f(tree.unflatten(p), z), leaves, x[0], unroll=len(leaves))
    taps = find_taps(program, len(leaves))
    names = sorted(params)
    assert {names[s.leaf] for s in taps.sites} - {names[i] for i in taps.other} >= set(understood)

    def raveled(p, z):
        return jnp.ravel(f(p, z))

    @jax.jit
    def kernels(p, z):
        expected = naive_kernel(f, p, z)
        full = [gram(raveled, p, z, implementation=i) for i in ("structured", "auto")]
        trace = gram(raveled, p, z, z[:2], trace_axes=0, implementation="structured")
        diagonal = gram(raveled, p, z, diagonal_axes=0, implementation="structured")
        return expected, full, trace, diagonal

    expected, full, traced, diagonal = kernels(params, x)
    scale = float(jnp.abs(expected).max())
    for kernel in full:
        np.testing.assert_allclose(kernel, expected, rtol=0, atol=1e-12 * scale)
    mean = jnp.einsum("nmaa->nm", expected)[:, :2] / expected.shape[-1]
    np.testing.assert_allclose(traced, mean, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(
        diagonal, jnp.einsum("nmaa->nma", expected), rtol=0, atol=1e-12 * scale
    )


def test_cross_blocks_of_a_residual_and_a_boundary_condition():
    params, x = draw(FIELD, (2,), 4)
    terms = {"pde": burgers, "bc": field, "flux": reverse_gradient}
    batch = {"pde": x, "bc": x[:3] + 1, "flux": x[:2] - 1}

    def residuals(p):
        return ravel_pytree({k: jax.vmap(r, (None, 0))(p, batch[k]) for k, r in terms.items()})[0]

    flat, unravel = ravel_pytree(params)
    j = jax.jacrev(lambda w: residuals(unravel(w)))(flat)
    for implementation in ("structured", "auto"):
        kernel = gram_of_terms(terms, params, batch, implementation=implementation)
        np.testing.assert_allclose(kernel, j @ j.T, rtol=0, atol=1e-12 * float(kernel.max()))


def test_repeated_derivatives_are_one_position_each():
    params, x = draw(FIELD, (2,))

    def poisson(p, z):
        def u(y):
            return field(p, y)

        return derivative(u, 0, 0)(z) + derivative(u, 1, 1)(z)

    program = trace(poisson, params, x[0], unroll=4)
    sites = find_taps(program, 4).sites
    # u, two slopes and two second derivatives through the hidden weight: five products, no more.
    assert sum(site.entries.shape == (1, 5, 5) for site in sites) == 5


def test_a_derivative_however_it_is_written_is_one_program():
    params, x = draw(FIELD, (2,))

    def nested(u, z):
        return derivative(u, 0)(z) + derivative(u, 1, 1)(z)

    def of_a_part(u, z):
        return derivative(u, 0)(z) + laplacian(lambda y: u(jnp.append(z[:1], y)))(z[1:])

    first, second = (
        trace(lambda p, z, op=op: op(lambda y: field(p, y), z), params, x[0], unroll=4)
        for op in (nested, of_a_part)
    )
    names = [[e.primitive.name for e in program.equations] for program in (first, second)]
    assert names[0] == names[1]
    arguments = [*jax.tree.leaves(params), x[0]]
    np.testing.assert_allclose(evaluate(second, arguments), evaluate(first, arguments), rtol=1e-14)


def test_slices_put_together_along_another_axis_are_not_the_whole():
    def f(p, x):
        rows = p * x
        return jnp.concatenate([rows[:1], rows[1:]], axis=1)

    p, x = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.ones((3, 2, 2))
    program = trace(f, p, x[0], unroll=1)
    np.testing.assert_array_equal(evaluate(program, [p, x[0]])[0], f(p, x[0]))


def test_long_rows_are_contracted_in_pieces():
    def wide(p, x):
        return jnp.sin(x[:, None] * p["w"]).sum()

    params, x = {"w": jax.random.normal(jax.random.key(0), (5, 4000))}, jnp.ones((2, 5))
    kernel = gram(wide, params, x * jnp.array([[1.0], [2.0]]))
    expected = naive_kernel(wide, params, x * jnp.array([[1.0], [2.0]]))[..., 0, 0]
    np.testing.assert_allclose(kernel, expected, rtol=1e-12)


def test_programs_compute_what_the_function_does_and_drop_what_it_does_not():
    f, shapes, example, _ = CASES["scan_over_layers"]
    params, x = draw(shapes, example)

    def with_waste(p, z):
        jnp.exp(z @ p["w"][0])
        return f(p, z)

    program = trace(with_waste, params, x[0], unroll=1)
    names = [e.primitive.name for e in program.equations]
    assert "exp" not in names and "scan" not in names
    (y,) = evaluate(program, [params["w"], x[0]])
    np.testing.assert_allclose(y, f(params, x[0]), rtol=1e-14)


def test_equinox_model_as_the_function_itself():
    model = eqx.nn.MLP(3, 2, 8, 2, key=jax.random.key(0))
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def f(p, x):
        return eqx.combine(p, static)(x)

    x = jax.random.normal(jax.random.key(1), (4, 3))
    np.testing.assert_allclose(gram(f, params, x), naive_kernel(f, params, x), rtol=1e-10)


@pytest.mark.parametrize("implementation", ["auto", "structured", "jacobian"])
def test_terms_of_different_leaves_keep_the_dtype(implementation):
    params = {"a": jnp.ones((4, 3), jnp.float32), "b": jnp.ones((4, 3), jnp.float32)}
    x = jnp.ones((40, 4), jnp.float32)
    terms = {"u": lambda p, x: x @ p["a"], "v": lambda p, x: x @ p["b"]}
    kernel = gram_of_terms(terms, params, {"u": x, "v": x}, implementation=implementation)
    assert kernel.dtype == jnp.float32
    np.testing.assert_array_equal(kernel[:120, 120:], 0)
