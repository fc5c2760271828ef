"""Params follow their functional; the order before, with a density between them, still works."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import (
    fixed_density_energy,
    harris_energy,
    molecule,
    neural_exchange,
    scf,
    stability,
)

pytest.importorskip("pyscf")

FUNCTIONAL = neural_exchange(lambda w, d: 1 + w[0], level="lda")


@pytest.fixture(scope="module")
def solved():
    m, params = molecule([("He", (0, 0, 0))], "6-31g", grid=0), jnp.array([0.1])
    return m, params, scf(m, FUNCTIONAL, params)


VERBS = {
    fixed_density_energy: ("density_matrix", lambda energy: energy),
    harris_energy: ("density_matrix", lambda energy: energy),
    stability: ("result", lambda check: check.internal),
}


@pytest.mark.parametrize("verb", VERBS)
def test_the_old_order_gives_the_same(solved, verb):
    m, params, result = solved
    name, value = VERBS[verb]
    new = value(verb(m, FUNCTIONAL, params, **{name: result}))
    advice = rf"Use {verb.__name__}\(molecule, functional, params, {name}=...\) instead"
    for arguments, keywords in (((result, params), {}), ((result,), {"params": params})):
        with pytest.warns(DeprecationWarning, match=advice):
            old = verb(m, FUNCTIONAL, *arguments, **keywords)
        np.testing.assert_array_equal(value(old), new)


def test_what_is_missing_is_named(solved):
    m, _, _ = solved
    with pytest.raises(TypeError, match="missing .* argument: 'result'"):
        stability(m, FUNCTIONAL)
