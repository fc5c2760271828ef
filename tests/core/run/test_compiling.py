"""What is compiled for long is announced, and nothing else."""

import gc
import time

import jax
import jax.numpy as jnp
import pytest

import jaxsci as jsci
from jaxsci.core import announced_jit, program
from jaxsci.core._run import compiling


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Announcements come after 0.1 seconds."""
    monkeypatch.setattr(compiling, "_SECONDS", 0.1)


def slow(x):
    """Takes long to trace, as a large program does."""
    time.sleep(0.4)
    return 2 * x


def test_a_slow_compilation_is_announced_and_a_second_call_is_not(capfd):
    f = announced_jit("compiling the double")(slow)
    assert f(jnp.ones(2)).tolist() == [2, 2]
    found = capfd.readouterr()
    assert "compiling the double" in found.err and not found.out
    f(jnp.zeros(2))
    assert not capfd.readouterr().err
    f(jnp.ones(3))  # another shape
    assert "compiling the double" in capfd.readouterr().err


def test_a_fast_compilation_and_a_slow_run_are_not_announced(capfd):
    def sleep(x):
        time.sleep(0.5)
        return x

    def run(x):
        return jax.pure_callback(sleep, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    f = announced_jit("compiling a callback")(run)
    jax.block_until_ready(f(jnp.ones(2)))
    capfd.readouterr()
    jax.block_until_ready(f(jnp.zeros(2)))
    assert not capfd.readouterr().err


def test_a_slow_first_run_is_not_called_a_compilation(monkeypatch):
    said = []

    def sleep(x):
        said.append(lines[0].what)
        return x

    class Line(compiling._Line):
        def __init__(self, what):
            super().__init__(what)
            lines.append(self)

    lines: list[Line] = []
    monkeypatch.setattr(compiling, "_Line", Line)

    def run(x):
        said.append(lines[0].what)
        return jax.pure_callback(sleep, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    jax.block_until_ready(announced_jit("compiling a callback")(run)(jnp.ones(2)))
    assert said == ["compiling a callback", "computing a callback"]


def test_the_outer_one_speaks_for_those_inside(capfd):
    inner = announced_jit("compiling the inner")(slow)
    outer = announced_jit("compiling the outer")(lambda x: slow(inner(x)))
    assert outer(jnp.array(1.0)) == 4
    error = capfd.readouterr().err
    assert "compiling the outer" in error and "inner" not in error
    # The next call is one of its own again.
    assert inner(jnp.ones(3)).shape == (3,)
    assert "compiling the inner" in capfd.readouterr().err


def test_inside_a_transformation_of_the_user_nothing_is_said(capfd):
    f = announced_jit("compiling the double")(slow)
    assert jax.jit(f)(1.0) == 2 and jax.grad(f)(1.0) == 2
    assert jax.vmap(f)(jnp.ones(2)).shape == (2,)
    assert not capfd.readouterr().err


def test_an_error_ends_the_announcement():
    def wrong(x):
        raise ValueError("no")

    f = announced_jit("compiling nothing")(wrong)
    with pytest.raises(ValueError, match="no"):
        f(1.0)
    assert not compiling._CALL.inside and compiling._CALL.until_done is None


def test_it_lowers_and_is_named_as_what_it_compiles():
    def double(x):
        """Twice."""
        return 2 * x

    f = announced_jit("compiling the double")(double)
    assert f.__name__ == "double" and f.__doc__ == "Twice."
    assert jsci.peak_memory(f, jnp.ones(2)) > 0


def test_gram_says_that_it_compiles(capfd):
    def f(params, x):
        if isinstance(x, jax.core.Tracer):
            time.sleep(0.4)
        return jnp.tanh(params * x)

    jsci.gram(f, jnp.ones(3), jnp.ones((4, 3)))
    assert "compiling gram()" in capfd.readouterr().err


def test_no_garbage_is_collected_while_a_function_is_traced():
    collected = []

    def double(x):
        collected.append(gc.isenabled())
        return 2 * x

    x = jnp.ones(2)
    announced_jit("compiling the double")(double)(x)
    jax.grad(lambda x: jnp.sum(announced_jit("compiling the double")(double)(x)))(x)
    program(double, x)
    assert len(collected) == 3 and not any(collected) and gc.isenabled()
    with pytest.raises(TypeError):
        announced_jit("compiling nonsense")(lambda x: x + "2")(x)
    assert gc.isenabled()
