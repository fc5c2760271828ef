"""Hierarchical Gaussian filters against the numbers of pyhgf, and beside it."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.remote import PYHGF, remote_run
from benchmarks.runner.case import Case, Run

# The 320 binary observations that pyhgf comes with, and its log density at ω = -4 and -6.
_BITS = 0xF7FBBFFF7F0480050043DC96FCF7A2DF5D4485020CFBEF7710C4280AFA59FA1673B36D0904100880
_KNOWN = -207.28131967


def _observations():
    return np.array([float(bit) for bit in f"{_BITS:0320b}"])


def _hgf(size):
    """The log density and its gradient, for as many parameter values as a sampler may need."""
    node = jsci.bayes.Node
    net = jsci.bayes.hgf(
        (
            node("binary", value_parents=(1,)),
            node("continuous", volatility_parents=(2,)),
            node("continuous"),
        )
    )
    u = jnp.asarray(_observations())
    start = net.params()

    def density(volatilities):
        params = start | {"tonic_volatility": jnp.concatenate([jnp.zeros(1), volatilities])}
        return jsci.bayes.filter(net.step, params, net.init(params), u).log_density

    step, at = jax.value_and_grad(density), jnp.array([-4.0, -6.0])

    def batched(n):
        shift = jax.random.normal(jax.random.key(0), (n, 2))
        return jax.vmap(step), (at[None] + 0.3 * shift,)

    return Run(
        step,
        (at,),
        error=lambda out: abs(float(out[0]) - _KNOWN),
        batched=batched,
        note="three levels, 320 observations; value and gradient in two parameters",
    )


def _densities(size):
    """The same for many parameter values at once, as sampling and grids of subjects need them."""
    one = _hgf(size)
    n = {"smoke": 10, "quick": 1000, "full": 1000}[size]
    assert one.batched
    step, args = one.batched(n)
    first = jax.tree.map(lambda a: a.at[0].set(one.args[0]), args)
    return Run(
        step,
        first,
        error=lambda out: one.error((out[0][0], out[1][0])),
        note=f"{n} parameter values, 320 observations; values and gradients",
    )


def _pyhgf(case):
    def make(size):
        run = _densities(size) if case == "scan" else _hgf(size)
        arrays = {"values": np.atleast_2d(run.args[0]), "observations": _observations()}
        error = lambda rows: abs(float(rows[0, 0]) - _KNOWN)  # noqa: E731
        return remote_run(
            PYHGF.variable, "benchmarks.remote.peers.bayes.pyhgf", case, arrays, error
        )

    return make


CASES = [
    Case(
        "bayes.hgf", "bayes", "Hierarchical Gaussian filter: log density and gradient", _hgf,
        "smoke", reference="pyhgf 0.2.12", tolerance=1e-7, error_name="log density",
        batches=(1, 10, 100, 1000), item="parameter values",
        peers=(PYHGF.peer("pyhgf, its classes", _pyhgf("interface")),),
    ),
    Case(
        "bayes.hgf_many", "bayes", "The same for 1,000 parameter values", _densities, "smoke",
        reference="pyhgf 0.2.12", tolerance=1e-7, error_name="log density",
        peers=(PYHGF.peer("pyhgf, its scan vectorised", _pyhgf("scan")),),
    ),
]  # fmt: skip
