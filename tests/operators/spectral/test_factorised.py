"""Tucker and CP weights: their entries, their spread, and the layer they make."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import FNO, SpectralConv
from jaxsci.operators._spectral.factorised import CPTensor, TuckerTensor, factorised_normal


def test_entries_are_sums_of_products(key):
    shape = (5, 4, 3, 6)
    cp = factorised_normal(key, shape, factorisation="cp", rank=0.2, scale=1.0)
    assert isinstance(cp, CPTensor)
    np.testing.assert_allclose(cp.dense(), jnp.einsum("ir,jr,kr,lr->ijkl", *cp.factors), atol=1e-14)
    tucker = factorised_normal(key, shape, factorisation="tucker", rank=0.4, scale=1.0)
    assert isinstance(tucker, TuckerTensor)
    expected = jnp.einsum("abcd,ia,jb,kc,ld->ijkl", tucker.core, *tucker.factors)
    np.testing.assert_allclose(tucker.dense(), expected, atol=1e-14)


@pytest.mark.parametrize("factorisation", ["cp", "tucker"])
def test_parameters_and_spread_are_as_asked(key, factorisation):
    shape = (13, 7, 16, 32)
    tensor = factorised_normal(key, shape, factorisation=factorisation, rank=0.1, scale=0.3)
    parameters = sum(p.size for p in jax.tree.leaves(tensor))
    assert 0.08 < parameters / np.prod(shape) < 0.11
    dense = jax.vmap(
        lambda k: factorised_normal(
            k, shape, factorisation=factorisation, rank=0.1, scale=0.3
        ).dense()
    )(jax.random.split(key, 16))
    np.testing.assert_allclose(dense.std(), 0.3, rtol=0.1)


@pytest.mark.parametrize("factorisation", ["cp", "tucker"])
def test_layer_equals_the_one_with_the_dense_weight(key, factorisation):
    import equinox as eqx

    layer = SpectralConv(2, 3, modes=(3, 2), factorisation=factorisation, rank=0.3, key=key)
    dense = layer.weight.dense().reshape(7, 3, 2, 2, 3)
    full = eqx.tree_at(lambda l: l.weight, layer, dense)
    a = jax.random.normal(key, (9, 8, 2))
    np.testing.assert_allclose(layer(a), full(a), atol=1e-13)
    model = FNO(1, 1, width=4, modes=3, depth=2, factorisation=factorisation, rank=0.2, key=key)
    assert model(jnp.ones((9, 1))).shape == (9, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factorisation": "tt"}, "'tucker' and 'cp'"),
        ({"factorisation": "cp", "rank": 0.0}, "rank"),
    ],
)
def test_bad_input(key, options, message):
    with pytest.raises(ValueError, match=message):
        SpectralConv(1, 1, modes=3, key=key, **options)
