"""The worked examples of CONTRIBUTING work, with the names that they lean on."""

import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci.core
from jaxsci.dft import Features
from jaxsci.pde._equations import equations

PAGE = (pathlib.Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r'^```python title="(\S+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
BLOCKS = dict(BLOCK.findall(PAGE))


def test_the_functional_equals_libxc():
    libxc = pytest.importorskip("pyscf.dft.libxc")
    names = {"__package__": "jaxsci.dft._xc", "__name__": "jaxsci.dft._xc.rpbe"}
    exec(BLOCKS["jaxsci/dft/_xc/rpbe.py"], names)
    rho, slope = np.array([0.05, 0.4, 3.0]), np.array([0.01, 0.9, 2.0])
    half, quarter = jnp.asarray(rho / 2), jnp.asarray(slope**2 / 4)
    got = names["rpbe_x"](Features(half, half, quarter, quarter, quarter, half, half))
    density = np.array([rho, slope, 0 * rho, 0 * rho])
    want = libxc.eval_xc("GGA_X_RPBE", density, deriv=0)[0] * rho
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_the_equation_vanishes_on_its_soliton():
    names = dict(vars(equations))
    exec(BLOCKS["jaxsci/pde/_equations/equations.py"], names)
    names["jnp"] = jnp  # the module of the tests has it
    exec(BLOCKS["tests/pde/equations/test_equations.py"].partition("\n\n\n")[0], names)
    op = names["korteweg_de_vries"]()
    x = jnp.array([0.3, 0.1])
    np.testing.assert_allclose(op(names["_soliton"], x), 0.0, atol=1e-12)
    assert abs(op(jnp.sum, x)) > 1.0  # u = x + t: u_t + 6 u u_x = 1 + 6 (x + t)
    with pytest.raises(ValueError, match="dispersion must be positive"):
        names["korteweg_de_vries"](-1.0)
    with pytest.raises(ValueError, match="relu"):
        op(lambda x: jax.nn.relu(x[0]), x)


def test_the_helper_of_deprecations_is_where_it_is_said_to_be():
    assert "`warn_deprecated` from `jaxsci.core`" in PAGE
    assert callable(jaxsci.core.warn_deprecated)
