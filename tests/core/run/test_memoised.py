"""Factories that return one function for equal arguments."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import jaxsci as jsci
from jaxsci.core import memoised


@memoised
def power(f, exponent, *, shift=0.0):
    """f(x)ⁿ + shift."""
    return lambda x: f(x) ** exponent + shift


def test_equal_arguments_give_one_function_and_others_another():
    one = power(jnp.sin, 2)
    assert power(jnp.sin, 2) is one
    for other in (power(jnp.cos, 2), power(jnp.sin, 3), power(jnp.sin, 2, shift=0.5)):
        assert other is not one
    # 2 and 2.0 are equal, but x ** 2.0 has another derivative at 0.
    assert power(jnp.sin, 2.0) is not one
    assert power(jnp.sin, True) is not power(jnp.sin, 1)
    assert jnp.allclose(power(jnp.sin, 2, shift=0.5)(0.3), jnp.sin(0.3) ** 2 + 0.5)


def test_arrays_are_not_remembered():
    shift = jnp.arange(2.0)
    assert power(jnp.sin, 2, shift=shift) is not power(jnp.sin, 2, shift=shift)
    assert jnp.allclose(power(jnp.sin, 2, shift=shift)(jnp.zeros(2)), shift)


EXPONENT = 2


def test_what_reads_a_global_is_made_anew(monkeypatch):
    """As a cell of a notebook that is run again after the value was changed."""

    def own(x):
        return x**EXPONENT

    assert power(own, 2) is not power(own, 2)
    compiled = jax.jit(lambda f, x: f(x), static_argnums=0)
    assert compiled(power(own, 2), 3.0) == 81
    monkeypatch.setitem(globals(), "EXPONENT", 1)
    assert compiled(power(own, 2), 3.0) == 9


def test_it_keeps_its_name_and_signature():
    assert power.__doc__ == "f(x)ⁿ + shift."
    assert list(inspect.signature(power).parameters) == ["f", "exponent", "shift"]


def network(seed, activation=jnp.tanh):
    return jsci.pure(eqx.nn.MLP(2, "scalar", 8, 2, activation, key=jax.random.key(seed)))


def test_networks_of_one_kind_have_equal_functions():
    (f, p), (g, q) = network(0), network(1)
    assert f == g and hash(f) == hash(g)
    assert f != network(0, jax.nn.relu)[0]
    x = jnp.ones(2)
    assert f(p, x) == g(p, x) != g(q, x)
    assert f(p, x) == eqx.nn.MLP(2, "scalar", 8, 2, jnp.tanh, key=jax.random.key(0))(x)


def test_models_that_hold_arrays_are_equal_only_to_themselves():
    class Shifted(eqx.Module):
        weight: jax.Array
        places: jax.Array

        def __call__(self, x):
            return self.weight * x[self.places]

    made = [jsci.pure(Shifted(jnp.ones(2), jnp.array(k))) for k in ([0, 1], [1, 0])]
    assert made[0][0] != made[1][0] and made[0][0] == made[0][0]
    x = jnp.array([3.0, 4.0])
    assert jnp.array_equal(made[1][0](made[1][1], x), x[::-1])


@pytest.mark.parametrize("kind", ["linen", "nnx"])
def test_flax_models_of_one_kind_have_equal_functions(kind):
    module = pytest.importorskip(f"flax.{kind}")

    def make(seed, size=3):
        if kind == "linen":
            return jsci.pure(module.Dense(size), jax.random.key(seed), jnp.ones(2))
        return jsci.pure(module.Linear(2, size, rngs=module.Rngs(seed)))

    (f, p), (g, q) = make(0), make(1)
    assert f == g and f != make(0, 4)[0]
    x = jnp.ones(2)
    assert jnp.array_equal(f(p, x), g(p, x)) and not jnp.array_equal(f(p, x), g(q, x))


@pytest.mark.parametrize("level", ["gga", "mgga"])
def test_functionals_made_of_networks_of_one_kind_are_equal(level):
    def make(seed):
        sizes = {"gga": 3, "mgga": 4}
        net = eqx.nn.MLP(sizes[level], "scalar", 8, 2, jnp.tanh, key=jax.random.key(seed))
        f, _ = jsci.pure(net)
        return jsci.dft.neural_functional(f, base=jsci.dft.xc("pbe"), level=level)

    assert make(0) == make(1)
    for factory in (jsci.dft.energy, jsci.dft.energy_error, jsci.dft.self_consistency_error):
        assert factory(make(0)) is factory(make(1))
    assert jsci.dft.energy_error(make(0)) is not jsci.dft.energy_error(make(0), density="fixed")
