"""Functions as programs: equal where they compute the same, and only there."""

import gc
import weakref

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsci as jsci
from jaxsci.core._run.program import Program, compiled_call, program

X = jnp.linspace(0.1, 0.9, 5)


def equal(f, g, *examples):
    """Whether two functions are one program with other constants."""
    a, b = (program(h, *examples) for h in (f, g))
    assert isinstance(a, Program) and isinstance(b, Program)
    return a.trace == b.trace


def scaled(c):
    return lambda x: jnp.sin(c * x) + c


def test_computes_what_the_function_computes_with_all_derivatives():
    f, shift = scaled(0.3), jnp.arange(5.0)

    def g(x):
        return {"a": f(x) * shift, "b": (jax.nn.softplus(x @ shift), x > 0.5)}

    p = program(g, X)
    assert eqx.tree_equal(p(X), g(X), rtol=1e-15)

    def scalar(h):
        return lambda x: jnp.sum(h(x)["a"] ** 2) + h(x)["b"][0]

    for transform in (jax.grad, jax.hessian, jax.jacfwd):
        assert jnp.allclose(transform(scalar(p))(X), transform(scalar(g))(X), rtol=1e-13)
    rows = jnp.stack([X, 2 * X])
    assert eqx.tree_equal(jax.vmap(p)(rows), jax.vmap(g)(rows), rtol=1e-15)


@pytest.mark.parametrize("other", [0.7, 1e-5, 1 / 3], ids=str)
def test_coefficients_are_constants(other):
    assert equal(scaled(0.3), scaled(other), X)
    assert jnp.allclose(program(scaled(other), X)(X), scaled(other)(X), rtol=1e-15)


def looping(c):
    """Numbers and arrays in loops: of a known length, until a condition, and one in another."""
    held = c * jnp.arange(5.0)

    def f(x):
        def inner(y, i):
            return jnp.sin(c * y) + held.astype(y.dtype) * i, y

        def outer(y, _):
            y, all_ = jax.lax.scan(inner, y / (1 + c), jnp.arange(3, dtype=x.dtype))
            return y, jnp.sum(all_) + c

        y, sums = jax.lax.scan(outer, x, length=2)
        last = jax.lax.while_loop(lambda s: s[0] * c < 2, lambda s: s + (0.1 + c), y + c)
        return last, sums

    return f


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64], ids=["float32", "float64"])
def test_numbers_inside_loops_are_constants(dtype):
    x = X.astype(dtype)
    assert equal(looping(0.3), looping(0.7), x)
    tolerance = 50 * float(jnp.finfo(dtype).eps)
    for c in (0.3, 0.7):
        f, p = looping(c), program(looping(c), x)
        assert eqx.tree_equal(p(x), f(x), rtol=tolerance)
        for transform in (jax.jacfwd, jax.vmap):
            rows = jnp.stack([x, 2 * x]) if transform is jax.vmap else x
            assert eqx.tree_equal(transform(p)(rows), transform(f)(rows), rtol=tolerance)
        # Backwards, through the loops of a known length.
        slope, expected = (jax.grad(lambda x, g=g: jnp.sum(g(x)[1]))(x) for g in (p, f))
        assert jnp.allclose(slope, expected, rtol=tolerance, atol=tolerance)


def test_networks_of_other_seeds_and_held_arrays_are_one_program():
    def network(seed):
        held = jax.random.normal(jax.random.key(seed), (5,))
        inner = jax.jit(lambda x: jnp.tanh(held * x))
        return lambda x: inner(x) @ held

    assert equal(network(0), network(1), X)
    for seed in (0, 1):
        assert jnp.allclose(program(network(seed), X)(X), network(seed)(X), rtol=1e-14)


DIFFERENT = {
    "another function": (jnp.sin, jnp.cos),
    "another exponent": (lambda x: x**3, lambda x: x**4),
    "a power, not a coefficient": (lambda x: x**0.3, lambda x: x**0.7),
    "a bound, not a coefficient": (lambda x: jnp.minimum(x, 0.3), lambda x: jnp.minimum(x, 0.7)),
    "a round number": (lambda x: 2.0 * x, lambda x: 3.0 * x),
    "a round number inside a loop": tuple(
        lambda x, c=c: jax.lax.fori_loop(0, 3, lambda i, y: c * y, x) for c in (2.0, 3.0)
    ),
    "a number that a loop is compared with": tuple(
        lambda x, c=c: jax.lax.while_loop(lambda y: y[0] < c, lambda y: y + 0.1, x)
        for c in (0.3, 0.7)
    ),
    "more steps": tuple(
        lambda x, n=n: jax.lax.fori_loop(0, n, lambda i, y: 0.3 * y, x) for n in (3, 4)
    ),
    "another order": (lambda x: x[0] - x[1], lambda x: x[1] - x[0]),
    "another axis": (
        lambda x: jnp.cumsum(jnp.outer(x, x), 0),
        lambda x: jnp.cumsum(jnp.outer(x, x), 1),
    ),
    "another output": (lambda x: (x, x + 1), lambda x: [x, x + 1]),
}


@pytest.mark.parametrize(("f", "g"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_computes_something_else_is_another_program(f, g):
    assert equal(f, f, X)
    assert not equal(f, g, X)


def ruled(c):
    """x with derivative c, by a rule that holds c."""

    @jax.custom_jvp
    def f(x):
        return 1.0 * x

    f.defjvp(lambda primals, tangents: (primals[0], c * tangents[0]))
    return f


@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_a_rule_of_differentiation_that_holds_values_is_never_shared(kind):
    def with_rule(c):
        if kind == "jvp":
            return ruled(c)

        @jax.custom_vjp
        def f(x):
            return 1.0 * x

        f.defvjp(lambda x: (x, None), lambda _, ct: (c * ct,))
        return f

    compiled = eqx.filter_jit(lambda f, x: jax.grad(lambda x: f(x).sum())(x))
    for c in (2.0, 5.0):
        f = with_rule(c)
        assert jnp.allclose(compiled(program(lambda x, f=f: f(x), X), X), c)


def test_rules_of_the_library_are_shared():
    def f(c):
        return lambda x: jax.nn.relu(c * x) + jax.nn.softplus(x) + jax.nn.silu(x)

    assert equal(f(0.3), f(0.7), X)


def test_a_global_that_changes_is_seen(monkeypatch):
    def make():
        return lambda x: SCALE * x**2

    first = program(make(), X)
    monkeypatch.setitem(globals(), "SCALE", 0.7)
    assert jnp.allclose(program(make(), X)(X), 0.7 * X**2)
    assert jnp.allclose(first(X), 0.3 * X**2)


SCALE = 0.3


def test_side_effects_and_failures_leave_the_function_alone():
    def prints(x):
        jax.debug.print("{}", x)
        return x

    def fails(x):
        raise RuntimeError("on purpose")

    assert program(fails, X) is fails
    alone = program(prints, X)
    assert not isinstance(alone, Program)
    assert jnp.array_equal(alone(X), X)
    assert alone == program(prints, X)
    assert alone != program(lambda x: prints(x), X)


# A number that a function of the same name, or the same function, reads: it may change.


class Holder:
    def __init__(self, c):
        self.c = c

    def __call__(self, x):
        return self.c * x

    def rule(self, primals, tangents):
        return primals[0], self.c * tangents[0]


def cell(c):
    def f(x):
        return jnp.minimum(x, 9.0) * c

    def change(value):
        nonlocal c
        c = value

    return f, change


def held_array(c):
    a = np.full(5, c)
    return (lambda x: jnp.sinh(x) * a), lambda value: a.fill(value)


def held_scalar(c):
    a = np.array(c)
    return (lambda x: jnp.minimum(x, a)), lambda value: a.fill(value)


def in_a_loop(c):
    a = np.full(5, c)
    inner = jax.jit(lambda x: x * a)
    return (lambda x: jax.lax.fori_loop(0, 2, lambda i, y: inner(y), x)), a.fill


def default(c):
    held = [c]

    def f(x, held=held):
        return held[0] * x

    return f, lambda value: held.__setitem__(0, value)


def attribute(c):
    f = Holder(c)
    return f, lambda value: setattr(f, "c", value)


def rule_of_an_object(c):
    held = Holder(c)
    f = jax.custom_jvp(lambda x: 1.0 * x)
    f.defjvp(held.rule)
    return (lambda x: f(x)), lambda value: setattr(held, "c", value)


def rule_with_a_default(c):
    a = np.array(c)

    def rule(primals, tangents, a=a):
        return primals[0], a * tangents[0]

    f = jax.custom_jvp(lambda x: 1.0 * x)
    f.defjvp(rule)
    return (lambda x: f(x)), lambda value: a.fill(value)


def rule_that_reads_a_global(c):
    def change(value):
        globals()["RULE"] = value

    change(c)
    f = jax.custom_vjp(lambda x: 1.0 * x)
    f.defvjp(_forward, _backward)
    return (lambda x: f(x)), change


RULE = 0.0


def _forward(x):
    return 1.0 * x, None


def _backward(_, ct):
    return (RULE * ct,)


def rule_of_equinox(c):
    held = Holder(c)

    @eqx.filter_custom_jvp
    def f(x):
        return 1.0 * x

    @f.def_jvp
    def rule(primals, tangents):
        return held.rule(primals, tangents)

    return (lambda x: f(x)), lambda value: setattr(held, "c", value)


def rule_of_equinox_for_reverse(c):
    held = Holder(c)

    @eqx.filter_custom_vjp
    def f(x):
        return 1.0 * x

    @f.def_fwd
    def forward(perturbed, x):
        return 1.0 * x, None

    @f.def_bwd
    def backward(residuals, ct, perturbed, x):
        return held(ct)

    return (lambda x: f(x)), lambda value: setattr(held, "c", value)


def argument_of_a_rule(c):
    held = Holder(c)

    @eqx.filter_custom_jvp
    def apply(f, x):
        return 1.0 * x

    @apply.def_jvp
    def rule(primals, tangents):
        f, x = primals
        return 1.0 * x, f(tangents[1])

    return (lambda x: apply(lambda t: held(t), x)), lambda value: setattr(held, "c", value)


def printing(c):
    held = Holder(c)

    def f(x):
        jax.debug.callback(lambda a: None, x)
        return held(x)

    return f, lambda value: setattr(held, "c", value)


CHANGING = [
    cell, held_array, held_scalar, in_a_loop, default, attribute, rule_of_an_object,
    rule_with_a_default, rule_that_reads_a_global, printing,
]  # fmt: skip
# Their rules ask which inputs are perturbed: such functions are compiled for themselves.
OF_EQUINOX = [rule_of_equinox, rule_of_equinox_for_reverse, argument_of_a_rule]


@pytest.mark.parametrize("make", OF_EQUINOX, ids=lambda f: f.__name__)
def test_rules_of_equinox_that_hold_values_are_never_shared(make):
    compiled = eqx.filter_jit(lambda f, x: jax.grad(lambda x: f(x).sum())(x))
    for c in (0.3, 0.7, 0.3):
        f, _ = make(c)
        assert jnp.allclose(compiled(program(f, X), X), c, rtol=1e-14)


@pytest.mark.parametrize("make", CHANGING, ids=lambda f: f.__name__)
def test_what_a_function_reads_may_change_between_calls(make):
    compiled = eqx.filter_jit(lambda f, x: jax.value_and_grad(lambda x: f(x).sum())(x))
    f, change = make(0.3)
    for c in (0.3, 0.7, 0.3):
        change(c)
        fresh, _ = make(c)
        expected = jax.value_and_grad(lambda x, fresh=fresh: fresh(x).sum())(X)
        assert eqx.tree_equal(compiled(program(f, X), X), expected, rtol=1e-14)


def test_memory_that_is_changed_does_not_reach_an_equal_program():
    f, change = held_scalar(0.3)
    first = program(f, X)
    change(0.7)
    second = program(held_scalar(0.3)[0], X)
    rows = jnp.stack([X, X])  # another shape, for which it is compiled from its jaxpr
    found = eqx.filter_jit(lambda f, x: jax.vmap(f)(x))(second, rows)
    assert jnp.array_equal(found, jnp.minimum(rows, 0.3))
    assert first.trace == second.trace


def test_a_program_has_a_copy_of_the_arrays_that_it_holds():
    held = np.ones((1000, *X.shape))
    f = program(lambda x: jnp.sum(held * x[None], axis=0), X)
    held[:] = 2.0
    assert jnp.allclose(f(X), 1000 * X)


def test_small_arrays_of_inner_programs_are_compared_by_value(compilations):
    """As the tables of a molecule's grid work, in the branches of the loop of an SCF."""

    def f(c):
        inner = jax.jit(lambda x: x * np.full(5, c))
        branches = (lambda x: inner(inner(x)), lambda x: x)
        return lambda x: jax.lax.scan(lambda y, i: (jax.lax.switch(i, branches, y), None), x, I)[0]

    I = np.zeros(2, int)
    call = eqx.filter_jit(lambda f, x: f(x))
    first, again, other = (program(f(c), X) for c in (2.0, 2.0, 3.0))
    assert jnp.allclose(call(first, X), 16 * X)
    with compilations() as count:
        call(again, X)
        assert not count()
    assert jnp.allclose(call(other, X), 81 * X)


def test_rules_that_compute_the_same_are_shared_whatever_they_hold():
    def f(c, shift):
        g = ruled(c)
        return lambda x: g(x) * shift

    assert equal(f(2.0, 0.3), f(2.0, 0.7), X)
    assert not equal(f(2.0, 0.3), f(5.0, 0.3), X)


def test_a_rule_that_uses_itself_is_described():
    def make(c):
        @jax.custom_jvp
        def f(x):
            return jnp.exp(c * x)

        f.defjvp(lambda primals, tangents: (f(*primals), c * f(*primals) * tangents[0]))
        return lambda x: f(x)

    assert equal(make(0.3), make(0.3), X)
    assert not equal(make(0.3), make(0.7), X)


@pytest.mark.parametrize("f", [jnp.copysign, lambda x, z: jax.lax.fori_loop(
    0, 2, lambda i, y: jnp.copysign(y, z), x)], ids=["literal", "loop"])  # fmt: skip
def test_minus_zero_is_another_number(f):
    for z in (0.0, -0.0, 0.0):
        assert jnp.array_equal(compiled_call(lambda x, z=z: f(x, z), X), jnp.copysign(X, z))


def test_a_number_without_a_type_takes_that_of_the_others():
    x = X.astype(jnp.float32)
    for c in (2.5, jnp.array(2.5), np.float64(2.5), np.array(2.5)):
        assert compiled_call(jnp.multiply, c, x).dtype == (c * x).dtype
    weak = jnp.full(3, 2.5)
    assert jsci.gram(lambda p, x: jnp.sin(p * x), jnp.float32(1.5), weak).dtype == jnp.float32


def test_contexts_of_jax_are_part_of_a_program():
    def f(x):
        return x[:, None] @ x[None]

    with jax.default_matmul_precision("BF16_BF16_F32"):
        coarse = program(f, X)
    assert coarse.trace != program(f, X).trace
    x = np.asarray(X, np.float32)
    for on in (True, False, True):
        with jax.enable_x64(on):
            assert compiled_call(lambda x: x * jnp.arange(5) * 0.3, x).dtype == jnp.float32
            assert compiled_call(lambda x: jnp.arange(5) * 0.3, x).dtype == (
                jnp.float64 if on else jnp.float32
            )
    with jax.disable_jit():
        assert compiled_call(lambda x: x if float(x[0]) else 0.3 * x, X) is X


def test_programs_are_forgotten():
    p = program(lambda x: jnp.sinh(0.123 * x) ** 3, X)
    key = weakref.ref(p.trace.key)
    del p
    gc.collect()
    assert key() is None


def test_other_shapes_are_refused():
    p = program(scaled(0.3), X)
    for wrong in (X[:2], X.astype(jnp.float32), (X, X)):
        with pytest.raises(TypeError, match="was given"):
            p(wrong)


def test_traced_arrays_are_not_kept():
    @jax.jit
    def outer(a, x):
        def f(x):
            return a * x

        return program(f, x)(x)

    for a in (1.5, 2.5):
        assert jnp.allclose(outer(a, X), a * X)


# What users write again and again: one compilation each.


def network(seed):
    return jsci.pure(eqx.nn.MLP(2, "scalar", 8, 2, jnp.tanh, key=jax.random.key(seed)))


def poisson(seed, coefficient):
    f, params = network(seed)
    u = jsci.pde.dirichlet(f, jsci.pde.Box((0.0, 0.0), (1.0, 1.0)))

    def op(u, x):
        return jsci.laplacian(u)(x) + coefficient * u(x) + 1.0

    return jsci.objective({"pde": jsci.residual(op, u)}), params


def points(seed):
    return {"pde": jax.random.uniform(jax.random.key(seed), (160, 2))}


OPTIMISERS = {
    "adam": lambda: optax.adam(1e-3),
    "plain optax": lambda: optax.scale(-1e-3),
    "schedule": lambda: optax.chain(
        optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(1e-3, 100))
    ),
    "levenberg_marquardt": jsci.levenberg_marquardt,
    "gauss_newton": jsci.gauss_newton,
    "natural_gradient": jsci.natural_gradient,
}


@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=OPTIMISERS)
def test_fit_compiles_nothing_for_an_equal_training(optimiser, compilations):
    def run(seed, coefficient, where):
        loss, params = poisson(seed, coefficient)
        fitted = jsci.fit(loss, params, points(where), optimiser(), steps=3, progress=False)
        return jax.block_until_ready(fitted)

    run(0, 0.3, 0)
    with compilations() as count:
        fitted = [run(1, 0.3, 0), run(1, 0.7, 0), run(1, 0.7, 1)]
    assert count() == 0
    # And each is the training that it says: the same as by the function itself.
    loss, params = poisson(1, 0.7)
    value = loss.value(params, points(1))
    assert jnp.allclose(fitted[2].history["loss"][0], value, rtol=1e-12)
    losses = [float(r.history["loss"][-1]) for r in fitted]
    assert len(set(losses)) == 3


def test_a_sampler_is_a_program_too(compilations):
    def run(seed, scale):
        loss, params = poisson(seed, 0.3)

        def sample(key):
            return {"pde": scale * jax.random.uniform(key, (160, 2))}

        key = jax.random.key(seed)
        return jsci.fit(loss, params, sample, optax.adam(1e-3), steps=3, key=key, progress=False)

    run(0, 0.9)
    with compilations() as count:
        run(1, 0.7)
    assert count() == 0


def test_an_optimiser_that_asks_for_the_loss_works(compilations):
    loss, params = poisson(0, 0.3)
    fitted = jsci.fit(loss, params, points(0), optax.lbfgs(), steps=5, progress=False)
    assert fitted.history["loss"][-1] < fitted.history["loss"][0]


def test_gram_and_fixed_point(compilations):
    def run(seed):
        f, params = network(seed)
        K = jsci.gram(f, params, jnp.stack([X[:2], X[1:3]]))
        operator = jsci.gram_operator(f, params, jnp.stack([X[:2], X[1:3]]))
        c = 0.3 + 0.1 * seed
        y = jsci.fixed_point(lambda a, y: jnp.cos(c * a * y), jnp.array(1.1), jnp.array(0.5)).value
        assert jnp.allclose(y, jnp.cos(c * 1.1 * y), atol=1e-9)
        J = jax.vmap(lambda x: jax.flatten_util.ravel_pytree(jax.grad(f)(params, x))[0])(
            jnp.stack([X[:2], X[1:3]])
        )
        assert jnp.allclose(K, J @ J.T, rtol=1e-10)
        assert jnp.allclose(operator.mv(jnp.ones(2)), (J @ J.T).sum(1), rtol=1e-10)
        return jsci.gram, operator

    run(0)
    with compilations() as count:
        f, params = network(7)
        jsci.gram(f, params, jnp.stack([X[:2], X[1:3]]))
        jsci.fixed_point(lambda a, y: jnp.cos(0.77 * a * y), jnp.array(1.1), jnp.array(0.5))
    assert count() == 0


def test_convolutions_train_in_a_loop_on_the_host_and_resume_bit_for_bit(tmp_path):
    def convolve(params, s):
        x, y = s
        return jnp.convolve(x, params["kernel"], "same") - y

    loss = jsci.objective({"data": convolve})
    x = jax.random.normal(jax.random.key(0), (4, 16))
    data, start = {"data": (x, jnp.roll(x, 1, 1))}, {"kernel": jnp.array([0.1, 0.2, 0.3])}
    args = dict(progress=False, report_every=2)
    whole = jsci.fit(loss, start, data, optax.adam(0.1), steps=8, **args)
    assert whole.history["loss"].shape == (8,)
    assert whole.history["loss"][-1] < whole.history["loss"][0]
    path = tmp_path / "run"
    jsci.fit(loss, start, data, optax.adam(0.1), steps=4, checkpoint=path, **args)
    again = jsci.fit(loss, start, data, optax.adam(0.1), steps=8, checkpoint=path, **args)
    np.testing.assert_array_equal(again.params["kernel"], whole.params["kernel"])
    np.testing.assert_array_equal(again.history["loss"], whole.history["loss"])
