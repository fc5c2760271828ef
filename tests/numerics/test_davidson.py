"""The lowest eigenpair, where the search must restart."""

import jax.numpy as jnp
import numpy as np

from jaxsci.numerics import lowest_eigenpair


def test_restarts_leave_the_residual_at_rounding():
    rng = np.random.default_rng(0)
    diagonal = np.linspace(1.0, 20.0, 300)
    noise = rng.normal(size=(300, 300)) / 8
    matrix = jnp.asarray(np.diag(diagonal) + noise + noise.T)

    def lowest(max_steps):
        d, everywhere = jnp.diagonal(matrix), jnp.ones(300, bool)
        options = {"tolerance": 1e-10, "max_steps": max_steps}
        return lowest_eigenpair(lambda x: matrix @ x, d, everywhere, **options)

    assert not bool(lowest(40)[2])  # which is after a restart
    value, vector, converged = lowest(400)
    assert bool(converged)
    np.testing.assert_allclose(value, np.linalg.eigvalsh(np.asarray(matrix))[0], rtol=1e-12)
    assert float(jnp.linalg.norm(matrix @ vector - value * vector)) < 1e-10
