import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.core._calculus.forward_laplacian import forward_laplacian

WEIGHTS = np.random.default_rng(0).normal(size=(3, 4))


def _mix(x):
    """A vector of three smooth, positive functions of all entries of x."""
    return jnp.exp(0.3 * jnp.sin(x)) + 0.1 * x[::-1] ** 2 + 0.2 * x[0] * x[1]


def _unary(f):
    return lambda x: f(_mix(x)).sum()


def _scan(x):
    def body(carry, w):
        return (jnp.tanh(carry * w + x[0]), carry.sum() * x[1])

    carry, ys = jax.lax.scan(body, x, jnp.asarray(WEIGHTS.T))
    return carry.sum() + (ys**2).sum()


def _while(x):
    def body(state):
        return (state[0] + 1, jnp.sin(state[1]) * x[0])

    return jax.lax.while_loop(lambda state: state[0] < 3, body, (0, x))[1].sum()


def _cond(x):
    branches = (lambda y: (y**3).sum(), lambda y: jnp.prod(y))
    return jax.lax.cond(x[0] > 0, *branches, x) + jax.lax.cond(x[0] < 0, *branches, x)


@jax.custom_vjp
def _custom_vjp(x):
    return jnp.sin(x) * x


_custom_vjp.defvjp(lambda x: (_custom_vjp(x), x), lambda x, g: (g * 0.0,))

FUNCTIONS = {
    "constant": lambda x: jnp.float64(2.0),
    "identity": lambda x: x,
    "linear": lambda x: jnp.asarray(WEIGHTS).T @ x + 1.0,
    "square": lambda x: x @ x,
    "quadratic form": lambda x: (x @ WEIGHTS) @ (WEIGHTS.T @ _mix(x)),
    "mlp": lambda x: jnp.tanh(jnp.tanh(x @ WEIGHTS + 0.3) @ WEIGHTS.T - 0.1).sum(),
    "dict": lambda x: {"a": jnp.sin(x), "b": (x.sum() ** 3, jnp.outer(x, _mix(x)))},
    "norm": jnp.linalg.norm,
    "division": lambda x: (_mix(x) / (1 + x @ x) + 1.0 / _mix(x)).sum(),
    "power": lambda x: (_mix(x) ** x).sum() + (2.0 ** x[0]) * _mix(x)[1] ** 2.5,
    "atan2": lambda x: jnp.arctan2(_mix(x)[0], x[1]) + jnp.arctan2(x[0], 2.0),
    "softmax": lambda x: jax.nn.softmax(x * x)[1],
    "logsumexp": lambda x: jax.nn.logsumexp(_mix(x)),
    "gelu": _unary(jax.nn.gelu),
    "silu": _unary(jax.nn.silu),
    "softplus": _unary(jax.nn.softplus),
    "relu": lambda x: (jax.nn.relu(x) ** 2).sum(),
    "maximum": lambda x: jnp.maximum(x[0] ** 2, jnp.sin(x[1])) + jnp.abs(x[2] ** 3) + jnp.max(x**2),
    "where": lambda x: jnp.where(x > 0, x**3, jnp.cos(x)).sum(),
    "indexing": lambda x: x[jnp.array([2, 0])] @ x[1:] + x.at[1].multiply(x[0])[1],
    "concatenate": lambda x: jnp.prod(jnp.concatenate([x, _mix(x), jnp.ones(2)])),
    "sort": lambda x: jnp.sort(_mix(x)) @ jnp.array([1.0, -2.0, 3.0]) + jnp.argmax(x),
    "top_k": lambda x: (jax.lax.top_k(_mix(x), 2)[0] ** 2).sum(),
    "cumulative": lambda x: (jnp.cumsum(x) ** 2).sum() + jnp.cumprod(_mix(x))[-1],
    "convolution": lambda x: (jnp.convolve(_mix(x), x) ** 2).sum(),
    "fft": lambda x: (jnp.abs(jnp.fft.fft(_mix(x))) ** 2).sum(),
    "complex": lambda x: jnp.abs(jnp.exp(1j * x[0]) * _mix(x)[0] + x[1] * 2j),
    "determinant": lambda x: jnp.linalg.slogdet(jnp.outer(x, x) + 2 * jnp.eye(3))[1],
    "solve": lambda x: jnp.linalg.solve(jnp.diag(_mix(x)) + 0.1 * jnp.outer(x, x), x).sum(),
    "stop_gradient": lambda x: (jax.lax.stop_gradient(x) * x**2).sum(),
    "integers": lambda x: (x**2).astype(int).sum() * x[0] ** 2 + jnp.floor(x[1]) * x[2] ** 2,
    "jit": lambda x: jax.jit(lambda y, z: (jnp.sin(y) * z, y))(x, 2.0)[0].sum(),
    "remat": lambda x: jax.checkpoint(lambda y: jnp.sin(y) * x)(_mix(x)).sum(),
    "gradient": lambda x: jax.grad(lambda y: jnp.sum(jnp.tanh(_mix(y)) * x))(x),
    "scan": _scan,
    "while": _while,
    "cond": _cond,
}
UNARY = (
    "tanh sin cos tan arcsinh arctan sinh cosh exp exp2 log log1p expm1 sqrt square cbrt reciprocal"
)


def _hessian_trace(u, x):
    """Σᵢ of forward mode twice along each coordinate: independent of the interpreter."""

    def second(v):
        return jax.jvp(lambda y: jax.jvp(u, (y,), (v,))[1], (x,), (v,))[1]

    basis = jnp.eye(x.size).reshape(x.size, *x.shape)
    return jax.tree.map(lambda h: h.sum(0), jax.vmap(second)(basis))


def _check(u, x):
    @jax.jit
    def both(x):
        return forward_laplacian(u, x), (u(x), jax.jacfwd(u)(x), _hessian_trace(u, x))

    got, expected = both(x)
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_matches_the_trace_of_the_hessian(name):
    _check(FUNCTIONS[name], jnp.array([0.7, -0.4, 0.3]))


@pytest.mark.parametrize("name", UNARY.split())
def test_elementwise_functions(name):
    _check(_unary(getattr(jnp, name)), jnp.array([0.7, -0.4, 0.3]))


@pytest.mark.parametrize("name", ["erf", "erfc", "digamma", "gammaln", "erfinv", "expit", "logit"])
def test_special_functions(name):
    _check(
        lambda x: getattr(jax.scipy.special, name)(0.3 * _mix(x)).sum(), jnp.array([0.7, -0.4, 0.3])
    )


def test_inverse_trigonometric_functions():
    def f(x):
        return (jnp.arcsin(x) + jnp.arccos(x * x) * jnp.arctanh(x) + jnp.arccosh(2 + x)).sum()

    _check(f, jnp.array([0.7, -0.4, 0.3]))


def test_point_of_any_shape():
    _check(lambda x: jnp.sin(x).sum() * x[0, 1] ** 2, jnp.arange(6.0).reshape(2, 3) / 5)
    _check(lambda x: jnp.sin(x) * jnp.ones(2), jnp.float64(0.3))


def test_custom_jvp_keeps_its_rule():
    """softplus'' is 1/4 at 0, where its body with max(x, 0) and |x| has no second derivative."""
    laplacian = forward_laplacian(lambda x: jax.nn.softplus(x).sum(), jnp.zeros(3))[2]
    np.testing.assert_allclose(laplacian, 0.75, rtol=1e-14)


def test_custom_vjp_is_differentiated_through_its_body():
    _, slope, laplacian = forward_laplacian(lambda x: _custom_vjp(x[0]), jnp.array([0.4]))
    np.testing.assert_allclose(slope, [np.sin(0.4) + 0.4 * np.cos(0.4)], rtol=1e-14)
    np.testing.assert_allclose(laplacian, 2 * np.cos(0.4) - 0.4 * np.sin(0.4), rtol=1e-14)


def test_directions_give_their_own_second_derivatives():
    directions = jax.random.normal(jax.random.key(1), (2, 3))
    x = jnp.array([0.7, -0.4, 0.3])
    u = FUNCTIONS["mlp"]
    _, slopes, curvature = forward_laplacian(u, x, directions=directions)
    np.testing.assert_allclose(slopes, directions @ jax.grad(u)(x), rtol=1e-12)
    expected = jnp.einsum("ki,ij,kj->", directions, jax.hessian(u)(x), directions)
    np.testing.assert_allclose(curvature, expected, rtol=1e-12)


def _network(key, dim, width, depth):
    sizes = [dim] + [width] * depth + [1]
    keys = jax.random.split(key, len(sizes) - 1)

    def init(k, m, n):
        return jax.random.normal(k, (m, n)) / np.sqrt(m)

    return [init(k, m, n) for k, m, n in zip(keys, sizes[:-1], sizes[1:], strict=True)]


def _apply(weights, x):
    for w in weights[:-1]:
        x = jnp.tanh(x @ w)
    return (x @ weights[-1])[0]


def test_under_vmap_jit_and_grad():
    weights = _network(jax.random.key(0), 3, 5, 2)
    points = jax.random.normal(jax.random.key(1), (4, 3))

    def ours(w, x):
        return forward_laplacian(lambda y: _apply(w, y), x)[2]

    def naive(w, x):
        return jnp.trace(jax.hessian(lambda y: _apply(w, y))(x))

    def loss(f):
        return lambda w: jnp.mean(jax.vmap(f, (None, 0))(w, points) ** 2)

    got, want = jax.jit(jax.grad(loss(ours)))(weights), jax.jit(jax.grad(loss(naive)))(weights)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    eager = jnp.stack([ours(weights, x) for x in points])
    np.testing.assert_allclose(eager, jax.vmap(naive, (None, 0))(weights, points), rtol=1e-12)
    np.testing.assert_allclose(
        jax.jacfwd(ours, argnums=1)(weights, points[0]),
        jax.grad(naive, argnums=1)(weights, points[0]),
        rtol=1e-10,
    )


def test_laplacian_of_laplacian_is_the_biharmonic():
    def u(x):
        return jnp.sin(x[0]) * jnp.exp(2 * x[1])

    def inner(x):
        return forward_laplacian(u, x)[2]

    x = jnp.array([0.3, 0.2])
    np.testing.assert_allclose(forward_laplacian(inner, x)[2], 9 * u(x), rtol=1e-12)


def test_costs_d_plus_two_forward_passes():
    dim, width = 10, 64
    weights = _network(jax.random.key(0), dim, width, 4)
    points = jnp.zeros((64, dim))

    def flops(f):
        compiled = jax.jit(jax.vmap(f)).lower(points).compile()
        return (compiled.cost_analysis() or {})["flops"]

    forward = flops(lambda x: _apply(weights, x))
    laplacian = flops(lambda x: forward_laplacian(lambda y: _apply(weights, y), x)[2])
    assert laplacian <= 1.05 * (dim + 2) * forward


def test_keeps_dtype_and_does_not_retrace():
    def u(x):
        return jnp.tanh(x @ jnp.asarray(WEIGHTS, x.dtype)).sum() + jax.nn.softplus(x).sum()

    f = jax.jit(eqx.debug.assert_max_traces(lambda x: forward_laplacian(u, x), max_traces=1))
    for scale in (1, 2):
        out = f(jnp.full(3, scale, jnp.float32))
        assert all(leaf.dtype == jnp.float32 for leaf in out)


def test_bad_input():
    with pytest.raises(TypeError, match="floating-point point x, got dtype int"):
        forward_laplacian(jnp.sum, jnp.arange(3))
    with pytest.raises(ValueError, match=r"directions must have shape \(k, \*x.shape\)"):
        forward_laplacian(jnp.sum, jnp.ones(3), directions=jnp.ones((2, 4)))
