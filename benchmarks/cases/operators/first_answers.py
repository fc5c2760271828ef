"""The first training step of a Fourier neural operator in a new process."""

import jax
import jax.numpy as jnp

from benchmarks.cases._first_answer import cold_start
from benchmarks.runner.case import Case

_SETTING = """
def setting(seed, points):
    model = jsci.operators.FNO(
        1, 1, width=16, modes=(6, 6), depth=3, padding=0.25, key=jax.random.key(seed)
    )
    a = jax.random.normal(jax.random.key(0), (20, points, points, 1))
    return *jsci.pure(model), (a, jnp.roll(a, 1, axis=1))

def squares(f):
    def residual(params, sample):
        return f(params, sample[0]) - sample[1]
    return residual
"""

_STEP = (
    _SETTING
    + """
import optax

def train(seed, points):
    f, params, data = setting(seed, points)
    loss = jsci.objective({"data": squares(f)})
    fitted = jsci.fit(loss, params, {"data": data}, optax.adam(1e-3), steps=1, progress=False)
    return fitted.history["loss"][0]

timed("training step", train, 0, 24)
timed("again", train, 0, 24)
timed("another seed", train, 1, 24)
timed("another grid", train, 0, 32)
"""
)


def make(size):
    def error(loss):
        names = {}
        exec("import jax, jax.numpy as jnp, jaxsci as jsci" + _SETTING, names)
        f, params, (a, u) = names["setting"](0, 24)
        exact = float(jnp.sum((jax.vmap(f, (None, 0))(params, a) - u) ** 2) / len(a))
        return abs(loss - exact) / exact

    return cold_start(_STEP, error, "FNO, 3 layers of width 16, 20 samples of 24 x 24 points")


CASES = [
    Case(
        "operators.first_training_step",
        "operators",
        "First training step of an FNO in a new process",
        make,
        "full",
        reference="the residuals, step by step",
        tolerance=1e-10,
        error_name="relative",
    ),
]
