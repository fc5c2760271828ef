"""The first tangent kernel of a new process."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases._first_answer import cold_start
from benchmarks.runner.case import Case

_NETWORK = """
def network(seed):
    return jsci.pure(eqx.nn.MLP(4, 3, 64, 2, jnp.tanh, key=jax.random.key(seed)))
"""

_GRAM = (
    _NETWORK
    + """
def trace(seed, count):
    f, params = network(seed)
    x = jnp.cos(jnp.arange(4.0 * count)).reshape(-1, 4)
    return jnp.trace(jsci.gram(f, params, x, trace_axes=-1))

timed("gram", trace, 0, 40)
timed("again", trace, 0, 40)
timed("another seed", trace, 1, 40)
timed("another number of samples", trace, 0, 50)
"""
)


def make_gram(size):
    """Against the sum of all squared derivatives, by NumPy."""

    def error(trace):
        network = {}
        exec("import jax, jax.numpy as jnp, equinox as eqx, jaxsci as jsci" + _NETWORK, network)
        f, params = network["network"](0)
        x = jnp.cos(jnp.arange(160.0)).reshape(-1, 4)
        jacobians = jax.vmap(jax.jacrev(f), (None, 0))(params, x)
        exact = sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(jacobians))
        exact /= 3  # a mean over the outputs
        return abs(trace - exact) / exact

    return cold_start(_GRAM, error, "MLP 4-64-64-3, 40 samples")


CASES = [
    Case(
        "ntk.first_gram",
        "ntk",
        "First tangent kernel of a new process",
        make_gram,
        "full",
        reference="squares of all derivatives by jax.jacrev",
        tolerance=1e-10,
        error_name="relative",
    ),
]
