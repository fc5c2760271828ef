"""How slow this machine is at what the suite mostly does: compiling and computing."""

import time

import jax
import jax.numpy as jnp

# Seconds that `_work` takes on the machine of benchmarks/results, with nothing else running.
_THERE = 0.12


def slowness() -> float:
    """How many times longer work takes here than where the kept results were taken.

    The best of three, since whatever else runs only lengthens it; never below 1, as a faster
    machine may repeat as often.
    """
    return max(1.0, min(_work() for _ in range(3)) / _THERE)


def _work() -> float:
    """Seconds to compile a program of some two hundred operations and to run it."""

    def program(a):
        for _ in range(25):
            a = jnp.tanh(a @ a.T / a.shape[0]) + jnp.sin(a) * jnp.exp(-(a**2))
        return a.sum()

    a = jnp.ones((256, 256), jnp.float32)
    start = time.perf_counter()
    compiled = jax.jit(program).lower(a).compile()
    for _ in range(3):
        compiled(a).block_until_ready()
    return time.perf_counter() - start
