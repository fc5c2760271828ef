"""SCF energies and batches against PySCF, and the cost of gradients."""

from typing import Any

import jax
import jax.numpy as jnp

import jaxsci as jsci
from benchmarks.cases.dft._problems import distorted_waters, remote_water, water_in
from benchmarks.remote import PYSCFAD
from benchmarks.runner.case import Baseline, Case, Run, Size


def _setting(size: Size) -> tuple[str, int]:
    return ("sto-3g", 1) if size == "smoke" else ("def2-svp", 3)


def make_water(size: Size) -> Run:
    return water_in(*_setting(size))


def _pyscfad_water(size: Size) -> Run:
    return remote_water(PYSCFAD, "benchmarks.remote.peers.pyscfad_field", *_setting(size))


def _neural(key) -> tuple[jsci.dft.Functional, Any]:
    k = jax.random.split(key, 3)
    params = {
        "in": jax.random.normal(k[0], (16, 3)),
        "bias": jax.random.normal(k[1], (16,)),
        "out": 0.1 * jax.random.normal(k[2], (16,)),
    }

    def network(p, x):
        return p["out"] @ jnp.tanh(p["in"] @ x + p["bias"]) / 16

    return jsci.dft.neural_functional(network), params


def _gradient(size: Size, quantity: str, tolerance: float) -> Run:
    basis, grid = ("sto-3g", 0) if size == "smoke" else ("def2-svp", 1)
    water = jsci.dft.molecule(distorted_waters(1)[0], basis, grid=grid)
    functional, params = _neural(jax.random.key(0))

    def value(p):
        result = jsci.dft.scf(water, functional, p, tolerance=tolerance, throw=False)
        if quantity == "energy":
            return result.energy
        return jnp.sum(result.density_matrix**2)

    forward = jax.jit(value)
    step = 1e-3

    def along(s):
        return float(forward({**params, "bias": params["bias"] + s}))

    near = (along(step) - along(-step)) / (2 * step)
    expected = (4 * near - (along(2 * step) - along(-2 * step)) / (4 * step)) / 3

    def error(out):
        if isinstance(out, tuple):
            return abs(float(jnp.sum(out[1]["bias"])) / expected - 1)
        return 0.0  # the baseline has no gradient to compare

    return Run(
        jax.value_and_grad(value),
        (params,),
        error=error,
        baseline=Baseline("value alone", value, (params,), part=True),
        note=f"water, {basis}, grid {grid}, {sum(map(jnp.size, params.values()))} parameters; "
        "the ratio is what the gradient costs: value / (value and gradient)",
    )


def make_energy_gradient(size: Size) -> Run:
    return _gradient(size, "energy", 1e-12)


def make_density_gradient(size: Size) -> Run:
    return _gradient(size, "density", 1e-16)


CASES = [
    Case(
        "dft.water",
        "dft",
        "Self-consistent field of a water molecule",
        make_water,
        "smoke",
        reference="PySCF on the same grid and integrals",
        tolerance=1e-8,
        error_name="Hartree",
        batches=(1, 4, 16, 64),
        peers=(PYSCFAD.peer("PySCFAD", _pyscfad_water),),
        item="molecules",
    ),
    Case(
        "dft.gradient_of_energy",
        "dft",
        "Energy of a neural functional and its gradient in the parameters",
        make_energy_gradient,
        "quick",
        reference="finite differences of fourth order",
        tolerance=1e-6,
        error_name="relative",
    ),
    Case(
        "dft.gradient_of_density",
        "dft",
        "tr(P²) of a neural functional and its implicit gradient in the parameters",
        make_density_gradient,
        "full",
        reference="finite differences of fourth order",
        tolerance=1e-6,
        error_name="relative",
    ),
]
